#include <algorithm>
#include <limits>

#include "supervision/policy_turn.hpp"

// The children that `together` still has to start are those that are `waiting`; nothing else says so. Every way out of
// here leaves none of them, but for those that a suspended restart starts when it is tried again.

namespace troupe::supervision::policy {
namespace {

constexpr std::uint64_t nowhere = std::numeric_limits<std::uint64_t>::max();

}  // namespace

// ---------------------------------------------------------------------------------------------------------- start_all

void turn::begin_boot(const start_all& all) {
  if (ending()) return refuse_call(all.call);
  if (s_.now == state::phase::booting || !s_.children.empty()) return say(all.call, result::already_started);
  std::string text = wrong_with(s_.flags, all.children);
  if (is_simple() && !all.children.empty()) text = "the children of simple_one_for_one are added by start_child";
  if (!text.empty()) {
    begin_end(outcome::start_failed, text);
    stop_next();
    return say(all.call, result::bad_spec, text);
  }
  s_.now = state::phase::booting;
  s_.boot = all.call;
  for (const auto& def : all.children) insert(def).is = child_state::waiting;
  s_.together = group{.from = nowhere};
  start_next();
}

void turn::fail_boot(child& c, const input& in) {
  tell(report_kind::start_error, c, in);
  begin_end(outcome::start_failed, std::string(in.text));
  pass(c);
  stop_next();
}

void turn::finish_boot() {
  s_.now = state::phase::running;
  say(*std::exchange(s_.boot, {}), result::ok);
  if (std::exchange(s_.significant_ended, false)) ended_for_good(true);
  if (!ending()) release_all();
}

// --------------------------------------------------------------------------------- rest_for_one, one_for_all (OTP 5.6)

/// A second death while the first half is still at work widens what is stopped; in the second half it begins anew.
void turn::begin_group(child& dead, instant delay) {
  std::uint64_t from = s_.flags.strategy == strategy::one_for_all ? 0 : place(dead);
  if (s_.together && s_.together->stops) {
    from = std::min(from, s_.together->from);
    delay = std::max(delay, s_.together->delay);
  }
  s_.together = group{.stops = true, .from = from, .cursor = s_.next_place, .leader = dead.def.id, .delay = delay};
  dead.is = child_state::waiting;
  enlist(from);
  stop_next_of_group();
}

/// Those that do not run are started with the others, also if they were down on purpose.
void turn::enlist(std::uint64_t from) {
  for (auto i = s_.children.lower_bound(from); i != s_.children.end();) {
    child& c = (i++)->second;
    const bool dropped = c.adopted && !c.starter && c.def.rules.restart == restart::temporary;
    c.left_out = false;
    if (lives(c.is)) continue;
    dropped ? erase(c) : void(c.is = child_state::waiting);
  }
}

bool turn::stops_in_group(const child& c) const {
  return s_.together && s_.together->stops && place(c) >= s_.together->from && !c.left_out;
}

void turn::stop_next_of_group() {
  group& all = *s_.together;
  for (auto i = s_.children.lower_bound(all.cursor); i != s_.children.begin() && (--i)->first >= all.from;) {
    all.cursor = i->first + 1;
    if (i->second.is == child_state::stopping) return;
    if (lives(i->second.is)) return begin_stop(i->second, true);
  }
  all.stops = false;
  all.cursor = all.from;
  child* leader = find(all.leader);
  if (all.delay == instant{0} || leader == nullptr || leader->is != child_state::waiting) return start_next();
  postpone(*leader, {}, all.delay);
  suspend();
}

void turn::finish_stop_in_group(child& c) {
  const auto stoppers = std::exchange(c.stoppers, {});
  const auto starter = stoppers.empty() ? std::nullopt : std::exchange(c.starter, {});
  const bool start_is_due = stoppers.empty() && (c.starter || !c.adopted);
  const bool stays = start_is_due || (c.adopted && c.def.rules.restart != restart::temporary);
  stays ? void(c.is = child_state::waiting) : erase(c);
  if (starter) say(*starter, result::start_failed, "terminated before it was up");
  for (const call_id call : stoppers) say(call, result::ok);
  stop_next_of_group();
}

void turn::start_next() {
  group& all = *s_.together;
  all.current.reset();
  const auto waits = [](const auto& each) { return each.second.is == child_state::waiting; };
  auto next = std::find_if(s_.children.lower_bound(all.cursor), s_.children.end(), waits);
  if (next == s_.children.end()) next = std::ranges::find_if(s_.children, waits);
  if (next != s_.children.end()) {
    all.cursor = next->first;
    all.current = next->second.def.id;
    return begin_start(next->second);
  }
  s_.together.reset();
  s_.now == state::phase::booting ? finish_boot() : release_all();
}

/// A child has to be tried again: the later ones are down until then, and calls are served. Those whose first start is
/// still awaited go on waiting.
void turn::suspend() {
  put_off();
  release_all();
}

void turn::put_off() {
  for (auto i = s_.children.lower_bound(s_.together->cursor); i != s_.children.end(); ++i) {
    child& c = i->second;
    if (c.is == child_state::waiting && c.adopted && !c.starter) c.is = child_state::down;
  }
  s_.together.reset();
}

bool turn::is_started_by_group(const child& c) const {
  return s_.together && !s_.together->stops && s_.together->current == c.def.id;
}

/// terminate_child has ended the attempt to start it. As if that had failed by itself, and the call come before the
/// retry: those that were to be started next stay down.
void turn::break_off(child& c) {
  const auto stoppers = std::exchange(c.stoppers, {});
  put_off();
  leave(c);
  for (const call_id call : stoppers) say(call, result::ok);
  declare_abandoned();
  start_the_rest(false);
  if (!s_.together) release_all();
}

/// terminate_child for one whose turn to start has not come.
void turn::leave_out(child& c, call_id call) {
  const child_id id = c.def.id;
  const auto starter = std::exchange(c.starter, {});
  c.left_out = true;
  leave(c);
  if (starter) say(*starter, result::start_failed, "terminated before it was up");
  say(call, result::ok);
  if (!s_.together) release(id);
}

/// After a suspended restart has come to nothing. `also_stopped`: those, too, that are down only because of it.
void turn::start_the_rest(bool also_stopped) {
  bool any = false;
  for (auto& [place, c] : s_.children) {
    if (also_stopped && c.is == child_state::down && !c.declared) c.is = child_state::waiting;
    any = any || c.is == child_state::waiting;
  }
  if (!any || s_.together) return;
  s_.together = group{.from = nowhere};
  start_next();
}

/// Those that are down only because of a restart that has been cancelled, or that has another strategy by now: nothing
/// starts them any more.
void turn::declare_abandoned() {
  const bool alone = s_.flags.strategy == strategy::one_for_one;
  const bool one_for_all = s_.flags.strategy == strategy::one_for_all;
  const auto retries = [](const auto& each) { return each.second.is == child_state::retrying; };
  bool hope = one_for_all && std::ranges::any_of(s_.children, retries);
  for (auto& each : s_.children) {
    child& c = each.second;
    hope = hope || (retries(each) && !alone);
    if (!hope && c.is == child_state::down && !c.declared) set_down(c);
  }
}

}  // namespace troupe::supervision::policy
