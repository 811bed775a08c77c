#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "supervision/policy.hpp"

// What holds whatever the strategy, in random histories in which starts and stops take time and everything comes in
// between: each call is answered once, a child is started and stopped in turn, and nothing hangs.

using namespace troupe::supervision::policy;
using namespace std::chrono_literals;
using troupe::strategy;

namespace {

/// Processes, timers and callers around the policy; complains about orders that make no sense.
class world {
 public:
  world(strategy how, std::uint32_t bits)
      : state_(troupe::supervisor_flags{.strategy = how,
                                        .max_restarts = 2 + bits % 8,
                                        .within = 5s,
                                        .auto_shutdown = how == strategy::simple_one_for_one
                                                             ? troupe::auto_shutdown::never
                                                             : troupe::auto_shutdown(bits / 8 % 3)},
               bits) {}

  void live_through(std::uint32_t number) {
    bits_ = number;
    now_ += 100ms * draw(8);
    take(choose());
  }

  /// Everything that is under way comes to its end: then no call may be open, and after stop_all nothing is left.
  void settle(bool at_end) {
    for (int patience = 10'000; !processes_.empty() || !retries_.empty(); --patience) {
      RC_ASSERT(patience > 0);
      if (!retries_.empty()) {
        take(next_retry());
      } else if (const auto busy = std::ranges::find_if(processes_, is_busy); busy != processes_.end()) {
        take(end_of(busy->first, busy->second, true));
      } else {
        break;
      }
    }
    RC_ASSERT(open_.empty());
    RC_ASSERT(!at_end || (over_ && processes_.empty()));
    for (const auto& c : which_children(state_)) RC_ASSERT(c.is == child_state::up || c.is == child_state::down);
    RC_ASSERT(state_.held.empty() && !state_.together);
  }
  void end_it() {
    take(stop_all{call()});
    settle(true);
  }
  bool over() const { return over_.has_value(); }
  outcome how() const { return *over_; }

 private:
  enum class process { starting, up, stopping, stopping_start };
  static bool is_busy(const std::pair<const child_id, process>& p) { return p.second != process::up; }

  void take(const event& e) {
    for (const auto& a : step(state_, e, now_)) std::visit([this](const auto& what) { on(what); }, a);
    if (state_.now == state::phase::stopping || state_.now == state::phase::ended) return;
    for (const auto& c : which_children(state_)) {
      const auto p = processes_.find(c.id);
      RC_ASSERT((c.is == child_state::up) == (p != processes_.end() && p->second == process::up));
    }
  }

  void on(const start& a) {
    RC_ASSERT(state_.now != state::phase::stopping && state_.now != state::phase::ended);
    RC_ASSERT(processes_.emplace(a.id, process::starting).second);
  }
  void on(const stop& a) {
    RC_ASSERT(processes_.contains(a.id));
    process& its = processes_[a.id];
    RC_ASSERT(its == process::starting || its == process::up);
    its = its == process::up ? process::stopping : process::stopping_start;
  }
  void on(const forget& a) { RC_ASSERT(!processes_.contains(a.id)); }
  void on(const down_for_good& a) { RC_ASSERT(!processes_.contains(a.id)); }
  void on(const retry_later& a) { retries_.push_back({a.id, a.ticket}); }
  void on(const answer& a) { RC_ASSERT(open_.erase(a.call) == 1U); }
  void on(const report&) {}
  void on(const ended& a) {
    RC_ASSERT(processes_.empty() && !over_);
    over_ = a.how;
  }

  std::uint32_t draw(std::uint32_t below) {
    const auto drawn = bits_ % below;
    bits_ /= below;
    return drawn;
  }
  child_id any_id() { return 1 + draw(6); }
  call_id call() {
    open_.insert(++calls_);
    return calls_;
  }
  child_def def(child_id id) {
    child_rules rules{.restart = troupe::restart(draw(3))};
    rules.significant = state_.flags.auto_shutdown != troupe::auto_shutdown::never &&
                        rules.restart != troupe::restart::permanent && draw(2) == 0;
    if (draw(4) == 0) rules.backoff.first = 100ms;
    if (draw(4) == 0) rules.budget = troupe::restart_budget{.max_restarts = draw(3), .within = 5s};
    return {id, rules};
  }

