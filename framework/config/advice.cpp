#include "config/advice.hpp"

#include <algorithm>
#include <cctype>
#include <initializer_list>

#include "config/scanner.hpp"
#include "config/words.hpp"

namespace troupe::config {

namespace {

constexpr std::string_view digits = "0123456789";
constexpr std::string_view underscores = "a number with _ has digits on both sides of it";
constexpr std::string_view largest = "9223372036854775807";

std::string lower(std::string_view text) {
  std::string made(text);
  for (char& c : made) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return made;
}

bool is_in(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, word) != words.end();
}

bool only(std::string_view text, std::string_view letters) {
  return !text.empty() && text.find_first_not_of(letters) == text.npos;
}

/// Words that could be meant as text: names, paths, addresses.
bool is_words(std::string_view text) {
  const auto fits = [](char c) {
    const bool beyond_ascii = (static_cast<unsigned char>(c) & 0x80) != 0;
    return is_key_letter(c) || beyond_ascii || std::string_view("./:@ ").find(c) != std::string_view::npos;
  };
  return std::ranges::all_of(text, fits) && std::ranges::any_of(text, [](char c) {
           return std::isalpha(static_cast<unsigned char>(c)) != 0 || (static_cast<unsigned char>(c) & 0x80) != 0;
         });
}

std::string_view without_sign(std::string_view text) {
  return text.starts_with('-') || text.starts_with('+') ? text.substr(1) : text;
}

bool begins_number(std::string_view text) {
  text = without_sign(text);
  return !text.empty() && digits.find(text.front()) != digits.npos;
}

std::string meant(const std::string& text) { return "; did you mean " + text + "?"; }

/// 0x, 0o and 0b with what belongs behind them.
std::string about_other_base(std::string_view value) {
  const std::string_view plain = without_sign(value);
  const char base = plain.size() > 1 && plain[0] == '0' ? plain[1] : ' ';
  if (std::string_view("xobXOB").find(base) == std::string_view::npos) return "";
  if (plain.size() != value.size()) return quote(value) + ": a number that begins with 0x, 0o or 0b has no sign";
  const auto small = static_cast<char>(std::tolower(static_cast<unsigned char>(base)));
  const std::string_view allowed = small == 'x' ? "0123456789abcdefABCDEF_" : small == 'o' ? "01234567_" : "01_";
  const std::string begin = std::string("0") + small;
  if (!only(plain.substr(2), allowed)) {
    const std::string which = small == 'x' ? "0 to 9 and a to f" : small == 'o' ? "0 to 7" : "0 and 1";
    return quote(value) + " is no number; behind " + begin + " stand digits, " + which;
  }
  if (base != small) return quote(value) + " is no number" + meant(begin + std::string(plain.substr(2)));
  if (plain.find("__") != plain.npos || plain.back() == '_' || plain[2] == '_') return std::string(underscores);
  return quote(value) + " is too large; a number is at most " + std::string(largest);
}

bool looks_like_date(std::string_view value) {
  const auto shaped = [&](std::string_view as) {
    return value.size() >= as.size() && std::equal(as.begin(), as.end(), value.begin(), [](char shape, char c) {
             return shape == '0' ? digits.find(c) != digits.npos : shape == c;
           });
  };
  return shaped("0000-0") || shaped("00:0") || shaped("0000/0");
}

/// As it is written, unless that is too long or cannot be shown.
std::string bare(std::string_view value) {
  if (value.size() <= 60 && !first_forbidden(value, false)) return std::string(value);
  const std::string quoted = quote(value);
  return quoted.substr(1, quoted.size() - 2);
}

bool has_wrong_underscore(std::string_view plain) {
  for (std::size_t i = plain.find('_'); i < plain.size(); i = plain.find('_', i + 1)) {
    const bool between = i > 0 && i + 1 < plain.size() &&
                         std::isxdigit(static_cast<unsigned char>(plain[i - 1])) != 0 &&
                         std::isxdigit(static_cast<unsigned char>(plain[i + 1])) != 0;
    if (!between) return true;
  }
  return false;
}

/// Digits, with points, exponents and underscores at wrong places.
std::string about_float(std::string_view value) {
  const std::string_view plain = without_sign(value);
  const std::size_t e = plain.find_first_of("eE");
  const std::string_view exponent = e == plain.npos ? "0" : without_sign(plain.substr(e + 1));
  if (!only(exponent, "0123456789_")) return quote(value) + " is no number; behind the e stands a whole number";
  const std::string_view front = plain.substr(0, std::min(plain.find_first_of(".eE"), plain.size()));
  if (front.size() > 1 && front.front() == '0') return "a number has no zeros in front of it";
  const std::size_t point = plain.find('.');
  const bool ends = point != plain.npos && (point + 1 >= plain.size() || digits.find(plain[point + 1]) == digits.npos);
  if (ends || point == 0) return quote(value) + " is no number; a decimal number has digits on both sides of its point";
  if (std::ranges::count(plain, '.') > 1) return quote(value) + " is no number; it has more than one point";
  if (has_wrong_underscore(plain)) return std::string(underscores);
  if (plain.find_first_of("+-", e == plain.npos ? 0 : e + 2) != plain.npos) return quote(value) + " is no number";
  return bare(value) + " is too large, or too near to 0";
}

std::string about_digits(std::string_view value) {
  const std::string_view plain = without_sign(value);
  if (has_wrong_underscore(plain)) return std::string(underscores);
  if (plain.front() == '0') return "a number has no zeros in front of it";
  if (value.front() == '-') return bare(value) + " is too small; a number is at least -9223372036854775808";
  return bare(value) + " is too large; a number is at most " + std::string(largest);
}

/// The value begins with a digit, or with a sign and one.
std::string about_number(std::string_view value) {
  const std::string_view plain = without_sign(value);
  if (const std::string other = about_other_base(value); !other.empty()) return other;
  if (looks_like_date(value)) return quote(value) + ": there is no such date or time";
  if (only(plain, "0123456789_")) return about_digits(value);
  const std::size_t comma = plain.find(',');
  const bool decimal = comma != plain.npos && only(plain.substr(0, comma), digits);
  if (decimal && only(plain.substr(comma + 1), digits)) {
    std::string pointed(value);
    pointed[pointed.find(',')] = '.';
    return "a decimal number has a point" + meant(pointed);
  }
  if (only(plain, "0123456789_.eE+-")) return about_float(value);
  const std::string_view unit =
      trimmed(plain.substr(std::min(plain.find_first_not_of("0123456789_.,eE+-"), plain.size())));
  if (is_words(unit)) return "a value with a unit stands in quotes" + meant(quote(value));
  if (unit == "%") return quote(value) + " is no number; a share is a number from 0 to 1, as in 0.2";
  return quote(value) + " is no number; text stands in quotes";
}

std::string about_brackets(std::string_view value) {
  if (value.front() == '(' && value.find(',') != value.npos) {
    return quote(value) + " is no value; a list stands in [ ], as in [1, 2]";
  }
  if (value.front() == ']' || value.front() == '}') return quote(value) + " closes nothing, and is no value";
  const std::size_t equals = value.find('=');
  if (equals != value.npos && is_plain_key(trimmed(value.substr(0, equals)))) {
    return "a table stands in { }" + meant("{ " + bare(value) + " }");
  }
  return "";
}

/// true, false, null and numbers in other words.
std::string about_known_word(std::string_view value) {
  const std::string small = lower(value.substr(0, 12));
  if (is_in(small, {"true", "yes", "on"})) return std::string(value) + " is no value; did you mean true?";
  if (is_in(small, {"false", "no", "off"})) return std::string(value) + " is no value; did you mean false?";
  if (is_in(small, {"null", "nil", "none", "~"})) return std::string(value) + " is no value; leave the key out";
  if (is_in(std::string(without_sign(small)), {"inf", "nan"})) {
    return std::string(value) + " is no value" + meant(small);
  }
  return "";
}

/// `at` is behind a backslash in double quotes.
std::string about_escape(std::string_view text, std::size_t at) {
  const std::size_t wanted = text[at] == 'u' ? 4 : text[at] == 'U' ? 8 : 0;
  if (wanted == 0) {
    return "in \"double quotes\" \\ begins an escape, and this is none; a text in 'single quotes' is taken as it is";
  }
  const std::string_view code = text.substr(at + 1, wanted);
  if (code.size() < wanted || !only(code, "0123456789abcdefABCDEF")) {
    return std::string("\\") + text[at] + " has " + (wanted == 4 ? "four" : "eight") + " digits, 0 to 9 and a to f";
  }
  return "\\" + std::string(text.substr(at, wanted + 1)) + " is no letter of Unicode";
}

bool is_right_escape(std::string_view text, std::size_t at) {
  const char c = text[at];
  if (c != 'u' && c != 'U') {
    const bool blank = is_blank(c) || c == '\r' || c == '\n';
    const std::size_t next = blank ? text.find_first_not_of(" \t\r", at) : text.npos;
    const bool line_ends = text.starts_with("\"\"\"") && next != text.npos && text[next] == '\n';
    return line_ends || std::string_view("btnfr\"\\").find(c) != std::string_view::npos;
  }
  const std::string code(text.substr(at + 1, c == 'u' ? 4 : 8));
  if (code.size() < (c == 'u' ? 4 : 8) || !only(code, "0123456789abcdefABCDEF")) return false;
  const unsigned long number = std::stoul(code, nullptr, 16);
  return number <= 0x10FFFF && (number < 0xD800 || number > 0xDFFF);
}

}  // namespace

