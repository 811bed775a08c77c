// The lines of a text that is no TOML.

#include "config/syntax.hpp"

#include <algorithm>
#include <utility>

#include "config/words.hpp"

namespace troupe::config {

using detail::config_value;
using kind = config_value::kind;

namespace {

bool begins_comment_of_others(std::string_view line) {
  const bool dashes = line.starts_with("--") && (line.size() == 2 || is_blank(line[2]));
  return line.starts_with("//") || line.starts_with("/*") || line.starts_with(';') || dashes;
}

/// `word:` with nothing behind it.
bool is_yaml(std::string_view line) {
  line = trimmed(line.substr(0, line.find('#')));
  return line.size() > 1 && line.ends_with(':') && is_plain_key(line.substr(0, line.size() - 1));
}

}  // namespace

std::optional<config_value> syntax_reader::read() {
  if (at_.sees("\xEF\xBB\xBF")) at_ = scanner(at_.rest().substr(3));
  while (!at_.ended()) {
    if (root_.is_empty() && current_ == &root_ && is_something_else()) return std::nullopt;
    read_line();
  }
  return std::move(root_).finish();
}

/// JSON, XML or YAML.
bool syntax_reader::is_something_else() {
  skip_blanks();
  if (!at_.sees_one_of("{<") && !is_yaml(at_.line())) return false;
  error(at_.place(), "a tree file is TOML, which this is not; it begins with [supervisor]");
  return true;
}

void syntax_reader::read_line() {
  lost_ = given_up_ = too_deep_ = in_next_line_ = false;
  within_.clear();
  skip_blanks();
  if (at_.sees("[")) {
    read_header();
  } else if (!at_.at_line_end() && !at_.sees("#") && !comment_of_others()) {
    strange_line();
  }
  if (!in_next_line_) take_line_end();
}

/// A key and its value, if it is no other thing.
void syntax_reader::strange_line() {
  const auto here = at_.place();
  const char c = at_.next();
  const bool key = is_key_letter(c) || c == '"' || c == '\'' || c == '.' || (static_cast<unsigned char>(c) & 0x80) != 0;
  if (key || !up_to_equals().empty()) return static_cast<void>(read_pair(*current_));
  if (c == '=') {
    error(here, "a key is missing in front of =");
    at_.step();
    skip_blanks();
    if (!at_.at_line_end() && !at_.sees("#")) read_value(1, here);
    return expect_line_end("the value");
  }
  const bool closes = c == ']' || c == '}';
  error(here, closes
                  ? quote(std::string(1, c)) + " closes nothing"
                  : quote(trimmed(at_.line())) + " is no line of TOML: neither [table] nor key = value nor # comment");
  at_.step_to_line_end();
}

bool syntax_reader::comment_of_others() {
  if (!begins_comment_of_others(at_.line())) return false;
  error(at_.place(), "a comment begins with #");
  const std::size_t end = at_.sees("/*") ? at_.rest().find("*/") : std::string_view::npos;
  if (end != std::string_view::npos) at_.step(end);
  at_.step_to_line_end();
  return true;
}

/// Behind a header, or a value.
void syntax_reader::expect_line_end(const std::string& behind) {
  if (in_next_line_) return;
  skip_blanks();
  if (given_up_ || lost_) at_.step_to_line_end();
  if (at_.at_line_end() || at_.sees("#") || comment_of_others_behind()) return;
  const auto here = at_.place();
  const std::string_view rest = trimmed(at_.line());
  const bool separated = rest.starts_with(',') || rest.starts_with(';');
  if (looks_like_key(separated ? rest.substr(1) : rest)) {
    error(here, "the line ends behind " + behind + "; the next key stands in a line of its own");
    if (separated) at_.step();
    skip_blanks();
    read_pair(*current_);
    return;
  }
  error(here, (rest.find_first_not_of("\"'") == rest.npos ? "too many quotes: after " : "after ") + behind +
                  " there is something that does not belong there: " + quote(rest));
  at_.step_to_line_end();
}

bool syntax_reader::comment_of_others_behind() {
  const std::string_view rest = at_.line();
  const bool separator = rest.starts_with(';') && trimmed(rest.substr(1)).empty();
  if (separator || (rest.starts_with(';') && looks_like_key(rest.substr(1)))) return false;
  return comment_of_others();
}

void syntax_reader::take_line_end() {
  if (at_.sees("#")) read_comment();
  if (at_.sees("\r\n")) at_.step();
  if (at_.sees("\r") && !said_cr_) {
    error(at_.place(), "this line ends with a carriage return alone; lines end with a newline");
    said_cr_ = true;
  }
  at_.step();
}

void syntax_reader::read_comment() {
  const std::string_view comment = at_.line();
  const auto odd = first_forbidden(comment, false);
  if (odd) {
    at_.step(odd->at);
    error(at_.place(), odd->what);
  }
  at_.step_to_line_end();
}

/// Whether there were any. What only looks like a blank is said.
bool syntax_reader::skip_blanks() {
  const std::size_t begin = at_.offset();
  bool said = false;
  while (!at_.ended()) {
    const auto odd = invisible_at(at_.rest().substr(0, 4));
    if (odd && !std::exchange(said, true)) error(at_.place(), odd->what);
    if (!odd && !is_blank(at_.next())) break;
    at_.step(odd ? odd->bytes : 1);
  }
  return at_.offset() > begin;
}

}  // namespace troupe::config
