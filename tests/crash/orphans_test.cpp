// Kills of the supervisor process at its system calls and at random moments: no process of the program is left, those that
// its workers have started included, and no cgroup; how soon, it reports.

#include <iostream>
#include <random>

#include "crash/syscall_rounds.hpp"
#include "support/cgroups.hpp"

using namespace tests;

namespace {

enum word : std::size_t { steps = 20, with_orphans };

/// Leaves a process that nobody knows, where that can be killed.
struct Father : troupe::actor {
  void on_start() override {
    if (total(with_orphans) != 0) leave_orphans(1);
  }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Pid>;
};
using father = troupe::actor_ref<Father>;

/// What the program does while it is killed.
struct scene {
  std::function<void(troupe::system&)> before, meanwhile;
};

father the_one(troupe::system& sys) { return *sys.find<Father>("one"); }

const scene spawning{[](troupe::system&) {}, [](troupe::system& sys) { pid_of(sys.spawn<Father>("one")); }};
const scene restarting{[](troupe::system& sys) { pid_of(sys.spawn<Father>("one")); },
                       [](troupe::system& sys) {
                         crash(sys, the_one(sys));
                         pid_of(the_one(sys));
                       }};
const scene stopping{[](troupe::system& sys) { pid_of(sys.spawn<Father>("one")); },
                     [](troupe::system& sys) { sys.stop(the_one(sys)); }};

std::unique_ptr<program> start(const scene& what) {
  const bool can = cgroups_here();
  block_orders();
  return start_rounds<Father>([what, can](troupe::system& sys) {
    set(with_orphans, can ? 1 : 0);
    sys.spawn<Father>("bystander");
    what.before(sys);
    do_rounds({.prepare = [] { return ::getpid(); }, .act = [&] { what.meanwhile(sys); }});
  });
}

/// Adds up what the deaths of supervisor processes have left behind, which is nothing, and how soon it was so.
class death_toll {
 public:
  void expect_nothing_left(program& of) {
    const auto how = of.wait();  // until no process is left
    CHECK_EQ(how.signal, SIGKILL);
    ++kills_;
    longest_ = std::max(longest_, how.cleared_after);
  }
  int kills() const noexcept { return kills_; }
  void report(std::string_view where) const {
    std::cout << "REPORT supervisor process killed " << where << ": kills " << kills_ << ", nothing left after at most "
              << longest_.count() << " ms" << std::endl;
  }

 private:
  int kills_ = 0;
  std::chrono::milliseconds longest_{0};
};

void kill_at_system_calls(const char* where, const scene& what, std::size_t every) {
  death_toll toll;
  for (std::size_t stop = 0;; stop += every) {
    auto its = start(what);
    its->signal(SIGUSR2);
    REQUIRE(eventually([] { return total(rounds_ready) == 1; }));
    watched seen;
    {
      tracer watching(its->pid(), tracer::whom::this_process);
      watching.settle();
      its->signal(SIGUSR2);
      seen = watching.run({stop, false}, [] { return total(rounds_done) == 1; });
    }
    CAPTURE(describe(seen, {stop, false}));
    if (!seen.killed) its->signal(SIGKILL);
    toll.expect_nothing_left(*its);
    CHECK(eventually([&] { return cgroups_of_run(its->pid()).empty(); }));
    if (!seen.killed) break;
  }
  toll.report(where);
  CHECK(toll.kills() > 1);
}

/// Workers come, crash, are restarted and stopped, for ever.
void come_and_go(troupe::system& sys) {
  pid_of(sys.spawn<Father>("bystander"));
  for (;;) {
    auto one = sys.spawn<Father>("one");
    add(steps);
    sys.send_signal(one, SIGKILL);
    static_cast<void>(one.ask(Pid{}).try_get());
    add(steps);
    sys.stop(one);
    add(steps);
  }
}

void spin_for(std::chrono::microseconds length) {
  const auto until = std::chrono::steady_clock::now() + length;
  while (std::chrono::steady_clock::now() < until) continue;
}

void kill_at_random_moments(int kills) {
  const bool can = cgroups_here();
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  const auto up_to = [&](unsigned most) { return std::uniform_int_distribution<unsigned>(0, most)(random); };
  std::vector<pid_t> programs;
  death_toll toll;
  for (int i = 0; i < kills; ++i) {
    CAPTURE(i);
    auto its = start_program<Father>(quiet(1'000'000), [can](troupe::system& sys) {
      set(with_orphans, can ? 1 : 0);
      come_and_go(sys);
      return 0;
    });
    const std::uint64_t after = up_to(8);
    REQUIRE(eventually([&] { return total(steps) >= after; }));
    spin_for(std::chrono::microseconds(up_to(3000)));
    its->signal(SIGKILL);
    toll.expect_nothing_left(*its);
    programs.push_back(its->pid());
  }
  // Killed before it had a spawner, a program has left its cgroup, with nobody in it; the next one takes it away.
  in_program<Father>([](troupe::system&) {});
  for (const pid_t each : programs) CHECK_EQ(cgroups_of_run(each), std::vector<std::string>{});
  toll.report("at random moments");
}

TEST_CASE("a supervisor process killed at system calls of a spawn leaves nothing, grandchildren included") {
  kill_at_system_calls("at system calls of a spawn", spawning, 15);
}

TEST_CASE("a supervisor process killed at system calls of a restart leaves nothing, grandchildren included") {
  kill_at_system_calls("at system calls of a restart", restarting, 15);
}

TEST_CASE("a supervisor process killed at system calls of a stop leaves nothing, grandchildren included") {
  kill_at_system_calls("at system calls of a stop", stopping, 15);
}

TEST_CASE("a supervisor process killed at 200 random moments leaves nothing, grandchildren included") {
  kill_at_random_moments(200);
}

TEST_SUITE_BEGIN("long");

TEST_CASE("a supervisor process killed at any system call of a spawn leaves nothing, grandchildren included") {
  kill_at_system_calls("at system calls of a spawn", spawning, 1);
}

TEST_CASE("a supervisor process killed at any system call of a restart leaves nothing, grandchildren included") {
  kill_at_system_calls("at system calls of a restart", restarting, 1);
}

TEST_CASE("a supervisor process killed at any system call of a stop leaves nothing, grandchildren included") {
  kill_at_system_calls("at system calls of a stop", stopping, 1);
}

TEST_CASE("a supervisor process killed at 1,000 random moments leaves nothing, grandchildren included") {
  kill_at_random_moments(1000);
}

TEST_SUITE_END();

}  // namespace
