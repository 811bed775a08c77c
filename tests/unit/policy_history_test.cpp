#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "supervision/policy.hpp"
#include "unit/policy_world.hpp"

// The policy with one_for_one against a model: the rules of OTP's manual written down a second time, naively, with no
// table and no thought of speed. Both get the same random history, in which starts and stops take time; after each event
// their orders, answers and children must agree.

using namespace troupe::supervision::policy;
using namespace std::chrono_literals;
using policy_world::effect;
using policy_world::world;
using when = troupe::restart;

namespace {

constexpr auto period = 5s;

struct kid {
  child_id id;
  when restarts;
  child_state is = child_state::starting;
  bool ever_up = false;
  bool pays = true;  // for its next attempt
  std::optional<call_id> starter = {};
  std::vector<call_id> stoppers = {};
};

class model {
 public:
  explicit model(std::uint32_t intensity) : intensity_(intensity) {}

  effect take(const event& e, instant now) {
    now_ = now;
    out_ = {};
    std::visit([this](const auto& what) { on(what); }, e);
    return std::exchange(out_, {});
  }

  std::vector<kid> kids;  // in start order

 private:
  using s = child_state;

  // Events of a child.
  void on(const started& e) {
    kid* k = find(e.id);
    if (!k || ending_ || (k->is != s::starting && k->is != s::restarting && k->is != s::stopping)) return;
    k->ever_up = true;
    if (k->starter) say(*std::exchange(k->starter, {}), result::ok);
    if (k->is == s::stopping) return;
    k->is = s::up;
    start_next(e.id);
  }
  void start_next(child_id id) {
    if (!boot_.empty() && boot_.front() == id) {
      boot_.pop_front();
      boot();
    }
    settled(id);
  }
  void on(const declined& e) {
    kid* k = find(e.id);
    if (!k || (k->is != s::starting && k->is != s::restarting && k->is != s::stopping)) return;
    if (ending_ || k->is == s::stopping) return died(e.id, exit_kind::normal, charge::counts, true);
    const auto starter = std::exchange(k->starter, {});
    k->ever_up = true;
    k->restarts == when::temporary ? erase(*k) : down(*k);
    if (starter) say(*starter, result::ignored);
    start_next(e.id);
  }
  void on(const reload&) {}      // not in these histories, as the next
  void on(const taken_over&) {}
  void on(const start_failed& e) { died(e.id, exit_kind::abnormal, charge::counts, false); }
  void on(const exited& e) { died(e.id, e.why, e.paid_by, true); }
  void on(const retry& e) {
    if (kid* k = find(e.id); k && !ending_ && k->is == s::retrying) again(*k, k->pays);
  }

  void died(child_id id, exit_kind why, charge paid_by, bool exit) {
    kid* k = find(id);
    if (!k || k->is == s::down || k->is == s::retrying || (k->is == s::up && !exit)) return;
    if (ending_) return died_while_ending(*k);
    if (k->is == s::up) return judge(*k, why, paid_by);
    if (k->is == s::restarting) return fail_again(*k, paid_by);
    if (k->is == s::starting && booting()) return settle_end(*k), end(outcome::start_failed);
    auto said = std::exchange(k->stoppers, {});
    if (k->starter) say(*std::exchange(k->starter, {}), result::start_failed);
    (k->ever_up && k->restarts != when::temporary) ? down(*k) : erase(*k);
    for (auto call : said) say(call, result::ok);
    settled(id);
  }

  void fail_again(kid& k, charge paid_by) {
    k.is = s::retrying, k.pays = paid_by == charge::counts;
    out_.retried.insert(k.id);
    settled(k.id);
  }

  void judge(kid& k, exit_kind why, charge paid_by) {
    const bool good = why != exit_kind::abnormal;
    if (k.restarts == when::temporary) return erase(k);
    if (k.restarts == when::transient && good) return down(k);
    again(k, paid_by == charge::counts);
  }

  void again(kid& k, bool pays) {
    if (pays) restarts_.push_back(now_);
    const auto recent = std::ranges::count_if(restarts_, [this](instant t) { return t >= now_ - period; });
    if (pays && recent > intensity_) return settle_end(k), end(outcome::gave_up);
    k.is = s::restarting;
    out_.started.insert(k.id);
  }

