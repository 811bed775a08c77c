#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "supervision/executor.hpp"
#include "supervision/policy.hpp"
#include "troupe/child_spec.hpp"

namespace troupe::supervision {

/// A supervisor at work: one CAF actor that feeds events to the policy and hands its decisions to the executor.
///
/// Events and calls may be given from any thread; they queue without limit and never block. The actor takes them one by
/// one, in order of arrival per thread, and takes the time of each (steady clock) when it arrives there. The executor
/// and the completions are called on the CAF thread, one at a time: they must return at once and must not throw (the
/// program ends then). They may post and call, but not destroy the supervisor.
///
/// CAF stays inside: a scheduler of one thread that sleeps while there is nothing to do, no log, no options, no files.
/// Its threads inherit the signal mask of the constructor's caller, so block what they shall not see before.
class supervisor {
 public:
  /// Called exactly once, on the CAF thread. See the event of the same name in policy.hpp for what each answer means.
  using completion = std::function<void(const policy::answer&)>;

  /// The executor must outlive the supervisor.
  supervisor(executor& does, supervisor_flags flags);

  /// Stops nothing: call stop_all and wait for `ended` first. Calls still open are answered with `stopping`. When this
  /// returns, neither executor nor completions are called any more. Bounded: CAF's shutdown hangs now and then (about
  /// one in a thousand with 0.17.6), so it gets one second; after that its threads are left behind, asleep, and
  /// their memory leaks, which is nothing to a program that is about to _exit.
  ~supervisor();
  supervisor(const supervisor&) = delete;
  supervisor& operator=(const supervisor&) = delete;

  /// What the executor found out: started, start_failed, exited. Calls have their own functions, below.
  void post(policy::event what);

  void start_all(std::vector<policy::child_def> children, completion done);
  void stop_all(completion done);
  void start_child(policy::child_id id, policy::child_rules rules, completion done);
  void terminate_child(policy::child_id id, completion done);
  void restart_child(policy::child_id id, completion done);
  void delete_child(policy::child_id id, completion done);

  /// Calls `look` with the policy's state between two events; for which_children and count_children.
  void inspect(std::function<void(const policy::state&)> look);

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace troupe::supervision
