// What is no TOML, said in the words of whoever wrote it, and repaired where one value is to blame.

#include <algorithm>
#include <array>
#include <cctype>

#include "config/toml.hpp"
#include "config/words.hpp"

namespace troupe::config {

using detail::config_place;
using detail::config_problems;

namespace {

/// A letter for private use, which nobody writes.
constexpr std::string_view mark = "\xEE\x80\x80";
constexpr std::size_t longest_line = 4096;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }
bool is_key_letter(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

/// Where the n-th letter begins, counted from 1; the end of the line if it has fewer.
std::size_t byte_of(std::string_view line, std::size_t letter) {
  std::size_t at = 0;
  for (std::size_t count = 1; count < letter && at < line.size(); ++count) {
    ++at;
    while (at < line.size() && (static_cast<unsigned char>(line[at]) & 0xC0) == 0x80) ++at;
  }
  return at;
}

/// The value around a byte of a line: from behind the last `=`, `,` or `[` (of a list over several lines: the line's
/// begin) to the next `,`, `}`, `]`, comment or end.
struct span_of_value {
  std::size_t begin, end;
  bool open = false;  ///< it begins with a quote that nothing closes
};
std::optional<span_of_value> value_around(std::string_view line, std::size_t at) {
  std::optional<std::size_t> begin;
  const bool goes_on = line.find('=') == line.npos;
  if (goes_on) begin = 0;
  char quote = 0;
  bool in_braces = goes_on;
  for (std::size_t i = 0; i <= line.size(); ++i) {
    const char c = i < line.size() ? line[i] : '\n';
    if (quote != 0 && c != '\n') {
      if (c == '\\' && quote == '"') ++i;
      if (c == quote) quote = 0;
      continue;
    }
    const bool ends = c == '\n' || c == '#' || c == '}' || c == ']' || (c == ',' && in_braces);
    if (ends && begin && (i >= at || c == '\n')) return span_of_value{*begin, i, quote != 0};
    if (c == '"' || c == '\'') quote = c;
    if (c == '{' || c == '[') in_braces = true;
    if ((c == '=' || c == ',' || c == '[') && i < at) begin = i + 1;
  }
  return std::nullopt;
}

bool is_word(std::string_view text) {
  return !text.empty() &&
         std::ranges::all_of(text, [](char c) { return is_key_letter(c) || c == '.' || c == '/' || c == ':'; });
}

std::string lower(std::string_view text) {
  std::string made(text);
  for (char& c : made) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return made;
}

bool begins_number(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return !text.empty() && std::isdigit(static_cast<unsigned char>(text.front())) != 0;
}

bool is_in(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, word) != words.end();
}

std::string about_number(std::string_view value) {
  const std::size_t digits = value.find_first_not_of("+-0123456789_");
  if (digits == value.npos) {
    if (value.find("__") != value.npos || value.back() == '_') return "a number with _ has digits on both sides of it";
    const bool zeros = value.find_first_not_of("+-") != value.npos && value[value.find_first_not_of("+-")] == '0';
    if (zeros) return "a number has no zeros in front of it";
    return std::string(value) + " is too large; a number is at most 9223372036854775807";
  }
  if (value[digits] == ',' && digits + 1 < value.size())
    return "a decimal number has a point: " + std::string(value.substr(0, digits)) + "." +
           std::string(value.substr(digits + 1));
  if (value[digits] == '.')
    return std::string(value) + " is no number; a decimal number has digits on both sides of its point";
  if (std::isalpha(static_cast<unsigned char>(value[digits])) != 0 || value[digits] == ' ') {
    return "a value with a unit stands in quotes; did you mean " + quote(value) + "?";
  }
  return "after the number there is something that does not belong there: " + quote(value.substr(digits));
}

/// Of a value that is wrong as it stands there.
std::string about_value(std::string_view value, bool open, std::string_view what) {
  const std::string small = lower(value);
  if (value.empty()) return "a value is missing";
  if (what.find("escape sequence") != what.npos) {
    return "in \"double quotes\" \\ begins an escape, and this is none; a text in 'single quotes' is taken as it is";
  }
  if (open) return std::string("this text is not closed: a ") + (value.front() == '\'' ? "'" : "\"") + " is missing";
  if (is_in(small, {"true", "yes", "on"})) return std::string(value) + " is no value; did you mean true?";
  if (is_in(small, {"false", "no", "off"})) return std::string(value) + " is no value; did you mean false?";
  if (is_in(small, {"null", "nil", "none", "~"})) return std::string(value) + " is no value; leave the key out";
  if (value.starts_with("\xE2\x80")) return "text stands in straight quotes: \" or '";
  if (value.starts_with('`')) return "text stands in quotes, \" or '";
  if (begins_number(value)) return about_number(value);
  if (value.starts_with('.'))
    return "a decimal number has digits on both sides of its point; did you mean 0" + std::string(value) + "?";
  if (is_word(value)) return "text stands in quotes; did you mean " + quote(value) + "?";
  if (value.front() == '"' || value.front() == '\'') {
    const std::size_t end = value.find(value.front(), 1);
    if (end != value.npos && end + 1 < value.size()) {
      return "after the text there is something that does not belong there: " + quote(trimmed(value.substr(end + 1)));
    }
  }
  return quote(value) + " is no value; text stands in quotes, a number without";
}

/// What the reader names: "cannot redefine existing string 'name'".
std::string_view in_single_quotes(std::string_view text) {
  const std::size_t begin = text.find('\'');
  const std::size_t end = text.rfind('\'');
  return begin == end ? std::string_view{} : text.substr(begin + 1, end - begin - 1);
}

/// The header with as many brackets as it should have; empty: there is no name in it.
std::string mended_header(std::string_view start) {
  std::string name;
  for (const char c : start) {
    if (is_key_letter(c) || c == '.') {
      name += c;
    } else if (c != '[' && c != ']' && !is_blank(c)) {
      return "";
    }
  }
  if (name.empty()) return "";
  return name.ends_with(".child") ? "[[" + name + "]]" : "[" + name + "]";
}

bool says(const syntax_error& error, std::string_view part) { return error.what.find(part) != error.what.npos; }

/// What no repair helps against: a text that cannot be read on. Nothing: it is something else.
std::string about_the_end(const syntax_error& error, std::string_view line) {
  const bool list = says(error, "parsing array");
  const bool table = says(error, "parsing inline table");
  if (says(error, "utf-8") || says(error, "UTF-8")) return "this is not text in UTF-8";
  if (line.size() > longest_line) return "this line is no TOML";
  if (says(error, "nested value depth")) return "nested too deeply; at most 64 lists and { } in each other";
  if (says(error, "dangling comma")) return "a { } on one line does not end with a comma";
  if (list && says(error, "expected comma")) return "in a list a , or the closing ] is missing here";
  if (table && (says(error, "expected comma") || says(error, "expected key"))) {
    return "in a { } on one line a , or the closing } is missing here";
  }
  return "";
}

std::string_view after(std::string_view text, std::string_view part) {
  const std::size_t at = text.find(part);
  return at == text.npos ? text : text.substr(at + part.size());
}

/// The key of a line `key = value`; empty if it has none.
std::string_view key_of(std::string_view line) {
  line = trimmed(line);
  std::size_t end = 0;
  while (end < line.size() && (is_key_letter(line[end]) || line[end] == '.' || line[end] == '"')) ++end;
  const std::string_view rest = trimmed(line.substr(end));
  return rest.starts_with('=') ? line.substr(0, end) : std::string_view{};
}

/// `[supervisor.child]` or deeper, in one pair of brackets: the name between them.
std::string_view single_child_header(std::string_view line) {
  line = trimmed(line.substr(0, line.find('#')));
  if (!line.starts_with('[') || line.starts_with("[[") || !line.ends_with(']')) return {};
  const std::string_view name = trimmed(line.substr(1, line.size() - 2));
  if (!name.starts_with("supervisor.child")) return {};
  std::string_view rest = name.substr(std::string_view("supervisor").size());
  while (rest.starts_with(".child")) rest.remove_prefix(6);
  return rest.empty() ? name : std::string_view{};
}

bool toggles_long_text(std::string_view line) {
  std::size_t count = 0;
  for (const std::string_view fence : {"\"\"\"", "'''"}) {
    for (std::size_t at = line.find(fence); at != line.npos; at = line.find(fence, at + 3)) ++count;
  }
  return count % 2 == 1;
}

}  // namespace

