#include <poll.h>

#include <map>
#include <random>
#include <thread>

#include "process/common.hpp"

using namespace tests;

namespace {

struct Bump {
  static constexpr auto delivery = troupe::redeliver{troupe::unlimited};
};
struct Get {};
struct Grow {
  std::uint64_t bytes;
};
struct Keep {
  long count = 0;
  std::string ballast;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(count, ballast);
  }
};

/// Counts; its state survives it.
struct Tally : troupe::checkpointed<Keep> {
  void on_start() override {
    note(self().restored() ? "restored " + std::to_string(state().count) : "fresh");
    set(1, static_cast<std::uint64_t>(::getpid()));
  }
  long on(Bump) { return ++state().count; }
  long on(Get) { return state().count; }
  void on(Grow m) { state().ballast.assign(m.bytes, 'b'); }
  int on(Pid) { return ::getpid(); }
  void on(Abort) {
    ++state().count;
    std::abort();
  }
  using handles = troupe::handles<Bump, Get, Grow, Pid, Abort>;
};
using tally = troupe::actor_ref<Tally>;

struct Split {
  tally to;
  int count = 0;
  unsigned until = 0;  // dies halfway before this attempt
  template <class Ar>
  void serialize(Ar& ar) {
    ar(to, count, until);
  }
};
struct SplitOn : Split {
  static constexpr auto delivery = troupe::redeliver{troupe::unlimited};
};
struct TellThenAsk : Split {};
struct TellThenThen : Split {};
struct Outlive {
  tally told, asked;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(told, asked);
  }
};

struct Splitter : troupe::transactional {
  void on_start() override { set(2, static_cast<std::uint64_t>(::getpid())); }
  void on(const Split& m) { split(m); }
  void on(const SplitOn& m) { split(m); }
  std::string on(const TellThenAsk& m) {
    const long before = m.to.ask(Get{}).get();
    m.to.tell(Bump{});
    return std::to_string(before) + " " +
           std::string(troupe::name(error_of([&] { return m.to.ask(Get{}).get(); }).code()));
  }
  void on(const TellThenThen& m) {
    m.to.tell(Bump{});
    m.to.ask(Get{}).then([](const troupe::expected<long>& got) { note("then " + std::to_string(got.value_or(-1))); });
  }
  void on(const Outlive& m) {
    m.told.tell(Bump{});
    set(3, 1);
    while (total(4) == 0) m.asked.ask(Get{}).get();
  }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Split, SplitOn, TellThenAsk, TellThenThen, Outlive, Pid>;

 private:
  void split(const Split& m) {
    for (int i = 0; i < m.count; ++i) {
      m.to.tell(Bump{});
      if (i == m.count / 2 && self().attempt() < m.until) ::raise(SIGKILL);
    }
  }
};

/// Kills, so many times and at random moments, the process whose number is in this counter.
void kill_often(std::size_t counter, int times, unsigned seed) {
  std::mt19937 random(seed);
  std::uint64_t last = 0;
  for (int i = 0; i < times; ++i) {
    if (!eventually([&] { return total(counter) != last; })) return note("it was not restarted");
    last = total(counter);
    const timespec moment{0, static_cast<long>(random() % 3'000'000)};
    ::ppoll(nullptr, 0, &moment, nullptr);
    ::kill(static_cast<pid_t>(last), SIGKILL);
  }
  if (!eventually([&] { return total(counter) != last; })) note("it was not restarted");
}

TEST_CASE("a checkpointed actor's state is that of its last whole message after a crash") {
  in_program<Tally>(quiet(100), [](troupe::system& sys) {
    auto one = sys.spawn<Tally>("one");
    for (long i = 1; i <= 10; ++i) {
      EXPECT_EQ(one.ask(Bump{}).get(), i);
      if (i % 2 == 0) {
        crash(sys, one);
      } else {
        EXPECT_EQ(error_of([&] { one.ask(Abort{}).get(); }).code(), troupe::errc::outcome_unknown);
      }
      EXPECT_EQ(one.ask(Get{}).get(), i);
    }
    EXPECT_EQ(notes().front(), std::string("fresh"));
    EXPECT_EQ(notes().back(), std::string("restored 10"));
    EXPECT_EQ(notes().size(), 11UL);
  });
}

TEST_CASE("a state does not outlive the actor: a new one of its name starts fresh") {
  in_program<Tally>([](troupe::system& sys) {
    auto one = sys.spawn<Tally>("one");
    one.ask(Bump{}).get();
    sys.stop(one);
    auto other = sys.spawn<Tally>("one");
    EXPECT_EQ(other.ask(Get{}).get(), 0L);
    EXPECT_EQ(notes(), (std::vector<std::string>{"fresh", "fresh"}));
  });
}

TEST_CASE("a checkpointed counter that is killed fifty times counts exactly") {
  in_program<Tally>(quiet(1000), [](troupe::system& sys) {
    auto one = sys.spawn<Tally>("one");
    std::thread killer(kill_often, 1, 50, 11U);
    long told = 0;
    std::uint64_t restarts = 0;
    while (restarts < 50 && told < 1'000'000) {
      for (int i = 0; i < 100; ++i) one.tell(Bump{});
      told += 100;
      restarts = sys.count().restarts;
    }
    killer.join();
    EXPECT(!noted("it was not restarted"));
    EXPECT_EQ(one.ask(Get{}, 20s).get(), told);
    EXPECT_EQ(sys.count().dead_letters, 0UL);
  });
}

