#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "supervision/executor.hpp"
#include "supervision/policy.hpp"
#include "troupe/child_spec.hpp"

namespace troupe::supervision {

/// A child, as a supervisor gets it: an actor, or a supervisor with all that is below it.
struct child_plan {
  policy::child_def def = {};
  std::string name = {};
  supervisor_flags flags = {};            ///< of a supervisor
  std::vector<child_plan> children = {};  ///< of a supervisor, in the order of their start
};

/// The supervisors of a program at work: a CAF actor for each, that feeds events to its policy and hands the decisions to
/// the executor, or, where the child is a supervisor, to that one's actor.
///
/// A supervisor below another starts what its plan says each time it is started; what was added at run time is forgotten
/// at its end. It ends for its own supervisor with exit kind `shutdown`, also when it gave up (OTP 5.4, 5.5). Names and
/// mailboxes of what its plan says stay until it is forgotten itself.
///
/// Events and calls may be given from any thread; they queue without limit and never block. An actor takes them one by
/// one, in order of arrival per thread, and takes the time of each (steady clock) when it arrives there. The executor
/// and the completions are called on the CAF thread, one at a time: they must return at once and must not throw (the
/// program ends then). They may post and call, but not destroy this.
///
/// CAF stays inside: a scheduler of one thread that sleeps while there is nothing to do, no log, no options, no files.
/// Its threads inherit the signal mask of the constructor's caller, so block what they shall not see before.
class supervisors {
 public:
  /// Called exactly once, on the CAF thread. See the event of the same name in policy.hpp for what each answer means. A
  /// supervisor that does not run, or is not known, answers `stopping`.
  using completion = std::function<void(const policy::answer&)>;

  /// Makes the root. The executor must outlive this.
  supervisors(executor& does, supervisor_flags root);

  /// Stops nothing: call stop_all and wait for `ended` first. Calls still open are answered with `stopping`. When this
  /// returns, neither executor nor completions are called any more. Bounded: CAF's shutdown hangs now and then (about
  /// one in a thousand with 0.17.6), so it gets one second; after that its threads are left behind, asleep, and
  /// their memory leaks, which is nothing to a program that is about to _exit.
  ~supervisors();
  supervisors(const supervisors&) = delete;
  supervisors& operator=(const supervisors&) = delete;

  /// A supervisor without children that is nobody's child. It is gone when it has ended.
  void add(supervisor_id id, supervisor_flags flags);

  /// What the executor found out about a child of this supervisor: started, start_failed, declined, exited. Calls have
  /// their own functions, below.
  void post(supervisor_id of, policy::event what);

  /// Takes this supervisor's leave to answer one death with a spare before it has heard of it; then post taken_over in place
  /// of exited. False: post exited.
  bool spend_permit(supervisor_id of) noexcept;

  void start_child(supervisor_id of, child_plan child, completion done);
  void terminate_child(supervisor_id of, policy::child_id id, completion done);
  void restart_child(supervisor_id of, policy::child_id id, completion done);
  void delete_child(supervisor_id of, policy::child_id id, completion done);
  /// As the event of the same name. Children that are new have their whole plan here, of others the rules count; so
  /// they do of a template.
  void reload(supervisor_id of, supervisor_flags flags, std::vector<child_plan> children, completion done);
  /// Ends a supervisor that is nobody's child; then `ended` comes.
  void stop_all(supervisor_id of, completion done);

  /// Calls `look` with the policy's state between two events, for which_children and count_children; with nullptr if
  /// there is no such supervisor.
  void inspect(supervisor_id of, std::function<void(const policy::state*)> look);

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace troupe::supervision