bool repairs::is_mark(std::string_view value) const { return !changes_.empty() && value == mark; }

std::string_view repairs::line(std::uint32_t number) const {
  std::string_view rest = text_;
  for (std::uint32_t i = 1; i < number; ++i) {
    const std::size_t end = rest.find('\n');
    if (end == rest.npos) return {};
    rest.remove_prefix(end + 1);
  }
  return rest.substr(0, rest.find('\n'));
}

config_place repairs::original(std::uint32_t line, std::uint32_t column) const {
  std::size_t at = column;
  const auto here = changes_.find(line);
  if (here == changes_.end()) return {0, line, column};
  for (auto change = here->second.rbegin(); change != here->second.rend(); ++change) {
    if (at >= change->column + change->put) at = at - change->put + change->taken;
  }
  return {0, line, static_cast<std::uint32_t>(at)};
}

void repairs::replace(std::uint32_t number, std::size_t begin, std::size_t end, std::string_view by) {
  const std::string_view old = line(number);
  const auto offset = static_cast<std::size_t>(old.data() - text_.data());
  changes_[number].push_back({letters(old.substr(0, begin)) + 1, letters(by), letters(old.substr(begin, end - begin))});
  text_.replace(offset + begin, end - begin, by);
}

/// False: this value has been replaced before, so it is not what is wrong.
bool repairs::replace_value(std::uint32_t number, std::size_t begin, std::size_t end) {
  if (line(number).substr(begin, end - begin).find(mark) != std::string_view::npos) return false;
  replace(number, begin, end, " \"" + std::string(mark) + "\" ");
  return true;
}

