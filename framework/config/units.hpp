#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace troupe::config {

/// What is wrong with a quantity, in two parts: why, and what was probably meant (empty: unknown).
struct no_quantity {
  std::string why;
  std::string meant;
};

/// "1.5s" is 1.5e9: nanoseconds. Units: ns, us, ms, s, m, h.
std::variant<double, no_quantity> parse_time(std::string_view text);
/// "64KiB" is 65536: bytes. Units: B, kB, MB, GB, TB (of 1000) and KiB, MiB, GiB, TiB (of 1024).
std::variant<std::uint64_t, no_quantity> parse_size(std::string_view text);

std::string show_time(double nanoseconds);
std::string show_size(std::uint64_t bytes);
std::string show_number(double number);

}  // namespace troupe::config