  void end(outcome how) {
    ending_ = how;
    boot_.clear();
    for (const auto& call : std::exchange(waiting_, {})) std::visit([this](const auto& c) { refuse(c); }, call);
    for (auto& k : kids)
      if (k.starter) say(*std::exchange(k.starter, {}), refusal());
    sweep();
  }
  void died_while_ending(kid& k) {
    for (auto call : k.stoppers) say(call, result::ok);
    settle_end(k);
    sweep();
  }
  void sweep() {
    while (!kids.empty()) {
      auto& last = kids.back();
      if (last.is == s::stopping) return;
      if (last.is != s::down && last.is != s::retrying && last.is != s::waiting) {
        last.is = s::stopping;
        out_.stopped.insert(last.id);
        return;
      }
      settle_end(last);
    }
    if (ended_) return;
    ended_ = true;
    out_.end = ending_;
    if (boot_call_) say(*boot_call_, *ending_ == outcome::start_failed ? result::start_failed : refusal());
    for (auto call : stop_calls_) say(call, *ending_ == outcome::gave_up ? result::gave_up : result::ok);
  }
  void settle_end(kid& k) {
    if (k.is != s::down) out_.downed.insert(k.id);
    std::erase_if(kids, [id = k.id](const kid& other) { return other.id == id; });
  }
  void refuse(const auto& c) {
    if constexpr (requires { c.call; }) say(c.call, refusal());
  }
  result refusal() const { return *ending_ == outcome::gave_up ? result::gave_up : result::stopping; }

  // Calls.
  void on(const start_all& e) {
    if (ending_) return say(e.call, refusal());
    if (booting() || !kids.empty()) return say(e.call, result::already_started);
    boot_call_ = e.call;
    for (const auto& c : e.children) {
      kids.push_back({.id = c.id, .restarts = c.rules.restart, .is = s::waiting});
      boot_.push_back(c.id);
    }
    boot();
  }
  void boot() {
    if (!boot_.empty()) {
      find(boot_.front())->is = s::starting;
      out_.started.insert(boot_.front());
      return;
    }
    say(*std::exchange(boot_call_, {}), result::ok);
    for (const auto& call : std::exchange(waiting_, {})) std::visit([this](const auto& c) { on(c); }, call);
  }
  bool booting() const { return boot_call_ && !ending_; }

  void on(const stop_all& e) {
    if (ended_) return say(e.call, *ending_ == outcome::gave_up ? result::gave_up : result::ok);
    stop_calls_.push_back(e.call);
    if (!ending_) end(outcome::stopped);
  }

  template <class Call>
  bool put_off(const Call& c, const kid* k) {
    if (ending_) return say(c.call, refusal()), true;
    const bool busy = k && (k->is == s::starting || k->is == s::stopping || k->is == s::restarting) && !std::is_same_v<Call, terminate_child>;
    if (booting() || busy) return waiting_.push_back(c), true;
    return false;
  }
  void on(const start_child& c) {
    const kid* k = find(c.child.id);
    if (put_off(c, k)) return;
    if (k) return say(c.call, k->is == s::up ? result::already_started : result::already_present);
    kids.push_back({.id = c.child.id, .restarts = c.child.rules.restart, .starter = c.call});
    out_.started.insert(c.child.id);
  }
  void on(const terminate_child& c) {
    kid* k = find(c.id);
    if (put_off(c, k)) return;
    if (!k) return say(c.call, result::not_found);
    if (k->is == s::retrying) down(*k);
    if (k->is == s::down) return say(c.call, result::ok);
    k->stoppers.push_back(c.call);
    if (k->is != s::stopping) out_.stopped.insert(c.id);
    k->is = s::stopping;
  }
  void on(const restart_child& c) {
    kid* k = find(c.id);
    if (put_off(c, k) || !says_down(c.call, k)) return;
    k->is = s::starting, k->starter = c.call;
    out_.started.insert(c.id);
  }
  void on(const delete_child& c) {
    kid* k = find(c.id);
    if (put_off(c, k) || !says_down(c.call, k)) return;
    erase(*k);
    say(c.call, result::ok);
  }
  bool says_down(call_id call, const kid* k) {
    if (k && k->is == s::down) return true;
    say(call, !k ? result::not_found : k->is == s::up ? result::running : result::restarting);
    return false;
  }

  void settled(child_id id) {
    if (booting()) return;
    std::vector<event> ready, others;
    for (const auto& call : waiting_) {
      const auto about = [](const auto& c) -> child_id {
        if constexpr (requires { c.child; }) return c.child.id;
        if constexpr (requires { c.id; }) return c.id;
        return 0;
      };
      (std::visit(about, call) == id ? ready : others).push_back(call);
    }
    waiting_ = others;
    for (const auto& call : ready) std::visit([this](const auto& c) { on(c); }, call);
  }
  void say(call_id call, result what) { out_.said.emplace(call, what); }
  void down(kid& k) { k.is = s::down, out_.downed.insert(k.id); }
  void erase(kid& k) {
    out_.forgotten.insert(k.id);
    std::erase_if(kids, [id = k.id](const kid& other) { return other.id == id; });
  }
  kid* find(child_id id) {
    const auto k = std::ranges::find(kids, id, &kid::id);
    return k == kids.end() ? nullptr : &*k;
  }

