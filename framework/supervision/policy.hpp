#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "troupe/child_spec.hpp"

/// What a supervisor decides, and nothing else: (state, event, now) -> (state, actions).
///
/// The module knows no process, no clock and no CAF. Time is data, a child is a number, and what shall be done is
/// returned as a list. The rules are Erlang/OTP's supervisor; comments name the section of the OTP facts they follow
/// ("OTP 5.4"). The only strategy is one_for_one: a death touches nobody but the child that died.
///
/// Where it differs from OTP, on purpose:
///  - OTP's supervisor blocks while a child starts or stops. This one does not: a call that has to wait for its own
///    child is held until that child has settled, calls about other children go on. Within one child, and for the
///    order of start_all and stop_all, what can be seen is the same as in OTP.
///  - terminate_child does not wait for a start to end: it ends it, so that a start which hangs can be ended.
///  - The window of the restart intensity is exact; OTP counts whole seconds, so its window is up to 1 s longer.
///  - A death can be charged to a message or to whoever asked for it (see `charge`) in place of the budget.
namespace troupe::supervision::policy {

/// The identity of a child: given by the caller, taken from start_all or start_child until `forget` or `ended`.
using child_id = std::uint64_t;
/// Chosen by the caller, different for each call; comes back in the `answer`.
using call_id = std::uint64_t;
/// A steady time: nanoseconds since any fixed moment. Must not run backwards from event to event.
using instant = std::chrono::nanoseconds;

enum class child_kind : std::uint8_t { worker, supervisor };

/// How an end is judged (OTP 5.12). normal: the child stopped itself, exit code 0. shutdown: it ended because its
/// supervisor asked. abnormal: everything else, also a kill.
enum class exit_kind : std::uint8_t { normal, shutdown, abnormal };

/// Who pays for a death that leads to a restart.
enum class charge : std::uint8_t {
  counts,  ///< the supervisor's restart intensity, as in OTP
  record,  ///< the message that was in flight, which has attempts left: does not count
  asked,   ///< nobody: the death was asked for (kill through the API, recycling); does not count
};

/// What the policy has to know of a child.
struct child_rules {
  troupe::restart restart = troupe::restart::permanent;
  troupe::shutdown shutdown = {};
  child_kind kind = child_kind::worker;
};

/// A child as it is handed over: `start_all`, `start_child`.
struct child_def {
  child_id id = 0;
  child_rules rules = {};
};

// ---- Events: what happened, what is asked for -----------------------------------------------------------------------
// A `start` action is followed by exactly one end: `start_failed`, or `exited` (after `started` or in place of it).
// Until that end has been handled the policy does not start the child again, so an event never concerns an old
// incarnation. Events about unknown children are ignored (OTP 5.4), calls about them answered with not_found.

/// The child is up: its on_start has returned.
struct started {
  child_id id = 0;
};
/// The start did not succeed and nothing is left of it: no `exited` follows. `text`: why, for people.
struct start_failed {
  child_id id = 0;
  std::string text = {};
  bool hopeless = false;  ///< no later start can succeed either: a restart that meets this gives up at once
};
/// The child has ended and is reaped. Before `started` this is a failed start. `text`: how it died, for people.
struct exited {
  child_id id = 0;
  exit_kind why = exit_kind::normal;
  charge paid_by = charge::counts;
  std::string text = {};
};
/// The `retry_later` action's message to self has arrived (OTP 5.6, try_again_restart).
struct retry {
  child_id id = 0;
};

/// The supervisor's own children, once and before any other call: started one by one, left to right (OTP 5.3.2). Ids
/// must differ. Answered ok when all are up. The first failed start ends the supervisor: children that are up are
/// stopped in reverse order, then the answer is start_failed with the text (OTP 5.3.4). Calls about children are held
/// meanwhile. A death is judged at once (OTP: after the last start). already_started: there are children.
struct start_all {
  call_id call = 0;
  std::vector<child_def> children;
};
/// Stops every child, one at a time, last started first (OTP 5.7), and ends the supervisor. Answered when all are down:
/// ok, or gave_up if the supervisor was giving up by itself. May be asked for at any time, more than once.
struct stop_all {
  call_id call = 0;
};
/// Adds a child after all others and starts it. ok when it is up; start_failed: the child is forgotten;
/// already_started, already_present: the id is in use, by a child that runs or by one that does not (OTP 5.9).
struct start_child {
  call_id call = 0;
  child_def child;
};
/// Stops the child, or cancels its restart loop. ok when it is down, also if it was already; not_found. A temporary
/// child, and one that start_child has not got up yet, is forgotten; any other stays known and down (OTP 5.9).
struct terminate_child {
  call_id call = 0;
  child_id id = 0;
};
/// Starts a child that is down. ok when it is up; start_failed: it stays down; running, restarting, not_found.
struct restart_child {
  call_id call = 0;
  child_id id = 0;
};
/// Forgets a child that is down. ok; running, restarting, not_found.
struct delete_child {
  call_id call = 0;
  child_id id = 0;
};

using event = std::variant<started, start_failed, exited, retry, start_child, terminate_child, restart_child,
                           delete_child, start_all, stop_all>;

// ---- Actions: what to do, in the order of the list ------------------------------------------------------------------

/// Start the child; if it was down for good, its mailbox opens again.
struct start {
  child_id id = 0;
};
/// Ask, wait, kill, reap. If the end of this child has been posted already, do nothing: that end is the answer.
struct stop {
  child_id id = 0;
  troupe::shutdown how = {};
};
/// The identity ends: its name is free, old refs are closed. Nothing runs under it.
struct forget {
  child_id id = 0;
};
/// What those who talk to a child that is down for good shall hear.
enum class down_because : std::uint8_t { closed, stopping, gave_up };
/// The child is down and no restart is pending (normal end of a transient child, terminate_child, a restart_child that
/// failed, end of the supervisor): whoever talks to it hears `why`.
struct down_for_good {
  child_id id = 0;
  down_because why = down_because::closed;
};
/// Post `retry{id}` to self, behind what waits already, so that calls are served between attempts (OTP-9549).
struct retry_later {
  child_id id = 0;
};

enum class result : std::uint8_t {
  ok,
  already_present,
  already_started,
  running,
  restarting,
  not_found,
  start_failed,  ///< `text` says why
  gave_up,       ///< the supervisor exceeded its restart intensity: `text` says who died last, and how
  stopping,      ///< the supervisor is being stopped or has ended
};
/// Every call is answered exactly once. When the supervisor begins to end, calls that have not had their answer get
/// `gave_up` or `stopping` at once, but for stop_all, start_all and the calls that wait for a child to be down.
struct answer {
  call_id call = 0;
  result what = result::ok;
  std::string text = {};
};

enum class report_kind : std::uint8_t {
  child_terminated,  ///< a child ended that should not have (OTP 5.4); the actions that follow say what is done
  start_error,       ///< a start failed, at start_all or while restarting; a failed call is answered, not reported
  shutdown_error,    ///< a child that was being stopped ended in another way than asked (OTP 5.7)
  gave_up,           ///< reached_max_restart_intensity: the children are now stopped (OTP 5.5)
};
/// A line for the log. `text` is that of the event that caused it.
struct report {
  report_kind what = report_kind::child_terminated;
  child_id id = 0;
  exit_kind why = exit_kind::abnormal;
  std::string text = {};
};

enum class outcome : std::uint8_t { stopped, gave_up, start_failed };
/// The end of the supervisor: no child runs, all identities end. Nothing but answers comes after it. `text`: as in
/// `answer` for gave_up, why the start failed for start_failed, else empty.
struct ended {
  outcome how = outcome::stopped;
  std::string text = {};
};

using action = std::variant<start, stop, forget, down_for_good, retry_later, answer, report, ended>;
using actions = std::vector<action>;

// ---- State ----------------------------------------------------------------------------------------------------------

/// One child's life. What each event does in each state is a table: policy_table.hpp.
enum class child_state : std::uint8_t {
  absent,      ///< not a child of this supervisor
  down,        ///< known, not running, no restart pending                         (OTP: undefined)
  starting,    ///< start_all, start_child or restart_child is under way
  up,          ///<                                                                (OTP: a pid)
  restarting,  ///< an attempt to restart it is under way                          (OTP: restarting)
  retrying,    ///< the last attempt failed, `retry` will come                     (OTP: restarting)
  stopping,    ///< told to stop, its end has not come yet
  count
};

/// Restart intensity, exactly OTP 5.5: drop t < now - period, add now, more than `intensity` entries is too many.
/// So a restart exactly `period` ago still counts, and intensity 0 allows none.
class restart_window {
 public:
  explicit restart_window(supervisor_flags flags);
  /// Counts one restart attempt. False: give up.
  bool admit(instant now);