void repairs::repair_headers(config_problems& problems) {
  bool in_long_text = false;
  std::uint32_t number = 0;
  std::string repaired;
  for (std::string_view rest = text_; !rest.empty();) {
    ++number;
    const std::size_t end = std::min(rest.find('\n'), rest.size() - 1) + 1;
    const std::string_view line = rest.substr(0, end);
    const std::string_view bare = line.ends_with('\n') ? line.substr(0, end - 1) : line;
    const std::string_view name = in_long_text ? std::string_view{} : single_child_header(bare);
    if (name.empty()) {
      repaired += line;
    } else {
      const std::size_t begin = line.find('[');
      const std::size_t behind = line.find(']') + 1;
      problems.error({0, number, static_cast<std::uint32_t>(begin + 1)},
                     "a supervisor has a list of children, so each of them begins with two brackets; did you mean [[" +
                         std::string(name) + "]]?");
      changes_[number].push_back({begin + 1, 1, 0});
      repaired.append(line.substr(0, begin)).append("[").append(line.substr(begin, behind - begin)).append("]");
      repaired += line.substr(behind);
    }
    if (toggles_long_text(bare)) in_long_text = !in_long_text;
    rest.remove_prefix(end);
  }
  text_ = std::move(repaired);
}

/// The line above where the same key stands in the same table; 0: not found.
std::uint32_t repairs::line_of_key(std::string_view key, std::uint32_t before) const {
  for (std::uint32_t number = before - 1; number > 0 && before - number < 1000; --number) {
    const std::string_view above = trimmed(line(number));
    if (above.starts_with('[')) return 0;
    if (key_of(above) == key) return number;
  }
  return 0;
}

bool repairs::repair_header(const syntax_error& error, config_place at, config_problems& problems) {
  const std::string_view whole = line(error.line);
  const std::string_view start = trimmed(whole.substr(0, whole.find('#')));
  if (says(error, "redefine")) {
    const bool list = start.starts_with("[[");
    problems.error(at, list ? quote(start) + " is there already as something that is no list"
                            : quote(start) + " is there twice, or is a list already");
    return false;
  }
  const std::string mended = mended_header(start);
  if (mended.empty() || mended == start) {
    problems.error(at, "a table begins with its name in brackets, as in [supervisor] or [[supervisor.child]]");
    return false;
  }
  problems.error(at, "brackets are missing, or there are too many; did you mean " + mended + "?");
  replace(error.line, 0, whole.size(), mended);
  return true;
}

/// What is wrong with the beginning of a line: a header, or a key.
bool repairs::repair_line_start(const syntax_error& error, config_problems& problems) {
  const config_place at = original(error.line, error.column);
  const std::string_view whole = line(error.line);
  const std::string_view start = trimmed(whole);
  const auto indent = static_cast<std::uint32_t>(whole.find_first_not_of(" \t") + 1);
  const config_place head{0, error.line, indent};
  if (start.starts_with('[')) return repair_header(error, head, problems);
  if (start.starts_with('{') || start.starts_with('<') || (start.ends_with(':') && is_word(start))) {
    problems.error(head, "a tree file is TOML, which this is not; it begins with [supervisor]");
    return false;
  }
  if (start.starts_with("//") || start.starts_with(';') || start.starts_with("--")) {
    problems.error(head, "a comment begins with #");
    replace(error.line, 0, whole.size(), "#");
    return true;
  }
  std::size_t end = 0;
  while (end < start.size() && is_key_letter(start[end])) ++end;
  if (end > 0 && error.what.find("expected '='") != error.what.npos) {
    const std::string key(start.substr(0, end));
    problems.error(at, quote(key) + ": between a key and its value stands =, as in " + key + " = \"value\"");
    const std::size_t begin = whole.find_first_not_of(" \t");
    return replace_value(error.line, begin + end, whole.size()) &&
           (replace(error.line, begin + end, begin + end, " ="), true);
  }
  return false;
}

