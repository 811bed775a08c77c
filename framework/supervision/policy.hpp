#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "troupe/child_spec.hpp"

/// What a supervisor decides, and nothing else: (state, event, now) -> (state, actions).
///
/// The module knows no process, no clock and no CAF. Time is data, a child is a number, and what shall be done is
/// returned as a list. The rules are Erlang/OTP's supervisor; comments name the section of the OTP facts they follow
/// ("OTP 5.4"). If starts and stops take no time, what it does is what OTP does, in the same order.
///
/// Where it differs from OTP, on purpose:
///  - OTP's supervisor blocks while a child starts or stops. This one does not: a call that has to wait for its own
///    child is held until that child has settled, calls about other children go on. While several children are being
///    restarted together, or started by start_all, calls are held until that is over.
///  - A death is judged when it comes, also while others start: the start that is under way may be waiting for the dead
///    child. OTP judges it after that start. A start_child that is caught in the restart of others is answered when
///    its child is up after that restart.
///  - terminate_child does not wait for a start to end: it ends it, so that a start which hangs can be ended. That start
///    has failed then, unless it has succeeded before its end came; what follows is OTP's. Only while start_all is at
///    work does the call wait.
///  - The window of the restart intensity is exact; OTP counts whole seconds, so its window is up to 1 s longer.
///  - A death can be charged to a message or to whoever asked for it (see `charge`) in place of the intensity.
///  - Back-off and a child's own budget, which OTP has not: see child_spec.hpp. Without them nothing is different.
namespace troupe::supervision::policy {

/// The identity of a child: given by the caller, taken from start_all or start_child until `forget` or `ended`.
using child_id = std::uint64_t;
/// Chosen by the caller, different for each call; comes back in the `answer`.
using call_id = std::uint64_t;
/// A steady time: nanoseconds since any fixed moment. Must not run backwards from event to event.
using instant = std::chrono::nanoseconds;

/// A length of time that a user gave, no longer than a century: it can be added to the present without overflow.
instant bounded(std::chrono::milliseconds time);

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
  bool significant = false;
  troupe::backoff backoff = {};
  std::optional<restart_budget> budget = {};
};

/// A child as it is handed over: `start_all`, `start_child`.
struct child_def {
  child_id id = 0;
  child_rules rules = {};
  bool known = false;  ///< reload: it has to be there already
};

/// Rules with the name that an error speaks of.
struct named_rules {
  std::string_view name;
  child_rules rules = {};
};
/// What is wrong with a supervisor and its children, in sentences; empty: nothing (OTP 5.1, 5.2, check_childspecs).
/// simple_one_for_one has exactly one child here, the template.
std::vector<std::string> check(const supervisor_flags& flags, std::span<const named_rules> children);

// ---- Events: what happened, what is asked for -----------------------------------------------------------------------
// A `start` action is followed by exactly one end: `start_failed`, `declined`, or `exited` (after `started` or in place
// of it).
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
  charge paid_by = charge::counts;
};
/// The child does not want to run, which is no failure; nothing is left of it: no `exited` follows (OTP: ignore). It
/// stays known and down; a temporary child, and one of simple_one_for_one, is forgotten.
struct declined {
  child_id id = 0;
};
/// The child has ended and is reaped. Before `started` this is a failed start. `text`: how it died, for people.
struct exited {
  child_id id = 0;
  exit_kind why = exit_kind::normal;
  charge paid_by = charge::counts;
  std::string text = {};
  bool gave_up = false;  ///< a supervisor that gave up, or whose automatic shutdown came of such an end
};
/// The child has ended, and a spare of it has been let go in its place before the policy was asked: `exited` and `start` in
/// one. What follows is as after a start. Given only while may_take_over() says so, once at a time, and not for a child
/// with a budget or a back-off of its own.
struct taken_over {
  child_id id = 0;
  exit_kind why = exit_kind::abnormal;
  charge paid_by = charge::counts;
  std::string text = {};
};
/// The `retry_later` action's message to self has arrived (OTP 5.6, try_again_restart). One that is out of date is
/// ignored.
struct retry {
  child_id id = 0;
  std::uint64_t ticket = 0;  ///< of that action
};