std::string about_value(std::string_view value) {
  if (const std::string known = about_known_word(value); !known.empty()) return known;
  for (const std::string_view quotes : {"\xE2\x80\x98", "\xE2\x80\x99", "\xE2\x80\x9A", "\xE2\x80\x9C", "\xE2\x80\x9D",
                                        "\xE2\x80\x9E", "\xC2\xAB", "\xC2\xBB"}) {
    if (value.starts_with(quotes)) return "text stands in straight quotes: \" or '";
  }
  if (value.starts_with('`')) return "text stands in quotes, \" or '";
  if (begins_number(value)) return about_number(value);
  if (only(value, "+-_.0123456789") && value.find_first_of(digits) != value.npos) {
    if (value.starts_with('.')) {
      return "a decimal number has digits on both sides of its point; did you mean 0" +
             std::string(value.substr(0, 60)) + "?";
    }
    const std::size_t first = value.find_first_of(digits);
    if (value.front() == '_') return std::string(underscores);
    return quote(value) + " is no number; in front of its digits stands one sign at most" +
           (value[first - 1] == '.' ? "" : meant(std::string(value.substr(first - 1, 60))));
  }
  if (is_words(value)) return "text stands in quotes; did you mean " + quote(value) + "?";
  if (const std::string brackets = about_brackets(value); !brackets.empty()) return brackets;
  return quote(value) + " is no value; text stands in quotes, a number without";
}

text_fault about_text(std::string_view quoted) {
  if (const auto odd = first_forbidden(quoted, quoted.starts_with("\"\"\"") || quoted.starts_with("'''"))) {
    return {odd->at, odd->what};
  }
  for (std::size_t i = quoted.find('\\'); quoted.front() == '"' && i < quoted.size() - 1;
       i = quoted.find('\\', i + 2)) {
    if (!is_right_escape(quoted, i + 1)) return {i, about_escape(quoted, i + 1)};
  }
  return {0, "this text in quotes is not right"};
}

}  // namespace troupe::config
