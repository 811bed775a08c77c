// The file's tables, read into plans of children. What each key means is in options.cpp.

#include "config/plan.hpp"

#include <algorithm>
#include <array>

#include "config/options.hpp"
#include "config/words.hpp"

namespace troupe::config {

using detail::config_field;
using detail::config_place;
using detail::config_problems;
using detail::config_table;
using detail::config_value;
using kind = config_value::kind;

namespace {

constexpr std::size_t longest_name = 200;
constexpr std::string_view top_name = "supervisor";

class plan_reader {
 public:
  plan_reader(const classes_and_programs& known, config_problems& problems) : known_(known), problems_(problems) {}

  child_plan read_top(const config_value& file);

 private:
  child_plan read_child(const config_value& value, std::size_t depth);
  void read_supervisor(config_table& table, child_plan& plan, std::size_t depth);
  void read_actor(config_table& table, child_plan& plan);
  void read_children(config_table& table, child_plan& plan, std::size_t depth);
  void decide_kind(config_table& table, child_plan& plan);
  std::string read_name(config_table& table);
  void read_count(config_table& table, child_plan& plan);
  void read_made_from(config_table& table, child_plan& plan);
  void read_class(const config_field& from, const config_value* args, child_plan& plan);
  void read_program(const config_field& from, const config_value* args, child_plan& plan);
  const config_value* find_top(const config_value& file);

