#include "supervision/policy.hpp"

#include <algorithm>
#include <cassert>
#include <iterator>

#include "supervision/policy_turn.hpp"

namespace troupe::supervision::policy {

input read(const event& what) {
  input in{.source = &what, .what = static_cast<trigger>(what.index())};
  const auto fill = [&in](const auto& e) {
    if constexpr (requires { e.id; }) in.id = e.id;
    if constexpr (requires { e.child; }) in.id = e.child.id;
    if constexpr (requires { e.call; }) in.call = e.call;
    if constexpr (requires { e.why; }) in.why = e.why;
    if constexpr (requires { e.paid_by; }) in.paid_by = e.paid_by;
    if constexpr (requires { e.text; }) in.text = e.text;
    if constexpr (requires { e.hopeless; }) in.hopeless = e.hopeless;
    if constexpr (requires { e.gave_up; }) in.gave_up = e.gave_up;
    if constexpr (requires { e.ticket; }) in.ticket = e.ticket;
  };
  std::visit(fill, what);
  return in;
}

void turn::take(const event& what) {
  if (auto* boot = std::get_if<start_all>(&what)) return begin_boot(*boot);
  if (auto* end = std::get_if<stop_all>(&what)) return ask_for_end(end->call);
  if (auto* wanted = std::get_if<reload>(&what)) return take_reload(*wanted);
  const input in = read(what);
  const bool of_known = in.what == trigger::restart || in.what == trigger::remove;
  if (of_known && is_simple() && !ending()) return say(in.call, result::simple_one_for_one);
  child* c = find(in.id);
  const act chosen = choose(s_.now, s_.together.has_value(), c ? c->is : child_state::absent, in.what);
  const bool adds = in.what == trigger::start_child && chosen != act::hold && chosen != act::refuse;
  if (adds && !is_right(in)) return;
  perform(chosen, c, in);
}

void turn::perform(act what, child* c, const input& in) {
  using enum act;
  // clang-format off
  switch (what) {
    case unset: assert(false); break;
    case ignore: break;
    case mark_up: mark_as_up(*c); break;
    case fail: fail_start(*c, in); break;
    case fail_again: fail_restart(*c, in); break;
    case decline: turn::decline(*c); break;
    case judge: judge_exit(*c, in); break;
    case follow: follow_takeover(*c, in); break;
    case try_again: turn::try_again(*c, in); break;
    case came_up: note_start(*c); break;
    case finish: finish_stop(*c, in); break;
    case add: turn::add(in); break;
    case launch: turn::launch(*c, in.call); break;
    case quit: ask_to_stop(*c, in.call); break;
    case is_down: forget_temporary(*c); say(in.call, result::ok); break;
    case join: ask_to_stop(*c, in.call); break;
    case cancel: turn::cancel(*c, in.call); break;
    case leave_out: turn::leave_out(*c, in.call); break;
    case remove: erase(*c); say(in.call, result::ok); break;
    case hold: s_.held.push_back(*in.source); break;
    case refuse: refuse_call(in.call); break;
    case present: say(in.call, result::already_present); break;
    case runs: say(in.call, result::already_started); break;
    case running: say(in.call, result::running); break;
    case restarting: say(in.call, result::restarting); break;
    case unknown: say(in.call, result::not_found); break;
  }
  // clang-format on
}

// ----------------------------------------------------------------------------------------------------------- starting

/// OTP looks at the rules before it looks for the child.
bool turn::is_right(const input& in) {
  const auto text = wrong_with(s_.flags, std::get<start_child>(*in.source).child.rules);
  if (!text.empty()) say(in.call, result::bad_spec, text);
  return text.empty();
}

void turn::add(const input& in) {
  const std::size_t most = s_.flags.max_children;
  if (is_simple() && most > 0 && s_.children.size() >= most) {
    return say(in.call, result::too_many,
               "its supervisor has as many children as its max_children allows: " + std::to_string(most));
  }
  child_def def = std::get<start_child>(*in.source).child;
  if (is_simple()) def.rules = rules_from_template(def.rules);
  launch(insert(def), in.call);
}

void turn::launch(child& c, call_id starter) {
  c.starter = starter;
  begin_start(c);
}

/// A start that somebody waits for, or the first one, is not repeated when it fails; any other is.
void turn::begin_start(child& c) {
  c.is = c.starter || !c.adopted ? child_state::starting : child_state::restarting;
  c.declared = false;
  order<start>(c.def.id);
}

void turn::mark_as_up(child& c) {
  c.is = child_state::up;
  c.adopted = true;
  c.up_since = now_;
  const child_id id = c.def.id;
  if (c.starter) say(*std::exchange(c.starter, {}), result::ok);
  resume(id);
}

/// terminate_child came before that, and is served as if it had come behind it.
void turn::note_start(child& c) {
  if (c.stoppers.empty()) return;
  c.adopted = true;
  const bool others_wait = is_started_by_group(c);
  if (c.starter) say(*std::exchange(c.starter, {}), result::ok);
  if (others_wait) start_next();
}

void turn::decline(child& c) {
  const child_id id = c.def.id;
  const auto starter = std::exchange(c.starter, {});
  const bool by_call = starter && c.adopted;
  c.adopted = true;
  by_call ? set_down(c) : leave(c);
  if (starter) say(*starter, result::ignored);
  resume(id);
}

void turn::fail_start(child& c, const input& in) {
  const child_id id = c.def.id;
  if (!c.starter) return fail_boot(c, in);
  const call_id starter = *std::exchange(c.starter, {});
  c.adopted ? set_down(c) : leave(c);
  say(starter, result::start_failed, in.text);
  resume(id);
}

// --------------------------------------------------------------------------------------------------------- stopping

void turn::begin_stop(child& c, bool comes_again) {
  c.is = child_state::stopping;
  order<stop>(c.def.id, c.def.rules.shutdown, comes_again);
}

void turn::ask_to_stop(child& c, call_id stopper) {
  c.stoppers.push_back(stopper);
  c.left_out = s_.together.has_value();
  if (c.is != child_state::stopping) begin_stop(c);
}

void turn::finish_stop(child& c, const input& in) {
  if (in.what == trigger::exited && !is_expected(c.def.rules, in.why)) tell(report_kind::shutdown_error, c, in);
  if (!ending() && stops_in_group(c)) return finish_stop_in_group(c);
  if (in.what != trigger::declined && is_started_by_group(c) && c.adopted && !c.starter) return break_off(c);
  const child_id id = c.def.id;
  const auto starter = std::exchange(c.starter, {});
  const auto stoppers = std::exchange(c.stoppers, {});
  ending() ? pass(c) : leave(c);
  if (starter) say(*starter, result::start_failed, "terminated before it was up");
  for (const call_id call : stoppers) say(call, result::ok);
  ending() ? stop_next() : resume(id);
}

/// OTP 5.9: a temporary child is forgotten, and so is one whose start_child failed.
void turn::leave(child& c) {
  const bool stays = c.adopted && c.def.rules.restart != restart::temporary && !is_simple();
  stays ? set_down(c) : erase(c);
}

/// A temporary child that is known and down came by reload.
void turn::forget_temporary(child& c) {
  if (c.def.rules.restart == restart::temporary) erase(c);
}

/// One that is down before the restart of its group could stop it is started with the others all the same.
void turn::set_down(child& c) {
  c.is = stops_in_group(c) ? child_state::waiting : child_state::down;
  c.declared = true;
  order<down_for_good>(c.def.id, down_because::closed);
}

// ------------------------------------------------------------------------------------------------------ what has
// waited

/// The child has settled: the group that waited for it goes on, or else the calls that did.
void turn::resume(child_id id) {
  if (!s_.together) return release(id);
  if (s_.together->stops) return stop_next_of_group();
  if (s_.together->current == id) start_next();
}

/// Calls are taken in order; each may be held once more. While booting they stay where they are, in the order of
/// arrival among all.
void turn::release(child_id id) {
  if (s_.now == state::phase::booting) return;
  const auto is_other = [id](const event& call) { return std::holds_alternative<reload>(call) || read(call).id != id; };
  const auto first = std::stable_partition(s_.held.begin(), s_.held.end(), is_other);
  const std::vector<event> ready(std::make_move_iterator(first), std::make_move_iterator(s_.held.end()));
  s_.held.erase(first, s_.held.end());
  for (const auto& call : ready) take(call);
}

void turn::release_all() {
  if (s_.now == state::phase::booting) return;
  for (const auto& call : std::exchange(s_.held, {})) take(call);
}

// ------------------------------------------------------------------------------------------------ the list of children

child* turn::find(child_id id) {
  const auto place = s_.place_of.find(id);
  return place == s_.place_of.end() ? nullptr : &s_.children.at(place->second);
}

child& turn::insert(const child_def& def) {
  const auto place = s_.next_place++;
  [[maybe_unused]] const bool is_new = s_.place_of.emplace(def.id, place).second;
  assert(is_new && "ids must differ");
  child& added = s_.children[place];
  added.def = def;
  if (const auto& own = def.rules.budget) added.budget.emplace(own->max_restarts, own->within);
  return added;
}

void turn::erase(child& c) {
  order<forget>(c.def.id);
  drop(c);
}

void turn::drop(const child& c) {
  const auto place = s_.place_of.find(c.def.id);
  s_.children.erase(place->second);
  s_.place_of.erase(place);
}

// --------------------------------------------------------------------------------------------------------------
// outside

actions step(state& s, const event& what, instant now) {
  actions out;
  turn(s, now, out).take(what);
  return out;
}

bool has_ended_for_good(const state& s, child_id id) {
  const auto place = s.place_of.find(id);
  if (place == s.place_of.end()) return false;
  const child& c = s.children.at(place->second);
  return c.is == child_state::down && c.declared;
}

std::vector<child_view> which_children(const state& s) {
  std::vector<child_view> all;
  for (auto i = s.children.rbegin(); i != s.children.rend(); ++i)
    all.push_back({i->second.def.id, i->second.is, i->second.def.rules.kind});
  return all;
}

child_count count_children(const state& s) {
  child_count sum;
  sum.specs = s.flags.strategy == strategy::simple_one_for_one ? 1 : s.children.size();
  for (const auto& [place, c] : s.children) {
    if (c.is == child_state::up || c.is == child_state::stopping) ++sum.active;
    ++(c.def.rules.kind == child_kind::supervisor ? sum.supervisors : sum.workers);
  }
  return sum;
}

}  // namespace troupe::supervision::policy
