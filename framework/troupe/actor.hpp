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

#include <troupe/certificate.hpp>
#include <troupe/child_spec.hpp>
#include <troupe/dead_letters.hpp>
#include <troupe/deferred.hpp>
#include <troupe/detail/context.hpp>
#include <troupe/down.hpp>
#include <troupe/error.hpp>
#include <troupe/handles.hpp>
#include <troupe/payload.hpp>
#include <troupe/ref.hpp>

namespace troupe {

/// A running timer of an actor. A value; copies mean the same timer. It ends with the incarnation that set it.
class timer {
 public:
  timer() noexcept = default;
  explicit timer(std::uint64_t number) noexcept : number_(number) {}
  /// After this the message is not handed out any more. Does nothing to one that has run or was cancelled.
  void cancel() noexcept {
    if (number_ != 0) detail::context().cancel_timer(std::exchange(number_, 0));
  }

 private:
  std::uint64_t number_ = 0;
};

class supervisor;
class supervisor_ref;
class watch;
enum class readiness : std::uint8_t;

/// What an actor can do besides talking through refs. Taken from `self()`; loop thread only.
class self_t {
 public:
  const std::string& name() const { return detail::context().name(); }
  /// This life of the actor; never reused.
  std::uint64_t incarnation() const { return detail::context().incarnation(); }
  std::uint64_t identity() const { return detail::own_identity(); }
  /// 1 for a message that is handled for the first time, more if a handler died with it. 254 and 255 mean "many".
  unsigned attempt() const { return detail::context().attempt(); }
  /// Whether state() comes from an earlier incarnation (checkpointed<State> only).
  bool restored() const { return detail::context().restored(); }

  /// Memory of this size to be built in place and sent in a message. Throws error: too_large, full.
  troupe::payload payload(std::size_t bytes) const {
    return troupe::payload(detail::take_block(bytes, std::chrono::steady_clock::now() + default_patience));
  }
  /// The actor of this name; nullopt if there is none. A name stays valid across restarts. Throws error(errc::stopping).
  template <class A>
  std::optional<actor_ref<A>> find(const std::string& name) const {
    const auto found = detail::find(name);
    return found == 0 ? std::nullopt : std::optional(actor_ref<A>(found));
  }
  /// This actor, to be sent to others.
  template <class A>
  actor_ref<A> ref() const {
    return actor_ref<A>(detail::own_identity());
  }
  /// From now on on_down tells how it ends or dies, once per death, after its last message has been handled.
  /// If it was to be started again later, and is not, on_down is called once more, with for_good.
  template <class A>
  void monitor(const actor_ref<A>& other) const {
    detail::monitor(other.identity());
  }
  template <class A>
  void demonitor(const actor_ref<A>& other) const {
    detail::demonitor(other.identity());
  }
  /// Sends a signal to the other's process. If it dies of it, that counts as a crash: for tests and chaos.
  template <class A>
  void send_signal(const actor_ref<A>& other, int signal) const {
    detail::send_signal(other.identity(), signal);
  }
  /// Stops the other in order; its restart policy does not bring it back.
  template <class A>
  void stop(const actor_ref<A>& other) const {
    detail::end_actor(other.identity(), false);
  }
  /// As system::deaths.
  template <class Child>
    requires requires(const Child& child) { child.identity(); }
  std::vector<death_certificate> deaths(const Child& child) const {
    return detail::deaths_of(child.identity(), {});
  }
  std::vector<death_certificate> deaths(const std::string& name) const { return detail::deaths_of(0, name); }
  /// The program's dead letters.
  troupe::dead_letters dead_letters() const { return {}; }

  // Children of its own; include troupe/supervisor_ref.hpp. They hang under a one_for_one supervisor with the default
  // flags and are stopped when this incarnation ends, before the next one is started: on_start makes them again. If that
  // supervisor gives up, this actor's process is killed. What is spawned inside a turn is spawned whatever becomes of it.

  /// As system::spawn.
  template <class A, class... Arguments>
  actor_ref<A> spawn(const child_spec& spec, Arguments&&... arguments) const;
  template <class A, class Name, class... Arguments>
    requires std::convertible_to<const Name&, std::string>
  actor_ref<A> spawn(const Name& name, Arguments&&... arguments) const;
  supervisor_ref spawn(const supervisor& described) const;
  /// The supervisor of this actor's children.
  supervisor_ref children() const;
  /// The supervisor of this name, anywhere in the program.
  std::optional<supervisor_ref> find_supervisor(const std::string& name) const;
  /// In on_start: whoever starts this actor gets the text, see troupe::started. At most 8 KiB of it.
  void announce(const std::string& text) const { detail::context().announce(text); }

