// The file's tables, read into plans of children. What each key means is in options.cpp.

#include "config/plan.hpp"

#include <algorithm>
#include <array>

#include <troupe/detail/names.hpp>

#include "config/keys.hpp"
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

constexpr std::string_view top_name = "supervisor";

class plan_reader {
 public:
  plan_reader(const classes_and_programs& known, config_problems& problems) : known_(known), problems_(problems) {}

  child_plan read_top(const config_value& file);

 private:
  /// `called`: the name that its table has in the file, where it stands in no list.
  child_plan read_child(const config_value& value, std::size_t depth, std::string_view called = {});
  void read_supervisor(config_table& table, child_plan& plan, std::size_t depth);
  void read_actor(config_table& table, child_plan& plan);
  void read_children(config_table& table, child_plan& plan, std::size_t depth);
  void read_list(const config_value& list, child_plan& plan, std::size_t depth);
  void read_named(const config_value& table, child_plan& plan, std::size_t depth);
  void read_misnamed(const config_table& table, child_plan& plan, std::size_t depth);
  void read_beside(const config_value& file, child_plan& top);
  void decide_kind(config_table& table, child_plan& plan);
  std::string read_name(config_table& table, bool needed);
  void say_no_class(const child_plan& plan);
  void read_count(config_table& table, child_plan& plan);
  void read_made_from(config_table& table, child_plan& plan);
  void read_class(const config_field& from, const config_value* args, child_plan& plan);
  void read_program(const config_field& from, const config_value* args, child_plan& plan);
  const config_value* find_top(const config_value& file);

  const classes_and_programs& known_;
  config_problems& problems_;
};

/// Whether a key is there that stands for this one, which gets its own complaint.
bool is_misspelt(const config_value& table, std::string_view key) {
  return std::ranges::any_of(table.members, [&](const auto& member) {
    const bool class_as_type = member.key == "type" && key == "actor" && member.value.is == kind::string;
    return member.key != key && (class_as_type || stands_for(member.key, key));
  });
}

// ------------------------------------------------------------------------------------------------------------- the top

bool is_near_top(const detail::config_member& member) {
  return distance(member.key, top_name) <= 3 && member.value.is == kind::table;
}

