#pragma once

/// A program that does the same thing again and again, while a process of it is killed at one stop after the other.

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "crash/syscall_tracer.hpp"
#include "process/common.hpp"

namespace tests {

/// Where the program and the test case tell each other how far they are; see program.hpp, total().
enum rounds_word : std::size_t { rounds_ready = 40, rounds_done, rounds_ending, rounds_victim };

/// In main's function. A round, each half when the test case says so: `prepare` (gives the process to watch), then
/// `act`, during which that process may be killed.
struct round_of_main {
  std::function<pid_t()> prepare;
  std::function<void()> act;
};
/// To be called before the program is made, so that it finds orders that come early, and no thread of it takes one.
inline void block_orders() {
  sigset_t order;
  ::sigemptyset(&order);
  ::sigaddset(&order, SIGUSR2);
  ::sigprocmask(SIG_BLOCK, &order, nullptr);
}
/// Serves nothing meanwhile.
inline void wait_for_order() {
  sigset_t order;
  ::sigemptyset(&order);
  ::sigaddset(&order, SIGUSR2);
  while (::sigwaitinfo(&order, nullptr) != SIGUSR2) continue;
}
inline void do_rounds(const round_of_main& what) {
  for (;;) {
    wait_for_order();
    if (total(rounds_ending) != 0) return;
    set(rounds_victim, static_cast<std::uint64_t>(what.prepare()));
    add(rounds_ready);
    wait_for_order();
    what.act();
    add(rounds_done);
  }
}

template <class... Actors>
std::unique_ptr<program> start_rounds(const std::function<void(troupe::system&)>& body) {
  block_orders();
  return std::make_unique<program>([body] {
    return troupe::run<Actors...>(0, nullptr, quiet(1'000'000), [&](troupe::system& sys) {
      return detail::run_body(
          [&](troupe::system& its) {
            body(its);
            return 0;
          },
          sys);
    });
  });
}

/// In the test case.
struct kill_plan {
  tracer::whom victim = tracer::whom::this_process;
  std::size_t every = 1;                          ///< so many stops further each time
  bool also_blocked = true;                       ///< and while it sleeps in a call
  std::optional<long> until_call = std::nullopt;  ///< the round's interest ends where the victim begins this call, and
                                                  ///< `act` goes on with a second order
};

/// Kills at one stop after the other until the victim comes to no further one; then ends the program. Fails the test
/// case if a round does not come to its end, or as program::wait() does.
void kill_at_each_stop(program& of, const kill_plan& plan);

/// The spawner that is asked: its twin is younger.
pid_t active_spawner();
inline std::vector<pid_t> spawners() { return children_of(::getpid(), "troupe-spawner"); }

}  // namespace tests
