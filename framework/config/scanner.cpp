#include "config/scanner.hpp"

#include <algorithm>
#include <array>

namespace troupe::config {

namespace {

struct decoded {
  char32_t code;
  std::size_t bytes;  // 0: no UTF-8
};

/// No overlong forms, no surrogates.
decoded decode(std::string_view text) {
  const auto first = static_cast<unsigned char>(text.front());
  if (first < 0x80) return {first, 1};
  const std::size_t bytes = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  static constexpr std::array<char32_t, 5> least = {0, 0, 0x80, 0x800, 0x10000};
  if (first < 0xC2 || first > 0xF4 || text.size() < bytes) return {0, 0};
  char32_t code = first & (0x7Fu >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xC0) != 0x80) return {0, 0};
    code = (code << 6) | (byte & 0x3F);
  }
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  if (code < least[bytes] || code > 0x10FFFF || surrogate) return {0, 0};
  return {code, bytes};
}

std::string code_shown(char32_t code) {
  static constexpr std::string_view digits = "0123456789ABCDEF";
  std::string shown;
  for (int shift = code > 0xFFFF ? 20 : 12; shift >= 0; shift -= 4) shown += digits[(code >> shift) & 15];
  return "U+" + shown;
}

bool is_invisible(char32_t code) {
  const bool spaces = code == 0xA0 || code == 0x1680 || code == 0x202F || code == 0x205F || code == 0x3000;
  const bool marks = code == 0x85 || code == 0xAD || code == 0x2028 || code == 0x2029 || code == 0x2060;
  return spaces || marks || (code >= 0x2000 && code <= 0x200F) || code == 0xFEFF;
}

bool is_control(char32_t code) { return code < 0x20 || code == 0x7F; }

}  // namespace

bool is_blank(char c) { return c == ' ' || c == '\t'; }

std::string_view trimmed(std::string_view text) {
  const auto is_space = [](char c) { return is_blank(c) || c == '\r'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

quoted_end end_of_quoted(std::string_view text, std::size_t at) {
  const char quote = text[at];
  const std::string fence(3, quote);
  const bool many_lines = text.substr(at).starts_with(fence);
  for (std::size_t i = at + (many_lines ? 3 : 1); i < text.size(); ++i) {
    if (!many_lines && text[i] == '\n') return {i > at + 1 && text[i - 1] == '\r' ? i - 1 : i, false};
    if (!many_lines && text[i] == quote) return {i + 1, true};
    if (many_lines && text.substr(i).starts_with(fence)) {
      const std::size_t last = std::min(text.find_first_not_of(quote, i), text.size());
      return {std::min(last, i + 5), true};  // two quotes more may belong to the text
    }
    const bool escape = text[i] == '\\' && quote == '"';
    if (escape && (many_lines || !text.substr(i + 1).starts_with('\n'))) ++i;
  }
  return {text.size(), false};
}

std::optional<odd_letter> first_forbidden(std::string_view text, bool lines) {
  for (std::size_t i = 0; i < text.size();) {
    const auto letter = decode(text.substr(i));
    if (letter.bytes == 0) return odd_letter{i, 1, "this is not text in UTF-8"};
    const bool line_end = text[i] == '\n' || text.substr(i).starts_with("\r\n");
    const bool allowed = text[i] == '\t' || (lines && line_end);
    if (is_control(letter.code) && !allowed) {
      return odd_letter{i, 1, "a control character, " + code_shown(letter.code) + ", stands here; take it out"};
    }
    i += letter.bytes;
  }
  return std::nullopt;
}

std::optional<odd_letter> invisible_at(std::string_view text) {
  if (text.empty()) return std::nullopt;
  const auto letter = decode(text);
  const bool control = is_control(letter.code) && !is_blank(text[0]) && text[0] != '\n' && text[0] != '\r';
  if (letter.bytes == 0 || (!control && !is_invisible(letter.code))) return std::nullopt;
  const std::string kind = control ? "a control character, " : "a letter that nobody sees, ";
  return odd_letter{0, letter.bytes, kind + code_shown(letter.code) + ", stands here; take it out"};
}

std::string_view scanner::line() const {
  if (line_end_ < at_ || line_end_ == 0) line_end_ = std::min(text_.find_first_of("\n\r", at_), text_.size());
  return text_.substr(at_, line_end_ - at_);
}

void scanner::step(std::size_t bytes) {
  for (const std::size_t end = std::min(at_ + bytes, text_.size()); at_ < end; ++at_) {
    if (text_[at_] == '\n') {
      ++line_;
      column_ = 1;
    } else if ((static_cast<unsigned char>(text_[at_]) & 0xC0) != 0x80) {
      ++column_;
    }
  }
}

}  // namespace troupe::config
