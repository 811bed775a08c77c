#include "supervision/policy.hpp"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <string_view>
#include <utility>

#include "supervision/policy_table.hpp"

namespace troupe::supervision::policy {
namespace {

/// An event about one child, in one shape.
struct input {
  const event* source;
  trigger what;
  child_id id = 0;
  call_id call = 0;
  exit_kind why = exit_kind::abnormal;
  charge paid_by = charge::counts;
  std::string_view text = {};
  bool hopeless = false;
};

input read(const event& what) {
  input in{.source = &what, .what = static_cast<trigger>(what.index())};
  const auto fill = [&in](const auto& e) {
    if constexpr (requires { e.id; }) in.id = e.id;
    if constexpr (requires { e.child; }) in.id = e.child.id;
    if constexpr (requires { e.call; }) in.call = e.call;
    if constexpr (requires { e.why; }) in.why = e.why, in.paid_by = e.paid_by;
    if constexpr (requires { e.text; }) in.text = e.text;
    if constexpr (requires { e.hopeless; }) in.hopeless = e.hopeless;
  };
  std::visit(fill, what);
  return in;
}

class turn {
 public:
  turn(state& s, instant now, actions& out) : s_(s), now_(now), out_(out) {}

  void take(const event& what) {
    if (auto* boot = std::get_if<start_all>(&what)) return begin_boot(*boot);
    if (auto* end = std::get_if<stop_all>(&what)) return ask_for_end(end->call);
    const input in = read(what);
    child* c = find(in.id);
    perform(choose(s_.now, c ? c->is : child_state::absent, in.what), c, in);
  }

 private:
  void perform(act what, child* c, const input& in) {
    using enum act;
    // clang-format off
    switch (what) {
      case unset: assert(false); break;
      case ignore: break;
      case mark_up: mark_as_up(*c); break;
      case fail: fail_start(*c, in); break;
      case fail_again: fail_restart(*c, in); break;
      case judge: judge_exit(*c, in); break;
      case try_again: begin_restart(*c, c->next_try); break;
      case finish: finish_stop(*c, in); break;
      case add: begin_start(insert(std::get<start_child>(*in.source).child), child_state::starting, in.call); break;
      case launch: begin_start(*c, child_state::starting, in.call); break;
      case quit: begin_stop(*c, in.call); break;
      case join: c->stoppers.push_back(in.call); break;
      case cancel: set_down(*c); say(in.call, result::ok); break;
      case remove: erase(*c); say(in.call, result::ok); break;
      case hold: s_.held.push_back(*in.source); break;
      case refuse: refuse_call(in.call); break;
      case ok: say(in.call, result::ok); break;
      case present: say(in.call, result::already_present); break;
      case runs: say(in.call, result::already_started); break;
      case running: say(in.call, result::running); break;
      case restarting: say(in.call, result::restarting); break;
      case unknown: say(in.call, result::not_found); break;
    }
    // clang-format on
  }

  // -- starting

  void begin_boot(const start_all& all) {
    if (ending()) return refuse_call(all.call);
    if (s_.now == state::phase::booting || !s_.children.empty()) return say(all.call, result::already_started);
    s_.now = state::phase::booting;
    s_.boot = all.call;
    for (const auto& def : all.children) {
      insert(def);
      s_.to_start.push_back(def.id);
    }
    boot_next();
  }

  void boot_next() {
    if (!s_.to_start.empty()) return begin_start(*find(s_.to_start.front()), child_state::starting, {});
    s_.now = state::phase::running;
    say(*std::exchange(s_.boot, {}), result::ok);
    for (const auto& call : std::exchange(s_.held, {})) take(call);
  }

  void begin_start(child& c, child_state as, std::optional<call_id> starter) {
    c.is = as;
    c.starter = starter;
    order<start>(c.def.id);
  }

  void mark_as_up(child& c) {
    c.is = child_state::up;
    c.was_up = true;
    const child_id id = c.def.id;
    if (c.starter) say(*std::exchange(c.starter, {}), result::ok);
    if (s_.now == state::phase::booting && id == s_.to_start.front()) {
      s_.to_start.pop_front();
      return boot_next();
    }
    release(id);
  }

