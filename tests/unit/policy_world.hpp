#pragma once

#include <rapidcheck.h>

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "supervision/policy.hpp"

namespace policy_world {

using namespace troupe::supervision::policy;

/// What one event led to, as far as the model foretells it.
struct effect {
  std::multiset<child_id> started, stopped, retried, forgotten, downed;
  std::multiset<std::pair<call_id, result>> said;
  std::optional<outcome> end;
  bool operator==(const effect&) const = default;
};

/// The processes, as an executor that keeps its rules would have them; complains about orders that make no sense.
struct world {
  enum class process { starting, up };
  std::map<child_id, process> processes;
  std::set<call_id> open;
  std::deque<retry> retries;
  std::optional<outcome> over;

  effect carry_out(const actions& all) {
    effect seen;
    for (const auto& a : all) std::visit([&](const auto& what) { on(what, seen); }, a);
    return seen;
  }
  void on(const start& a, effect& e) {
    RC_ASSERT(processes.emplace(a.id, process::starting).second);
    e.started.insert(a.id);
  }
  void on(const stop& a, effect& e) { e.stopped.insert(a.id); }
  void on(const retry_later& a, effect& e) { retries.push_back({a.id, a.ticket}), e.retried.insert(a.id); }
  void on(const forget& a, effect& e) { end(a.id, e.forgotten); }
  void on(const down_for_good& a, effect& e) { end(a.id, e.downed); }
  void end(child_id id, std::multiset<child_id>& seen) {
    RC_ASSERT(!processes.contains(id));
    seen.insert(id);
  }
  void on(const answer& a, effect& e) {
    RC_ASSERT(open.erase(a.call) == 1U);
    e.said.emplace(a.call, a.what);
  }
  void on(const report&, effect&) {}
  void on(const ended& a, effect& e) {
    RC_ASSERT(processes.empty() && !over);
    over = e.end = a.how;
  }
};

}  // namespace policy_world
