#include <algorithm>
#include <map>

#include "supervision/policy_turn.hpp"

namespace troupe::supervision::policy {

void turn::ask_for_end(call_id call) {
  if (s_.now == state::phase::ended) return say_end(call);
  s_.stop_calls.push_back(call);
  if (ending()) return;
  begin_end(outcome::stopped, {});
  stop_next();
}

void turn::begin_end(outcome how, std::string text) {
  s_.now = state::phase::stopping;
  s_.how = how;
  s_.text = std::move(text);
  s_.together.reset();
  for (const auto& call : std::exchange(s_.held, {})) refuse_call(read(call).call);
  for (auto& [place, c] : s_.children)
    if (c.starter) refuse_call(*std::exchange(c.starter, {}), true);
}

/// OTP 5.7: one at a time, last started first. Children that are down are removed as the sequence passes them, so
/// the last of the map is always the next to stop, or the one being stopped.
void turn::stop_next() {
  if (is_simple() && !s_.all_told) tell_all_to_stop();
  while (!s_.children.empty() && !is_simple()) {
    child& last = s_.children.rbegin()->second;
    if (last.is == child_state::stopping) return;
    if (lives(last.is)) return begin_stop(last);
    pass(last);
  }
  if (s_.children.empty()) finish_end();
}

/// OTP 5.7: those made from a template have no order.
void turn::tell_all_to_stop() {
  s_.all_told = true;
  for (auto i = s_.children.begin(); i != s_.children.end();) {
    child& c = (i++)->second;
    if (!lives(c.is))
      pass(c);
    else if (c.is != child_state::stopping)
      begin_stop(c);
  }
}

/// The end of the supervisor passes a child that does not run.
void turn::pass(child& c) {
  const auto why = s_.how == outcome::gave_up ? down_because::gave_up : down_because::stopping;
  if (!c.declared) order<down_for_good>(c.def.id, why);
  drop(c);
}

void turn::finish_end() {
  s_.now = state::phase::ended;
  order<ended>(s_.how, s_.text);
  if (const auto boot = std::exchange(s_.boot, {}))
    s_.how == outcome::start_failed ? say(*boot, result::start_failed, s_.text) : refuse_call(*boot);
  for (const call_id call : std::exchange(s_.stop_calls, {})) say_end(call);
}

void turn::say_end(call_id call) { s_.how == outcome::gave_up ? refuse_call(call) : say(call, result::ok); }

void turn::refuse_call(call_id call, bool begun) {
  const bool gave_up = s_.how == outcome::gave_up;
  order<answer>(call, gave_up ? result::gave_up : result::stopping, gave_up ? s_.text : std::string{}, begun);
}

// --------------------------------------------------------------------------------------------------- reload, OTP 5.10

void turn::take_reload(const reload& wanted) {
  if (ending()) return refuse_call(wanted.call);
  if (s_.now == state::phase::booting || s_.together) return s_.held.push_back(wanted);
  if (const auto text = wrong_with_reload(wanted); !text.empty()) return say(wanted.call, result::bad_spec, text);
  const auto is_missing = [this](const child_def& def) { return def.known && find(def.id) == nullptr; };
  if (std::ranges::any_of(wanted.children, is_missing)) return say(wanted.call, result::not_found);
  s_.flags = wanted.flags;
  s_.window.set(s_.flags.max_restarts, s_.flags.within);
  replace_children(wanted.children);
  say(wanted.call, result::ok);
  declare_abandoned();
  start_the_rest(false);
}

std::string turn::wrong_with_reload(const reload& wanted) {
  const bool to_simple = wanted.flags.strategy == strategy::simple_one_for_one;
  if (to_simple != is_simple()) return "the strategy cannot be changed to or from simple_one_for_one";
  if (to_simple && wanted.children.size() != 1) return "simple_one_for_one has exactly one child, the template";
  return wrong_with(wanted.flags, wanted.children);
}

void turn::change_rules(child& c, const child_rules& with) {
  c.def.rules = with;
  if (!with.budget) return c.budget.reset();
  if (!c.budget) c.budget.emplace(with.budget->max_restarts, with.budget->within);
  c.budget->set(with.budget->max_restarts, with.budget->within);
}

/// Nobody keeps the arguments of a temporary one, so it cannot become another (OTP 5.9).
child_rules turn::rules_from_template(const child_rules& before) const {
  child_rules now = s_.from_template.value_or(before);
  if (before.restart == restart::temporary) now.restart = restart::temporary;
  return now;
}

/// In the order of the list; after them those that it does not name, in their old order.
void turn::replace_children(const std::vector<child_def>& with) {
  if (is_simple()) {
    s_.from_template = with.front().rules;
    for (auto& [place, c] : s_.children) change_rules(c, rules_from_template(c.def.rules));
    return;
  }
  auto old = std::exchange(s_.children, {});
  const auto places = std::exchange(s_.place_of, {});
  s_.next_place = 0;
  for (const auto& def : with) {
    child& c = insert(def);
    const auto place = places.find(def.id);
    if (place == places.end()) {
      c.adopted = true;
      set_down(c);
      continue;
    }
    c = std::move(old.extract(place->second).mapped());
    change_rules(c, def.rules);
  }
  for (auto& [place, c] : old) insert(c.def) = std::move(c);
}

}  // namespace troupe::supervision::policy
