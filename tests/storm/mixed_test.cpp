// Everything at once: actors in turns, short and long, with spares, recycling, delays, deadlines, small lanes, large
// bodies, under every strategy, killed all the time. Each seed is another mixture; what happens inside the framework
// happens exactly once all the same.

#include <signal.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <random>

#include "storm/storm.hpp"
#include "support/program.hpp"

using namespace tests;

namespace {

struct endless {
  static constexpr auto delivery = troupe::redeliver{troupe::unlimited};
};

/// What an item of this number holds.
std::string text_of(std::uint64_t number) {
  const std::uint64_t mixed = number * 0x9e3779b97f4a7c15ULL;
  const std::size_t size = mixed >> 60 == 0 ? 3000 + (mixed >> 40) % 3000 : (mixed >> 40) % 200;
  return std::string(size, static_cast<char>('a' + number % 26));
}

struct Item : endless {
  std::uint64_t number = 0;
  std::string text;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(number, text);
  }
};
struct Heavy : endless {
  std::uint64_t number = 0;
  troupe::payload bytes;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(number, bytes);
  }
};
struct Tick : endless {
  std::uint64_t number = 0;
};
struct Again : endless {};
struct Next {};
struct Ticks {};
struct Square {
  std::uint64_t number = 0;
};

bool is_heavy(std::uint64_t number) { return number % 37 == 5; }

using stage_ref = troupe::ref<troupe::handles<Item, Heavy>>;

/// Each number comes as what it is.
template <class To, class Payload>
void tell_number(const To& to, std::uint64_t number, Payload payload) {
  if (!is_heavy(number)) return to.tell(Item{{}, number, text_of(number)}, 60s);
  troupe::payload bytes = payload(20'000);
  std::memset(bytes.data().data(), static_cast<int>(number & 0xff), bytes.data().size());
  to.tell(Heavy{{}, number, std::move(bytes)}, 60s);
}

bool intact(const Item& m) { return m.text == text_of(m.number) && !is_heavy(m.number); }
bool intact(const Heavy& m) {
  const auto bytes = m.bytes.bytes();
  const auto all = static_cast<std::byte>(m.number & 0xff);
  return is_heavy(m.number) && bytes.size() == 20'000 && bytes.front() == all && bytes[9'999] == all && bytes.back() == all;
}

struct Progress {
  std::uint64_t next = 0, ticks = 0;
  std::vector<std::uint64_t> held;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(next, ticks, held);
  }
};

/// Squares; nothing in it lasts.
struct Oracle : troupe::actor {
  std::uint64_t on(Square m) { return m.number * m.number; }
  using handles = troupe::handles<Square>;
};

/// What all stages do with what comes: it is the next one, and whole.
template <class M>
void check_in(Progress& state, const M& m, const std::string& who) {
  if (m.number != state.next) {
    note(who + ": number " + std::to_string(m.number) + " came as number " + std::to_string(state.next));
  }
  if (!intact(m)) note(who + ": number " + std::to_string(m.number) + " is torn");
  state.next = m.number + 1;
}

/// Tells on at once, or four at a time.
template <int Every>
struct Stage : troupe::checkpointed<Progress> {
  static constexpr int commit_every = Every;
  Stage(stage_ref to, std::uint64_t at_a_time) : to_(to), at_a_time_(at_a_time) {}
  void on(const Item& m) { take(m); }
  void on(const Heavy& m) { take(m); }
  using handles = troupe::handles<Item, Heavy>;

 private:
  template <class M>
  void take(const M& m) {
    check_in(state(), m, self().name());
    state().held.push_back(m.number);
    if (state().held.size() < at_a_time_) return;
    for (const auto number : std::exchange(state().held, {})) {
      tell_number(to_, number, [this](std::size_t size) { return self().payload(size); });
    }
  }
  stage_ref to_;
  std::uint64_t at_a_time_;
};

