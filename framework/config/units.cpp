#include "config/units.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <span>

#include <troupe/detail/config_value.hpp>

#include "config/words.hpp"

namespace troupe::config {

namespace {

struct unit {
  std::string_view name;
  double worth;
};

constexpr std::array times = {unit{"ns", 1},  unit{"us", 1e3}, unit{"ms", 1e6},
                              unit{"s", 1e9}, unit{"m", 60e9}, unit{"h", 3600e9}};
constexpr std::array sizes = {unit{"B", 1},
                              unit{"kB", 1e3},
                              unit{"MB", 1e6},
                              unit{"GB", 1e9},
                              unit{"TB", 1e12},
                              unit{"KiB", 1024.0},
                              unit{"MiB", 1024.0 * 1024},
                              unit{"GiB", 1024.0 * 1024 * 1024},
                              unit{"TiB", 1024.0 * 1024 * 1024 * 1024}};

constexpr auto other_times = std::to_array<std::string_view>(
    {"sec",    "s",  "secs",         "s",  "second",      "s",  "seconds",      "s",  "min",         "m",
     "mins",   "m",  "minute",       "m",  "minutes",     "m",  "hour",         "h",  "hours",       "h",
     "hr",     "h",  "hrs",          "h",  "\u00b5s",     "us", "\u03bcs",      "us", "msec",        "ms",
     "msecs",  "ms", "millis",       "ms", "millisecond", "ms", "milliseconds", "ms", "usec",        "us",
     "micros", "us", "microseconds", "us", "nsec",        "ns", "nanos",        "ns", "nanoseconds", "ns"});
constexpr auto other_sizes = std::to_array<std::string_view>(
    {"k", "KiB", "kb", "kB", "kib", "KiB", "ki",  "KiB", "m", "MiB", "mb", "MB", "mi",  "MiB", "mib",   "MiB",
     "g", "GiB", "gb", "GB", "gi",  "GiB", "gib", "GiB", "t", "TiB", "tb", "TB", "tib", "TiB", "bytes", "B"});

struct parts {
  double number = 0;
  std::string_view digits;
  std::string_view unit;
};

/// A number, perhaps a space, a unit.
std::optional<parts> split_quantity(std::string_view text) {
  const std::size_t end = text.find_first_not_of("0123456789.-+");
  parts found{0, text.substr(0, end), end == text.npos ? std::string_view{} : text.substr(end)};
  while (!found.unit.empty() && found.unit.front() == ' ') found.unit.remove_prefix(1);
  std::string_view digits = found.digits;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), found.number);
  if (digits.empty() || read.ec != std::errc{} || read.ptr != digits.data() + digits.size()) return std::nullopt;
  return found;
}

const unit* find_unit(std::span<const unit> units, std::string_view name) {
  for (const auto& each : units) {
    if (each.name == name) return &each;
  }
  return nullptr;
}

/// One unit too many for a sentence is left out: ns and us, TB.
template <std::size_t N>
no_quantity unknown_unit(const parts& found, std::span<const unit> units,
                         const std::array<std::string_view, N>& others) {
  if (found.unit == "d" || found.unit == "day" || found.unit == "days") {
    return {"there is no unit " + quote(found.unit), quote(show_number(found.number * 24) + "h")};
  }
  auto meant = other_word(found.unit, others);
  if (!meant && found.unit.size() > 3) {
    if (const auto near = nearest(found.unit, others)) meant = other_word(*near, others).value_or(*near);
  }
  if (!meant) {
    for (const auto& each : units) {
      if (distance(each.name, found.unit) == 0) meant = each.name;
    }
  }
  return {"there is no unit " + quote(found.unit),
          meant ? quote(std::string(found.digits) + std::string(*meant)) : std::string{}};
}

/// What is right but for spaces around it, and a comma for a point.
std::string tidied(std::string_view text, std::span<const unit> units) {
  const std::size_t begin = text.find_first_not_of(" \t");
  std::string tidy(text.substr(std::min(begin, text.size())));
  tidy.resize(tidy.find_last_not_of(" \t") + 1);
  if (std::ranges::count(tidy, ',') == 1) tidy[tidy.find(',')] = '.';
  const auto found = split_quantity(tidy);
  return found && find_unit(units, found->unit) != nullptr && tidy != text ? quote(tidy) : "";
}

template <std::size_t N>
std::variant<double, no_quantity> parse(std::string_view text, std::span<const unit> units, std::string_view usual,
                                        std::string_view many, const std::array<std::string_view, N>& others) {
  const auto found = split_quantity(text);
  if (auto tidy = tidied(text, units); !tidy.empty()) return no_quantity{"", tidy};
  if (!found) return no_quantity{"", ""};
  if (found->unit.empty()) {
    return no_quantity{"a unit is missing",
                       quote(std::string(found->digits) + std::string(found->number < 1000 ? usual : many))};
  }
  const unit* const in = find_unit(units, found->unit);
  if (in == nullptr) {
    if (found->unit.find_first_of("0123456789") != found->unit.npos) return no_quantity{"one number and one unit", ""};
    return unknown_unit(*found, units, others);
  }
  return found->number * in->worth;
}

template <class Units>
std::string show(double value, const Units& units, std::string_view zero) {
  const unit* best = nullptr;
  for (const auto& each : units) {
    const double count = value / each.worth;
    if (value != 0 && count == std::floor(count) && (best == nullptr || each.worth > best->worth)) best = &each;
  }
  if (best == nullptr) return value == 0 ? std::string(zero) : show_number(value) + std::string(units.front().name);
  std::array<char, 400> digits{};
  const auto end =
      std::to_chars(digits.data(), digits.data() + digits.size(), value / best->worth, std::chars_format::fixed);
  return std::string(digits.data(), end.ptr) + std::string(best->name);
}

}  // namespace

std::variant<double, no_quantity> parse_time(std::string_view text) {
  return parse(text, times, "s", "ms", other_times);
}

std::variant<std::uint64_t, no_quantity> parse_size(std::string_view text) {
  const auto parsed = parse(text, sizes, "B", "B", other_sizes);
  if (const auto* why = std::get_if<no_quantity>(&parsed)) return *why;
  const double bytes = std::get<double>(parsed);
  if (bytes < 0) return no_quantity{"a size is not below 0", ""};
  if (bytes >= 9e18) return no_quantity{"that is more than can be counted", ""};
  const double whole = std::round(bytes);
  const double inexact = 4 * std::numeric_limits<double>::epsilon() * bytes;  // of 1.001 times a million
  if (std::abs(bytes - whole) > inexact) return no_quantity{"a size is a whole number of bytes", ""};
  return static_cast<std::uint64_t>(whole);
}

std::string show_time(double nanoseconds) { return show(nanoseconds, times, "0s"); }
std::string show_size(std::uint64_t bytes) { return show(static_cast<double>(bytes), sizes, "0B"); }

std::string show_number(double number) {
  std::array<char, 64> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number);
  return {text.data(), end.ptr};
}

}  // namespace troupe::config

namespace troupe::detail {

std::string config_shown(double number) {
  std::string shown = config::show_number(number);
  if (shown.find_first_of(".enf") == shown.npos) shown += ".0";
  return shown;
}
std::string config_shown_ticks(double count, double tick) { return config_quoted(config::show_time(count * tick)); }
std::string config_shown_size(std::uint64_t bytes) { return config_quoted(config::show_size(bytes)); }

}  // namespace troupe::detail