/// The supervisor's own children, once and before any other call: started one by one, left to right (OTP 5.3.2). Ids
/// must differ. Answered ok when each is up or has declined. The first failed start ends the supervisor: children that
/// are up are stopped in reverse order, then the answer is start_failed with the text (OTP 5.3.4). Calls about children
/// are held meanwhile. already_started: there are children. bad_spec: see `check`; the supervisor ends.
/// simple_one_for_one starts without children: the list is empty.
struct start_all {
  call_id call = 0;
  std::vector<child_def> children;
};
/// Stops every child, one at a time, last started first, in simple_one_for_one all at once (OTP 5.7), and ends the
/// supervisor. Answered when all are down: ok, or gave_up if the supervisor was giving up by itself. May be asked for
/// at any time, more than once.
struct stop_all {
  call_id call = 0;
};
/// Adds a child after all others and starts it. ok when it is up, ignored when it has declined; start_failed: the child
/// is forgotten; already_started, already_present: the id is in use, by a child that runs or by one that does not
/// (OTP 5.9); bad_spec: see `check`; too_many: simple_one_for_one has max_children.
struct start_child {
  call_id call = 0;
  child_def child;
};
/// Stops the child, or cancels its restart loop. ok when it is down, also if it was already; not_found. A temporary
/// child, one of simple_one_for_one, and one that start_child has not got up yet, is forgotten; any other stays known
/// and down (OTP 5.9). In simple_one_for_one OTP says ok for one that has ended before: the caller has to know that.
struct terminate_child {
  call_id call = 0;
  child_id id = 0;
};
/// Starts a child that is down. ok when it is up, ignored when it has declined; start_failed: it stays down; running,
/// restarting, not_found, simple_one_for_one.
struct restart_child {
  call_id call = 0;
  child_id id = 0;
};
/// Forgets a child that is down. ok; running, restarting, not_found, simple_one_for_one.
struct delete_child {
  call_id call = 0;
  child_id id = 0;
};
/// New flags and children in place of the old ones (OTP 5.10, code change). The flags are in force at once. A child
/// that is known gets the new rules and keeps its process; a new one is added and not started; one that is not named
/// stays, at the end of the order. ok; bad_spec: nothing has changed; not_found: nothing has changed, and one that should be
/// known has been forgotten. In simple_one_for_one there is exactly one child here, the template, whose id says nothing:
/// its rules are those of all children from now on, except that a temporary child stays temporary.
struct reload {
  call_id call = 0;
  supervisor_flags flags;
  std::vector<child_def> children;
};

using event = std::variant<started, start_failed, declined, exited, taken_over, retry, start_child, terminate_child,
                           restart_child, delete_child, start_all, stop_all, reload>;

// ---- Actions: what to do, in the order of the list ------------------------------------------------------------------

/// Start the child; if it was down for good, its mailbox opens again.
struct start {
  child_id id = 0;
};
/// Ask, wait, kill, reap. If the end of this child has been posted already, do nothing: that end is the answer.
struct stop {
  child_id id = 0;
  troupe::shutdown how = {};
  /// For the restart of others: `start` follows, unless down_for_good, forget or the end does.
  bool comes_again = false;
};
/// The identity ends: its name is free, old refs are closed. Nothing runs under it.
struct forget {
  child_id id = 0;
};
/// What those who talk to a child that is down for good shall hear.
enum class down_because : std::uint8_t { closed, stopping, gave_up, budget_spent };
/// The child is down and no restart is pending (normal end of a transient child, a start that it declined,
/// terminate_child, a restart_child that failed, its budget used up, end of the supervisor): whoever talks to it hears
/// `why`.
struct down_for_good {
  child_id id = 0;
  down_because why = down_because::closed;
};
/// Post `retry{id, ticket}` to self, after `delay`, behind what waits already, so that calls are served between
/// attempts (OTP-9549). There is nothing to cancel: one that comes too late is ignored.
struct retry_later {
  child_id id = 0;
  std::uint64_t ticket = 0;
  instant delay{0};
};

