#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "supervision/policy.hpp"
#include "supervision/policy_table.hpp"

namespace troupe::supervision::policy {

/// An event about one child, or a call, in one shape.
struct input {
  const event* source;
  trigger what;
  child_id id = 0;
  call_id call = 0;
  exit_kind why = exit_kind::abnormal;
  charge paid_by = charge::counts;
  std::string_view text = {};
  bool hopeless = false;
  bool gave_up = false;
  std::uint64_t ticket = 0;
};
input read(const event& what);

/// What is wrong with one child under these flags, and with flags and children: sentences, joined by "; ".
std::string wrong_with(const supervisor_flags& flags, const child_rules& rules);
std::string wrong_with(const supervisor_flags& flags, std::span<const child_def> children);

/// One step of the policy at work. Used by policy*.cpp only; lives as long as the step. The files are the subjects.
class turn {
 public:
  turn(state& s, instant now, actions& out) : s_(s), now_(now), out_(out) {}
  void take(const event& what);

 private:
  // policy.cpp: calls, and the life of one child
  void perform(act what, child* c, const input& in);
  bool is_right(const input& in);
  void add(const input& in);
  void launch(child& c, call_id starter);
  void begin_start(child& c);
  void mark_as_up(child& c);
  void note_start(child& c);
  void decline(child& c);
  void fail_start(child& c, const input& in);
  void begin_stop(child& c, bool comes_again = false);
  void ask_to_stop(child& c, call_id stopper);
  void finish_stop(child& c, const input& in);
  void leave(child& c);
  void set_down(child& c);
  void forget_temporary(child& c);
  void resume(child_id id);
  void release(child_id id);
  void release_all();

  // policy_restart.cpp: what follows a death
  void judge_exit(child& c, const input& in);
  void follow_takeover(child& c, const input& in);
  void fail_restart(child& c, const input& in);
  void try_again(child& c, const input& in);
  void begin_restart(child& c, std::optional<charge> pays, instant delay);
  bool admit(child& c);
  void spend_budget(child& c);
  void postpone(child& c, std::optional<charge> pays, instant delay);
  instant backoff_of(child& c, charge pays);
  double random();
  void cancel(child& c, call_id call);
  void give_up(child& c);
  void ended_for_good(bool significant);
  bool auto_shutdown_is_due() const;

  // policy_group.cpp: several children at work together
  void begin_boot(const start_all& all);
  void fail_boot(child& c, const input& in);
  void finish_boot();
  void begin_group(child& dead, instant delay);
  void enlist(std::uint64_t from);
  void stop_next_of_group();
  void finish_stop_in_group(child& c);
  void start_next();
  void suspend();
  void put_off();
  void leave_out(child& c, call_id call);
  bool is_started_by_group(const child& c) const;
  void break_off(child& c);
  void start_the_rest(bool also_stopped);
  void declare_abandoned();
  bool stops_in_group(const child& c) const;

  // policy_end.cpp: the end of the supervisor, and new rules for it
  bool ending() const { return s_.now == state::phase::stopping || s_.now == state::phase::ended; }
  void ask_for_end(call_id call);
  void begin_end(outcome how, std::string text);
  void stop_next();
  void tell_all_to_stop();
  void pass(child& c);
  void finish_end();
  void say_end(call_id call);
  void refuse_call(call_id call, bool begun = false);
  void take_reload(const reload& wanted);
  std::string wrong_with_reload(const reload& wanted);
  void replace_children(const std::vector<child_def>& with);
  child_rules rules_from_template(const child_rules& before) const;
  static void change_rules(child& c, const child_rules& with);

  // policy.cpp: actions, the list of children
  /// In place: moving a variant makes g++ 12 warn of members that it believes uninitialized.
  template <class Action, class... Args>
  void order(Args&&... args) {
    out_.emplace_back(std::in_place_type<Action>, Action{std::forward<Args>(args)...});
  }
  void say(call_id call, result what, std::string_view text = {}) { order<answer>(call, what, std::string(text)); }
  void tell(report_kind what, const child& c, const input& in) {
    order<report>(what, c.def.id, in.why, std::string(in.text));
  }
  bool is_simple() const { return s_.flags.strategy == strategy::simple_one_for_one; }
  std::uint64_t place(const child& c) const { return s_.place_of.at(c.def.id); }
  child* find(child_id id);
  child& insert(const child_def& def);
  void erase(child& c);
  void drop(const child& c);

  state& s_;
  const instant now_;
  actions& out_;
};

}  // namespace troupe::supervision::policy
