// Some of its assertions fail for bytes that are no TOML, and an error follows: they must neither abort nor, with NDEBUG,
// become assumptions of the compiler's.
#undef NDEBUG
#define TOML_ASSERT(expr) static_cast<void>(0)
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#define TOML_MAX_NESTED_VALUES 64  // as about_the_end() in syntax.cpp says
#include <toml++/toml.h>

#include "config/toml.hpp"

#include <algorithm>
#include <sstream>

#include "config/words.hpp"

namespace troupe::config {

using detail::config_place;
using detail::config_problems;
using detail::config_value;
using kind = config_value::kind;

namespace {

constexpr int most_repairs = 50;
/// Of a key with points, `a.b.c`: the reader nests, and so does whoever walks what it has read.
constexpr int most_points = 64;

/// Behind the quoted text that begins at `at`. One that is not closed ends with its line; after three quotes, with all.
std::size_t end_of_quoted(std::string_view text, std::size_t at) {
  const char quote = text[at];
  const std::string fence(3, quote);
  if (!text.substr(at).starts_with(fence)) {
    for (std::size_t i = at + 1; i < text.size(); ++i) {
      if (text[i] == '\n') return i;
      if (text[i] == quote) return i + 1;
      if (text[i] == '\\' && quote == '"') ++i;
    }
    return text.size();
  }
  for (std::size_t i = at + 3; i < text.size(); ++i) {
    if (text.substr(i).starts_with(fence)) {
      const std::size_t last = std::min(text.find_first_not_of(quote, i), text.size());
      return std::min(last, i + 5);  // two quotes more may belong to the text
    }
    if (text[i] == '\\' && quote == '"') ++i;
  }
  return text.size();
}

config_place place_in(std::string_view text, std::size_t at) {
  const std::string_view before = text.substr(0, at);
  const std::size_t line = before.rfind('\n') + 1;
  return {0, static_cast<std::uint32_t>(1 + std::ranges::count(before, '\n')),
          static_cast<std::uint32_t>(1 + letters(before.substr(line)))};
}

/// The reader nests keys of any length, so those are looked for before it reads.
std::optional<std::size_t> too_many_points(std::string_view text) {
  int points = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '.') {
      if (++points > most_points) return i;
    } else if (c == '\n' || c == '=' || c == ',') {
      points = 0;
    } else if (c == '#') {
      i = std::min(text.find('\n', i), text.size()) - 1;
    } else if (c == '"' || c == '\'') {
      i = end_of_quoted(text, i) - 1;
    }
  }
  return std::nullopt;
}

/// To be asked before each reading: a repair can make names of what was a text.
bool nests_too_deeply(const repairs& source, config_problems& problems) {
  const auto point = too_many_points(source.text());
  if (!point) return false;
  const auto at = place_in(source.text(), *point);
  problems.error(source.original(at.line, at.column),
                 "a name with more than " + std::to_string(most_points) + " points: nested too deeply");
  return true;
}

class converter {
 public:
  converter(const repairs& source, config_problems& problems) : source_(source), problems_(problems) {}

  config_value convert(const toml::node& node, std::size_t depth) {
    config_value value;
    value.at = place(node.source());
    if (depth > deepest) {
      problems_.error(value.at, "nested too deeply; at most " + std::to_string(deepest) + " tables and lists");
      return value;
    }
    if (const auto* table = node.as_table()) {
      take(*table, depth, value);
    } else if (const auto* list = node.as_array()) {
      value.is = kind::list;
      for (const auto& item : *list) value.items.push_back(convert(item, depth + 1));
    } else {
      take_scalar(node, value);
    }
    return value;
  }

 private:
  config_place place(const toml::source_region& region) const {
    return source_.original(region.begin.line, region.begin.column);
  }

  void take(const toml::table& table, std::size_t depth, config_value& value) {
    value.is = kind::table;
    for (const auto& [key, node] : table) {
      value.members.push_back({std::string(key.str()), place(key.source()), convert(node, depth + 1)});
    }
    std::ranges::stable_sort(value.members, {}, &detail::config_member::at);
  }

  void take_scalar(const toml::node& node, config_value& value) {
    if (const auto* text = node.as_string()) {
      value.is = source_.is_mark(text->get()) ? kind::broken : kind::string;
      value.text = text->get();
    } else if (const auto* integer = node.as_integer()) {
      value.is = kind::integer;
      value.integer = integer->get();
    } else if (const auto* real = node.as_floating_point()) {
      value.is = kind::real;
      value.real = real->get();
    } else if (const auto* boolean = node.as_boolean()) {
      value.is = kind::boolean;
      value.boolean = boolean->get();
    } else {
      value.is = kind::date;
      std::ostringstream written;
      node.visit([&](const auto& any) {
        if constexpr (toml::is_date<decltype(any)> || toml::is_time<decltype(any)> ||
                      toml::is_date_time<decltype(any)>) {
          written << any.get();
        }
      });
      value.text = written.str();
    }
  }

  const repairs& source_;
  config_problems& problems_;
};

void move_to(config_value& value, config_place at) {
  value.at = at;
  for (auto& item : value.items) move_to(item, at);
  for (auto& member : value.members) {
    member.at = at;
    move_to(member.value, at);
  }
}

}  // namespace

std::optional<config_value> read_toml(std::string_view text, config_problems& problems) {
  repairs source(text);
  if (nests_too_deeply(source, problems)) return std::nullopt;
  if (const std::size_t zero = text.find('\0'); zero != text.npos) {
    const auto line = static_cast<std::uint32_t>(1 + std::ranges::count(text.substr(0, zero), '\n'));
    problems.error({0, line, 1}, "this is not text; it has a byte 0 in it");
    return std::nullopt;
  }
  source.repair_headers(problems);
  for (int tries = 0; tries <= most_repairs; ++tries) {
    const toml::parse_result parsed = toml::parse(std::string_view(source.text()));
    if (parsed) return converter(source, problems).convert(parsed.table(), 0);
    const auto& failure = parsed.error();
    const auto at = failure.source().begin;
    if (!source.repair({at.line, at.column, failure.description()}, problems)) break;
    if (nests_too_deeply(source, problems)) break;
  }
  return std::nullopt;
}

config_value read_toml_value(const std::string& text, config_place at, config_problems& problems) {
  config_value value;
  const std::string line = "value = " + text;
  const bool one_line = text.find_first_of("\r\n") == text.npos;
  const bool bounded = text.size() <= largest_file && !too_many_points(line);
  if (one_line && bounded) {
    const toml::parse_result parsed = toml::parse(std::string_view(line));
    if (parsed && parsed.table().size() == 1) {
      value = converter(repairs(""), problems).convert(*parsed.table().get("value"), 0);
      move_to(value, at);
      return value;
    }
  }
  value.is = kind::string;
  value.at = at;
  value.text = text;
  return value;
}

}  // namespace troupe::config
