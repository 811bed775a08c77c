#pragma once

/// Actors that many of these tests use.

#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/program.hpp"

namespace tests {

struct Pid {};
struct Abort {};
struct Throw {
  std::string text;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(text);
  }
};
struct Exit {
  int code;
};
struct Number {
  int value;
};
struct Numbers {};

/// Keeps the numbers that it is told, and dies as it is told to.
struct Recorder : troupe::actor {
  void on(Number m) { numbers.push_back(m.value); }
  std::vector<int> on(Numbers) { return numbers; }
  int on(Pid) { return ::getpid(); }
  void on(Abort) { std::abort(); }
  void on(const Throw& m) { throw std::runtime_error(m.text); }
  void on(Exit m) { ::_exit(m.code); }
  using handles = troupe::handles<Number, Numbers, Pid, Abort, Throw, Exit>;
  std::vector<int> numbers;
};
using recorder = troupe::actor_ref<Recorder>;

inline std::vector<int> range(int first, int last) {
  std::vector<int> all(static_cast<std::size_t>(last - first + 1));
  std::iota(all.begin(), all.end(), first);
  return all;
}

template <class A>
pid_t pid_of(const troupe::actor_ref<A>& actor) {
  return actor.ask(Pid{}).get();
}

/// Stops the actor's process and waits until it stands still.
template <class A>
pid_t freeze(troupe::system& sys, const troupe::actor_ref<A>& actor) {
  const pid_t pid = pid_of(actor);
  sys.send_signal(actor, SIGSTOP);
  EXPECT(eventually([&] { return state_of(pid) == 'T'; }));
  return pid;
}

/// The same, while nothing is in its hands: it sleeps.
template <class A>
pid_t freeze_asleep(troupe::system& sys, const troupe::actor_ref<A>& actor) {
  const pid_t pid = pid_of(actor);
  EXPECT(eventually([&] { return state_of(pid) == 'S'; }));
  sys.send_signal(actor, SIGSTOP);
  EXPECT(eventually([&] { return state_of(pid) == 'T'; }));
  return pid;
}

/// Kills the actor's process, as a crash, and waits until it is gone.
template <class A>
void crash(troupe::system& sys, const troupe::actor_ref<A>& actor) {
  const auto deaths = sys.count().deaths;
  sys.send_signal(actor, SIGKILL);
  EXPECT(eventually([&] { return sys.count().deaths > deaths; }));
}

}  // namespace tests

template <>
struct doctest::StringMaker<std::vector<int>> {
  static doctest::String convert(const std::vector<int>& all) {
    std::string text = "{";
    for (const int each : all) text += " " + std::to_string(each);
    return (text + " }").c_str();
  }
};