  void fail_start(child& c, const input& in) {
    if (s_.now == state::phase::booting) return fail_boot(c, in);
    const call_id starter = *std::exchange(c.starter, {});
    const child_id id = c.def.id;
    leave(c);
    say(starter, result::start_failed, in.text);
    release(id);
  }

  void fail_boot(child& c, const input& in) {
    tell(report_kind::start_error, c, in);
    begin_end(outcome::start_failed, std::string(in.text));
    pass(c);
    stop_next();
  }

  // -- restarting

  void judge_exit(child& c, const input& in) {
    const restart kind = c.def.rules.restart;
    c.last_end = in.text;
    if (is_reported(kind, in.why)) tell(report_kind::child_terminated, c, in);
    switch (fates[std::size_t(kind)][std::size_t(in.why)]) {
      case fate::again:
        return begin_restart(c, in.paid_by);
      case fate::down:
        return set_down(c);
      case fate::gone:
        return erase(c);
    }
  }

  void begin_restart(child& c, charge paid_by) {
    if (paid_by == charge::counts && !s_.window.admit(now_)) return give_up(c);
    begin_start(c, child_state::restarting, {});
  }

  void fail_restart(child& c, const input& in) {
    tell(report_kind::start_error, c, in);
    c.is = child_state::retrying;
    c.next_try = in.paid_by;
    c.last_end = in.text;
    if (in.hopeless) return give_up(c);
    order<retry_later>(c.def.id);
  }

  void give_up(child& c) {
    order<report>(report_kind::gave_up, c.def.id, exit_kind::abnormal, c.last_end);
    begin_end(outcome::gave_up, c.last_end);
    pass(c);
    stop_next();
  }

  // -- stopping one child

  void begin_stop(child& c, std::optional<call_id> stopper) {
    c.is = child_state::stopping;
    if (stopper) c.stoppers.push_back(*stopper);
    order<stop>(c.def.id, c.def.rules.shutdown);
  }

  void finish_stop(child& c, const input& in) {
    if (in.what == trigger::exited && !is_expected(c.def.rules, in.why)) tell(report_kind::shutdown_error, c, in);
    const child_id id = c.def.id;
    const auto starter = std::exchange(c.starter, {});
    const auto stoppers = std::exchange(c.stoppers, {});
    ending() ? pass(c) : leave(c);
    if (starter) say(*starter, result::start_failed, "terminated before it was up");
    for (const call_id call : stoppers) say(call, result::ok);
    ending() ? stop_next() : release(id);
  }

  /// OTP 5.9: a temporary child is forgotten, and so is one whose start_child failed.
  void leave(child& c) {
    const bool stays = c.was_up && c.def.rules.restart != restart::temporary;
    stays ? set_down(c) : erase(c);
  }

  void set_down(child& c) {
    c.is = child_state::down;
    order<down_for_good>(c.def.id, down_because::closed);
  }

  // -- the end of the supervisor

  bool ending() const { return s_.now == state::phase::stopping || s_.now == state::phase::ended; }

  void ask_for_end(call_id call) {
    if (s_.now == state::phase::ended) return say_end(call);
    s_.stop_calls.push_back(call);
    if (ending()) return;
    begin_end(outcome::stopped, {});
    stop_next();
  }

  void begin_end(outcome how, std::string text) {
    s_.now = state::phase::stopping;
    s_.how = how;
    s_.text = std::move(text);
    s_.to_start.clear();
    for (const auto& call : std::exchange(s_.held, {})) refuse_call(read(call).call);
    for (auto& [place, c] : s_.children)
      if (c.starter) refuse_call(*std::exchange(c.starter, {}));
  }

  /// OTP 5.7: one at a time, last started first. Children that are down are removed as the sequence passes them, so
  /// the last of the map is always the next to stop, or the one being stopped.
  void stop_next() {
    while (!s_.children.empty()) {
      child& last = s_.children.rbegin()->second;
      if (last.is == child_state::stopping) return;
      if (lives(last.is)) return begin_stop(last, {});
      pass(last);
    }
    finish_end();
  }

