#pragma once

#include <chrono>
#include <string>

#include "supervision/policy.hpp"

namespace troupe::supervision {

/// A supervisor's number. One that is below another is known to that one by the same number, as a child.
using supervisor_id = policy::child_id;
/// The supervisor of what main spawns. No identity has this number.
inline constexpr supervisor_id root_supervisor = 1;

/// By whom the decisions of supervisors are carried out: the control thread, or a fake in a test. Children are actors
/// here; a supervisor that is a child is run by `supervisors` itself, and only its end as a child is told.
///
/// Every function may be called from any thread and returns at once; whoever implements it queues the order and carries
/// orders out in the order of the calls. Results come back as events, through supervisors::post(), from any thread, also
/// from inside the call. The two rules that an implementation has to keep:
///  - each start() is followed by exactly one end: start_failed, declined, or exited (after started or in place of it);
///  - stop() hastens that end and adds no second one. If the end has been posted already, stop() does nothing.
struct executor {
  virtual ~executor() = default;

  /// Starts the child. Comes back as started{id}, later exited{id}; or as start_failed{id, text}, declined{id}, or
  /// exited{id} at once. Never called while an incarnation of this child lives. A child that was down for good opens its
  /// mailbox again.
  virtual void start(policy::child_id id) = 0;

  /// Asks the child to end, waits as long as `how` says, kills it, reaps it: exited{id} comes always. May be called
  /// while the child is still starting, and again with a shorter `how`. `why` of that exited: shutdown if it ended as
  /// asked, abnormal if it was killed. `comes_again`: start() follows when others have been stopped, unless something
  /// else is called then; what stands by for the child may wait for that.
  virtual void stop(policy::child_id id, shutdown how, bool comes_again) = 0;

  /// The child ends: its name is free, its refs are closed. Nothing runs under it. Called once, last for this child; for
  /// a supervisor that is a child after all of its own children.
  virtual void forget(policy::child_id id) = 0;
  /// The same for one that `keeper` knows from its description, or that is below such a one, and that comes again when
  /// `keeper` is started again: until then nobody else can have its name, but for the children of `keeper` and below.
  /// 0: it was deleted, and its name is free. For supervisors too.
  virtual void retire(policy::child_id id, supervisor_id keeper) = 0;
  /// It comes again now: start() follows, at once or after that of others.
  virtual void reclaim(policy::child_id id) = 0;

  /// The child is down and no restart is pending: whoever talks to it hears `why`, until start() is called again.
  virtual void down_for_good(policy::child_id id, policy::down_because why) = 0;

  /// The child is down, and its supervisor, which is a child itself, ends: whether it is started again is decided
  /// there. Nothing stands by for it meanwhile; its mail is kept.
  virtual void rests(policy::child_id id) = 0;

  /// The child is down, and is started when this time is over. Asks for nothing.
  virtual void restarts_later(policy::child_id, std::chrono::milliseconds) {}

  /// The child is down, and is started when others have been stopped. Asks for nothing.
  virtual void restarts_with_others(policy::child_id) {}

  /// One line for the log, by this supervisor. Asks for nothing.
  virtual void report(supervisor_id of, const policy::report& line) = 0;

  /// A supervisor that is nobody's child has ended: no child runs, every identity that was not forgotten yet ends.
  /// `text`: who died last and how (gave_up), or what failed to start (start_failed). The last call for it.
  virtual void ended(supervisor_id which, policy::outcome how, const std::string& text) = 0;
};

}  // namespace troupe::supervision