TEST_CASE("two actors in turns, both killed again and again, pass on each message exactly once") {
  in_program<Tally, Splitter>(quiet(1000), [](troupe::system& sys) {
    auto sums = sys.spawn<Tally>("sums");
    auto splits = sys.spawn<Splitter>("splits");
    std::thread one(kill_often, 1, 20, 12U), two(kill_often, 2, 20, 13U);
    long told = 0;
    while (sys.count().restarts < 40 && told < 1'000'000) {
      for (int i = 0; i < 20; ++i) splits.tell(SplitOn{{sums, 5}});
      told += 100;
    }
    one.join();
    two.join();
    EXPECT(!noted("it was not restarted"));
    splits.ask(Pid{}, 20s).get();
    // What splits told goes another way than what main asks.
    EXPECT(eventually([&] { return sums.ask(Get{}, 20s).get() >= told; }));
    EXPECT(always([&] { return sums.ask(Get{}, 20s).get() == told; }, 20ms));
    EXPECT_EQ(sys.count().dead_letters, 0UL);
  });
}

TEST_CASE("a transactional actor that dies halfway through its tells leaves none of them, and all after success") {
  in_program<Tally, Splitter>(quiet(100), [](troupe::system& sys) {
    auto sums = sys.spawn<Tally>("sums");
    auto splits = sys.spawn<Splitter>("splits");
    splits.tell(Split{sums, 10, 99});
    EXPECT(eventually([&] { return sys.count().dead_letters == 1; }));
    EXPECT(pid_of(splits) > 0);
    EXPECT(always([&] { return sums.ask(Get{}).get() == 0L; }, 20ms));
    splits.tell(Split{sums, 10, 3});
    EXPECT(pid_of(splits) > 0);
    EXPECT(eventually([&] { return sums.ask(Get{}).get() == 10L; }));
    EXPECT(always([&] { return sums.ask(Get{}).get() == 10L; }, 20ms));
    EXPECT_EQ(sys.count().deaths, 5UL);
  });
}

TEST_CASE("a waiting ask of whom this turn has told is refused; then goes out with the turn") {
  in_program<Tally, Splitter>([](troupe::system& sys) {
    auto sums = sys.spawn<Tally>("sums");
    auto splits = sys.spawn<Splitter>("splits");
    EXPECT_EQ(splits.ask(TellThenAsk{{sums}}).get(), std::string("0 deadlock"));
    splits.ask(TellThenThen{{sums}}).get();
    EXPECT(eventually([&] { return noted("then 2"); }));
  });
}

TEST_CASE("what a turn tells must fit the lane: the message is quarantined, and nothing of it was told") {
  in_program<Tally, Splitter>(quiet(1), [](troupe::system& sys) {
    auto sums = sys.spawn<Tally>({.name = "sums", .lane_bytes = 4096});
    auto splits = sys.spawn<Splitter>("splits");
    splits.tell(Split{sums, 1000});
    EXPECT(eventually([&] { return sys.count().dead_letters == 1; }));
    splits.tell(Split{sums, 50});
    EXPECT(pid_of(splits) > 0);
    EXPECT(eventually([&] { return sums.ask(Get{}).get() == 50L; }));
  });
}

TEST_CASE("what a turn has told an actor that ends before the turn does is a dead letter, once the turn is over") {
  in_program<Tally, Splitter>(quiet(1), [](troupe::system& sys) {
    auto told = sys.spawn<Tally>("told"), asked = sys.spawn<Tally>("asked");
    auto from = sys.spawn<Splitter>("splits");
    from.tell(Outlive{told, asked});
    EXPECT(eventually([] { return total(3) == 1; }));
    sys.stop(told);
    EXPECT(always([&] { return sys.count().dead_letters == 0; }, 20ms));
    set(4, 1);
    EXPECT(eventually([&] { return sys.count().dead_letters == 1; }));
    EXPECT(pid_of(from) > 0);
  });
}

TEST_CASE("a state beyond its limit ends the turn, and the state before it remains") {
  in_program<Tally>(quiet(2), [](troupe::system& sys) {
    auto one = sys.spawn<Tally>({.name = "one", .checkpoint_bytes = 8192});
    EXPECT_EQ(one.ask(Bump{}).get(), 1L);
    one.ask(Grow{8000}).get();
    for (const std::uint64_t bytes : {8192U, 20000U}) {
      EXPECT_EQ(error_of([&] { one.ask(Grow{bytes}).get(); }).code(), troupe::errc::outcome_unknown);
    }
    EXPECT_EQ(one.ask(Bump{}).get(), 2L);
  });
}