  std::uint32_t intensity_;
  instant now_{};
  effect out_;
  std::vector<instant> restarts_;
  std::vector<event> waiting_;
  std::deque<child_id> boot_;
  std::optional<call_id> boot_call_;
  std::vector<call_id> stop_calls_;
  std::optional<outcome> ending_;
  bool ended_ = false;
};

/// Turns random numbers into events that can happen in this world, and shows them to policy and model.
class history {
 public:
  explicit history(std::uint32_t intensity)
      : model_(intensity), state_(troupe::supervisor_flags{.max_restarts = intensity, .within = period}) {}

  void live_through(std::uint32_t number) {
    bits_ = number;
    if (draw(4) == 0) now_ += 500ms * draw(8);  // halves, so that edges of the period are met
    const event e = choose();
    RC_ASSERT(world_.carry_out(step(state_, e, now_)) == model_.take(e, now_));
    compare_children();
    if (world_.over) RC_ASSERT(world_.open.empty());
  }
  std::optional<outcome> over() const { return world_.over; }

 private:
  std::uint32_t draw(std::uint32_t below) {
    const auto drawn = bits_ % below;
    bits_ /= below;
    return drawn;
  }

  event choose() {
    const auto kind = draw(16);
    if (kind < 2) return add();
    if (kind == 2) return terminate_child{call(), any_id()};
    if (kind == 3) return restart_child{call(), any_id()};
    if (kind == 4) return delete_child{call(), any_id()};
    if (kind == 5) return noise();
    if (kind == 6) return boot();
    if (kind == 7 && draw(16) == 0) return stop_all{call()};
    return kind < 11 ? next_retry() : process_event();
  }

  event add() { return start_child{call(), {any_id(), {when(draw(3)), {}, child_kind::worker}}}; }
  event boot() {
    start_all all{call(), {}};
    const auto size = draw(6);
    for (child_id id = 1; id <= size; ++id) all.children.push_back({id, {when(draw(3)), {}, child_kind::worker}});
    return all;
  }
  event noise() {
    const event all[] = {started{99}, start_failed{99, {}}, exited{.id = 99}, retry{any_id(), 0}};
    return all[draw(4)];
  }
  event next_retry() {
    if (world_.retries.empty()) return process_event();
    const auto next = world_.retries.front();
    world_.retries.pop_front();
    return next;
  }
  event process_event() {
    if (world_.processes.empty()) return add();
    const auto p = std::next(world_.processes.begin(), draw(std::uint32_t(world_.processes.size())));
    const auto id = p->first;
    if (p->second == world::process::starting && draw(4) != 0) {
      p->second = world::process::up;
      return started{id};
    }
    const bool was_up = p->second == world::process::up;
    world_.processes.erase(p);
    if (!was_up && draw(4) == 0) return declined{id};
    if (!was_up && draw(2) == 0) return start_failed{id, "no"};
    return exited{id, exit_kind(draw(3)), charge(draw(3)), "dead"};
  }

  child_id any_id() { return 1 + draw(6); }
  call_id call() {
    world_.open.insert(++calls_);
    return calls_;
  }

  void compare_children() {
    const auto seen = which_children(state_);
    RC_ASSERT(seen.size() == model_.kids.size());
    for (std::size_t i = 0; i < seen.size(); ++i) {
      const auto& k = model_.kids[seen.size() - 1 - i];
      RC_ASSERT(seen[i].id == k.id && seen[i].is == k.is);
    }
  }

  model model_;
  state state_;
  world world_;
  instant now_ = 1000s;
  call_id calls_ = 0;
  std::uint32_t bits_ = 0;
};

}  // namespace

TEST_CASE("in random histories the policy does what a naive model of OTP's rules foretells") {
  std::size_t events = 0;
  std::map<outcome, std::size_t> ends;
  const auto number = rc::gen::resize(rc::kNominalSize, rc::gen::arbitrary<std::uint32_t>());
  const auto numbers = rc::gen::resize(3000, rc::gen::container<std::vector<std::uint32_t>>(number));
  CHECK(rc::check("policy and model agree", [&] {
    std::optional<history> h;
    for (const auto n : *numbers) {
      if (!h || h->over()) h.emplace(n % 4 == 0 ? 1000 : n % 4);
      h->live_through(n), ++events;
      if (h->over()) ++ends[*h->over()];
    }
  }));
  CHECK(events >= 100'000);
  for (const auto how : {outcome::stopped, outcome::gave_up, outcome::start_failed}) CHECK(ends[how] >= 20);
}