  /// Calls `handler` while a descriptor of the user's is ready; include troupe/watch.hpp, which says more.
  troupe::watch watch(int descriptor, readiness what, std::function<void()> handler) const;

  /// Answers the request in hand later: `auto later = self().defer<int>(); keep it; return later;`
  template <class R>
  deferred<R> defer() const {
    return deferred<R>(detail::context().defer());
  }
};

/// Thrown by a constructor or on_start: this actor does not want to run now. The start succeeds without a process, as in
/// Erlang/OTP with `ignore`: the child is known and down, a temporary one is forgotten.
struct decline {};

/// Base of every actor class. One object per worker process, made there; all its functions run on one thread, one at a
/// time. A handler `Reply on(Message)` is called for each message in `using handles = troupe::handles<...>`.
///
/// A crash, an exit or an exception that escapes ends the process; the supervisor starts another under the same name,
/// which goes on with the next message. What the object held in memory is gone then; see checkpointed.
class actor {
 public:
  actor() = default;
  actor(const actor&) = delete;
  actor& operator=(const actor&) = delete;
  virtual ~actor() = default;

  /// Before the first message of each incarnation; the supervisor waits for its end before it starts the next child.
  /// What it throws is a failed start; troupe::decline is none: the actor does not want to run.
  virtual void on_start() {}
  /// In a spare process (child_spec::standby), when it has been constructed and waits for its turn: what takes long and
  /// can be done before the actor that it stands by for has died. State, mailbox and timers come with activation.
  virtual void on_standby() {}
  /// Before an ordered end; messages that are not handled yet stay for the next incarnation.
  virtual void on_stop(stop_reason) {}
  /// A monitored actor has ended or died.
  virtual void on_down(const down&) {}

 protected:
  self_t self() const noexcept { return {}; }
  /// Hands `message` to this actor's own handler after this time; the handler's reply goes nowhere.
  template <class M>
  timer after(std::chrono::nanoseconds delay, const M& message) {
    return add_timer(delay, std::chrono::nanoseconds{0}, message);
  }
  /// The same again and again, first after one period. Late ones are not made up for. Throws error(errc::not_allowed)
  /// unless `period` is above 0.
  template <class M>
  timer every(std::chrono::nanoseconds period, const M& message) {
    if (period.count() <= 0) throw error(errc::not_allowed, "the period of a timer must be above 0");
    return add_timer(period, period, message);
  }
  /// Ends this actor when the handler has returned: a normal end.
  void stop() { detail::context().stop_self(); }

 private:
  template <class M>
  timer add_timer(std::chrono::nanoseconds first, std::chrono::nanoseconds period, const M& message) {
    const detail::outgoing what{message_id<M>(), message_name<M>(), &message, &detail::encode_erased<M>};
    return timer(detail::context().add_timer(first, period, what));
  }
};

/// An actor that works in turns: what a handler tells becomes visible all at once with its end, together with the
/// step to the next message. Killed before that, nothing of it has happened and the message is handled again.
///
/// `static constexpr int commit_every = k;` in the class lets one turn cover up to k messages from one sender, so that
/// the commit (and the checkpoint) is paid once for all of them. It ends earlier: at a request, when nothing more is
/// there, before messages of another sender and timers, when a handler has got an item of a queue, has handed on a queue, or
/// has taken or handed on the end of a pipe, and when its output fills a quarter of a lane, or its bodies a quarter of the
/// outbox (what one handler tells one receiver, and its bodies, must fit into the other three quarters).
/// Killed before the commit, all of its messages are handled again, each in a turn of its own until the one is passed
/// that was in hand.
/// With k above 1 a handler may not wait for an answer (errc::not_allowed): use .then.
class transactional : public actor {
 public:
  using troupe_turns = void;
};

/// An actor that works in turns and whose state survives it: state() is committed with the turn. The next incarnation
/// starts with the state of the last committed turn. The state is written whole each turn, so keep it small or the
/// messages large; child_spec::checkpoint_bytes limits it. `State` needs what a message needs, and a default value.
template <class State>
class checkpointed : public transactional {
 public:
  using troupe_state = State;
  State& troupe_state_of() noexcept { return state_; }

 protected:
  State& state() noexcept { return state_; }
  const State& state() const noexcept { return state_; }

 private:
  State state_{};
};

}  // namespace troupe
