// Headers and keys of a text that is no TOML.

#include <algorithm>

#include "config/syntax.hpp"
#include "config/toml.hpp"
#include "config/words.hpp"

namespace troupe::config {

using detail::config_value;

namespace {

bool is_foreign(char c) { return (static_cast<unsigned char>(c) & 0x80) != 0; }

bool are_key_words(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return is_key_letter(c) || is_blank(c) || is_foreign(c); });
}

std::string joined(std::string_view words, char by) {
  std::string made;
  for (const char c : words) {
    if (!is_blank(c)) {
      made += c;
    } else if (!made.ends_with(by)) {
      made += by;
    }
  }
  return made;
}

/// `supervisor.child`, or one deeper.
bool is_child(std::span<const name_part> name) {
  return name.size() > 1 && name.front().name == "supervisor" &&
         std::ranges::all_of(name.subspan(1), [](const auto& part) { return part.name == "child"; });
}

std::string header(std::span<const name_part> name, bool list) {
  return (list ? "[[" : "[") + shown(name) + (list ? "]]" : "]");
}

}  // namespace

// ------------------------------------------------------------------------------------------------------------- headers

void syntax_reader::read_header() {
  const auto begin = at_.place();
  bool apart = false;
  const std::size_t opened = read_brackets('[', apart);
  key name = read_key(true);
  const bool mended = mend_header_name(name);
  const std::size_t closed = read_brackets(']', apart);
  const bool wants_list = !name.parts.empty() && name.parts.back().name == "child";
  bool list = opened == 2;
  if (name.parts.empty() || name.broken) {
    if (!lost_) error(begin, "a table begins with its name in brackets, as in [supervisor] or [[supervisor.child]]");
    name.parts.clear();
  } else if (opened != closed || opened > 2 || apart) {
    list = wants_list;
    error(begin, "brackets are missing, or there are too many; did you mean " + header(name.parts, list) + "?");
  } else if (mended) {
    error(begin, "a name in brackets has points between its parts, and nothing else; did you mean " +
                     header(name.parts, list) + "?");
  }
  begin_table(name, list, begin);
  if (closed == 0 && name.parts.empty()) at_.step_to_line_end();
  expect_line_end("the header");
}

/// How many there are; `apart`: with blanks between them.
std::size_t syntax_reader::read_brackets(char bracket, bool& apart) {
  std::size_t count = 0;
  for (bool blanks = false; at_.next() == bracket; blanks = skip_blanks()) {
    if (blanks) apart = true;
    ++count;
    at_.step();
  }
  return count;
}

/// Takes what is left of the name in front of the brackets.
bool syntax_reader::mend_header_name(key& name) {
  const std::size_t end = at_.line().find_first_of("]#");
  if (end == 0 || end == at_.line().npos || at_.line()[end] == '#') return false;
  const std::string_view more = trimmed(at_.line().substr(0, end));
  if (more.empty()) return false;
  if (name.parts.empty()) name.parts.push_back({"", at_.place()});
  std::string& last = name.parts.back().name;
  const bool words = are_key_words(more);
  const bool point = !words || last.empty();
  if (point) last += more;
  for (std::string_view rest = words && !point ? more : std::string_view{}; !rest.empty();) {
    const std::size_t word = std::min(rest.find_first_of(" \t"), rest.size());
    name.parts.push_back({std::string(rest.substr(0, word)), at_.place()});
    rest = trimmed(rest.substr(word));
  }
  at_.step(end);
  return true;
}

void syntax_reader::begin_table(const key& name, bool list, place at) {
  if (!list && is_child(name.parts)) {
    error(at, "a supervisor has a list of children, so each of them begins with two brackets; did you mean " +
                  header(name.parts, true) + "?");
    list = true;
  }
  current_ = name.parts.empty() ? nullptr : root_.open(name.parts, list, at, problems_);
  if (current_ != nullptr) return;
  nowhere_ = open_table(at);
  current_ = &nowhere_;
}

// ---------------------------------------------------------------------------------------------------------------- keys

syntax_reader::key syntax_reader::read_key(bool header) {
  key made;
  for (;;) {
    skip_blanks();
    const auto here = at_.place();
    const std::size_t before = made.parts.size();
    read_part(made);
    made.end = at_.place();
    if (made.parts.size() == before && !made.broken && (before > 0 || at_.sees("."))) {
      error(here, "a name stands on both sides of a point; here it is missing");
    }
    const bool blanks = skip_blanks();
    if (!at_.sees(".") || lost_) break;
    if (blanks && header) made.end = at_.place();
    at_.step();
  }
  if (made.parts.size() > most_points + 1) {
    error(made.parts.back().at, "a name with more than " + std::to_string(most_points) + " points: nested too deeply");
    made.broken = true;
  }
  return made;
}