/// The table [supervisor], also where it is misspelt, so that the rest is read all the same.
const config_value* plan_reader::find_top(const config_value& file) {
  const config_value* found = nullptr;
  config_table whole(file, "a tree file", problems_);
  const config_value* named = whole.take(top_name);
  whole.refuse_the_rest([&](std::string_view key) { return about_top_key(key, file.find(key)->at.set > 0); });
  for (const auto& member : file.members) {
    if (is_near_top(member) && found == nullptr) found = &member.value;
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
  const std::size_t before = problems_.errors();
  child_plan top;
  top.is_supervisor = true;
  top.is_top = true;
  top.flags.name = top_name;
  const config_value* found = find_top(file);
  if (found == nullptr) return top;
  top.table = found;
  config_table table(*found, "a supervisor", problems_);
  if (const auto name = read_name(table, false); !name.empty()) top.flags.name = name;
  read_flags(table, top.flags, problems_);
  read_children(table, top, 1);
  table.refuse_the_rest([&](std::string_view key) { return about_key_of_top(*found, key); });
  read_beside(file, top);
  top.whole = problems_.errors() == before;
  return top;
}

/// What stands below a misspelt name of the top, beside it.
void plan_reader::read_beside(const config_value& file, child_plan& top) {
  for (const auto& member : file.members) {
    if (!is_near_top(member) || &member.value == top.table) continue;
    config_table table(member.value, "a supervisor", problems_);
    supervisor_spec flags;
    table.take("name");
    read_flags(table, flags, problems_);
    read_children(table, top, 1);
    table.refuse_the_rest([&](std::string_view key) { return about_key_of_top(member.value, key); });
  }
}

// ------------------------------------------------------------------------------------------------------------ children

std::string plan_reader::read_name(config_table& table, bool needed) {
  const config_value* value = table.take("name");
  if (value == nullptr && (!needed || is_misspelt(table.value(), "name"))) return "";
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
  if (detail::find_control(*name) != name->npos) {
    problems_.error(value->at, "name: " + quote(*name) + " has a control character in it, which no name has");
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

child_plan plan_reader::read_child(const config_value& value, std::size_t depth, std::string_view called) {
  const std::size_t before = problems_.errors();
  child_plan plan;
  plan.table = &value;
  config_table table(value, "", problems_);
  decide_kind(table, plan);
  config_table keys(value, plan.is_supervisor ? "a supervisor" : "an actor", problems_);
  const std::string given = read_name(keys, called.empty());
  const std::string name = given.empty() ? std::string(called) : given;
  keys.take("kind");
  if (plan.is_supervisor) {
    plan.flags.name = name;
    read_supervisor(keys, plan, depth);
  } else {
    plan.spec.name = name;
    read_actor(keys, plan);
    // That it has any is said; what is wrong in them, too.
    child_plan none;
    if (const auto* below = value.find("child")) read_list(below->value, none, depth);
  }
  keys.refuse_the_rest([&](std::string_view key) {
    const std::string text = plan.is_supervisor ? about_named_child(value, key, depth) : "";
    return text.empty() ? about_key_of(plan, known_.classes, key) : text;
  });
  plan.whole = problems_.errors() == before;
  return plan;
}

void plan_reader::read_supervisor(config_table& table, child_plan& plan, std::size_t depth) {
  read_flags(table, plan.flags, problems_);
  read_child_options(table, plan.flags, problems_);
  read_children(table, plan, depth);
}

void plan_reader::read_children(config_table& table, child_plan& plan, std::size_t depth) {
  const config_value* value = table.take("child");
  if (depth <= deepest_supervisor) read_misnamed(table, plan, depth);
  if (value == nullptr || value->is == kind::broken) return;
  if (depth > deepest_supervisor) {
    problems_.error(value->at,
                    "supervisors stand in each other at most " + std::to_string(deepest_supervisor) + " deep");
  } else if (value->is == kind::table) {
    read_named(*value, plan, depth);
  } else if (value->is == kind::list) {
    read_list(*value, plan, depth);
  } else {
    config_field{"child", *value, problems_}.wrong("a list of children; each begins with " + header(depth));
  }
}

void plan_reader::read_list(const config_value& list, child_plan& plan, std::size_t depth) {
  for (const auto& item : list.items) {
    if (item.is == kind::table) {
      plan.children.push_back(read_child(item, depth + 1));
    } else {
      config_field{"child", item, problems_}.wrong("a table for each child; each begins with " + header(depth));
    }
  }
}

/// A table where a list should be: the children of one that is not there, children by their names, or one child.
void plan_reader::read_named(const config_value& table, child_plan& plan, std::size_t depth) {
  const auto* below = table.find("child");
  if (below != nullptr && table.members.size() == 1) {
    problems_.error(table.at, "here are children of a child, but that one is missing: it begins with " + header(depth) +
                                  " above, and has a name and kind = \"supervisor\"");
    config_table missing(table, "a supervisor", problems_);
    child_plan none;
    none.table = &table;
    return read_children(missing, none, depth + 1);
  }
  const auto is_child = [](const auto& member) { return looks_like_child(member.value); };
  if (table.members.empty() || !std::ranges::all_of(table.members, is_child)) {
    problems_.error(table.at, "child: expected a list of children, found one table; each begins with " + header(depth));
    plan.children.push_back(read_child(table, depth + 1));
    return;
  }
  for (const auto& member : table.members) {
    problems_.error(member.at, "child: expected a list of children, found one by its name; each begins with " +
                                   header(depth) + ", and this one has name = " + quote(member.key));
    plan.children.push_back(read_child(member.value, depth + 1, member.key));
  }
}

/// Children behind another word, as in [[supervisor.worker]] and [supervisor.reader]: the word is complained of with
/// the unknown keys.
void plan_reader::read_misnamed(const config_table& table, child_plan& plan, std::size_t depth) {
  for (const auto& member : table.value().members) {
    if (table.knows(member.key) || member.key == "args") continue;
    const config_value& value = member.value;
    if (value.is == kind::list && !value.items.empty() && std::ranges::all_of(value.items, looks_like_child)) {
      read_list(value, plan, depth);
    } else if (looks_like_child(value)) {
      plan.children.push_back(read_child(value, depth + 1, member.key));
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
    return;
  } else if (!is_misspelt(*plan.table, "actor") && !is_misspelt(*plan.table, "exec")) {
    say_no_class(plan);
  }
  if (plan.of == nullptr && args != nullptr) config_is_table(config_field{"args", *args, problems_});
}

void plan_reader::say_no_class(const child_plan& plan) {
  std::vector<std::string_view> names;
  for (const auto& each : known_.classes.all()) names.push_back(each.name);
  const std::string who = plan.spec.name.empty() ? "this child" : quote(plan.spec.name);
  problems_.error(plan.table->at,
                  who + " needs an actor class, as in actor = " + quote(names.empty() ? "Reader" : names[0]) +
                      ", or kind = \"supervisor\"; this program has: " + listed(names));
}

void plan_reader::read_class(const config_field& from, const config_value* args, child_plan& plan) {
  plan.of = known_.classes.find(from);
  if (plan.of == nullptr) return;
  plan.runs_program = plan.of->runs_programs;
  const bool empty = args != nullptr && args->is == kind::table && args->members.empty();
  if (plan.of->fields == nullptr && args != nullptr && !empty) {
    problems_.error(args->at, "args: " + from.value.text + " takes no args; its class has no config");
    return;
  }
  config_value none;
  none.is = kind::table;
  none.at = plan.table->at;
  plan.made = plan.of->describe(plan.spec, args == nullptr ? &none : args, problems_);
}

void plan_reader::read_program(const config_field& from, const config_value* args, child_plan& plan) {
  plan.runs_program = true;
  if (args != nullptr) problems_.error(args->at, "args: those of a program stand in exec, behind its name");
  if (from.value.is == kind::string) {
    from.wrong("a list of the program and its arguments, as in exec = [\"prog\", \"arg\"]");
  } else if (known_.foreign == nullptr && config_is_list(from) && from.value.items.empty()) {
    problems_.error(from.value.at, "exec: the program is missing, as in exec = [\"prog\", \"arg\"]");
  } else if (known_.foreign == nullptr) {
    problems_.error(from.value.at, "exec: this program was built without foreign programs as children");
  } else {
    plan.made = known_.foreign(plan.spec, from);
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