enum class result : std::uint8_t {
  ok,
  already_present,
  already_started,
  running,
  restarting,
  not_found,
  start_failed,        ///< `text` says why
  gave_up,             ///< the supervisor exceeded its restart intensity: `text` says who died last, and how
  stopping,            ///< the supervisor is being stopped or has ended
  ignored,             ///< the child has declined to start, which is a success        (OTP: {ok, undefined})
  bad_spec,            ///< `text` says what is wrong
  too_many,            ///< max_children are there
  simple_one_for_one,  ///< the call has no meaning for children made from a template
};
/// Every call is answered exactly once. When the supervisor begins to end, calls that have not had their answer get
/// `gave_up` or `stopping` at once, but for stop_all, start_all and the calls that wait for a child to be down.
struct answer {
  call_id call = 0;
  result what = result::ok;
  std::string text = {};
  bool begun = false;  ///< gave_up, stopping: the start was under way, and its child ends as the others do
};

enum class report_kind : std::uint8_t {
  child_terminated,  ///< a child ended that should not have (OTP 5.4); the actions that follow say what is done
  start_error,       ///< a start failed, at start_all or while restarting; a failed call is answered, not reported
  shutdown_error,    ///< a child that was being stopped ended in another way than asked (OTP 5.7)
  gave_up,           ///< reached_max_restart_intensity: the children are now stopped (OTP 5.5)
  budget_spent,      ///< the child has used up its own budget and stays down; nobody else is touched
};
/// A line for the log. `text` is that of the event that caused it.
struct report {
  report_kind what = report_kind::child_terminated;
  child_id id = 0;
  exit_kind why = exit_kind::abnormal;
  std::string text = {};
};

/// For its own supervisor, one that gave_up or ended by auto_shutdown has ended with reason shutdown (OTP 5.5, 5.8).
enum class outcome : std::uint8_t { stopped, gave_up, start_failed, auto_shutdown };
/// The end of the supervisor: no child runs, all identities end. Nothing but answers comes after it. `text`: as in
/// `answer` for gave_up, why the start failed or what is wrong for start_failed; for auto_shutdown how a significant
/// child gave up, if one did: for other supervisors this is an automatic shutdown like any other; else empty.
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
  down,        ///< known, not running                                             (OTP: undefined)
  waiting,     ///< start_all or a restart of several children is under way, and its turn to start has not come
  starting,    ///< start_all, start_child or restart_child is under way
  up,          ///<                                                                (OTP: a pid)
  restarting,  ///< an attempt to restart it is under way                          (OTP: restarting)
  retrying,    ///< `retry` will come: the last attempt failed, or it is backing off  (OTP: restarting)
  stopping,    ///< told to stop, its end has not come yet
  count
};

/// Restart intensity, exactly OTP 5.5: drop t < now - period, add now, more than `intensity` entries is too many.
/// So a restart exactly `period` ago still counts, and intensity 0 allows none.
class restart_window {
 public:
  restart_window(std::uint32_t intensity, std::chrono::milliseconds period) { set(intensity, period); }
  /// New limits; what was counted stays counted.
  void set(std::uint32_t intensity, std::chrono::milliseconds period);
  /// Counts one restart attempt. False: too many.
  bool admit(instant now);
  /// Whether admit would say yes.
  bool has_room(instant now) const;

 private:
  std::uint32_t intensity_ = 0;
  instant period_{0};
  std::deque<instant> restarts_;
};

