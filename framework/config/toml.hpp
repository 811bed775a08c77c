#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <troupe/detail/config_value.hpp>

namespace troupe::config {

/// Tables and lists in each other, at most.
inline constexpr std::size_t deepest = 80;
/// Bytes of a file, at most.
inline constexpr std::size_t largest_file = std::size_t{1} << 20;

/// Of a key with points, `a.b.c`: the library nests, and so does whoever walks what it has read.
inline constexpr std::size_t most_points = 64;

/// Reads a TOML text. What is no TOML is a problem, each at its place; what is broken is so in the tree, too, and the
/// rest is read all the same. Nothing: so much is wrong that the rest means nothing.
std::optional<detail::config_value> read_toml(std::string_view text, detail::config_problems& problems);

/// A value as it may stand after `=`; what is no TOML value is text. All of it stands at `at`.
detail::config_value read_toml_value(const std::string& text, detail::config_place at,
                                     detail::config_problems& problems);

/// A single value, no list and no table: nothing if TOML has no such value.
std::optional<detail::config_value> read_scalar(std::string_view text);

}  // namespace troupe::config
