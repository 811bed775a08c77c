// Reading single values, and the tables that hold them: what is wrong is said in the words of whoever wrote the file.

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include <troupe/detail/config_value.hpp>

#include "config/units.hpp"
#include "config/words.hpp"

namespace troupe::detail {

using config::quote;
using kind = config_value::kind;

namespace {

std::string number_shown(const config_value& value) {
  return value.is == kind::integer ? std::to_string(value.integer) : config_shown(value.real);
}

std::string found_in(const config_value& value) {
  switch (value.is) {
    case kind::boolean:
      return value.boolean ? "true" : "false";
    case kind::integer:
    case kind::real:
      return "the number " + number_shown(value);
    case kind::string:
      return "the text " + quote(value.text);
    case kind::date:
      return "the date or time " + value.text;
    case kind::list:
      return "a list";
    case kind::table:
      return "a table";
    case kind::broken:
      break;
  }
  return "something broken";
}

bool is_number_text(std::string_view text, double& number) {
  try {
    std::size_t used = 0;
    number = std::stod(std::string(text), &used);
    return used == text.size() && !text.empty() && std::isfinite(number);
  } catch (const std::exception&) {
    return false;
  }
}

std::string as_integer(double number) {
  return number == std::floor(number) && std::abs(number) < 9e15 ? std::to_string(static_cast<std::int64_t>(number))
                                                                 : "";
}

const char* const time_expected = "a time with a unit (ns, us, ms, s, m or h), such as \"10ms\" or \"2s\"";
const char* const size_expected = "a size with a unit (B, kB, MB, GB, KiB, MiB or GiB), such as \"64KiB\"";

/// A number without quotes and without a unit: who writes thousands thinks of milliseconds.
std::string with_time_unit(const config_field& from) {
  const bool whole = from.value.is == kind::integer;
  const double number = whole ? static_cast<double>(from.value.integer) : from.value.real;
  if ((!whole && from.value.is != kind::real) || !(number >= 0 && number < 1e15)) return "";
  const std::string digits = as_integer(number);
  return quote((digits.empty() ? number_shown(from.value) : digits) + (number < 1000 ? "s" : "ms"));
}

/// A number of bytes without a unit: the smallest with which it is in its range.
std::string with_size_unit(const config_field& from, std::uint64_t least, std::uint64_t most) {
  double number = from.value.is == kind::integer ? static_cast<double>(from.value.integer) : from.value.real;
  if (from.value.is == kind::string && !is_number_text(from.value.text, number)) return "";
  if (!(number >= 1 && number < 1e15) || as_integer(number).empty()) return "";
  for (const char* unit : {"B", "KiB", "MiB", "GiB"}) {
    const auto bytes = config::parse_size(as_integer(number) + unit);
    const auto* size = std::get_if<std::uint64_t>(&bytes);
    if (size != nullptr && *size >= least && *size <= most) return quote(as_integer(number) + unit);
  }
  return "";
}

std::string_view unquoted(std::string_view text) { return text.size() < 2 ? text : text.substr(1, text.size() - 2); }

void wrong_quantity(const config_field& from, const config::no_quantity& problem, const std::string& expected) {
  std::string text = std::string(from.name) + ": ";
  text += problem.why.empty() ? "" : problem.why + "; ";
  text += "expected " + expected + ", found the text " + quote(from.value.text);
  if (!problem.meant.empty()) text += "; did you mean " + problem.meant + "?";
  from.problems.error(from.value.at, text);
}

}  // namespace

// ------------------------------------------------------------------------------------------------- tables and problems

const config_member* config_value::find(std::string_view key) const {
  const auto found = std::ranges::find(members, key, &config_member::key);
  return found == members.end() ? nullptr : &*found;
}
config_member* config_value::find(std::string_view key) {
  const auto found = std::ranges::find(members, key, &config_member::key);
  return found == members.end() ? nullptr : &*found;
}

std::size_t config_problems::errors() const {
  return static_cast<std::size_t>(std::ranges::count(all_, false, &problem::warning));
}

std::vector<config_problems::problem> config_problems::in_order() const {
  auto sorted = all_;
  std::ranges::stable_sort(sorted, {}, &problem::at);
  return sorted;
}

const config_value* config_table::take(std::string_view key) {
  known_.push_back(key);
  const config_member* found = value_.find(key);
  return found == nullptr ? nullptr : &found->value;
}

bool config_table::knows(std::string_view key) const { return std::ranges::find(known_, key) != known_.end(); }

void config_table::refuse_the_rest(const advice& about) const {
  for (const auto& member : value_.members) {
    if (knows(member.key)) continue;
    std::string text = about ? about(member.key) : "";
    if (text.empty()) {
      text = quote(member.key) + " is no key of " + owner_;
      const auto meant = config::nearest(member.key, known_);
      if (meant) {
        text += "; did you mean " + quote(*meant) + "?";
      } else {
        text += known_.empty() ? "; it has no keys" : "; its keys are: " + config::listed(known_);
      }
    }
    problems_.error(member.at, text);
  }
}

void config_table::say_faults(const std::vector<config_fault>& faults, std::span<const std::string_view> unread) const {
  const bool all_known = std::ranges::all_of(value_.members, [&](const auto& member) { return knows(member.key); });
  for (const auto& each : faults) {
    const config_member* member = value_.find(each.field);
    const bool said = std::ranges::find(unread, each.field) != unread.end() || (member == nullptr && !all_known);
    if (!said) problems_.error(member == nullptr ? value_.at : member->value.at, each.field + ": " + each.text);
  }
}

void config_field::wrong(const std::string& expected, const std::string& suggestion) const {
  if (value.is == kind::broken) return;
  std::string text = std::string(name) + ": expected " + expected + ", found " + found_in(value);
  if (!suggestion.empty()) text += "; did you mean " + suggestion + "?";
  problems.error(value.at, text);
}

void config_field::out_of_range(const std::string& found, const std::string& expected) const {
  problems.error(value.at, std::string(name) + ": " + found + " is out of range; expected " + expected);
}

// ------------------------------------------------------------------------------------------------------ single values

std::optional<bool> config_boolean(const config_field& from) {
  if (from.value.is == kind::boolean) return from.value.boolean;
  std::string meant;
  const std::string& text = from.value.text;
  constexpr auto words = std::to_array<std::string_view>(
      {"true", "true", "yes", "true", "on", "true", "false", "false", "no", "false", "off", "false"});
  if (from.value.is == kind::string) meant = config::other_word(text, words).value_or("");
  if (from.value.is == kind::integer && from.value.integer == 1) meant = "true";
  if (from.value.is == kind::integer && from.value.integer == 0) meant = "false";
  from.wrong("true or false", meant);
  return std::nullopt;
}

std::optional<std::int64_t> config_integer(const config_field& from, std::int64_t least, std::uint64_t most) {
  if (from.value.is == kind::integer) {
    const std::int64_t found = from.value.integer;
    const bool above = found > 0 && static_cast<std::uint64_t>(found) > most;
    if (found >= least && !above) return found;
    from.out_of_range(std::to_string(found), std::to_string(least) + " to " + std::to_string(most));
    return std::nullopt;
  }
  double number = from.value.real;
  const bool near =
      from.value.is == kind::real || (from.value.is == kind::string && is_number_text(from.value.text, number));
  from.wrong("a whole number", near ? as_integer(number) : "");
  return std::nullopt;
}

std::optional<double> config_real(const config_field& from, double least, double most) {
  double found = from.value.real;
  if (from.value.is == kind::integer) found = static_cast<double>(from.value.integer);
  if (from.value.is != kind::integer && from.value.is != kind::real) {
    const bool near = from.value.is == kind::string && is_number_text(from.value.text, found);
    from.wrong("a number", near ? config::show_number(found) : "");
    return std::nullopt;
  }
  if (found >= least && found <= most) return found;
  from.out_of_range(number_shown(from.value), config::show_number(least) + " to " + config::show_number(most));
  return std::nullopt;
}

std::optional<std::string> config_text(const config_field& from) {
  if (from.value.is == kind::string) return from.value.text;
  std::string meant;
  if (from.value.is == kind::integer || from.value.is == kind::real) meant = quote(number_shown(from.value));
  if (from.value.is == kind::boolean) meant = quote(from.value.boolean ? "true" : "false");
  if (from.value.is == kind::date) meant = quote(from.value.text);
  from.wrong("text in quotes", meant);
  return std::nullopt;
}

std::optional<double> config_ticks(const config_field& from, double tick, bool whole, double least, double most) {
  if (from.value.is != kind::string) {
    from.wrong(time_expected, with_time_unit(from));
    return std::nullopt;
  }
  auto parsed = config::parse_time(from.value.text);
  if (auto* problem = std::get_if<config::no_quantity>(&parsed)) {
    const auto meant = config::parse_time(unquoted(problem->meant));
    const double ticks = std::holds_alternative<double>(meant) ? std::get<double>(meant) / tick : least;
    if (ticks < least || ticks > most || (whole && std::abs(ticks - std::round(ticks)) > 1e-6)) problem->meant.clear();
    wrong_quantity(from, *problem, time_expected);
    return std::nullopt;
  }
  double ticks = std::get<double>(parsed) / tick;
  if (whole && std::abs(ticks - std::round(ticks)) < 1e-6) ticks = std::round(ticks);
  if (ticks < least || ticks > most) {
    from.out_of_range(quote(from.value.text),
                      config_shown_ticks(least, tick) + " to " + config_shown_ticks(most, tick));
    return std::nullopt;
  }
  if (whole && ticks != std::floor(ticks)) {
    from.wrong("a multiple of " + config_shown_ticks(1, tick));
    return std::nullopt;
  }
  return ticks;
}

std::optional<std::uint64_t> config_size(const config_field& from, std::uint64_t least, std::uint64_t most) {
  if (from.value.is != kind::string) {
    from.wrong(size_expected, with_size_unit(from, least, most));
    return std::nullopt;
  }
  auto parsed = config::parse_size(from.value.text);
  if (auto* problem = std::get_if<config::no_quantity>(&parsed)) {
    double number = 0;
    if (is_number_text(from.value.text, number)) problem->meant = with_size_unit(from, least, most);
    const auto meant = config::parse_size(unquoted(problem->meant));
    const auto* size = std::get_if<std::uint64_t>(&meant);
    if (size != nullptr && (*size < least || *size > most)) problem->meant.clear();
    wrong_quantity(from, *problem, size_expected);
    return std::nullopt;
  }
  const auto bytes = std::get<std::uint64_t>(parsed);
  if (bytes >= least && bytes <= most) return bytes;
  from.out_of_range(quote(from.value.text), config_shown_size(least) + " to " + config_shown_size(most));
  return std::nullopt;
}

std::optional<std::size_t> config_choice(const config_field& from, std::span<const std::string_view> words,
                                         std::span<const std::string_view> others) {
  std::string written = from.value.text;
  if (from.value.is == kind::boolean) written = from.value.boolean ? "true" : "false";
  const auto found = std::ranges::find(words, written);
  if (from.value.is == kind::string && found != words.end()) return static_cast<std::size_t>(found - words.begin());
  std::optional<std::string_view> meant;
  if (from.value.is == kind::string || from.value.is == kind::boolean) {
    meant = config::other_word(written, others);
    if (!meant) meant = config::nearest(written, words);
    if (!meant) meant = config::near_other_word(written, others);
  }
  from.wrong(config::alternatives(words), meant ? quote(*meant) : "");
  return std::nullopt;
}

bool config_is_table(const config_field& from) {
  if (from.value.is == kind::table) return true;
  from.wrong("a table, as in " + std::string(from.name) + " = { key = value }");
  return false;
}

bool config_is_list(const config_field& from) {
  if (from.value.is == kind::list) return true;
  from.wrong("a list, as in " + std::string(from.name) + " = [ value, value ]");
  return false;
}

config_value config_only(const config_field& field) {
  config_value table;
  table.is = kind::table;
  table.at = field.value.at;
  table.members.push_back({std::string(field.name), field.value.at, field.value});
  return table;
}

bool config_has_broken(const config_value& value) {
  const auto in_member = [](const config_member& member) { return config_has_broken(member.value); };
  return value.is == kind::broken || std::ranges::any_of(value.items, config_has_broken) ||
         std::ranges::any_of(value.members, in_member);
}

}  // namespace troupe::detail