struct child {
  child_def def;
  child_state is = child_state::down;
  bool adopted = false;  ///< its first start has succeeded, or was declined: until then a failed start_child forgets it
  bool declared = false;  ///< down, and down_for_good has said so
  bool left_out = false;  ///< terminate_child came while its group was being restarted: it is not started with it
  std::string last_end;   ///< restarting, retrying: how it died, or why it did not start
  std::optional<call_id> starter;  ///< starting, stopping, waiting: the call that waits for the start
  std::vector<call_id> stoppers;   ///< stopping: the calls that wait for the end
  std::optional<charge> next_try;  ///< retrying: who pays for the attempt that `retry` makes; none: it is paid
  std::uint64_t ticket = 0;        ///< retrying: of the `retry` that it waits for; 0: any that has no delay
  instant up_since{0};             ///< up: since when
  instant next_delay{0};           ///< of its back-off; 0: the first
  std::optional<restart_window> budget;
};

/// Several children at work together: a restart by rest_for_one or one_for_all, which stops all from place `from` on,
/// last to first, and then starts them, first to last; or start_all, which only starts.
struct group {
  bool stops = false;                    ///< the first half
  std::uint64_t from = 0;                ///< place of the first
  std::uint64_t cursor = 0;              ///< place that the work has come to
  std::optional<child_id> current = {};  ///< the one that is being started
  child_id leader = 0;                   ///< stops: whose death it was
  instant delay{0};                      ///< stops: to wait before the starts
};

/// A plain value: copy it, compare what it leads to, throw it away. Only `step` changes it.
struct state {
  /// `seed`: of the jitter of back-offs.
  explicit state(const supervisor_flags& flags = {}, std::uint64_t seed = 0)
      : flags(flags), window(flags.max_restarts, flags.within), random(seed) {}

  enum class phase : std::uint8_t { running, booting, stopping, ended };
  phase now = phase::running;
  supervisor_flags flags;
  restart_window window;
  std::uint64_t random;
  std::map<std::uint64_t, child> children;  ///< by place: start order (OTP 5.6: same place after a restart)
  std::unordered_map<child_id, std::uint64_t> place_of;  ///< child -> place
  std::uint64_t next_place = 0;
  std::uint64_t last_ticket = 0;
  std::optional<child_rules> from_template;  ///< simple_one_for_one: those that the last reload has given
  std::optional<group> together;    ///< several children are being stopped and started
  std::vector<event> held;          ///< calls that wait for their child or for `together`, in order of arrival
  std::optional<call_id> boot;      ///< booting: the call of start_all
  bool significant_ended = false;   ///< booting: auto_shutdown has to be looked at when all are up
  std::string significant_gave_up;  ///< how: the text of the last significant child that gave up and is not restarted
  std::vector<call_id> stop_calls;  ///< calls of stop_all
  bool all_told = false;            ///< stopping, simple_one_for_one: each child has been told to stop
  outcome how = outcome::stopped;   ///< stopping, ended: why
  std::string text;                 ///< stopping, ended: the text that belongs to it
};

/// The one function: takes `what` into account at the time `now`, changes `s`, returns what to do, in order.
/// Never throws for anything that an event can say (lack of memory excepted).
actions step(state& s, const event& what, instant now);

/// Whether a spare may take over for one child that is up and is restarted after this end, before the policy has heard of
/// it: nobody else is touched and the intensity allows one more. Stays right until the next event.
bool may_take_over(const state& s, instant now);

/// Whether this is a child that is known, does not run, and is not started again by itself.
bool has_ended_for_good(const state& s, child_id id);

/// OTP's which_children: newest first. A child that the end of the supervisor has passed is no longer listed.
struct child_view {
  child_id id = 0;
  child_state is = child_state::down;
  child_kind kind = child_kind::worker;
};
std::vector<child_view> which_children(const state& s);

/// OTP's count_children. `active`: up or being stopped; a child that is starting or restarting is not active. In
/// simple_one_for_one there is one spec, the template, and the kinds are those of the children that there are.
struct child_count {
  std::size_t specs = 0;
  std::size_t active = 0;
  std::size_t supervisors = 0;
  std::size_t workers = 0;
  bool operator==(const child_count&) const = default;
};
child_count count_children(const state& s);

}  // namespace troupe::supervision::policy
