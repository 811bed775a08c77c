// What people write in the place of a key, and what is said to them.

#include "config/keys.hpp"

#include <algorithm>
#include <array>

#include "config/plan.hpp"
#include "config/words.hpp"

namespace troupe::config {

using detail::config_value;
using words = std::span<const std::string_view>;

namespace {

/// What people call a key, and its name.
constexpr auto key_others = std::to_array<std::string_view>({"intensity",
                                                             "max_restarts",
                                                             "period",
                                                             "within",
                                                             "window",
                                                             "within",
                                                             "seconds",
                                                             "within",
                                                             "max_seconds",
                                                             "within",
                                                             "interval",
                                                             "within",
                                                             "id",
                                                             "name",
                                                             "type",
                                                             "kind",
                                                             "class",
                                                             "actor",
                                                             "module",
                                                             "actor",
                                                             "children",
                                                             "child",
                                                             "worker",
                                                             "child",
                                                             "workers",
                                                             "count",
                                                             "instances",
                                                             "count",
                                                             "replicas",
                                                             "count",
                                                             "numprocs",
                                                             "count",
                                                             "processes",
                                                             "count",
                                                             "command",
                                                             "exec",
                                                             "cmd",
                                                             "exec",
                                                             "program",
                                                             "exec",
                                                             "run",
                                                             "exec",
                                                             "arguments",
                                                             "args",
                                                             "argv",
                                                             "args",
                                                             "config",
                                                             "args",
                                                             "params",
                                                             "args",
                                                             "options",
                                                             "args",
                                                             "grace",
                                                             "shutdown",
                                                             "stop_timeout",
                                                             "shutdown",
                                                             "timeout",
                                                             "start_timeout",
                                                             "spares",
                                                             "standby",
                                                             "spare",
                                                             "standby",
                                                             "restart_policy",
                                                             "restart",
                                                             "lane_bytes",
                                                             "lane",
                                                             "checkpoint_bytes",
                                                             "checkpoint",
                                                             "outbox_bytes",
                                                             "outbox",
                                                             "retries",
                                                             "max_restarts",
                                                             "max_retries",
                                                             "max_restarts",
                                                             "restarts",
                                                             "max_restarts",
                                                             "execstart",
                                                             "exec",
                                                             "exec_start",
                                                             "exec",
                                                             "stop",
                                                             "shutdown",
                                                             "max_time",
                                                             "deadline",
                                                             "hang_timeout",
                                                             "deadline",
                                                             "restart_strategy",
                                                             "strategy",
                                                             "no_new_privileges",
                                                             "no_new_privs"});

/// A key of a table within a child, and what it is called outside of it.
struct inner_key {
  std::string_view written, table, key;
};
constexpr auto inner_keys = std::to_array<inner_key>({{"first", "backoff", "first"},
                                                      {"max", "backoff", "max"},
                                                      {"reset_after", "backoff", "reset_after"},
                                                      {"jitter", "backoff", "jitter"},
                                                      {"delay", "backoff", "first"},
                                                      {"restart_delay", "backoff", "first"},
                                                      {"restartsec", "backoff", "first"},
                                                      {"restart_sec", "backoff", "first"},
                                                      {"messages", "recycle", "messages"},
                                                      {"max_messages", "recycle", "messages"},
                                                      {"data", "limits", "data"},
                                                      {"cpu", "limits", "cpu"},
                                                      {"cpu_limit", "limits", "cpu"},
                                                      {"files", "limits", "files"},
                                                      {"nofile", "limits", "files"},
                                                      {"max_files", "limits", "files"},
                                                      {"file_size", "limits", "file_size"},
                                                      {"core", "limits", "core"},
                                                      {"memory", "limits", "memory"},
                                                      {"rss", "limits", "memory"},
                                                      {"memory_limit", "limits", "memory"},
                                                      {"max_memory", "limits", "memory"}});

/// Keys of a program's config, as people call them beside exec.
constexpr auto program_others = std::to_array<std::string_view>(
    {"env", "environment", "cwd", "directory", "dir", "directory", "working_directory", "directory", "workdir",
     "directory", "stopsignal", "stop_signal", "signal", "stop_signal"});

constexpr auto only_actor = std::to_array<std::string_view>(
    {"actor", "exec", "args", "count", "start_timeout", "deadline", "mailbox", "standby", "recycle", "limits",
     "no_new_privs", "lane", "checkpoint", "outbox", "one_shot"});
constexpr auto only_supervisor =
    std::to_array<std::string_view>({"strategy", "max_restarts", "within", "auto_shutdown", "max_children", "child"});

bool is_in(words names, std::string_view key) { return std::ranges::find(names, key) != names.end(); }

/// The key as it stands in its table; none: it is no such key.
const inner_key* find_inner(std::string_view written, bool is_supervisor) {
  for (const auto& each : inner_keys) {
    const bool fits = !is_supervisor || each.table == "backoff";
    if (fits && distance(each.written, written) == 0) return &each;
  }
  return nullptr;
}

std::string in_table(std::string_view table, std::string_view key) {
  return std::string(table) + " = { " + std::string(key) + " = ... }";
}

/// max_restarts and within, in whatever words, of an actor.
std::string about_budget(std::string_view key) {
  if (distance(key, "restart") <= 1) return "";
  const auto meant = other_word(key, key_others);
  constexpr auto own = std::to_array<std::string_view>({"max_restarts", "within"});
  const auto which = meant ? meant : nearest(key, own);
  if (!which || !is_in(own, *which)) return "";
  return quote(key) + " is for a supervisor, and this child is an actor, whose own restarts are counted in " +
         in_table("budget", *which) + "; what is for the supervisor above stands before its first child";
}

std::string about_key_of_actor(std::string_view key) {
  if (key == "child" || key == "children") {
    return quote(key) +
           ": this child is an actor, and an actor has no children in a file; kind = \"supervisor\" makes "
           "it one that has";
  }
  if (auto text = about_budget(key); !text.empty()) return text;
  if (!is_in(only_supervisor, key)) return "";
  return quote(key) +
         " is for a supervisor, and this child is an actor; what is for the supervisor above stands before "
         "its first child, and kind = \"supervisor\" makes this child one";
}

/// A sentence about a key that is not known where it stands, for actors or supervisors.
std::string about_key(std::string_view key, bool is_supervisor) {
  if (!is_supervisor) {
    if (auto text = about_key_of_actor(key); !text.empty()) return text;
  } else if (is_in(only_actor, key)) {
    return quote(key) + " is for an actor, and this is a supervisor; give it to a [[...child]] below";
  }
  if (const auto* inner = find_inner(key, is_supervisor)) {
    if (inner->key != key) {
      return quote(key) + " is no key of " + (is_supervisor ? "a supervisor" : "an actor") + "; did you mean " +
             in_table(inner->table, inner->key) + "?";
    }
    return quote(key) + " stands in a table of its own: " + in_table(inner->table, key);
  }
  const auto meant = other_word(key, key_others);
  const auto fits = is_supervisor ? words(only_actor) : words(only_supervisor);
  if (!meant || is_in(fits, *meant)) return "";
  return quote(key) + " is no key of " + (is_supervisor ? "a supervisor" : "an actor") + "; did you mean " +
         quote(*meant) + "?";
}

bool has_field(const detail::config_class& of, std::string_view key) {
  const auto fields = of.fields != nullptr ? of.fields() : std::vector<detail::config_listed>{};
  return std::ranges::find(fields, key, &detail::config_listed::name) != fields.end();
}

/// A key of the program's config that was written beside exec.
std::string about_key_of_program(const class_list& classes, std::string_view key) {
  const std::string_view meant = other_word(key, program_others).value_or(key);
  for (const auto& each : classes.all()) {
    if (!each.is->runs_programs || !has_field(*each.is, meant)) continue;
    return quote(key) + " does not stand beside exec; say it with actor = " + quote(each.name) +
           " and args = { exec = [...], " + std::string(meant) + " = ... }";
  }
  return "";
}

}  // namespace

words flag_keys() { return only_supervisor; }

bool stands_for(std::string_view written, std::string_view key) {
  const std::array<std::string_view, 1> only = {key};
  const auto meant = other_word(written, key_others);
  return meant ? *meant == key : nearest(written, only).has_value();
}

std::string about_top_key(std::string_view key, bool by_set) {
  if (key == "child" || key == "children")
    return quote(key) + " stands in a supervisor; did you mean " +
           (by_set ? "supervisor.child?" : "[[supervisor.child]]?");
  if (is_in(only_supervisor, key)) {
    if (by_set) return quote(key) + " stands in the supervisor; did you mean supervisor." + std::string(key) + "?";
    return quote(key) + " stands in [supervisor], below that line";
  }
  for (const std::string_view own : {"name", "actor", "args", "restart", "shutdown", "backoff", "budget", "limits"}) {
    if (key != own) continue;
    if (by_set) return quote(key) + " stands in a child; did you mean supervisor.child.NAME." + std::string(key) + "?";
    return quote(key) + " stands in a child, below [[supervisor.child]]";
  }
  const std::array<std::string_view, 1> only = {"supervisor"};
  if (!nearest(key, only)) return quote(key) + " is no part of a tree file, which has [supervisor] alone";
  return "";
}

std::string header(std::size_t depth) {
  std::string text = "[[supervisor";
  for (std::size_t i = 0; i < depth; ++i) text += ".child";
  return text + "]]";
}

bool looks_like_child(const config_value& value) {
  constexpr std::array own = {"name", "actor", "exec", "kind", "child"};
  return value.is == config_value::kind::table &&
         std::ranges::any_of(own, [&](const char* key) { return value.find(key) != nullptr; });
}

std::string about_named_child(const config_value& table, std::string_view key, std::size_t depth) {
  const config_value& value = table.find(key)->value;
  if (key == "args" || stands_for(key, "child")) return "";
  if (!value.items.empty() && looks_like_child(value.items.front())) {
    return quote(key) + " is no key of a supervisor; a child of it begins with " + header(depth);
  }
  if (!looks_like_child(value)) return "";
  return quote(key) + " is no key of a supervisor; a child of this name begins with " + header(depth) +
         " and has name = " + quote(key);
}

std::string about_key_of_top(const config_value& table, std::string_view key) {
  if (auto text = about_named_child(table, key, 1); !text.empty()) return text;
  for (const std::string_view own : {"restart", "shutdown", "significant", "backoff", "budget", "kind"}) {
    if (key == own) {
      return quote(key) +
             " says how a supervisor treats its child, and [supervisor] is nobody's child; the program ends with it";
    }
  }
  return about_key(key, true);
}

std::string about_key_of(const child_plan& plan, const class_list& classes, std::string_view key) {
  if (plan.of != nullptr && has_field(*plan.of, key)) {
    return quote(key) + " is of the actor's config; it stands in args = { " + std::string(key) + " = ... }";
  }
  if (plan.table->find("exec") != nullptr) {
    if (auto text = about_key_of_program(classes, key); !text.empty()) return text;
  }
  const auto* type = plan.table->find("type");
  if (key == "type" && type->value.text != "worker" && type->value.text != "supervisor" && !plan.is_supervisor) {
    return "\"type\" is no key of an actor; did you mean \"actor\"?";
  }
  return about_key(key, plan.is_supervisor);
}

}  // namespace troupe::config