 private:
  std::uint32_t intensity_;
  instant period_;
  std::deque<instant> restarts_;
};

struct child {
  child_def def;
  child_state is = child_state::down;
  bool was_up = false;               ///< one of start_child that never was is forgotten when its start fails
  charge next_try = charge::counts;  ///< retrying: who pays for the attempt that `retry` will make
  std::string last_end;              ///< restarting, retrying: how it died, or why it did not start
  std::optional<call_id> starter;    ///< starting, stopping: the call that waits for the start
  std::vector<call_id> stoppers;     ///< stopping: the calls that wait for the end
};

/// A plain value: copy it, compare what it leads to, throw it away. Only `step` changes it.
struct state {
  explicit state(supervisor_flags flags = {}) : window(flags) {}

  enum class phase : std::uint8_t { running, booting, stopping, ended };
  phase now = phase::running;
  restart_window window;
  std::map<std::uint64_t, child> children;  ///< by place: start order (OTP 5.6: same place after a restart)
  std::unordered_map<child_id, std::uint64_t> place_of;  ///< child -> place
  std::uint64_t next_place = 0;
  std::deque<child_id> to_start;    ///< booting: children whose turn has not come; the front one is being started
  std::vector<event> held;          ///< calls that wait for their child to settle, in order of arrival
  std::optional<call_id> boot;      ///< booting: the call of start_all
  std::vector<call_id> stop_calls;  ///< calls of stop_all
  outcome how = outcome::stopped;   ///< stopping, ended: why
  std::string text;                 ///< stopping, ended: the text that belongs to it
};

/// The one function: takes `what` into account at the time `now`, changes `s`, returns what to do, in order.
/// Never throws for anything that an event can say (lack of memory excepted).
actions step(state& s, const event& what, instant now);

/// OTP's which_children: newest first. A child that the end of the supervisor has passed is no longer listed.
struct child_view {
  child_id id = 0;
  child_state is = child_state::down;
  child_kind kind = child_kind::worker;
};
std::vector<child_view> which_children(const state& s);

/// OTP's count_children. `active`: up or being stopped; a child that is starting or restarting is not active.
struct child_count {
  std::size_t specs = 0;
  std::size_t active = 0;
  std::size_t supervisors = 0;
  std::size_t workers = 0;
  bool operator==(const child_count&) const = default;
};
child_count count_children(const state& s);

}  // namespace troupe::supervision::policy