/// A key of letters that TOML takes in quotes only.
bool repairs::repair_key(const syntax_error& error, config_problems& problems) {
  const std::string_view whole = line(error.line);
  const auto foreign = [](char c) { return (static_cast<unsigned char>(c) & 0x80) != 0; };
  std::size_t begin = byte_of(whole, error.column);
  if (begin >= whole.size() || !foreign(whole[begin])) return false;
  const auto of_key = [&](char c) { return is_key_letter(c) || foreign(c); };
  std::size_t end = begin;
  while (end < whole.size() && of_key(whole[end])) ++end;
  while (begin > 0 && of_key(whole[begin - 1])) --begin;
  const std::string_view before = trimmed(whole.substr(0, begin));
  const bool is_key = before.empty() || before.ends_with('{') || before.ends_with(',');
  if (!is_key || !trimmed(whole.substr(end)).starts_with('=')) return false;
  const std::string key = quote(whole.substr(begin, end - begin));
  problems.error(original(error.line, static_cast<std::uint32_t>(letters(whole.substr(0, begin)) + 1)),
                 "a key with such letters stands in quotes; did you mean " + key + "?");
  replace(error.line, begin, end, key);
  return true;
}

bool repairs::repair_key_twice(const syntax_error& error, config_problems& problems) {
  const std::string_view whole = line(error.line);
  const std::string_view key = key_of(whole);
  if (key.empty() || !says(error, "cannot redefine existing")) return false;
  const std::string_view named = in_single_quotes(error.what);
  if (!named.empty() && !key.ends_with(named)) {  // in a { }
    problems.error(original(error.line, error.column), quote(named) + " is there twice");
    return false;
  }
  const std::uint32_t first = line_of_key(key, error.line);
  const auto column = static_cast<std::uint32_t>(whole.find_first_not_of(" \t") + 1);
  problems.error(
      {0, error.line, column},
      quote(key) + " is there twice" + (first == 0 ? "" : "; it is in line " + std::to_string(first) + " already"));
  replace(error.line, 0, whole.size(), "#");
  return true;
}

bool repairs::repair_value(const syntax_error& error, config_problems& problems) {
  const std::string_view whole = line(error.line);
  const auto value = value_around(whole, byte_of(whole, error.column));
  if (!value) return false;
  const std::string_view written = trimmed(whole.substr(value->begin, value->end - value->begin));
  const std::size_t begin = written.empty() ? value->begin : static_cast<std::size_t>(written.data() - whole.data());
  problems.error(original(error.line, static_cast<std::uint32_t>(letters(whole.substr(0, begin)) + 1)),
                 about_value(written, value->open, error.what));
  return replace_value(error.line, value->begin, value->end);
}

bool repairs::repair(const syntax_error& error, config_problems& problems) {
  const config_place at = original(error.line, error.column);
  const std::size_t before = problems.errors();
  if (repair_key(error, problems)) return true;
  if (const std::string end = about_the_end(error, line(error.line)); !end.empty()) {
    problems.error(at, end);
    return false;
  }
  if (repair_key_twice(error, problems)) return true;
  if (problems.errors() > before) return false;
  const std::string_view whole = line(error.line);
  const bool has_key = !key_of(whole).empty();
  const bool in_header = says(error, "table header") ||
                         (says(error, "parsing key") && trimmed(whole).starts_with('[') &&
                          whole.substr(0, byte_of(whole, error.column)).find_first_of("={") == whole.npos);
  const bool in_value = !says(error, "key-value pair") && !says(error, "root table") && !in_header;
  const bool repaired = (has_key || in_value) && repair_value(error, problems);
  if (problems.errors() == before && repair_line_start(error, problems)) return true;
  if (problems.errors() == before) problems.error(at, "this is no TOML: " + std::string(after(error.what, "parsing ")));
  return repaired;
}

}  // namespace troupe::config
