// --set path=value: a value of the file is replaced, or a new one put in, before anything is looked at.

#include <algorithm>

#include "config/plan.hpp"
#include "config/toml.hpp"
#include "config/words.hpp"

namespace troupe::config {

using detail::config_place;
using detail::config_problems;
using detail::config_value;
using kind = config_value::kind;

namespace {

constexpr std::size_t most_parts = 80;

struct assignment {
  std::vector<std::string> path;
  std::string value;
};

/// `a."b.c".d=value`
std::optional<assignment> split(std::string_view set) {
  assignment made;
  std::string part;
  bool in_quotes = false;
  for (std::size_t i = 0; i < set.size(); ++i) {
    const char c = set[i];
    if (c == '"') {
      in_quotes = !in_quotes;
    } else if (!in_quotes && (c == '.' || c == '=')) {
      if (part.empty() || made.path.size() >= most_parts) return std::nullopt;
      made.path.push_back(std::exchange(part, {}));
      if (c == '=') {
        made.value = set.substr(i + 1);
        return made;
      }
    } else {
      part += c;
    }
  }
  return std::nullopt;
}

std::string joined(const std::vector<std::string>& path, std::size_t count) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += (i == 0 ? "" : ".") + path[i];
  return all;
}

std::vector<std::string_view> names_in(const config_value& list) {
  std::vector<std::string_view> names;
  for (const auto& item : list.items) {
    const auto* name = item.find("name");
    if (name != nullptr && name->value.is == kind::string) names.push_back(name->value.text);
  }
  return names;
}

class setter {
 public:
  setter(config_problems& problems, config_place at) : problems_(problems), at_(at) {}

  void apply(config_value& file, const assignment& what) {
    config_value* table = &file;
    for (std::size_t i = 0; i + 1 < what.path.size() && table != nullptr; ++i) table = step(*table, what.path, i);
    if (table == nullptr) return;
    put(*table, what.path.back(), read_toml_value(what.value, at_, problems_));
  }

 private:
  /// One part of the path down; `i` goes on by one more where a child is named.
  config_value* step(config_value& from, const std::vector<std::string>& path, std::size_t& i) {
    auto* member = from.find(path[i]);
    if (member == nullptr) return missing(from, path, i);
    if (member->value.is == kind::table) return &member->value;
    if (member->value.is != kind::list) {
      problems_.error(at_, quote(joined(path, i + 1)) + " is no table, so there is nothing below it");
      return nullptr;
    }
    return child(member->value, path, ++i);
  }

  config_value* child(config_value& list, const std::vector<std::string>& path, std::size_t i) {
    if (i + 1 >= path.size()) {
      problems_.error(at_, quote(joined(path, i)) + " is a list of children: a child's name and a key come behind it");
      return nullptr;
    }
    for (auto& item : list.items) {
      const auto* name = item.find("name");
      if (name != nullptr && name->value.is == kind::string && name->value.text == path[i]) return &item;
    }
    const auto names = names_in(list);
    std::string text = "there is no child " + quote(path[i]) + " in " + joined(path, i);
    const auto meant = nearest(path[i], names);
    text += meant ? "; did you mean " + quote(*meant) + "?" : names.empty() ? "" : "; there are: " + listed(names);
    problems_.error(at_, text);
    return nullptr;
  }

  /// A table that the file does not have, such as backoff, is made; a child is not.
  config_value* missing(config_value& from, const std::vector<std::string>& path, std::size_t i) {
    const auto* children = from.find("child");
    const bool is_child = children != nullptr && std::ranges::count(names_in(children->value), path[i]) > 0;
    if (is_child) {
      problems_.error(at_, quote(path[i]) + " is a child; did you mean " + (i == 0 ? "" : joined(path, i) + ".") +
                               "child." + path[i] + "?");
      return nullptr;
    }
    if (path[i] == "child") {
      problems_.error(at_, joined(path, i) + " has no children");
      return nullptr;
    }
    config_value table;
    table.is = kind::table;
    table.at = at_;
    put(from, path[i], std::move(table));
    return &from.find(path[i])->value;
  }

  void put(config_value& table, const std::string& key, config_value value) {
    if (auto* there = table.find(key)) {
      there->at = at_;
      there->value = std::move(value);
    } else {
      table.members.push_back({key, at_, std::move(value)});
    }
  }

  config_problems& problems_;
  config_place at_;
};

}  // namespace

void apply_set(config_value& file, std::string_view set, std::uint32_t number, config_problems& problems) {
  const config_place at{number, 0, 0};
  const auto what = split(set);
  if (!what) {
    problems.error(at, "expected path=value, such as supervisor.max_restarts=3");
  } else {
    setter(problems, at).apply(file, *what);
  }
}

}  // namespace troupe::config