TEST_CASE("a state of some megabytes survives") {
  in_program<Tally>(quiet(10), [](troupe::system& sys) {
    auto one = sys.spawn<Tally>("one");
    for (long i = 1; i <= 4; ++i) {
      one.ask(Grow{static_cast<std::uint64_t>(i) << 20}).get();
      EXPECT_EQ(one.ask(Bump{}).get(), i);
      crash(sys, one);
    }
    EXPECT_EQ(one.ask(Get{}).get(), 4L);
  });
}

struct Bulk {
  std::string text;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(text);
  }
};
struct Collector : troupe::actor {
  void on(const Bulk&) { ++count; }
  int on(Numbers) { return count; }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Bulk, Numbers, Pid>;
  int count = 0;
};
struct Stuff {
  troupe::actor_ref<Collector> to;
  std::vector<unsigned> sizes;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(to, sizes);
  }
};
struct Stuffer : troupe::transactional {
  std::string on(const Stuff& m) {
    try {
      for (const auto size : m.sizes) m.to.tell(Bulk{std::string(size, 's')}, 100s);
    } catch (const troupe::error& e) {
      return e.text();
    }
    return "told";
  }
  using handles = troupe::handles<Stuff>;
};

TEST_CASE("a turn that fills more than half of a lane goes on as soon as what lay before it has been read") {
  in_program<Collector, Stuffer>(quiet(1), [](troupe::system& sys) {
    auto to = sys.spawn<Collector>({.name = "collector", .lane_bytes = 4096});
    auto from = sys.spawn<Stuffer>("stuffer");
    const pid_t pid = freeze(sys, to);
    EXPECT_EQ(from.ask(Stuff{to, {900}}).get(), "told");
    auto second = from.ask(Stuff{to, {500, 500, 500, 500, 500, 900}}, 100s);
    ::poll(nullptr, 0, 200);
    ::kill(pid, SIGCONT);
    EXPECT_EQ(second.get(), "told");
    EXPECT_EQ(to.ask(Numbers{}).get(), 7);
  });
}

TEST_CASE("a turn whose records alone exceed the lane learns it as soon as what lay before it has been read") {
  in_program<Collector, Stuffer>(quiet(1), [](troupe::system& sys) {
    auto to = sys.spawn<Collector>({.name = "collector", .lane_bytes = 4096});
    auto from = sys.spawn<Stuffer>("stuffer");
    const pid_t pid = freeze(sys, to);
    EXPECT_EQ(from.ask(Stuff{to, {500}}).get(), "told");
    auto second = from.ask(Stuff{to, {900, 900, 900, 900, 900}}, 100s);
    ::poll(nullptr, 0, 200);
    ::kill(pid, SIGCONT);
    const std::string said = second.get();
    EXPECT(said.find("exceeds its lane") != std::string::npos);
  });
}

TEST_CASE("a turn waits for room that records of the turn before it take up") {
  in_program<Collector, Stuffer>(quiet(1), [](troupe::system& sys) {
    auto to = sys.spawn<Collector>({.name = "collector", .lane_bytes = 4096});
    auto from = sys.spawn<Stuffer>("stuffer");
    const pid_t pid = freeze(sys, to);
    EXPECT_EQ(from.ask(Stuff{to, {1500, 1000}}).get(), "told");
    std::string said;
    from.ask(Stuff{to, {1900}}, 100s).then([&](const troupe::expected<std::string>& got) {
      said = got.value_or("failed");
    });
    EXPECT(always([&] { return said.empty(); }, 50ms));
    ::kill(pid, SIGCONT);
    EXPECT(eventually([&] { return !said.empty(); }));
    EXPECT_EQ(said, "told");
    EXPECT_EQ(to.ask(Numbers{}).get(), 3);
  });
}

struct Collect {
  recorder from;
  troupe::actor_ref<Collector> to;
  int answers = 0;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(from, to, answers);
  }
};
struct Linger {};
/// Tells of each answer that it gets.
struct Asker : troupe::transactional {
  void on(const Collect& m) {
    for (int i = 0; i < m.answers; ++i) {
      m.from.ask(Pid{}).then([to = m.to](const troupe::expected<int>&) { to.tell(Bulk{std::string(100, 'b')}); });
    }
  }
  void on(Linger) {
    set(5, 1);
    while (total(6) == 0) ::poll(nullptr, 0, 1);
  }
  using handles = troupe::handles<Collect, Linger>;
};

TEST_CASE("answers that are there together are taken in turns of their own: together they may tell more than a lane holds") {
  in_program<Collector, Asker, Recorder>(quiet(1), [](troupe::system& sys) {
    auto to = sys.spawn<Collector>({.name = "collector", .lane_bytes = 4096});
    auto from = sys.spawn<Recorder>("recorder");
    auto asker = sys.spawn<Asker>("asker");
    asker.tell(Collect{from, to, 100});
    asker.tell(Linger{});
    EXPECT(eventually([] { return total(5) == 1; }));
    EXPECT(eventually([&] { return state_of(pid_of(from)) == 'S'; }));  // it has answered all
    set(6, 1);
    EXPECT(eventually([&] { return to.ask(Numbers{}).get() == 100; }));
    EXPECT_EQ(sys.count().deaths, 0UL);
  });
}

}  // namespace
