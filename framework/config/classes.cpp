#include <algorithm>
#include <map>

#include "config/plan.hpp"
#include "config/words.hpp"

namespace troupe::config {

namespace {

/// The name behind the last `::` that is not within < >.
std::string_view without_namespaces(std::string_view name) {
  int depth = 0;
  for (std::size_t i = name.size(); i-- > 0;) {
    if (name[i] == '>') ++depth;
    if (name[i] == '<') --depth;
    if (name[i] == ':' && depth == 0) return name.substr(i + 1);
  }
  return name;
}

}  // namespace

class_list::class_list(std::span<const detail::config_class> classes) {
  std::map<std::string_view, int> called;
  for (const auto& each : classes) ++called[without_namespaces(each.type->name)];
  for (const auto& each : classes) {
    const std::string_view own = without_namespaces(each.type->name);
    all_.push_back({std::string(called[own] == 1 ? own : each.type->name), &each});
  }
}

const detail::config_class* class_list::find(const detail::config_field& from) const {
  const auto written = config_text(from);
  if (!written) return nullptr;
  std::vector<std::string_view> names;
  std::vector<std::string_view> so_called;
  for (const auto& each : all_) {
    if (each.name == *written || each.is->type->name == *written) return each.is;
    names.push_back(each.name);
    if (without_namespaces(each.is->type->name) == *written) so_called.push_back(each.name);
  }
  std::string text = "actor: ";
  const auto meant = nearest(*written, names);
  if (!so_called.empty()) {
    text += quote(*written) + " may mean " + alternatives(so_called);
  } else {
    text += "there is no actor class " + quote(*written) + " in this program; ";
    text += meant ? "did you mean " + quote(*meant) + "?" : "there are: " + listed(names);
  }
  from.problems.error(from.value.at, text);
  return nullptr;
}

}  // namespace troupe::config
