// Turns under kills: what happens inside the framework happens exactly once, or not at all.

#include <signal.h>
#include <unistd.h>

#include <stdexcept>

#include "storm/killer.hpp"
#include "support/program.hpp"

using namespace tests;

namespace {

struct endless {
  static constexpr auto delivery = troupe::redeliver{troupe::unlimited};
};
struct Bump : endless {};
struct Get {};
struct Effect : endless {
  std::uint64_t number = 0;
};
struct Effects {};

storm::killer killer_of(std::vector<std::string> names, std::uint64_t seed) {
  return {::getpid(), std::move(names), {1, 0, 0, 0, 0}, 150, seed};
}

// ------------------------------------------------------------------------------------------------------------- counter

struct Counted {
  std::uint64_t count = 0;
};
struct Counter : troupe::checkpointed<Counted> {
  void on(Bump) { ++state().count; }
  std::uint64_t on(Get) { return state().count; }
  using handles = troupe::handles<Bump, Get>;
};

void count_under_kills(std::uint64_t kills) {
  in_program<Counter>(
      logged(1'000'000),
      [&](troupe::system& sys) {
        auto counter = sys.spawn<Counter>("counter");
        std::uint64_t told = 0;
        storm::while_attacked(killer_of({"counter"}, 21), kills, [&] {
          for (int i = 0; i < 20; ++i, ++told) counter.tell(Bump{}, 60s);
          sys.poll(100us);
        });
        EXPECT_EQ(counter.ask(Get{}, 60s).get(), told);
        EXPECT_EQ(sys.count().deaths, kills);
        EXPECT_EQ(sys.count().dead_letters, 0UL);
      },
      200s);
}

// --------------------------------------------------------------------------------------------------------------- chain

/// Tells each message on as `parts` messages.
struct Divider : troupe::transactional {
  using next = troupe::ref<troupe::handles<Effect>>;
  Divider(next to, std::uint64_t parts) : to_(to), parts_(parts) {}
  void on(const Effect& m) {
    for (std::uint64_t part = 0; part < parts_; ++part) to_.tell(Effect{{}, m.number * parts_ + part}, 60s);
  }
  using handles = troupe::handles<Effect>;

 private:
  next to_;
  std::uint64_t parts_;
};

/// Where the effects can be seen. Nobody kills it.
struct Collector : troupe::actor {
  void on(const Effect& m) {
    if (m.number != next_++) note("effect " + std::to_string(m.number) + " came as number " + std::to_string(next_ - 1));
    next_ = m.number + 1;
  }
  std::uint64_t on(Effects) { return next_; }
  using handles = troupe::handles<Effect, Effects>;

 private:
  std::uint64_t next_ = 0;
};
using collector = troupe::actor_ref<Collector>;

/// The collector has exactly the effects 0 .. count - 1, in their order.
void expect_exactly(const collector& effects, std::uint64_t count) {
  EXPECT(eventually([&] { return effects.ask(Effects{}).get() >= count; }, 60s));
  EXPECT(always([&] { return effects.ask(Effects{}).get() == count; }, 50ms));
  EXPECT_EQ(notes(), std::vector<std::string>{});
}

void divide_under_kills(std::uint64_t kills) {
  in_program<Divider, Collector>(
      logged(1'000'000),
      [&](troupe::system& sys) {
        auto effects = sys.spawn<Collector>("effects");
        auto third = sys.spawn<Divider>("third", Divider::next(effects), 1U);
        auto second = sys.spawn<Divider>("second", Divider::next(third), 3U);
        auto first = sys.spawn<Divider>("first", Divider::next(second), 2U);
        std::uint64_t told = 0;
        storm::while_attacked(killer_of({"first", "second", "third"}, 22), kills, [&] {
          for (int i = 0; i < 10; ++i, ++told) first.tell(Effect{{}, told}, 60s);
          sys.poll(100us);
        });
        expect_exactly(effects, 6 * told);
        EXPECT_EQ(sys.count().deaths, kills);
        EXPECT_EQ(sys.count().dead_letters, 0UL);
      },
      200s);
}

// -------------------------------------------------------------------------------------------------------------- poison

/// Tells `count` effects from `first` on.
struct Job : endless {
  std::uint64_t first = 0, count = 0;
};
/// The same, and dies of it after `survives` of them, each time and in one of five ways. Its attempts are limited.
struct Poison {
  std::uint64_t first = 0, count = 0, survives = 0;
};

struct Worker : troupe::checkpointed<Counted> {
  explicit Worker(collector to) : to_(to) {}
  void on(const Job& m) {
    for (std::uint64_t i = 0; i < m.count; ++i) tell(m.first + i);
  }
  void on(const Poison& m) {
    for (std::uint64_t i = 0; i < m.survives; ++i) tell(m.first + i);
    die(m.survives);
    for (std::uint64_t i = m.survives; i < m.count; ++i) tell(m.first + i);
  }
  std::uint64_t on(Get) { return state().count; }
  using handles = troupe::handles<Job, Poison, Get>;

 private:
  void tell(std::uint64_t number) {
    to_.tell(Effect{{}, number}, 60s);
    ++state().count;
  }
  static void die(std::uint64_t how) {
    switch (how % 5) {
      case 0: ::raise(SIGKILL); break;
      case 1: ::raise(SIGSEGV); break;
      case 2: std::abort();
      case 3: ::_exit(0);
      default: throw std::runtime_error("poison");
    }
  }
  collector to_;
};

void poison_under_kills(std::uint64_t kills) {
  in_program<Worker, Collector>(
      logged(1'000'000),
      [&](troupe::system& sys) {
        auto effects = sys.spawn<Collector>("effects");
        auto worker = sys.spawn<Worker>("worker", effects);
        std::uint64_t told = 0, poisons = 0;
        storm::while_attacked(killer_of({"worker"}, 23), kills, [&] {
          worker.tell(Poison{told, 10, poisons % 10}, 60s);
          worker.tell(Job{{}, told, 5}, 60s);
          ++poisons;
          told += 5;
          EXPECT(eventually([&] { return effects.ask(Effects{}).get() >= told; }, 60s));
        });
        expect_exactly(effects, told);
        EXPECT_EQ(worker.ask(Get{}, 60s).get(), told);
        EXPECT_EQ(sys.count().dead_letters, poisons);
      },
      200s);
}

TEST_CASE("a checkpointed counter that is killed while it is told counts exactly") { count_under_kills(60); }
TEST_CASE("three transactional actors in a row, killed all the time, have each effect exactly once, in order") {
  divide_under_kills(60);
}
TEST_CASE("poison that dies halfway through its tells leaves none of them and no trace in the state, under kills too") {
  poison_under_kills(20);
}

TEST_SUITE("long") {
  TEST_CASE("a checkpointed counter that is killed a thousand times counts exactly") { count_under_kills(1000); }
  TEST_CASE("three transactional actors in a row, killed a thousand times, have each effect exactly once") {
    divide_under_kills(1000);
  }
  TEST_CASE("hundreds of poisonous messages under kills leave nothing behind") { poison_under_kills(500); }
}

}  // namespace
