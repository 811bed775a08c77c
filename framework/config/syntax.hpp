#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <troupe/detail/config_value.hpp>

#include "config/scanner.hpp"
#include "config/tables.hpp"

namespace troupe::config {

/// Reads a text that the TOML library refuses, which stops at its first error: says everything that is wrong with it,
/// and makes the same tree of the rest. What is broken has been said. Single values are the library's to judge.
class syntax_reader {
 public:
  syntax_reader(std::string_view text, detail::config_problems& problems) : at_(text), problems_(problems) {}

  /// Nothing: so much is wrong that the rest means nothing. To be called once.
  std::optional<detail::config_value> read();

 private:
  using place = detail::config_place;
  using value = detail::config_value;
  struct key {
    std::vector<name_part> parts;
    place end = {};       ///< behind its last letter
    bool broken = false;  ///< what has its name is read and forgotten
  };

  // Lines (syntax.cpp)
  bool is_something_else();
  void read_line();
  void strange_line();
  bool comment_of_others();
  bool comment_of_others_behind();
  void take_line_end();
  void read_comment();
  void expect_line_end(const std::string& behind);
  bool skip_blanks();

  // Headers and keys (syntax_keys.cpp)
  void read_header();
  std::size_t read_brackets(char bracket, bool& apart);
  bool mend_header_name(key& name);
  void begin_table(const key& name, bool list, place at);
  key read_key(bool header);
  void read_part(key& to);
  void read_bare_part(key& to, place begin);
  void read_quoted_part(key& to, place begin);
  bool read_equals(key& of);
  void mend_key(key& of, std::string_view more);
  std::string_view up_to_equals() const;
  bool looks_like_key(std::string_view line) const;

  // Values (syntax_values.cpp)
  bool read_pair(open_table& to);
  value read_value(std::size_t depth, place missing_at);
  value read_text();
  void skip_open_text();
  value read_bare(place missing_at);
  std::string_view bare_text() const;
  std::size_t end_of_bare(std::size_t limit) const;
  value read_list(std::size_t depth);
  bool blanks_and_lines();
  bool leaves_list() const;
  value read_table(std::size_t depth);
  bool skip_no_key();
  bool read_member(open_table& to);
  bool table_goes_on(place end, bool& said);
  bool closes_below() const;
  void too_deep(place at);
  void say_once(place at, std::string_view text);

  void error(place at, std::string text) { problems_.error(at, std::move(text)); }

  scanner at_;
  detail::config_problems& problems_;
  open_table root_{{0, 1, 1}};
  open_table nowhere_{{0, 1, 1}};  ///< for what stands below a header that cannot be
  open_table* current_ = &root_;
  std::string within_;     ///< the brackets around the value that is read
  bool lost_ = false;      ///< a text took the rest of its line
  bool given_up_ = false;  ///< brackets were not closed, or are too many: those around them end with them
  place said_at_ = {};
  bool too_deep_ = false;
  bool in_next_line_ = false;  ///< a list ended in front of it
  bool said_cr_ = false;
};

}  // namespace troupe::config
