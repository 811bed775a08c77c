#include <algorithm>
#include <set>

#include "supervision/policy_turn.hpp"

// What OTP refuses (OTP 5.1, 5.2), and what makes no sense in the options that it does not have.

namespace troupe::supervision::policy {
namespace {

using problems = std::vector<std::string>;

problems of_flags(const supervisor_flags& flags) {
  const bool simple = flags.strategy == strategy::simple_one_for_one;
  problems all;
  if (flags.within.count() <= 0) all.emplace_back("the time within which restarts are counted has to be above 0");
  if (simple && flags.auto_shutdown != auto_shutdown::never)
    all.emplace_back("auto_shutdown cannot be combined with the strategy simple_one_for_one");
  if (!simple && flags.max_children > 0) all.emplace_back("max_children is for the strategy simple_one_for_one alone");
  return all;
}

void check_significant(const supervisor_flags& flags, const child_rules& rules, problems& all) {
  if (!rules.significant) return;
  if (rules.restart == restart::permanent)
    all.emplace_back("a permanent child cannot be significant, for it is always restarted");
  if (flags.auto_shutdown == auto_shutdown::never)
    all.emplace_back("it cannot be significant, for its supervisor has auto_shutdown never");
}

void check_backoff(const backoff& rules, problems& all) {
  if (rules.first.count() < 0 || rules.max.count() < 0 || rules.reset_after.count() < 0)
    all.emplace_back("the times of its backoff cannot be negative");
  if (rules.first > rules.max) all.emplace_back("its backoff begins with more than its maximum");
  if (!(rules.jitter >= 0.0 && rules.jitter <= 1.0)) all.emplace_back("the jitter of its backoff has to be 0 to 1");
}

problems of_child(const supervisor_flags& flags, const child_rules& rules) {
  problems all;
  check_significant(flags, rules, all);
  if (rules.shutdown.how == shutdown::kind::timed && rules.shutdown.grace.count() < 0)
    all.emplace_back("its time to shut down cannot be negative");
  check_backoff(rules.backoff, all);
  if (rules.budget && rules.budget->within.count() <= 0)
    all.emplace_back("the time of its restart budget has to be above 0");
  return all;
}

std::string joined(const problems& all) {
  std::string text;
  for (const auto& each : all) text += (text.empty() ? "" : "; ") + each;
  return text;
}

}  // namespace

std::vector<std::string> check(const supervisor_flags& flags, std::span<const named_rules> children) {
  problems all = of_flags(flags);
  if (flags.strategy == strategy::simple_one_for_one && children.size() != 1)
    all.push_back("the strategy simple_one_for_one needs exactly one child, the template; there are " +
                  std::to_string(children.size()));
  std::set<std::string_view> names, said;
  for (const auto& [name, rules] : children) {
    const std::string who = "child \"" + std::string(name) + "\": ";
    for (const auto& each : of_child(flags, rules)) all.push_back(who + each);
    if (flags.strategy == strategy::simple_one_for_one && rules.kind == child_kind::supervisor)
      all.push_back(who + "the template of simple_one_for_one has to be an actor; to start supervisors at run time use "
                          "another strategy and start_child");
    if (!names.insert(name).second && said.insert(name).second) all.push_back(who + "the name is there more than once");
  }
  return all;
}

std::string wrong_with(const supervisor_flags& flags, const child_rules& rules) {
  return joined(of_child(flags, rules));
}

std::string wrong_with(const supervisor_flags& flags, std::span<const child_def> children) {
  problems all = of_flags(flags);
  std::set<child_id> ids;
  for (const auto& def : children) {
    for (auto& each : of_child(flags, def.rules)) all.push_back(std::move(each));
    if (!ids.insert(def.id).second) all.emplace_back("a child is there more than once");
  }
  return joined(all);
}

}  // namespace troupe::supervision::policy