/// Asks the oracle about each.
struct Asking : troupe::checkpointed<Progress> {
  Asking(stage_ref to, troupe::actor_ref<Oracle> oracle) : to_(to), oracle_(oracle) {}
  void on(const Item& m) { take(m); }
  void on(const Heavy& m) { take(m); }
  using handles = troupe::handles<Item, Heavy>;

 private:
  template <class M>
  void take(const M& m) {
    check_in(state(), m, self().name());
    while (!answered(m.number)) {
    }
    tell_number(to_, m.number, [this](std::size_t size) { return self().payload(size); });
  }
  bool answered(std::uint64_t number) {
    const auto got = oracle_.ask(Square{number}, 60s).try_get();
    if (!got && got.error().code() != troupe::errc::outcome_unknown) throw got.error();
    if (got && *got != number * number) note(self().name() + ": a wrong square");
    return got.has_value();
  }
  stage_ref to_;
  troupe::actor_ref<Oracle> oracle_;
};

/// Passes on what it is told as it is, payloads too, without a state.
struct Passing : troupe::transactional {
  explicit Passing(stage_ref to) : to_(to) {}
  void on(const Item& m) { to_.tell(m, 60s); }
  void on(const Heavy& m) { to_.tell(m, 60s); }
  using handles = troupe::handles<Item, Heavy>;

 private:
  stage_ref to_;
};

struct Sink : troupe::checkpointed<Progress> {
  static constexpr int commit_every = 4;
  void on(const Item& m) { check_in(state(), m, self().name()); }
  void on(const Heavy& m) { check_in(state(), m, self().name()); }
  void on(const Tick& m) {
    if (m.number != state().ticks) note("tick " + std::to_string(m.number) + " came as " + std::to_string(state().ticks));
    state().ticks = m.number + 1;
  }
  std::uint64_t on(Next) { return state().next; }
  std::uint64_t on(Ticks) { return state().ticks; }
  using handles = troupe::handles<Item, Heavy, Tick, Next, Ticks>;
};

/// Counts on with each turn of its timer, and tells the count.
struct Ticker : troupe::checkpointed<Progress> {
  explicit Ticker(troupe::actor_ref<Sink> to) : to_(to) {}
  void on_start() override { every(2ms, Again{}); }
  void on(Again) { to_.tell(Tick{{}, state().next++}, 60s); }
  std::uint64_t on(Next) { return state().next; }
  using handles = troupe::handles<Again, Next>;

 private:
  troupe::actor_ref<Sink> to_;
};

// ------------------------------------------------------------------------------------------------------------ mixture

class mixture {
 public:
  explicit mixture(std::uint64_t seed) : random_(seed) {}
  std::uint64_t up_to(std::uint64_t most) { return random_() % (most + 1); }
  bool one_in(std::uint64_t so_many) { return up_to(so_many - 1) == 0; }

  troupe::child_spec spec(const std::string& name) {
    troupe::child_spec made{.name = name};
    if (one_in(4)) made.standby = 1 + static_cast<std::uint32_t>(up_to(1));
    if (one_in(3)) made.recycle.messages = 50 + up_to(500);
    if (one_in(4)) made.backoff = {.first = 1ms, .max = 5ms, .reset_after = 20ms};
    if (one_in(4)) made.deadline = 2s;
    if (one_in(4)) made.budget = troupe::restart_budget{1'000'000, 5s};
    if (one_in(3)) made.shutdown = troupe::shutdown::brutal_kill();
    // Four items of a handler, with their pads, fit into either; the small one has no room for a large item.
    made.lane_bytes = one_in(2) ? 4096 : 65536;
    return made;
  }
  troupe::supervisor_spec flags(const std::string& name) {
    return {.name = name, .strategy = static_cast<troupe::strategy>(up_to(2)), .max_restarts = 1'000'000};
  }

 private:
  std::mt19937_64 random_;
};

