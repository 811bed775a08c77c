#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <troupe/detail/config_value.hpp>

namespace troupe::config {

/// Tables and lists in each other, at most.
inline constexpr std::size_t deepest = 80;
/// Bytes of a file, at most.
inline constexpr std::size_t largest_file = std::size_t{1} << 20;

/// Reads a TOML text. What is no TOML is a problem; where a single value is to blame, it becomes a broken one and the
/// rest is read all the same. Nothing: so much is wrong that the rest means nothing.
std::optional<detail::config_value> read_toml(std::string_view text, detail::config_problems& problems);

/// A value as it may stand after `=`; what is no TOML value is text. All of it stands at `at`.
detail::config_value read_toml_value(const std::string& text, detail::config_place at,
                                     detail::config_problems& problems);

/// What the TOML reader found, and where.
struct syntax_error {
  std::uint32_t line = 0;
  std::uint32_t column = 0;  ///< in letters, from 1
  std::string_view what;
};

/// A text that is repaired, error by error, so that one mistake does not hide the others. Places stay those of the
/// original.
class repairs {
 public:
  explicit repairs(std::string_view text) : text_(text) {}

  const std::string& text() const { return text_; }
  /// Children of a supervisor in a table of their own, [supervisor.child], are a mistake that TOML sees only at the
  /// second.
  void repair_headers(detail::config_problems& problems);
  /// Says what is wrong in the words of whoever wrote it. False: it cannot be repaired.
  bool repair(const syntax_error& error, detail::config_problems& problems);
  /// Where this is in the original.
  detail::config_place original(std::uint32_t line, std::uint32_t column) const;
  /// Whether this text was put there by a repair.
  bool is_mark(std::string_view value) const;

 private:
  struct change {
    std::size_t column;      // of the first letter that was put in
    std::size_t put, taken;  // letters
  };
  std::string_view line(std::uint32_t number) const;
  void replace(std::uint32_t line, std::size_t begin, std::size_t end, std::string_view by);
  bool replace_value(std::uint32_t line, std::size_t begin, std::size_t end);
  std::uint32_t line_of_key(std::string_view key, std::uint32_t before) const;
  bool repair_key(const syntax_error& error, detail::config_problems& problems);
  bool repair_key_twice(const syntax_error& error, detail::config_problems& problems);
  bool repair_value(const syntax_error& error, detail::config_problems& problems);
  bool repair_header(const syntax_error& error, detail::config_place at, detail::config_problems& problems);
  bool repair_line_start(const syntax_error& error, detail::config_problems& problems);

  std::string text_;
  std::map<std::uint32_t, std::vector<change>> changes_;  // by line, in the order of the repairs
};

}  // namespace troupe::config
