#include "supervision/description.hpp"

#include <bit>
#include <set>

#include <troupe/detail/names.hpp>
#include <troupe/detail/spec_limits.hpp>
#include <troupe/supervisor.hpp>

#include "wire/control.hpp"
#include "wire/memory.hpp"

namespace troupe::supervision {
namespace {

using problems = std::vector<std::string>;

static_assert(detail::longest_name == wire::max_name);
static_assert(detail::least_lane == std::uint32_t{1} << wire::min_ring_log2);
static_assert(detail::most_lane == std::uint32_t{1} << wire::max_ring_log2);

/// A name stands in lines of the log and of a certificate, where the next line is something else, and on terminals.
void check_name(const std::string& name, const std::string& whose, std::size_t behind, problems& all) {
  const std::size_t most = detail::longest_name - behind;
  if (name.empty() || name.size() > most) {
    all.push_back(whose + " name has 1 to " + std::to_string(most) + " bytes" +
                  (behind > 0 ? ", since a number is put behind it" : ""));
  }
  const std::size_t cut = detail::find_control(name);
  if (cut == name.npos) return;
  all.push_back(whose + " name cannot have a line break or another control character in it; this one begins with \"" +
                name.substr(0, cut) + "\"");
}

void check_times(const child_spec& spec, problems& all) {
  const auto look = [&](const char* what, std::chrono::milliseconds time) {
    if (time.count() < 0) all.push_back(spec.name + ": " + what + " cannot be negative");
  };
  look("start_timeout", spec.start_timeout);
  look("deadline", spec.deadline);
}

void check_sizes(const child_spec& spec, problems& all) {
  if (!std::has_single_bit(spec.lane_bytes) || spec.lane_bytes < detail::least_lane || spec.lane_bytes > detail::most_lane) {
    all.push_back(spec.name + ": lane_bytes is " + std::to_string(spec.lane_bytes) +
                  "; it is a power of two, from 4 KiB to 16 MiB");
  }
  if (spec.checkpoint_bytes == 0 || spec.checkpoint_bytes > detail::most_checkpoint) {
    all.push_back(spec.name + ": checkpoint_bytes is " + std::to_string(spec.checkpoint_bytes) +
                  "; it is 1 byte to 8 GiB");
  }
}

void check_actor(const detail::tree_child& child, bool is_template, problems& all) {
  check_name(child.spec.name, "an actor's", is_template ? detail::most_number : 0, all);
  check_times(child.spec, all);
  check_sizes(child.spec, all);
  if (child.type == nullptr) all.push_back(child.spec.name + " has no actor class");
}

void check_node(const detail::tree_node& node, problems& all);

void check_child(const detail::tree_child& child, bool is_template, problems& all) {
  if (!child.supervisor) return check_actor(child, is_template, all);
  check_name(child.supervisor->spec.name, "a supervisor's", 0, all);
  check_node(*child.supervisor, all);
}

void check_node(const detail::tree_node& node, problems& all) {
  std::vector<policy::named_rules> named;
  for (const auto& each : node.children) named.push_back({each.name(), rules_of(each)});
  const std::string who = node.spec.name.empty() ? "" : node.spec.name + ": ";
  for (const auto& each : policy::check(node.spec.flags(), named)) all.push_back(who + each);
  const bool simple = node.spec.strategy == strategy::simple_one_for_one;
  for (const auto& each : node.children) check_child(each, simple, all);
}

/// Which names there are, and how many actors. Two children of one name below one supervisor are for policy::check; a
/// template's name is nobody's.
struct census {
  std::set<std::string> names{"main"}, said;
  std::size_t actors = 0;

  void count(const std::string& name, problems& all) {
    if (names.insert(name).second || !said.insert(name).second) return;
    if (name == "main") return all.push_back("the name \"main\" is that of the program's main function");
    all.push_back("the name \"" + name + "\" is there more than once, and is unique in the program");
  }
  void count(const detail::tree_node& node, problems& all) {
    const bool is_template = node.spec.strategy == strategy::simple_one_for_one;
    std::set<std::string> siblings;
    for (const auto& each : node.children) {
      if (!is_template && siblings.insert(each.name()).second) count(each.name(), all);
      each.supervisor ? count(*each.supervisor, all) : static_cast<void>(++actors);
    }
  }
};

/// `own_name`: of the one that has these below it; empty: of no account.
void check_all_of(const std::string& own_name, const detail::tree_node& below, problems& all) {
  census sum;
  if (!own_name.empty()) sum.count(own_name, all);
  sum.count(below, all);
  if (sum.actors > detail::most_children)
    all.push_back("more than " + std::to_string(detail::most_children) + " actors at once");
}

}  // namespace

policy::child_rules rules_of(const child_spec& its) {
  return {its.restart, its.shutdown, policy::child_kind::worker, its.significant, its.backoff, its.budget};
}
policy::child_rules rules_of(const supervisor_spec& its) {
  return {its.restart, its.shutdown, policy::child_kind::supervisor, its.significant, its.backoff, its.budget};
}
policy::child_rules rules_of(const detail::tree_child& child) {
  return child.supervisor ? rules_of(child.supervisor->spec) : rules_of(child.spec);
}

void take_rules(supervisor_spec& its, const supervisor_spec& from) {
  its.restart = from.restart;
  its.shutdown = from.shutdown;
  its.significant = from.significant;
  its.backoff = from.backoff;
  its.budget = from.budget;
}

std::vector<std::string> wrong_with(const detail::tree_child& child) {
  problems all;
  check_child(child, false, all);
  check_all_of(child.name(), child.supervisor ? *child.supervisor : detail::tree_node{}, all);
  return all;
}

std::vector<std::string> wrong_with(const detail::tree_node& node) {
  problems all;
  check_node(node, all);
  check_all_of({}, node, all);
  return all;
}

std::vector<std::string> wrong_with_root(const supervisor_flags& flags) {
  if (flags.strategy != strategy::simple_one_for_one) return policy::check(flags, {});
  return {"the strategy of the root supervisor cannot be simple_one_for_one: what main spawns has no template"};
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += (text.empty() ? "" : "; ") + line;
  return text;
}

}  // namespace troupe::supervision

namespace troupe {

std::vector<std::string> check(const supervisor& described) { return supervision::wrong_with(described.as_child()); }

}  // namespace troupe
