// What works and is hardly meant: the mistakes that users of OTP's supervisors make again and again.

#include <algorithm>

#include "config/plan.hpp"
#include "config/words.hpp"

namespace troupe::config {

using detail::config_problems;
using detail::config_value;

namespace {

/// Below this many starts nobody is surprised.
constexpr double few_starts = 10;

/// The first text within `value` that is one of `names`.
const config_value* find_text(const config_value& value, const std::vector<std::string>& names) {
  if (value.is == config_value::kind::string && std::ranges::find(names, value.text) != names.end()) return &value;
  for (const auto& item : value.items) {
    if (const auto* found = find_text(item, names)) return found;
  }
  for (const auto& member : value.members) {
    if (const auto* found = find_text(member.value, names)) return found;
  }
  return nullptr;
}

class traps {
 public:
  traps(bool all_is_whole, config_problems& problems) : all_is_whole_(all_is_whole), problems_(problems) {}

  /// `starts`: how often a child of this supervisor may be started before the program gives up, and how that comes.
  void look(const child_plan& plan, double starts, const std::string& product) {
    if (plan.whole) look_at_whole(plan);
    for (const auto& child : plan.children) {
      if (!child.is_supervisor && child.whole) look_at_actor(child);
    }
    for (const auto& child : plan.children) {
      if (!child.is_supervisor) continue;
      const bool rises = child.flags.restart == restart::permanent;
      const double own = static_cast<double>(child.flags.max_restarts) + 1;
      const std::string factor = "(" + std::to_string(child.flags.max_restarts) + " + 1)";
      const double all = rises ? starts * own : own;
      const std::string how = rises ? product + " x " + factor : factor;
      if (plan.whole) look_at_escalation(plan, child);
      if (all_is_whole_ && rises) look_at_product(child, all, how);
      look(child, all, how);
    }
  }

 private:
  void look_at_whole(const child_plan& plan) {
    look_at_flags(plan);
    if (plan.is_top && plan.flags.strategy == strategy::simple_one_for_one) {
      problems_.warning(
          plan.at("strategy"),
          quote(plan.name()) +
              " is simple_one_for_one, so no process starts with the "
              "file, and there is no actor that could start one; put it below a [supervisor] with others");
    }
    look_for_pipeline(plan);
  }

  void look_at_product(const child_plan& child, double starts, const std::string& product) {
    const bool has_actors = std::ranges::any_of(child.children, [](const auto& each) { return !each.is_supervisor; });
    if (!has_actors || child.flags.max_restarts == 0 || starts < few_starts) return;
    constexpr double countable = 1e15;
    const std::string result =
        starts < countable ? " = " + std::to_string(static_cast<std::uint64_t>(starts)) : std::string{};
    problems_.warning(child.at("max_restarts"), "restarts multiply down the tree: a child of " + quote(child.name()) +
                                                    " may be started " + product + result +
                                                    " times before the program gives up");
  }

  void look_at_escalation(const child_plan& above, const child_plan& child) {
    const bool ends_itself = child.flags.auto_shutdown != auto_shutdown::never;
    if (ends_itself && child.flags.restart == restart::permanent) {
      problems_.warning(child.at("auto_shutdown"), quote(child.name()) +
                                                       " ends itself by auto_shutdown, but is permanent: it "
                                                       "is started again each time; transient lets it end");
    }
    if (ends_itself || child.flags.restart == restart::permanent) return;
    // Its end ends the one above.
    if (child.significant() && above.flags.auto_shutdown == auto_shutdown::any_significant) return;
    const std::string kind = child.flags.restart == restart::transient ? "transient" : "temporary";
    problems_.warning(child.at("restart"),
                      quote(child.name()) + " is a " + kind +
                          " supervisor, which swallows escalation: when it gives up nobody restarts it, "
                          "and all below it stays down; permanent lets the error rise");
  }

  void look_at_flags(const child_plan& plan) {
    const bool none_significant =
        std::ranges::none_of(plan.children, [](const auto& each) { return each.significant(); });
    if (plan.flags.auto_shutdown != auto_shutdown::never && none_significant) {
      problems_.warning(plan.at("auto_shutdown"), "auto_shutdown: no child of " + quote(plan.name()) +
                                                      " is significant, so it never comes to that");
    }
    if (plan.children.empty()) problems_.warning(plan.table->at, quote(plan.name()) + " has no children");
  }

  void look_at_actor(const child_plan& child) {
    const auto& spec = child.spec;
    if (child.of != nullptr && child.of->one_shot && spec.restart == restart::permanent) {
      problems_.warning(child.at("restart"),
                        quote(spec.name) +
                            " is a one-shot job, but permanent: each time it has done its "
                            "work it is started again; transient starts it again only after a crash");
    }
    if (spec.restart != restart::temporary) return;
    for (const std::string_view key : {"backoff", "budget", "standby", "recycle"}) {
      if (child.table->find(key) == nullptr) continue;
      problems_.warning(child.at(key), std::string(key) + ": " + quote(spec.name) +
                                           " is temporary, so it is never restarted and this says nothing");
    }
  }

  void look_for_pipeline(const child_plan& plan) {
    if (plan.flags.strategy != strategy::one_for_one) return;
    for (std::size_t i = 0; i < plan.children.size(); ++i) {
      const auto* args = plan.children[i].table->find("args");
      if (args != nullptr) look_for_earlier(plan, i, args->value);
    }
  }

  void look_for_earlier(const child_plan& plan, std::size_t at, const config_value& args) {
    for (std::size_t i = 0; i < at; ++i) {
      const child_plan& earlier = plan.children[i];
      auto names = earlier.names();
      names.push_back(earlier.name());
      const config_value* named = find_text(args, names);
      if (named == nullptr) continue;
      problems_.warning(named->at, quote(plan.children[at].name()) + " names its earlier sibling " +
                                       quote(named->text) + ", but " + quote(plan.name()) + " is one_for_one: when " +
                                       quote(named->text) + " is restarted, " + quote(plan.children[at].name()) +
                                       " is not; rest_for_one restarts it too");
    }
  }

  const bool all_is_whole_;
  config_problems& problems_;
};

}  // namespace

void look_for_traps(const child_plan& top, config_problems& problems) {
  traps(top.whole, problems).look(top, static_cast<double>(top.flags.max_restarts) + 1,
                       "(" + std::to_string(top.flags.max_restarts) + " + 1)");
}

}  // namespace troupe::config
