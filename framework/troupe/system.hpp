#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <troupe/actor.hpp>
#include <troupe/certificate.hpp>
#include <troupe/child_spec.hpp>
#include <troupe/dead_letters.hpp>
#include <troupe/detail/runtime.hpp>
#include <troupe/down.hpp>
#include <troupe/log.hpp>
#include <troupe/orphans.hpp>
#include <troupe/payload.hpp>
#include <troupe/ref.hpp>
#include <troupe/supervisor_ref.hpp>

namespace troupe {

/// The program as main sees it: an actor without handlers that spawns, tells, asks and monitors. Made by run().
///
/// Its functions may be called from any thread of the program. Callbacks (then, monitor) run inside wait(), poll() and
/// whatever else waits (a get, a tell without room, a first tell, spawn), on the thread that calls it, never elsewhere.
class system {
 public:
  /// Starts a worker process that makes an `A` from `arguments`, and supervises it; returns when its on_start has. The
  /// arguments are copied to the worker like messages and used again at each restart.
  /// Throws error: name_taken; start_failed (with the constructor's text), spawn_failed, gave_up, stopping.
  template <class A, class... Arguments>
  actor_ref<A> spawn(const child_spec& spec, Arguments&&... arguments) {
    return actor_ref<A>(
        detail::start_child(detail::root_supervisor,
                            detail::describe_child<A>(spec, std::forward<Arguments>(arguments)...), true)
            .id);
  }
  /// The name is a template, so that g++ does not take `spawn<A>({.name = "parser"})` for a list of a string's.
  template <class A, class Name, class... Arguments>
    requires std::convertible_to<const Name&, std::string>
  actor_ref<A> spawn(const Name& name, Arguments&&... arguments) {
    return spawn<A>(child_spec{.name = name}, std::forward<Arguments>(arguments)...);
  }

  /// Starts a supervisor and all that is below it; returns when all are up. Throws error as above; start_failed: one of
  /// them could not start, and those that had been started are stopped.
  supervisor_ref spawn(const supervisor& described) {
    return supervisor_ref(detail::start_child(detail::root_supervisor, described.as_child(), true).id);
  }
  /// The supervisor of what main spawns.
  supervisor_ref root() const { return supervisor_ref(detail::root_supervisor); }
  /// The supervisor of this name; nullopt if there is none.
  std::optional<supervisor_ref> find_supervisor(const std::string& name) const {
    const auto found = detail::find_supervisor(name);
    return found == 0 ? std::nullopt : std::optional(supervisor_ref(found));
  }

  /// The actor of this name; nullopt if there is none. A name stays valid across restarts. Throws error(errc::stopping).
  template <class A>
  std::optional<actor_ref<A>> find(const std::string& name) const {
    const auto found = detail::find(name);
    return found == 0 ? std::nullopt : std::optional(actor_ref<A>(found));
  }

  /// Waits until the program is being stopped: a signal, stop(), or the root supervisor giving up.
  void wait() { runtime_.wait(); }
  /// Runs the callbacks that are due and returns; waits for one at most this long. False: none ran.
  bool poll(std::chrono::nanoseconds patience = {}) { return runtime_.poll(patience); }
  /// Ends wait(), here and in other threads. The tree is stopped when the function given to run() returns.
  void stop() { runtime_.stop(); }
  /// Whether the program is being stopped.
  bool stopping() const { return runtime_.stopping(); }

  /// Memory of this size to be built in place and sent in a message. Throws error: too_large, full.
  troupe::payload payload(std::size_t bytes) const {
    return troupe::payload(detail::take_block(bytes, std::chrono::steady_clock::now() + default_patience));
  }
  /// Calls `handler` each time the actor ends or dies. An actor has one handler: another call replaces it.
  template <class A>
  void monitor(const actor_ref<A>& other, std::function<void(const down&)> handler) {
    runtime_.monitor(other.identity(), std::move(handler));
  }
  /// Stops the actor in order (its `shutdown` says how long it may take); it is not started again. Returns when it is
  /// down. Throws error(errc::not_found).
  template <class A>
  void stop(const actor_ref<A>& other) {
    stop_child(other.identity());
  }
  /// The same for a supervisor and all that is below it.
  void stop(const supervisor_ref& other) { stop_child(other.id()); }
  /// Kills the actor's process; the death was asked for, so it counts against nothing. Its restart policy decides.
  template <class A>
  void kill(const actor_ref<A>& other) {
    detail::end_actor(other.identity(), true);
  }
  /// Sends a signal to the actor's process. If it dies of it, that counts as a crash: for tests and chaos.
  template <class A>
  void send_signal(const actor_ref<A>& other, int signal) {
    detail::send_signal(other.identity(), signal);
  }