void syntax_reader::read_part(key& to) {
  const auto begin = at_.place();
  if (at_.sees_one_of("\"'")) return read_quoted_part(to, begin);
  read_bare_part(to, begin);
}

void syntax_reader::read_bare_part(key& to, place begin) {
  std::string name;
  while (!at_.ended()) {
    const auto odd = invisible_at(at_.rest().substr(0, 4));
    const bool inside = odd && !name.empty() && is_key_letter(at_.next(odd->bytes));
    if (inside) {
      error(at_.place(), odd->what);
      at_.step(odd->bytes);
    }
    if (!is_key_letter(at_.next()) && (!is_foreign(at_.next()) || (odd && !inside))) break;
    name += at_.next();
    at_.step();
  }
  if (name.empty()) return;
  to.parts.push_back({name, begin});
  if (std::ranges::none_of(name, is_foreign)) return;
  if (const auto odd = first_forbidden(name, false)) {
    begin.column += static_cast<std::uint32_t>(letters(name.substr(0, odd->at)));
    error(begin, odd->what);
    to.broken = true;
    return;
  }
  error(begin, "a key with such letters stands in quotes; did you mean " + quote(name) + "?");
}

void syntax_reader::read_quoted_part(key& to, place begin) {
  const bool many_lines = at_.sees("\"\"\"") || at_.sees("'''");
  if (many_lines) error(begin, "a key stands in quotes of one kind, \" or ', not in three of them");
  const config_value text = read_text();
  if (text.is != config_value::kind::string) to.broken = true;
  to.parts.push_back({text.text, begin});
}

// ------------------------------------------------------------------------------------------------------------- equals

/// Behind a key, what stands there up to its =, if there is one before other things begin.
std::string_view syntax_reader::up_to_equals() const {
  const std::string_view line = at_.line();
  const std::size_t end = line.find_first_of(within_.empty() ? "=#\"'[]{}" : "=#\"'[]{},");
  return end == line.npos || line[end] != '=' ? std::string_view{} : line.substr(0, end);
}

bool syntax_reader::looks_like_key(std::string_view line) const {
  line = trimmed(line);
  std::size_t end = 0;
  while (end < line.size() && (is_key_letter(line[end]) || line[end] == '.')) ++end;
  const std::string_view rest = trimmed(line.substr(end, 80));
  return end > 0 && rest.starts_with('=') && std::isdigit(static_cast<unsigned char>(line.front())) == 0;
}

void syntax_reader::mend_key(key& of, std::string_view more) {
  const auto here = at_.place();
  const std::string_view text = trimmed(more);
  at_.step(more.size());
  if (of.parts.empty()) of.parts.push_back({"", here});
  std::string& last = of.parts.back().name;
  const bool words = are_key_words(text);
  last += words ? "_" + joined(text, '_') : std::string(text);
  if (words) return error(here, "a key is one word; did you mean " + shown(of.parts) + "?");
  error(here, quote(text) + " cannot stand in a key without quotes, which has letters, digits, _ and - alone");
}

/// Takes the = behind a key, or what somebody has written for it. False: there is no value either.
bool syntax_reader::read_equals(key& of) {
  const std::string_view more = up_to_equals();
  const bool separator = trimmed(more) == ":" || trimmed(more) == "+";
  if (!separator && !trimmed(more).empty()) mend_key(of, more);
  const bool right = at_.sees("=") && !at_.rest().substr(1).starts_with('=') && !at_.rest().substr(1).starts_with('>');
  const bool ends = at_.at_line_end() || at_.sees_one_of("#,}]");
  if (!right) {
    const std::string name = shown(of.parts);
    const std::string who = name.empty() || name.front() == '"' ? name : "\"" + name + "\"";
    error(ends ? of.end : at_.place(), who + (name.empty() ? "" : ": ") + "between a key and its value stands " +
                                           (at_.sees("=") ? "one " : "") + "=, as in " + (name.empty() ? "key" : name) +
                                           " = \"value\"");
  }
  while (!ends && at_.sees_one_of("=:+>")) at_.step();
  return !ends;
}

}  // namespace troupe::config