  const classes_and_programs& known_;
  config_problems& problems_;
};

std::string about_top_key(std::string_view key) {
  const auto keys = flag_keys();
  if (key == "child" || key == "children")
    return quote(key) + " stands in a supervisor; did you mean [[supervisor.child]]?";
  if (std::ranges::find(keys, key) != keys.end()) return quote(key) + " stands in [supervisor], below that line";
  for (const std::string_view own : {"name", "actor", "args", "restart", "shutdown", "backoff", "budget", "limits"}) {
    if (key == own) return quote(key) + " stands in a child, below [[supervisor.child]]";
  }
  const std::array<std::string_view, 1> only = {top_name};
  if (!nearest(key, only)) return quote(key) + " is no part of a tree file, which has [supervisor] alone";
  return "";
}

std::string about_key_of_top(std::string_view key) {
  for (const std::string_view own : {"restart", "shutdown", "significant", "backoff", "budget", "kind"}) {
    if (key == own) {
      return quote(key) +
             " says how a supervisor treats its child, and [supervisor] is nobody's child; the program ends with it";
    }
  }
  return about_key(key, true);
}

/// A key of the actor's config that was written beside args.
std::string about_key_of(const child_plan& plan, std::string_view key) {
  const bool has_fields = plan.of != nullptr && plan.of->fields != nullptr;
  const auto fields = has_fields ? plan.of->fields() : std::vector<detail::config_listed>{};
  if (std::ranges::find(fields, key, &detail::config_listed::name) != fields.end()) {
    return quote(key) + " is of the actor's config; it stands in args = { " + std::string(key) + " = ... }";
  }
  const auto* type = plan.table->find("type");
  if (key == "type" && type->value.text != "worker" && type->value.text != "supervisor" && !plan.is_supervisor) {
    return "\"type\" is no key of an actor; did you mean \"actor\"?";
  }
  return about_key(key, plan.is_supervisor);
}

/// Whether a key is there that stands for this one, which gets its own complaint.
bool is_misspelt(const config_value& table, std::string_view key) {
  return std::ranges::any_of(table.members, [&](const auto& member) {
    const bool class_as_type = member.key == "type" && key == "actor" && member.value.is == kind::string;
    return member.key != key && (class_as_type || stands_for(member.key, key));
  });
}

// ------------------------------------------------------------------------------------------------------------- the top

/// The table [supervisor], also where it is misspelt, so that the rest is read all the same.
const config_value* plan_reader::find_top(const config_value& file) {
  const config_value* found = nullptr;
  config_table whole(file, "a tree file", problems_);
  const config_value* named = whole.take(top_name);
  whole.refuse_the_rest(about_top_key);
  for (const auto& member : file.members) {
    const bool near = distance(member.key, top_name) <= 3 && member.value.is == kind::table;
    if (near && found == nullptr) found = &member.value;
  }
  if (named == nullptr) {
    if (found == nullptr) problems_.error({0, 1, 1}, "[supervisor] is missing, the table that a tree file begins with");
    return found;
  }
  if (named->is == kind::list && !named->items.empty() && named->items.front().is == kind::table) {
    problems_.error(named->items.front().at, "a file has one supervisor at its top; did you mean [supervisor]?");
    return &named->items.front();
  }
  if (named->is != kind::table) {
    config_field{top_name, *named, problems_}.wrong("a table that begins with [supervisor]");
    return nullptr;
  }
  return named;
}

child_plan plan_reader::read_top(const config_value& file) {
  child_plan top;
  top.is_supervisor = true;
  top.is_top = true;
  top.flags.name = top_name;
  const config_value* found = find_top(file);
  if (found == nullptr) return top;
  top.table = found;
  config_table table(*found, "a supervisor", problems_);
  if (table.has("name")) top.flags.name = read_name(table);
  read_flags(table, top.flags, problems_);
  read_children(table, top, 1);
  table.refuse_the_rest(about_key_of_top);
  return top;
}

// ------------------------------------------------------------------------------------------------------------ children

std::string plan_reader::read_name(config_table& table) {
  const config_value* value = table.take("name");
  if (value == nullptr && is_misspelt(table.value(), "name")) return "";
  if (value == nullptr) {
    problems_.error(table.value().at, "a child needs a name, as in name = \"reader\"");
    return "";
  }
  const config_field from{"name", *value, problems_};
  const auto name = config_text(from);
  if (!name) return "";
  if (name->empty() || name->size() > longest_name) {
    problems_.error(value->at, "name: a name has 1 to " + std::to_string(longest_name) + " bytes, this one has " +
                                   std::to_string(name->size()));
    return "";
  }
  if (name->find('\0') != std::string::npos || name->find('\n') != std::string::npos) {
    problems_.error(value->at, "name: " + quote(*name) + " has a letter in it that cannot be shown on a line");
    return "";
  }
  return *name;
}

/// An actor unless it says something else, or has what only supervisors have.
void plan_reader::decide_kind(config_table& table, child_plan& plan) {
  static constexpr std::array<std::string_view, 2> kinds = {"worker", "supervisor"};
  static constexpr std::array<std::string_view, 6> others = {"actor",  "worker",  "process",
                                                             "worker", "program", "worker"};
  if (const config_value* value = table.take("kind")) {
    const auto chosen = config_choice(config_field{"kind", *value, problems_}, kinds, others);
    plan.is_supervisor = chosen ? *chosen == 1 : nearest(value->text, kinds) == kinds[1];
    if (chosen || plan.is_supervisor) return;
  }
  if (table.has("actor") || table.has("exec")) return;
  for (const auto key : flag_keys()) {
    const auto* member = table.value().find(key);
    if (member == nullptr) continue;
    if (!table.has("kind")) {
      problems_.error(table.value().at,
                      "this child has " + quote(key) + ", as only supervisors have, but no kind = \"supervisor\"");
    }
    plan.is_supervisor = true;
    return;
  }
}

child_plan plan_reader::read_child(const config_value& value, std::size_t depth) {
  child_plan plan;
  plan.table = &value;
  config_table table(value, "", problems_);
  decide_kind(table, plan);
  config_table keys(value, plan.is_supervisor ? "a supervisor" : "an actor", problems_);
  const std::string name = read_name(keys);
  keys.take("kind");
  if (plan.is_supervisor) {
    plan.flags.name = name;
    read_supervisor(keys, plan, depth);
  } else {
    plan.spec.name = name;
    read_actor(keys, plan);
  }
  keys.refuse_the_rest([&](std::string_view key) { return about_key_of(plan, key); });
  return plan;
}

void plan_reader::read_supervisor(config_table& table, child_plan& plan, std::size_t depth) {
  read_flags(table, plan.flags, problems_);
  read_child_options(table, plan.flags, problems_);
  read_children(table, plan, depth);
}

void plan_reader::read_children(config_table& table, child_plan& plan, std::size_t depth) {
  const config_value* value = table.take("child");
  if (value == nullptr || value->is == kind::broken) return;
  if (depth > deepest_supervisor) {
    problems_.error(value->at,
                    "supervisors stand in each other at most " + std::to_string(deepest_supervisor) + " deep");
    return;
  }
  const std::string begins = "each begins with [[" + std::string(plan.is_top ? "supervisor" : "...") + ".child]]";
  if (value->is == kind::table) {
    problems_.error(value->at, "child: expected a list of children, found one table; " + begins);
    plan.children.push_back(read_child(*value, depth + 1));
    return;
  }
  if (value->is != kind::list) {
    config_field{"child", *value, problems_}.wrong("a list of children; " + begins);
    return;
  }
  for (const auto& item : value->items) {
    if (item.is == kind::table) {
      plan.children.push_back(read_child(item, depth + 1));
    } else {
      config_field{"child", item, problems_}.wrong("a table for each child; " + begins);
    }
  }
}

// -------------------------------------------------------------------------------------------------------------- actors

void plan_reader::read_actor(config_table& table, child_plan& plan) {
  read_count(table, plan);
  read_child_options(table, plan.spec, problems_);
  read_actor_options(table, plan.spec, problems_);
  read_made_from(table, plan);
}

void plan_reader::read_count(config_table& table, child_plan& plan) {
  const config_value* value = table.take("count");
  if (value == nullptr) return;
  const auto found = config_integer(config_field{"count", *value, problems_}, 1, most_processes);
  if (!found) return;
  plan.count = static_cast<std::uint32_t>(*found);
  if (plan.spec.name.size() + 1 + std::to_string(plan.count).size() > longest_name) {
    problems_.error(plan.at("name"),
                    "name: with its number it has more than " + std::to_string(longest_name) + " bytes");
  }
}

void plan_reader::read_made_from(config_table& table, child_plan& plan) {
  const config_value* actor = table.take("actor");
  const config_value* exec = table.take("exec");
  const config_value* args = table.take("args");
  if (actor != nullptr && exec != nullptr) {
    problems_.error(exec->at, "exec: a child is an actor or a program, not both");
  } else if (actor != nullptr) {
    read_class(config_field{"actor", *actor, problems_}, args, plan);
  } else if (exec != nullptr) {
    read_program(config_field{"exec", *exec, problems_}, args, plan);
  } else if (!is_misspelt(*plan.table, "actor") && !is_misspelt(*plan.table, "exec")) {
    std::vector<std::string_view> names;
    for (const auto& each : known_.classes.all()) names.push_back(each.name);
    const std::string who = plan.spec.name.empty() ? "this child" : quote(plan.spec.name);
    problems_.error(plan.table->at,
                    who + " needs an actor class, as in actor = " + quote(names.empty() ? "Reader" : names[0]) +
                        ", or kind = \"supervisor\"; this program has: " + listed(names));
  }
}

void plan_reader::read_class(const config_field& from, const config_value* args, child_plan& plan) {
  plan.of = known_.classes.find(from);
  if (plan.of == nullptr) return;
  const bool empty = args != nullptr && args->is == kind::table && args->members.empty();
  if (plan.of->fields == nullptr && args != nullptr && !empty) {
    problems_.error(args->at, "args: " + from.value.text + " takes no args; its class has no config");
    return;
  }
  plan.made = plan.of->describe(plan.spec, args, problems_);
}

void plan_reader::read_program(const config_field& from, const config_value* args, child_plan& plan) {
  std::vector<std::string> command;
  if (args != nullptr) problems_.error(args->at, "args: those of a program stand in exec, behind its name");
  if (from.value.is == kind::string) {
    from.wrong("a list of the program and its arguments, as in exec = [\"prog\", \"arg\"]");
    return;
  }
  if (!config_is_list(from)) return;
  detail::read_field(from, command);
  if (from.value.items.empty()) {
    problems_.error(from.value.at, "exec: the program is missing, as in exec = [\"prog\"]");
  } else if (known_.foreign == nullptr) {
    problems_.error(from.value.at, "exec: this program was built without foreign programs as children");
  } else {
    plan.made = known_.foreign(plan.spec, command);
  }
}

}  // namespace

config_place child_plan::at(std::string_view key) const {
  if (table == nullptr) return {0, 1, 1};
  const auto* member = table->find(key);
  return member == nullptr ? table->at : member->value.at;
}

std::vector<std::string> child_plan::names() const {
  if (count == 0) return {name()};
  std::vector<std::string> all;
  for (std::uint32_t i = 1; i <= count; ++i) all.push_back(name() + "-" + std::to_string(i));
  return all;
}

child_plan read_plan(const config_value& file, const classes_and_programs& known, config_problems& problems) {
  return plan_reader(known, problems).read_top(file);
}

detail::tree_node make_tree(const child_plan& top) {
  detail::tree_node node;
  node.spec = top.flags;
  for (const auto& child : top.children) {
    if (child.is_supervisor) {
      detail::tree_child made;
      made.supervisor = std::make_shared<const detail::tree_node>(make_tree(child));
      node.children.push_back(std::move(made));
      continue;
    }
    for (auto& name : child.names()) {
      detail::tree_child made = child.made;
      made.spec.name = std::move(name);
      node.children.push_back(std::move(made));
    }
  }
  return node;
}

}  // namespace troupe::config
