#pragma once

#include <string>

#include "supervision/policy.hpp"

namespace troupe::supervision {

/// By whom a supervisor's decisions are carried out: the control thread, or a fake in a test.
///
/// Every function may be called from any thread and returns at once; whoever implements it queues the order and carries
/// orders out in the order of the calls. Results come back as events, through supervisor::post(), from any thread, also
/// from inside the call. The two rules that an implementation has to keep:
///  - each start() is followed by exactly one end: start_failed, or exited (after started or in place of it);
///  - stop() hastens that end and adds no second one. If the end has been posted already, stop() does nothing.
struct executor {
  virtual ~executor() = default;

  /// Starts the child. Comes back as started{id}, later exited{id}; or as start_failed{id, text}, or exited{id} at
  /// once. Never called while an incarnation of this child lives. A child that was down for good opens its mailbox
  /// again.
  virtual void start(policy::child_id id) = 0;

  /// Asks the child to end, waits as long as `how` says, kills it, reaps it: exited{id} comes always. May be called
  /// while the child is still starting. `why` of that exited: shutdown if it ended as asked, abnormal if it was killed.
  virtual void stop(policy::child_id id, shutdown how) = 0;

  /// The identity ends: its name is free, its refs are closed. Nothing runs under it. Called once, last for this child.
  virtual void forget(policy::child_id id) = 0;

  /// The child is down and no restart is pending: whoever talks to it hears `why`, until start() is called again.
  virtual void down_for_good(policy::child_id id, policy::down_because why) = 0;

  /// One line for the log. Asks for nothing.
  virtual void report(const policy::report& line) = 0;

  /// The whole supervisor has ended: no child runs, every identity that was not forgotten yet ends. `text`: who died
  /// last and how (gave_up), or what failed to start (start_failed). The last call.
  virtual void ended(policy::outcome how, const std::string& text) = 0;
};

}  // namespace troupe::supervision
