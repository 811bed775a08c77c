// Kills at the system calls of a spawn and of a restart: of the spawner, its twin, the worker, the supervisor process.

#include <sys/syscall.h>

#include "crash/syscall_rounds.hpp"
#include "support/cgroups.hpp"
#include "support/refuse.hpp"

using namespace tests;

namespace {

std::string names(const std::vector<pid_t>& processes) {
  std::string text;
  for (const pid_t each : processes) text += " " + name_of_process(each) + " (" + std::to_string(each) + ")";
  return text;
}

/// But for spawner, twin and one actor.
void expect_nothing_left() {
  eventually([] { return zombies_of(::getpid()).empty() && spawners().size() == 2; });
  EXPECT_EQ(names(zombies_of(::getpid())), std::string());
  EXPECT_EQ(spawners().size(), 2UL);
  EXPECT_EQ(children_of(::getpid()).size(), 3UL);
}

void expect_alive(const recorder& one) {
  one.tell(Number{1});
  EXPECT_EQ(one.ask(Numbers{}).get().back(), 1);
}

/// Each round spawns an actor, while spawner or twin are killed.
void spawn_in_rounds(troupe::system& sys) {
  auto bystander = sys.spawn<Recorder>("bystander");
  const pid_t before = pid_of(bystander);
  do_rounds({.prepare =
                 [] {
                   EXPECT(eventually([] { return spawners().size() == 2; }));
                   return active_spawner();
                 },
             .act =
                 [&] {
                   auto one = sys.spawn<Recorder>("one");
                   expect_alive(one);
                   sys.stop(one);
                 }});
  EXPECT_EQ(pid_of(bystander), before);
  expect_nothing_left();
}

/// The call in which a twin waits: one that has to clean up after the program waits for its end, too.
long twin_waits_in() { return cgroups_here() ? SYS_ppoll : SYS_recvmsg; }

/// Each round loses the twin, so that the spawner makes another, which is killed.
void make_twins_in_rounds(troupe::system& sys) {
  auto bystander = sys.spawn<Recorder>("bystander");
  do_rounds({.prepare =
                 [] {
                   EXPECT(eventually([] { return spawners().size() == 2; }));
                   return active_spawner();
                 },
             .act =
                 [&] {
                   for (const pid_t each : spawners()) {
                     if (each != active_spawner()) ::kill(each, SIGKILL);
                   }
                   wait_for_order();
                   auto one = sys.spawn<Recorder>("one");
                   expect_alive(one);
                   sys.stop(one);
                 }});
  expect_alive(bystander);
  expect_nothing_left();
}

/// Each round spawns an actor that is killed: a typed error if that is before it is up, and the next one gets up.
void spawn_victims_in_rounds(troupe::system& sys) {
  auto bystander = sys.spawn<Recorder>("bystander");
  do_rounds({.prepare = [] { return active_spawner(); },
             .act =
                 [&] {
                   try {
                     auto one = sys.spawn<Recorder>("one");
                     int unknown = 0;
                     for (int i = 0; i < 3; ++i) {
                       const auto got = one.ask(Numbers{}).try_get();
                       unknown += got ? 0 : 1;
                       if (!got) EXPECT_EQ(got.error().code(), troupe::errc::outcome_unknown);
                     }
                     EXPECT(unknown <= 1);  // it dies once
                     sys.stop(one);
                   } catch (const troupe::error& e) {
                     EXPECT_EQ(e.code(), troupe::errc::start_failed);
                     EXPECT(std::string(e.what()).find("SIGKILL") != std::string::npos);
                   }
                   expect_alive(bystander);
                   expect_alive(sys.spawn<Recorder>("next"));
                   sys.stop(*sys.find<Recorder>("next"));
                 }});
  expect_nothing_left();
}

/// Each round crashes an actor; who takes its place is killed too. What was told and asked goes on.
void restart_in_rounds(troupe::system& sys) {
  auto one = sys.spawn<Recorder>("one");
  int told = 0;
  do_rounds({.prepare =
                 [&] {
                   pid_of(one);  // so it is up
                   return active_spawner();
                 },
             .act =
                 [&] {
                   crash(sys, one);
                   one.tell(Number{++told});
                   auto got = one.ask(Numbers{}).try_get();
                   if (!got) EXPECT_EQ(got.error().code(), troupe::errc::outcome_unknown);
                   if (got) got = one.ask(Numbers{}).try_get();
                   if (!got) EXPECT(pid_of(one) > 0);  // it dies once
                 }});
  EXPECT_EQ(sys.count().dead_letters, 0UL);
  expect_nothing_left();
}

std::unique_ptr<program> start_where_orphans_are_adopted(const std::function<void(troupe::system&)>& body) {
  block_orders();
  return std::make_unique<program>([body] {
    refuse({call::clone3_of_troupe, call::clone_of_siblings}, EPERM);
    return troupe::run<Recorder>(0, nullptr, quiet(1'000'000), [&](troupe::system& sys) {
      return detail::run_body(
          [&](troupe::system& its) {
            body(its);
            return 0;
          },
          sys);
    });
  });
}

/// A program that spawns one actor when it is told to, and is killed at each stop of all its threads meanwhile.
void kill_supervisors(std::size_t every) {
  std::size_t kills = 0;
  for (std::size_t stop = 0;; stop += every) {
    auto its = start_rounds<Recorder>([](troupe::system& sys) {
      auto bystander = sys.spawn<Recorder>("bystander");
      expect_alive(bystander);
      do_rounds({.prepare = [] { return ::getpid(); }, .act = [&] { expect_alive(sys.spawn<Recorder>("one")); }});
    });
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
    CHECK_EQ(its->wait().signal, SIGKILL);  // and no process is left
    if (!seen.killed) break;
    ++kills;
  }
  MESSAGE(kills, " kills of the supervisor process");
  CHECK(kills > 0);
}

TEST_CASE("a spawner killed at any system call of a spawn: the spawn succeeds, and no zombie is left") {
  auto its = start_rounds<Recorder>(spawn_in_rounds);
  kill_at_each_stop(*its, {});
}

TEST_CASE("a twin killed at system calls of its birth: another is made, and the next spawn succeeds") {
  const long waits_in = twin_waits_in();
  auto its = start_rounds<Recorder>(make_twins_in_rounds);
  kill_at_each_stop(*its, {.victim = tracer::whom::next_child, .every = 3, .until_call = waits_in});
}

TEST_CASE("a worker killed at system calls of its birth and life: a typed error or an answer, and others go on") {
  auto its = start_rounds<Recorder>(spawn_victims_in_rounds);
  kill_at_each_stop(*its, {.victim = tracer::whom::next_child, .every = 3});
}

TEST_CASE("a worker killed at system calls of its restart: it is replaced, and what was told and asked goes on") {
  auto its = start_rounds<Recorder>(restart_in_rounds);
  kill_at_each_stop(*its, {.victim = tracer::whom::next_child, .every = 3});
}

TEST_CASE("a supervisor process killed at system calls of a spawn leaves no process behind") { kill_supervisors(10); }

TEST_SUITE_BEGIN("long");

TEST_CASE("a twin killed at any system call of its birth: another is made, and the next spawn succeeds") {
  const long waits_in = twin_waits_in();
  auto its = start_rounds<Recorder>(make_twins_in_rounds);
  kill_at_each_stop(*its, {.victim = tracer::whom::next_child, .until_call = waits_in});
}

TEST_CASE("a worker killed at any system call of its birth and life: a typed error or an answer, and others go on") {
  auto its = start_rounds<Recorder>(spawn_victims_in_rounds);
  kill_at_each_stop(*its, {.victim = tracer::whom::next_child});
}

TEST_CASE("a worker killed at any system call of its restart: it is replaced, and what was told and asked goes on") {
  auto its = start_rounds<Recorder>(restart_in_rounds);
  kill_at_each_stop(*its, {.victim = tracer::whom::next_child});
}

TEST_CASE("a spawner that forks twice, killed at any system call of a spawn: the spawn succeeds, no zombie is left") {
  auto its = start_where_orphans_are_adopted(spawn_in_rounds);
  kill_at_each_stop(*its, {});
}

TEST_CASE("a supervisor process killed at any system call of a spawn leaves no process behind") { kill_supervisors(1); }

TEST_SUITE_END();

}  // namespace
