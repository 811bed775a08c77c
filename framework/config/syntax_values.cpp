// Values in a text that is no TOML.

#include <algorithm>
#include <utility>

#include "config/advice.hpp"
#include "config/syntax.hpp"
#include "config/toml.hpp"
#include "config/words.hpp"

namespace troupe::config {

using detail::config_value;
using kind = config_value::kind;

namespace {

constexpr std::size_t most_brackets = 64;
constexpr std::size_t nearby = 4096;  // bytes that are looked at ahead
constexpr std::string_view comma_in_table = "in a { } on one line a , or the closing } is missing here";
constexpr std::string_view comma_in_list = "in a list a , or the closing ] is missing here";

bool is_digits(std::string_view text) { return !text.empty() && text.find_first_not_of("0123456789") == text.npos; }

bool is_unit(std::string_view text) {
  return text == "%" || (text.size() <= 4 && !text.empty() && std::ranges::all_of(text, [](char c) {
                           return std::isalpha(static_cast<unsigned char>(c)) != 0;
                         }));
}

std::string named(const config_value& value) {
  switch (value.is) {
    case kind::string:
      return "the text";
    case kind::integer:
    case kind::real:
      return "the number";
    case kind::list:
      return "the list";
    case kind::table:
      return "the table";
    default:
      return "the value";
  }
}

/// Where, in the middle of a text without quotes, something else begins: a comment, or the next key. 0: nowhere.
std::size_t next_thing(std::string_view text) {
  for (std::size_t i = text.find_first_of(" \t,;"); i < text.size(); i = text.find_first_of(" \t,;", i + 1)) {
    const std::string_view rest = trimmed(text.substr(i + (text[i] == ',' || text[i] == ';' ? 1 : 0)));
    if (text[i] == ';' || rest.starts_with("//") || rest.starts_with("/*") || rest.starts_with("-- ")) return i;
    const std::size_t end = std::min(rest.find_first_of("=\"' \t,;"), rest.size());
    const std::string_view word = rest.substr(0, end);
    if (is_plain_key(word) && trimmed(rest.substr(end, nearby)).starts_with('=')) return i;
  }
  return 0;
}

}  // namespace

// ------------------------------------------------------------------------------------------------------ a key's value

/// False: there is no value, nor = for one.
bool syntax_reader::read_pair(open_table& to) {
  const bool on_a_line = within_.empty();
  key name = read_key(false);
  config_value value;
  value.at = at_.place();
  const bool has_value = !lost_ && read_equals(name);
  if (has_value) {
    const auto behind = at_.place();
    skip_blanks();
    value = read_value(to.depth() + name.parts.size(), behind);
  }
  const std::string behind = named(value);
  if (!name.broken && !name.parts.empty()) to.put(name.parts, std::move(value), problems_);
  if (on_a_line) expect_line_end(behind);
  return has_value;
}

config_value syntax_reader::read_value(std::size_t depth, place missing_at) {
  const auto here = at_.place();
  if (at_.sees("[") || at_.sees("{")) {
    if (within_.size() >= most_brackets) {
      too_deep(here);
      return {};
    }
    within_.push_back(at_.next());
    config_value made = at_.sees("[") ? read_list(depth) : read_table(depth);
    within_.pop_back();
    made.at = here;
    return too_deep_ ? config_value{} : std::move(made);
  }
  config_value made = at_.sees_one_of("\"'") ? read_text() : read_bare(missing_at);
  made.at = here;
  return made;
}

void syntax_reader::too_deep(place at) {
  error(at, "nested too deeply; at most " + std::to_string(most_brackets) + " lists and { } in each other");
  at_.step_to_line_end();
  given_up_ = too_deep_ = true;
}

// -------------------------------------------------------------------------------------------------------------- texts

/// A text in quotes. One that is not closed ends with its line.
config_value syntax_reader::read_text() {
  const auto here = at_.place();
  const bool many_lines = at_.sees("\"\"\"") || at_.sees("'''");
  const auto end = end_of_quoted(at_.whole(), at_.offset());
  if (!end.closed) {
    error(here, "this text is not closed: " +
                    (many_lines ? std::string(3, at_.next()) : std::string("a ") + at_.next()) + " is missing");
    at_.step_to_line_end();
    lost_ = true;
    if (many_lines) skip_open_text();
    return {};
  }
  const std::string_view written = at_.whole().substr(at_.offset(), end.end - at_.offset());
  auto text = read_scalar(written);
  const auto fault = text ? text_fault{} : about_text(written);
  at_.step(fault.at);
  if (!text) error(at_.place(), fault.what);
  at_.step_to(end.end);
  return text ? std::move(*text) : config_value{};
}

/// Up to the line in front of the first that looks like a key or a header.
void syntax_reader::skip_open_text() {
  for (;;) {
    scanner ahead = at_;
    ahead.step(at_.sees("\r\n") ? 2 : 1);
    const std::string_view line = trimmed(ahead.line());
    if (ahead.ended() || line.starts_with('[') || looks_like_key(line)) return;
    ahead.step_to_line_end();
    at_ = ahead;
  }
}

// ------------------------------------------------------------------------------------------------------ without quotes

config_value syntax_reader::read_bare(place missing_at) {
  const auto here = at_.place();
  const bool missing = at_.at_line_end() || at_.sees("#") || (!within_.empty() && at_.sees_one_of(",]}"));
  if (missing) {
    error(missing_at, "a value is missing");
    return {};
  }
  const std::string_view written = bare_text();
  const auto odd = first_forbidden(written, false);
  auto value = odd ? std::nullopt : read_scalar(written);
  if (odd) at_.step(odd->at);
  if (!value) error(odd ? at_.place() : here, odd ? odd->what : about_value(written));
  at_.step(written.size() - (odd ? odd->at : 0));
  return value ? std::move(*value) : config_value{};
}

/// As much as belongs to the value: a word, if it is right by itself; else what stands up to the next thing.
std::string_view syntax_reader::bare_text() const {
  const std::size_t offset = at_.offset();
  const std::string_view near = trimmed(at_.whole().substr(offset, end_of_bare(nearby) - offset));
  const std::size_t word = std::min(near.find_first_of(" \t,;"), near.size());
  const std::string_view rest = trimmed(near.substr(word));
  const std::size_t second = std::min(rest.find_first_of(" \t,;"), rest.size());
  const auto both = static_cast<std::size_t>(rest.data() - near.data()) + second;
  if (second > 0 && read_scalar(near.substr(0, both))) return near.substr(0, both);  // a date and a time
  if (within_.ends_with('{') && is_digits(near) && at_.rest().substr(near.size()).starts_with(',')) {
    const std::string_view more = at_.rest().substr(near.size() + 1, 20);
    const std::string_view part = more.substr(0, more.find_first_not_of("0123456789"));
    const std::string_view behind = trimmed(more.substr(part.size()));
    if (!part.empty() && (behind.starts_with(',') || behind.starts_with('}'))) {
      return at_.rest().substr(0, near.size() + 1 + part.size());  // 0,5
    }
  }
  const bool decimal = rest.starts_with(',') && is_digits(near.substr(0, word)) && is_digits(rest.substr(1));
  if (word > 0 && !rest.empty() && !is_unit(rest) && !decimal && read_scalar(near.substr(0, word))) {
    return near.substr(0, word);
  }
  if (const std::size_t cut = next_thing(near); cut > 0) return near.substr(0, cut);
  return trimmed(at_.whole().substr(offset, end_of_bare(at_.whole().size()) - offset));
}

/// Up to the comma or bracket that ends it, a comment, or the line's end. Brackets and quotes in it go in pairs.
std::size_t syntax_reader::end_of_bare(std::size_t limit) const {
  const std::string_view text = at_.whole();
  const std::size_t end = std::min(text.size(), at_.offset() + std::min(limit, at_.line().size()));
  int depth = 0;
  for (std::size_t i = at_.offset(); i < end; ++i) {
    const char c = text[i];
    if (c == '#') return i;
    const bool ends = depth == 0 && !within_.empty() && (c == ',' || c == ']' || c == '}');
    if (ends) return i;
    if (c == '(' || c == '[' || c == '{') ++depth;
    if ((c == ')' || c == ']' || c == '}') && depth > 0) --depth;
    if (c != '"' && c != '\'') continue;
    const auto quoted = end_of_quoted(text.substr(0, end), i);
    if (quoted.closed)
      i = quoted.end - 1;
    else if (within_.empty())
      return end;
  }
  return end;
}

// -------------------------------------------------------------------------------------------------------------- lists

config_value syntax_reader::read_list(std::size_t depth) {
  config_value list;
  list.is = kind::list;
  const auto begin = at_.place();
  at_.step();
  bool wants_comma = false;
  for (auto end = at_.place(); !given_up_;) {
    const bool lost = lost_;
    const bool new_line = blanks_and_lines();
    lost_ = lost && !new_line;
    if (at_.ended() || (new_line && leaves_list())) {
      if (!lost) error(begin, "this list is not closed: a ] is missing");
      given_up_ = in_next_line_ = true;
      break;
    }
    if (at_.sees("]")) {
      at_.step();
      break;
    }
    const bool left = at_.sees("}");
    if (wants_comma ? !at_.sees(",") : left) say_once(new_line && !left ? end : at_.place(), comma_in_list);
    if (left) {
      if (within_.find('{') == std::string::npos) at_.step_to_line_end();
      break;
    }
    if (at_.sees(",") && !wants_comma && !lost_) error(at_.place(), "a value is missing");
    const bool separator = at_.sees(",") || (wants_comma && at_.sees(";"));
    if (!separator) list.items.push_back(read_value(depth + 1, at_.place()));
    if (separator) at_.step();
    wants_comma = !separator && !lost_;
    end = at_.place();
  }
  return list;
}

/// Brackets in each other end at the same place; one complaint is enough.
void syntax_reader::say_once(place at, std::string_view text) {
  if (std::exchange(said_at_, at) != at) error(at, std::string(text));
}

/// Blanks, comments and ends of lines; whether there was one of those.
bool syntax_reader::blanks_and_lines() {
  bool lines = false;
  for (;;) {
    skip_blanks();
    if (at_.ended() || (!at_.at_line_end() && !at_.sees("#"))) return lines;
    take_line_end();
    lines = true;
  }
}

/// Whether the line that begins here is one that stands behind lists.
bool syntax_reader::leaves_list() const {
  const std::string_view line = trimmed(at_.line().substr(0, at_.line().find('#')));
  if (looks_like_key(line)) return true;
  const std::string_view name = line.starts_with("[[") ? line.substr(2) : line.starts_with('[') ? line.substr(1) : "";
  const std::size_t word = std::min(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_.-"), name.size());
  const bool is_value = name.starts_with("true") || name.starts_with("false") || name.starts_with("inf");
  return word > 0 && !is_value && trimmed(name.substr(word)).find_first_not_of("]") == name.npos;
}

// ------------------------------------------------------------------------------------------------------------- tables

config_value syntax_reader::read_table(std::size_t depth) {
  open_table table(at_.place(), depth);
  at_.step();
  bool wants_comma = false, said = false, trailing = false, broken = false;
  while (!given_up_) {
    const auto end = at_.place();
    skip_blanks();
    if (at_.at_line_end() || at_.sees("#")) {
      if (!table_goes_on(end, said)) break;
      wants_comma = false;
    }
    if (at_.sees("}")) {
      if (trailing && !said) error(at_.place(), "a { } on one line does not end with a comma");
      at_.step();
      break;
    }
    if (at_.sees("]")) {
      say_once(at_.place(), comma_in_table);
      break;
    }
    const bool comma = at_.sees_one_of(",;");
    if (wants_comma && !at_.sees(",")) say_once(at_.place(), comma_in_table);
    if (comma && !wants_comma) error(at_.place(), "a key is missing in front of this comma");
    if (comma) at_.step();
    if (wants_comma && !comma && skip_no_key()) continue;
    if (!comma) broken = !read_member(table) || broken;
    trailing = comma;
    wants_comma = !comma;
  }
  return broken ? config_value{} : std::move(table).finish();
}

/// Behind a value, something that begins no key: up to where the table goes on.
bool syntax_reader::skip_no_key() {
  if (at_.sees_one_of("\"'") || !up_to_equals().empty()) return false;
  const std::string_view line = at_.line();
  const std::size_t end = line.find_first_of(",}]#");
  if (end == 0 || line.substr(0, end).find(':') != line.npos) return false;
  at_.step(std::min(end, line.size()));
  return true;
}

/// False: there is a key and nothing else, so that nobody knows what this was to be.
bool syntax_reader::read_member(open_table& to) {
  const std::size_t before = at_.offset();
  if (at_.sees("=")) error(at_.place(), "a key is missing in front of =");
  const bool whole = read_pair(to);
  if (at_.offset() > before || given_up_) return whole;
  say_once(at_.place(), comma_in_table);
  at_.step();
  return true;
}

/// At the end of a line.
bool syntax_reader::table_goes_on(place end, bool& said) {
  if (lost_) return false;
  const bool closed = closes_below();
  if (!said) {
    error(end, closed ? "a { } stands on one line; write all of it there, or give it a header of its own"
                      : std::string(comma_in_table));
  }
  said = true;
  if (closed) blanks_and_lines();
  given_up_ = given_up_ || !closed;
  return closed;
}

/// Whether the } of this table stands in one of the next lines, before a header.
bool syntax_reader::closes_below() const {
  const std::string_view text = at_.rest().substr(0, nearby);
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '#') i = std::min(text.find('\n', i), text.size() - 1);
    if (c == '"' || c == '\'') i = end_of_quoted(text, i).end - 1;
    if (c == '{') ++depth;
    if (c == '}' && --depth < 0) return true;
    if (c == '\n' && trimmed(text.substr(i + 1, 200)).starts_with('[')) return false;
  }
  return false;
}

}  // namespace troupe::config