/// One more stage in front of `to`.
stage_ref add_stage(const troupe::supervisor_ref& under, mixture& random, const std::string& name, stage_ref to,
                    const troupe::actor_ref<Oracle>& oracle) {
  const troupe::child_spec spec = random.spec(name);
  const std::uint64_t at_a_time = random.one_in(3) ? 4 : 1;
  switch (random.up_to(4)) {
    case 0: return under.start_child<Stage<1>>(spec, to, at_a_time);
    case 1: return under.start_child<Stage<5>>(spec, to, at_a_time);
    case 2: return under.start_child<Stage<32>>(spec, to, at_a_time);
    case 3: return under.start_child<Asking>(spec, to, oracle);
    default: return under.start_child<Passing>(spec, to);
  }
}

struct tree {
  std::vector<std::string> victims{"oracle", "sink", "ticker"};
  troupe::actor_ref<Sink> sink;
  troupe::actor_ref<Ticker> ticker;
  stage_ref first;
};

tree grow(troupe::system& sys, mixture& random) {
  // Beside each other: a child that was added by a call does not come back with its supervisor.
  const std::array<troupe::supervisor_ref, 2> supervisors{sys.spawn(troupe::supervisor(random.flags("one"))),
                                                          sys.spawn(troupe::supervisor(random.flags("other")))};
  tree made;
  const troupe::actor_ref<Oracle> oracle = supervisors[0].start_child<Oracle>(random.spec("oracle"));
  made.sink = supervisors[1].start_child<Sink>(random.spec("sink"));
  made.ticker = supervisors[0].start_child<Ticker>(random.spec("ticker"), made.sink);
  made.first = made.sink;
  for (std::uint64_t number = 1 + random.up_to(3); number > 0; --number) {
    made.victims.push_back("stage-" + std::to_string(number));
    made.first = add_stage(supervisors[random.up_to(1)], random, made.victims.back(), made.first, oracle);
  }
  return made;
}

/// Everything that was told has come, once.
void expect_all(const tree& of, std::uint64_t told) {
  EXPECT(eventually([&] { return of.sink.ask(Next{}, 60s).get() >= told; }, 60s));
  EXPECT(always([&] { return of.sink.ask(Next{}, 60s).get() == told; }, 50ms));
  const auto ticks = of.ticker.ask(Next{}, 60s).get();
  EXPECT(ticks > 0);
  EXPECT(eventually([&] { return of.sink.ask(Ticks{}, 60s).get() >= ticks; }, 60s));
  EXPECT_EQ(notes(), std::vector<std::string>{});
}

void mixed_under_kills(std::uint64_t seed, std::uint64_t kills) {
  INFO("STORM_SEED=", seed);
  storm::forbid_core_dumps();
  in_program<Stage<1>, Stage<5>, Stage<32>, Asking, Passing, Sink, Ticker, Oracle>(
      logged(1'000'000),
      [&](troupe::system& sys) {
        mixture random(seed);
        const tree all = grow(sys, random);
        std::uint64_t told = 0;
        const auto tell_next = [&] {
          tell_number(all.first, told++, [&](std::size_t size) { return sys.payload(size); });
        };
        storm::killer killer(::getpid(), all.victims, {12, 2, 2, 2, 4}, 80, seed);
        storm::while_attacked(std::move(killer), kills, [&] {
          for (int i = 0; i < 10; ++i) tell_next();
          sys.poll(1ms);
        });
        while (told % 256 != 0) tell_next();  // each stage that holds some back has its fourth
        expect_all(all, told);
        EXPECT_EQ(sys.count().dead_letters, 0UL);
      },
      400s);
}

TEST_CASE("a mixture of everything that turns can do is exact under kills") { mixed_under_kills(storm::planned({}).seed, 60); }

TEST_SUITE("long") {
  TEST_CASE("twenty mixtures of everything that turns can do are exact under kills") {
    const std::uint64_t seed = storm::planned({}).seed;
    for (std::uint64_t i = 0; i < 20; ++i) mixed_under_kills(seed + i, 200);
  }
}

}  // namespace