  event choose() {
    switch (draw(16)) {
      case 0:
      case 1:
        return start_child{call(), def(any_id())};
      case 2:
        return terminate_child{call(), any_id()};
      case 3:
        return restart_child{call(), any_id()};
      case 4:
        return delete_child{call(), any_id()};
      case 5:
        return boot();
      case 6:
        return changes();
      case 7:
      case 8:
      case 9:
        return next_retry();
      default:
        return process_event();
    }
  }
  event boot() {
    start_all all{call(), {}};
    const auto size = state_.flags.strategy == strategy::simple_one_for_one ? 0 : draw(6);
    for (child_id id = 1; id <= size; ++id) all.children.push_back(def(id));
    return all;
  }
  event changes() {
    if (draw(8) != 0 || state_.flags.strategy == strategy::simple_one_for_one) return process_event();
    reload wanted{call(), state_.flags, {}};
    wanted.flags.strategy = strategy(draw(3));
    for (child_id id = 6; id > draw(6); --id) wanted.children.push_back(def(id));
    return wanted;
  }
  event next_retry() {
    if (retries_.empty()) return process_event();
    const auto next = retries_.front();
    retries_.pop_front();
    return next;
  }
  event process_event() {
    if (processes_.empty()) return start_child{call(), def(any_id())};
    const auto p = std::next(processes_.begin(), draw(std::uint32_t(processes_.size())));
    return end_of(p->first, p->second, draw(4) != 0);
  }
  /// What happens next to a process. `well`: as was ordered.
  event end_of(child_id id, process is, bool well) {
    if (is == process::starting && well) {
      processes_[id] = process::up;
      return started{id};
    }
    if (is == process::stopping_start && draw(2) == 0) {
      processes_[id] = process::stopping;
      return started{id};
    }
    processes_.erase(id);
    const bool starts = is == process::starting || is == process::stopping_start;
    if (starts && draw(3) == 0) return declined{id};
    if (starts && draw(2) == 0) return start_failed{.id = id, .text = "no", .hopeless = draw(50) == 0};
    if (is != process::up && well) return exited{.id = id, .why = exit_kind::shutdown};
    return exited{id, exit_kind(draw(3)), charge(draw(3)), "dead"};
  }

  state state_;
  std::map<child_id, process> processes_;
  std::deque<retry> retries_;
  std::set<call_id> open_;
  std::optional<outcome> over_;
  instant now_ = 1000s;
  call_id calls_ = 0;
  std::uint32_t bits_ = 0;
};

}  // namespace

TEST_CASE("whatever comes in between: each call is answered once, and nothing hangs") {
  std::size_t events = 0;
  std::map<outcome, std::size_t> ends;
  const auto number = rc::gen::resize(rc::kNominalSize, rc::gen::arbitrary<std::uint32_t>());
  const auto numbers = rc::gen::resize(3000, rc::gen::container<std::vector<std::uint32_t>>(number));
  CHECK(rc::check("the rules of the executor and of the callers are kept", [&] {
    std::optional<world> w;
    unsigned lived = 0;
    for (const auto n : *numbers) {
      if (!w || w->over()) w.emplace(strategy(n % 4), n / 4), lived = n % 64;
      w->live_through(n), ++events;
      if (!w->over() && n % 16 == 0) w->settle(false);
      if (!w->over() && lived-- == 0) w->end_it();
      if (w->over()) ++ends[w->how()];
    }
  }));
  CHECK(events >= 100'000);
  for (const auto how : {outcome::stopped, outcome::gave_up, outcome::start_failed, outcome::auto_shutdown})
    CHECK(ends[how] >= 20);
}