  /// The end of the supervisor passes a child that does not run. One that is `down` after it was up has been declared
  /// so before.
  void pass(child& c) {
    const auto why = s_.how == outcome::gave_up ? down_because::gave_up : down_because::stopping;
    if (c.is != child_state::down || !c.was_up) order<down_for_good>(c.def.id, why);
    drop(c);
  }

  void finish_end() {
    s_.now = state::phase::ended;
    order<ended>(s_.how, s_.text);
    if (auto boot = std::exchange(s_.boot, {})) answer_boot(*boot);
    for (const call_id call : std::exchange(s_.stop_calls, {})) say_end(call);
  }

  void answer_boot(call_id call) {
    s_.how == outcome::start_failed ? say(call, result::start_failed, s_.text) : refuse_call(call);
  }

  void say_end(call_id call) { s_.how == outcome::gave_up ? refuse_call(call) : say(call, result::ok); }

  void refuse_call(call_id call) {
    s_.how == outcome::gave_up ? say(call, result::gave_up, s_.text) : say(call, result::stopping);
  }

  // -- actions, the list of children

  /// In place: moving a variant makes g++ 12 warn of members that it believes uninitialized.
  template <class Action, class... Args>
  void order(Args&&... args) {
    out_.emplace_back(std::in_place_type<Action>, Action{std::forward<Args>(args)...});
  }

  void say(call_id call, result what, std::string_view text = {}) { order<answer>(call, what, std::string(text)); }

  void tell(report_kind what, const child& c, const input& in) {
    order<report>(what, c.def.id, in.why, std::string(in.text));
  }

  /// The child has settled: the calls that waited for it are taken, in order; each may be held once more. While
  /// booting they stay where they are, in the order of arrival among all.
  void release(child_id id) {
    if (s_.now == state::phase::booting) return;
    const auto is_other = [id](const event& call) { return read(call).id != id; };
    const auto first = std::stable_partition(s_.held.begin(), s_.held.end(), is_other);
    const std::vector<event> ready(std::make_move_iterator(first), std::make_move_iterator(s_.held.end()));
    s_.held.erase(first, s_.held.end());
    for (const auto& call : ready) take(call);
  }

  child* find(child_id id) {
    const auto place = s_.place_of.find(id);
    return place == s_.place_of.end() ? nullptr : &s_.children.at(place->second);
  }

  child& insert(const child_def& def) {
    const auto place = s_.next_place++;
    [[maybe_unused]] const bool is_new = s_.place_of.emplace(def.id, place).second;
    assert(is_new && "ids of start_all must differ");
    child& added = s_.children[place];
    added.def = def;
    return added;
  }

  void erase(child& c) {
    order<forget>(c.def.id);
    drop(c);
  }

  void drop(const child& c) {
    const auto place = s_.place_of.find(c.def.id);
    s_.children.erase(place->second);
    s_.place_of.erase(place);
  }

  state& s_;
  const instant now_;
  actions& out_;
};

}  // namespace

restart_window::restart_window(supervisor_flags flags) : intensity_(flags.max_restarts) {
  constexpr std::chrono::hours century{24 * 36525};  // more would overflow as nanoseconds
  period_ = std::min<std::chrono::milliseconds>(flags.within, century);
}

bool restart_window::admit(instant now) {
  while (!restarts_.empty() && restarts_.front() < now - period_) restarts_.pop_front();
  restarts_.push_back(now);
  return restarts_.size() <= intensity_;
}

actions step(state& s, const event& what, instant now) {
  actions out;
  turn(s, now, out).take(what);
  return out;
}

std::vector<child_view> which_children(const state& s) {
  std::vector<child_view> all;
  for (auto i = s.children.rbegin(); i != s.children.rend(); ++i)
    all.push_back({i->second.def.id, i->second.is, i->second.def.rules.kind});
  return all;
}

child_count count_children(const state& s) {
  child_count sum;
  sum.specs = s.children.size();
  for (const auto& [place, c] : s.children) {
    if (c.is == child_state::up || c.is == child_state::stopping) ++sum.active;
    ++(c.def.rules.kind == child_kind::supervisor ? sum.supervisors : sum.workers);
  }
  return sum;
}

}  // namespace troupe::supervision::policy
