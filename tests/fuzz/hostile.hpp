#pragma once

/// A worker that means harm, in a real program: it runs a function of the test inside its handler, with the framework's
/// own internals at hand. Beside it two bystanders send each other numbered messages all the time.
///
///     under_attack([](troupe::system& sys, bystanders& others) {
///       auto evil = sys.spawn<Hostile>(disposable("hostile"));
///       attack(evil, [] { scribble(own_memory()); });
///       others.go_on();
///     });

#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "channel/endpoint.hpp"
#include "process/common.hpp"

namespace tests {

namespace channel = troupe::channel;
namespace os = troupe::os;
namespace wire = troupe::wire;

// ----------------------------------------------------------------------------------------------------------- bystanders

struct Ball {
  std::uint64_t number;
};
struct Poke {};
struct Question {};
struct Tick {};

using player = troupe::ref<troupe::handles<Ball, Poke>>;
using stranger = troupe::ref<troupe::handles<Poke, int(Question)>>;
struct Play {
  player with;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(with);
  }
};
/// The bystander also talks to this one: tells it something each time it plays, without waiting; or tells or asks it once.
struct Meet {
  enum class way : std::uint8_t { tell_often, tell, ask };
  stranger whom;
  way how = way::tell_often;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(whom, how);
  }
};

/// Tells its partner a number each millisecond, and expects the partner's numbers to come in order.
struct Bystander : troupe::actor {
  explicit Bystander(std::size_t which) : which_(which) {}
  void on(const Play& m) {
    with_ = m.with;
    clock_ = every(1ms, Tick{});
  }
  void on(const Meet& m);
  void on(Tick) {
    with_.tell(Ball{++sent_});
    if (met_) static_cast<void>(met_.try_tell(Poke{}));
  }
  void on(Ball m) {
    if (m.number != ++got_) note("a bystander got " + std::to_string(m.number) + " in place of " + std::to_string(got_));
    add(which_);
  }
  void on(Poke) {}
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Play, Meet, Tick, Ball, Poke, Pid>;

 private:
  std::size_t which_;
  player with_;
  stranger met_;
  troupe::timer clock_;
  std::uint64_t sent_ = 0, got_ = 0;
};

/// The two, as main sees them.
class bystanders {
 public:
  explicit bystanders(troupe::system& sys);
  /// Expects that nothing was lost or reordered, that messages still arrive, that neither has been started again, and
  /// that the supervisor still starts, finds, introduces and stops actors.
  void go_on();

  troupe::actor_ref<Bystander> left, right;

 private:
  troupe::system& sys_;
  pid_t left_pid_, right_pid_;
  unsigned newcomers_ = 0;
};

// -------------------------------------------------------------------------------------------------------------- attacker

/// The worker that means harm.
struct Attack {
  std::uintptr_t function;
};
struct Hostile : troupe::actor {
  /// What went wrong with the attack itself; empty: nothing.
  std::string on(Attack m);
  void on(Poke) {}
  int on(Question);
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Attack, Poke, Question, Pid>;
};
using hostile = troupe::actor_ref<Hostile>;

/// Not started again, and killed when it is to stop.
troupe::child_spec disposable(const std::string& name);
/// Runs `how` in the hostile worker and waits for its end.
void attack(const hostile& where, void (*how)());
/// The same without waiting: it goes on beside what follows, or kills its worker.
void attack_and_go_on(const hostile& where, void (*how)());
/// What it does when it is asked Question; set before the program starts.
extern void (*on_question)();

/// Runs `body` in a program with two bystanders, which must have gone on at its end.
outcome under_attack(const std::function<void(troupe::system&, bystanders&)>& body);

// --------------------------------------------------------------------------- what an attack can reach, in its own worker

inline channel::endpoint& own_endpoint() { return channel::endpoint::current(); }
/// The link to a bystander, up.
channel::out_link& link_to(const std::string& name);
wire::identity_id identity_of(const std::string& name);
/// Of a lane to this receiver, in bytes.
inline constexpr std::uint32_t ring_to(wire::identity_id receiver) { return 1U << wire::ring_log2_of(receiver); }

/// Writable mappings of shared memory with this label, as /proc/self/maps has them.
std::vector<std::span<std::byte>> writable_memory(std::string_view label);
/// Random words over the first `bytes` of it, for this long.
void scribble(std::span<std::byte> over, std::chrono::milliseconds length = 100ms, std::uint64_t seed = 1);

/// A packet as it is, to the supervisor. False: the socket is gone.
bool send_raw(std::span<const std::byte> packet, std::span<const int> fds = {});
template <class Body>
bool send_frame(wire::frame type, const Body& body, std::string_view text = {}, std::span<const int> fds = {}) {
  return send_raw(channel::pack(type, body, text), fds);
}
/// Waits for a frame of this type from the supervisor, past the endpoint; others are dropped.
channel::incoming receive_raw(wire::frame type);

/// Runs `step` until `length` is over.
void keep(std::chrono::milliseconds length, const std::function<void()>& step);

}  // namespace tests
