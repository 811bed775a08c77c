#include "config/tables.hpp"

#include <algorithm>
#include <utility>

#include "config/scanner.hpp"
#include "config/toml.hpp"
#include "config/words.hpp"

namespace troupe::config {

using detail::config_place;
using detail::config_problems;
using detail::config_value;
using kind = config_value::kind;

namespace {

std::string in_line(config_place at) { return "line " + std::to_string(at.line); }

void say_twice(const std::string& what, config_place first, config_place at, config_problems& problems) {
  const std::string where = first.line == at.line ? "" : "; it is in " + in_line(first) + " already";
  problems.error(at, what + " is there twice" + where);
}

bool too_deep(std::size_t depth, config_place at, config_problems& problems) {
  if (depth <= deepest) return false;
  problems.error(at, "nested too deeply; at most " + std::to_string(deepest) + " tables and lists");
  return true;
}

}  // namespace

std::string shown(std::span<const name_part> key) {
  std::string all;
  for (const auto& part : key) all += (all.empty() ? "" : ".") + shown_key(part.name);
  return all;
}

open_table::entry* open_table::find(std::string_view name) {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

open_table::entry& open_table::add(const name_part& key, config_place at) {
  entries_.push_back(std::make_unique<entry>(entry{.key = key, .at = at}));
  entry& made = *entries_.back();
  by_name_.emplace(made.key.name, &made);
  return made;
}

open_table* open_table::add_table(entry& to, config_place at) {
  to.tables.push_back(std::make_unique<open_table>(at, depth_ + (to.list ? 2 : 1)));
  return to.tables.back().get();
}

void open_table::put(std::span<const name_part> key, config_value value, config_problems& problems) {
  const std::string whole = shown(key);
  open_table* to = this;
  for (; key.size() > 1; key = key.subspan(1)) {
    to = to->enter_by_key(key.front(), whole, problems);
    if (to == nullptr) return;
  }
  const name_part& last = key.front();
  if (const entry* before = to->find(last.name)) {
    say_twice(quote(whole), before->key.at, last.at, problems);
    return;
  }
  to->add(last, value.at).value = std::move(value);
}

/// The table of that name, made if there is none.
open_table* open_table::enter(const name_part& key, config_place at, const std::string& whole,
                              config_problems& problems) {
  if (too_deep(depth_ + 1, at, problems)) return nullptr;
  entry* found = find(key.name);
  if (found == nullptr) return add_table(add(key, at), at);
  if (!found->tables.empty()) return found->tables.back().get();
  if (found->value.is == kind::broken) return nullptr;
  const std::string where = " in " + in_line(found->key.at);
  const std::string what =
      found->value.is == kind::table  ? " is a table in { }," + where + "; nothing can be added to it"
      : found->value.is == kind::list ? " is a list in [ ]," + where + "; nothing can be added to it"
                                      : " has a value already," + where + ", and is no table";
  problems.error(at, quote(whole) + ": " + quote(key.name) + what);
  return nullptr;
}

/// The same for a key with points, which adds to no table that has a header.
open_table* open_table::enter_by_key(const name_part& key, const std::string& whole, config_problems& problems) {
  entry* found = find(key.name);
  if (found != nullptr && found->has_header) {
    problems.error(key.at, quote(whole) + ": " + quote(key.name) + " has a header, in " + in_line(found->at) +
                               ", and its keys stand below that");
    return nullptr;
  }
  open_table* entered = enter(key, key.at, whole, problems);
  if (entered != nullptr && found == nullptr) find(key.name)->by_key = true;
  return entered;
}

open_table* open_table::open(std::span<const name_part> key, bool list, config_place at, config_problems& problems) {
  const std::string whole = (list ? "[[" : "[") + shown(key) + (list ? "]]" : "]");
  open_table* to = this;
  for (; key.size() > 1 && to != nullptr; key = key.subspan(1)) to = to->enter(key.front(), at, whole, problems);
  return to == nullptr ? nullptr : to->open_last(key.front(), list, at, whole, problems);
}

open_table* open_table::open_last(const name_part& key, bool list, config_place at, const std::string& whole,
                                  config_problems& problems) {
  if (too_deep(depth_ + 2, at, problems)) return nullptr;
  entry* found = find(key.name);
  if (found == nullptr) {
    entry& made = add(key, at);
    made.list = list;
    made.has_header = true;
    return add_table(made, at);
  }
  const bool same = !found->tables.empty() && found->list == list;
  if (same && list) return add_table(*found, at);
  if (same && found->by_key) {
    problems.error(at, quote(whole) + " is there already, by the key in " + in_line(found->key.at));
    return found->tables.back().get();
  }
  if (same) {
    if (found->has_header) say_twice(quote(whole), found->at, at, problems);
    if (!std::exchange(found->has_header, true)) found->at = at;
    return found->tables.back().get();
  }
  if (found->tables.empty()) {
    enter(key, at, whole, problems);  // says what is in the way
    const bool adds = list && found->value.is == kind::list;
    found->list = adds;
    return adds ? add_table(*found, at) : nullptr;
  }
  if (found->list) {
    problems.error(at,
                   quote(whole) + " is a list already, in " + in_line(found->at) + "; did you mean [" + whole + "]?");
    return add_table(*found, at);
  }
  problems.error(at, quote(whole) + " is a table already, in " + in_line(found->at) +
                         "; what belongs to one of a list stands below its " + whole);
  found->list = true;
  found->tables.clear();
  return add_table(*found, at);
}

config_value open_table::finish() && {
  config_value made;
  made.is = kind::table;
  made.at = at_;
  for (auto& each : entries_) {
    config_value value = std::move(each->value);
    if (!each->tables.empty()) {
      if (!each->list) value = std::move(*each->tables.front()).finish();
      if (each->list) value.is = kind::list;
      value.at = each->at;
      for (auto& table : each->tables) {
        if (each->list) value.items.push_back(std::move(*table).finish());
      }
    }
    made.members.push_back({std::move(each->key.name), each->key.at, std::move(value)});
  }
  return made;
}

}  // namespace troupe::config
