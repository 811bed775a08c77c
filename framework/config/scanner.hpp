#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <troupe/detail/config_value.hpp>

namespace troupe::config {

bool is_blank(char c);
std::string_view trimmed(std::string_view text);

/// A text that begins with a quote: behind its last one. One that is not closed ends with its line; after three quotes,
/// with all.
struct quoted_end {
  std::size_t end;
  bool closed;
};
quoted_end end_of_quoted(std::string_view text, std::size_t at);

/// One letter that cannot stand in a file, or that nobody sees.
struct odd_letter {
  std::size_t at;  ///< in bytes
  std::size_t bytes;
  std::string what;  ///< the complaint
};
/// The first letter that is no UTF-8, or a control character (a tab is none here, nor the end of a line if `lines`).
std::optional<odd_letter> first_forbidden(std::string_view text, bool lines);
/// Whether the text begins with a letter that looks like a blank, or like nothing, and is none.
std::optional<odd_letter> invisible_at(std::string_view text);

/// Walks over a text once and knows where it is. Lines end with \n, \r\n, or a \r alone, which is wrong.
class scanner {
 public:
  explicit scanner(std::string_view text) : text_(text) {}

  bool ended() const { return at_ >= text_.size(); }
  /// The byte so far ahead; 0 behind the end.
  char next(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  bool sees(std::string_view what) const { return text_.substr(at_).starts_with(what); }
  bool sees_one_of(std::string_view letters) const { return !ended() && letters.find(next()) != letters.npos; }
  bool at_line_end() const { return ended() || sees_one_of("\n\r"); }
  /// What is left of the line; of the whole text.
  std::string_view line() const;
  std::string_view rest() const { return text_.substr(at_); }
  std::string_view since(std::size_t offset) const { return text_.substr(offset, at_ - offset); }
  std::string_view whole() const { return text_; }
  std::size_t offset() const { return at_; }
  detail::config_place place() const { return {0, line_, column_}; }

  void step(std::size_t bytes = 1);
  void step_to(std::size_t offset) { step(offset - at_); }
  void step_to_line_end() { step(line().size()); }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
  mutable std::size_t line_end_ = 0;  // a guess that is looked for again once it is behind
  std::uint32_t line_ = 1, column_ = 1;
};

}  // namespace troupe::config
