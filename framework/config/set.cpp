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

/// `a."b.c".'d.e'=value`
std::optional<assignment> split(std::string_view set) {
  assignment made;
  std::string part;
  char in_quotes = 0;
  for (std::size_t i = 0; i < set.size(); ++i) {
    const char c = set[i];
    if (in_quotes != 0 ? c == in_quotes : c == '"' || c == '\'') {
      in_quotes = in_quotes != 0 ? '\0' : c;
    } else if (in_quotes == 0 && (c == '.' || c == '=')) {
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
  for (std::size_t i = 0; i < count; ++i) all += (i == 0 ? "" : ".") + shown_key(path[i]);
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

bool is_called(const config_value& child, std::string_view wanted) {
  const auto* name = child.find("name");
  return name != nullptr && name->value.is == kind::string && name->value.text == wanted;
}

/// The path to the child of this name, below `path`; empty: there is none.
std::string find_path(const config_value& table, const std::string& path, std::string_view wanted) {
  const auto* children = table.find("child");
  if (children == nullptr) return "";
  for (const auto& item : children->value.items) {
    const auto* name = item.find("name");
    if (name == nullptr || name->value.is != kind::string) continue;
    const std::string own = path + ".child." + shown_key(name->value.text);
    if (is_called(item, wanted)) return own;
    if (const auto below = find_path(item, own, wanted); !below.empty()) return below;
  }
  return "";
}

/// What becomes text although it begins like something else; empty: nothing is wrong with that.
std::string about_text(const std::string& value) {
  if (!value.empty() && value.find_first_not_of("+-0123456789_") == value.npos &&
      value.find_first_of("0123456789") != value.npos)
    return quote(value) + " is no number that can be counted; as text it stands in quotes";
  switch (value.empty() ? ' ' : value.front()) {
    case '"':
    case '\'':
      return quote(value) + " begins with a quote and is no text in quotes";
    case '[':
      return quote(value) + " begins a list and is none: [value, value], with texts, times and sizes in quotes";
    case '{':
      return quote(value) + " begins a table and is none: {key = value}, with texts, times and sizes in quotes";
    default:
      return "";
  }
}

class setter {
 public:
  setter(config_problems& problems, config_place at) : problems_(problems), at_(at) {}

  void apply(config_value& file, const assignment& what) {
    top_ = file.find("supervisor");
    config_value* table = &file;
    for (std::size_t i = 0; i + 1 < what.path.size() && table != nullptr; ++i) table = step(*table, what.path, i);
    if (table == nullptr) return;
    config_value value = read_toml_value(what.value, at_, problems_);
    const bool as_it_is = value.is == kind::string && value.text == what.value;
    if (auto text = as_it_is ? about_text(what.value) : ""; !text.empty()) {
      problems_.error(at_, text);
      value.is = kind::broken;
    }
    put(*table, what.path.back(), std::move(value));
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
    if (path[i] != "child") {
      problems_.error(at_, quote(joined(path, i + 1)) +
                               " is a list, which a --set replaces as a whole: " + joined(path, i + 1) + "=[...]");
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
      if (is_called(item, path[i])) return &item;
    }
    problems_.error(at_, "there is no child " + quote(path[i]) + " in " + joined(path, i) + about_child(list, path, i));
    return nullptr;
  }

  /// One whose name has points in it, one that stands elsewhere, one that is nearly called so.
  std::string about_child(const config_value& list, const std::vector<std::string>& path, std::size_t i) const {
    const auto names = names_in(list);
    std::string with_points = path[i];
    for (std::size_t next = i + 1; next + 1 < path.size(); ++next) {
      with_points += "." + path[next];
      if (std::ranges::find(names, with_points) == names.end()) continue;
      return "; did you mean " + joined(path, i) + "." + shown_key(with_points) + ", in quotes?";
    }
    const std::string elsewhere = path_of(path[i]);
    if (!elsewhere.empty()) return "; did you mean " + elsewhere + "?";
    if (const auto meant = nearest(path[i], names)) return "; did you mean " + quote(*meant) + "?";
    return names.empty() ? "" : "; there are: " + listed(names);
  }

  std::string path_of(std::string_view child) const {
    return top_ == nullptr ? "" : find_path(top_->value, "supervisor", child);
  }

  /// A table that the file does not have, such as backoff, is made; a child is not.
  config_value* missing(config_value& from, const std::vector<std::string>& path, std::size_t i) {
    const auto* children = from.find("child");
    const bool is_child = children != nullptr && std::ranges::count(names_in(children->value), path[i]) > 0;
    const std::string meant = is_child ? joined(path, i) + ".child." + shown_key(path[i]) : i == 0 ? path_of(path[i]) : "";
    if (!meant.empty()) {
      problems_.error(at_, quote(path[i]) + " is a child; did you mean " + meant + "?");
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
  const detail::config_member* top_ = nullptr;  // [supervisor]
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