  /// How the last processes of an actor (or a troupe::process) died, the oldest first; at most 8. They are kept while it
  /// is known, and for a while of those that have ended. What is done about the last one may be undecided yet.
  template <class Child>
    requires requires(const Child& child) { child.identity(); }
  std::vector<death_certificate> deaths(const Child& child) const {
    return detail::deaths_of(child.identity(), {});
  }
  /// Of all that had this name; the last 8.
  std::vector<death_certificate> deaths(const std::string& name) const { return detail::deaths_of(0, name); }

  /// The program's dead letters.
  troupe::dead_letters dead_letters() const { return {}; }

  /// Since the program's start.
  struct counts {
    std::uint64_t deaths = 0;        ///< workers that died or ended and had not been asked to stop; a kill counts
    std::uint64_t restarts = 0;
    /// Messages that will not be handled: dead_letters().count().total. Each is in the log with the reason.
    std::uint64_t dead_letters = 0;
    std::uint64_t workers = 0;       ///< processes that run now
  };
  counts count() const {
    const auto now = runtime_.count();
    return {now.deaths, now.restarts, now.dead_letters, now.workers};
  }

  /// How sure it is that no process of this program is left when the supervisor process is killed.
  troupe::orphan_level orphan_level() const { return runtime_.orphans(); }

  explicit system(detail::runtime& runtime) noexcept : runtime_(runtime) {}

 private:
  static void stop_child(std::uint64_t id) {
    detail::terminate_child(detail::supervisor_of_child, {id});
    try {
      detail::delete_child(detail::supervisor_of_child, {id});
    } catch (const error& e) {
      if (e.code() != errc::not_found) throw;  // forgotten by the termination
    }
  }

  detail::runtime& runtime_;
};

/// How the program as a whole behaves.
struct options {
  supervisor_flags supervisor = {};  ///< of the root supervisor
  /// What the supervisor writes: one line for each death, failed start and dead letter, and what workers print.
  log_options log = {};
  /// How much is kept of the dead letters.
  dead_letter_limits dead_letters = {};
  /// Of main's own messages; see child_spec::outbox_bytes.
  std::uint64_t outbox_bytes = default_outbox_bytes;
  /// run() throws error(errc::level_missing) where this level cannot be reached.
  orphan_level require_level = orphan_level::best_effort;
};

/// First thing in main: makes the spawner, then calls `body` as the supervisor process. `Actors` are the classes that can
/// be spawned. Workers see the program's globals as they are now. Returns when the tree has been stopped, in the reverse
/// order of its start: what `body` returned (0 for void), 70 if the root supervisor gave up, or ended by auto_shutdown
/// because a significant child had given up or used up its budget. A signal INT, TERM or HUP stops the tree and ends the
/// process with 128 + signal. An error that escapes `body` is printed: 1. Of the descriptors 0, 1 and 2, one that is
/// closed is opened on /dev/null.
/// Throws error: threads_exist if the process has more than one thread; level_missing; bad_spec: options::supervisor
/// has a value that no supervisor takes.
template <class... Actors, class Body>
int run(int argc, char** argv, const options& how, Body&& body) {
  static const std::vector<const detail::actor_type*> types{&detail::type_of<Actors>()...};
  const detail::run_options wanted{how.supervisor, how.log, how.dead_letters, how.outbox_bytes, how.require_level};
  return detail::run_program(argc, argv, wanted, types, [&](detail::runtime& runtime) {
    system sys(runtime);
    if constexpr (std::is_void_v<std::invoke_result_t<Body&, system&>>) {
      body(sys);
      return 0;
    } else {
      return static_cast<int>(body(sys));
    }
  });
}
template <class... Actors, class Body>
int run(int argc, char** argv, Body&& body) {
  return run<Actors...>(argc, argv, options{}, std::forward<Body>(body));
}

}  // namespace troupe
