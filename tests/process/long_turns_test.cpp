#include <poll.h>

#include <random>
#include <thread>

#include "process/common.hpp"

using namespace tests;

namespace {

struct Sum {
  static constexpr auto delivery = troupe::redeliver{troupe::unlimited};
};
struct Total {};

struct Sums : troupe::checkpointed<long> {
  void on(Sum) { ++state(); }
  long on(Total) { return state(); }
  using handles = troupe::handles<Sum, Total>;
};
using sums_ref = troupe::actor_ref<Sums>;

struct About {
  sums_ref to;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(to);
  }
};
struct Pass : About {
  static constexpr auto delivery = troupe::redeliver{troupe::unlimited};
};
struct Poison {};
/// Writes less than it reads.
struct Lie {
  std::uint32_t value = 7;
  void troupe_encode(troupe::detail::writer& to) const { to.bytes(&value, 1); }
  void troupe_decode(troupe::detail::reader& from) { from.bytes(&value, sizeof value); }
};
struct Once {
  static constexpr auto delivery = troupe::drop{};
};
struct TriedOnce {
  static constexpr auto delivery = troupe::redeliver{1};
};
struct Wait : About {};
struct Passed {};
struct Query {};
struct Saves {};

/// Its checkpoint counts how often it is written.
struct Progress {
  long passed = 0;
  template <class Ar>
  void serialize(Ar& ar) {
    ++written;
    ar(passed);
  }
  static inline long written = 0;
};

/// Its turns cover up to sixteen messages.
struct Passer : troupe::checkpointed<Progress> {
  static constexpr int commit_every = 16;
  void on_start() override { set(1, static_cast<std::uint64_t>(::getpid())); }
  void on(Pass m) {
    ++state().passed;
    m.to.tell(Sum{});
  }
  void on(Poison) { std::abort(); }
  void on(Lie) {}
  void on(Once) {
    note("once");
    std::abort();
  }
  void on(TriedOnce) {
    note("tried");
    std::abort();
  }
  std::string on(Wait m) {
    m.to.ask(Total{}).then([](const troupe::expected<long>& got) { note("then " + std::to_string(got.value_or(-1))); });
    return std::string(troupe::name(error_of([&] { return m.to.ask(Total{}).get(); }).code()));
  }
  long on(Passed) { return state().passed; }
  long on(Query) {
    note("asked");
    return state().passed;
  }
  long on(Saves) { return Progress::written; }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Pass, Poison, Lie, Once, TriedOnce, Wait, Passed, Query, Saves, Pid>;
};

struct both {
  explicit both(troupe::system& sys) : sums(sys.spawn<Sums>("sums")), passer(sys.spawn<Passer>("passer")) {}
  void pass(int count) const {
    for (int i = 0; i < count; ++i) passer.tell(Pass{{sums}});
  }
  sums_ref sums;
  troupe::actor_ref<Passer> passer;
};

TEST_CASE("one turn covers several messages, and its checkpoint is written once for all of them") {
  in_program<Sums, Passer>([](troupe::system& sys) {
    const both of(sys);
    const long before = of.passer.ask(Saves{}).get();
    freeze(sys, of.passer);
    of.pass(160);
    sys.send_signal(of.passer, SIGCONT);
    EXPECT_EQ(of.passer.ask(Passed{}).get(), 160L);
    EXPECT(eventually([&] { return of.sums.ask(Total{}).get() == 160L; }));
    const long written = of.passer.ask(Saves{}).get() - before;
    EXPECT(written >= 10);
    EXPECT(written < 80);
  });
}

TEST_CASE("a turn does not wait for messages that it could cover, too") {
  in_program<Sums, Passer>([](troupe::system& sys) {
    const both of(sys);
    for (long told = 5; told <= 50; told += 5) {
      of.pass(5);
      EXPECT(eventually([&] { return of.sums.ask(Total{}).get() == told; }));
    }
  });
}

TEST_CASE("an actor with long turns that is killed again and again passes on each message exactly once") {
  in_program<Sums, Passer>(quiet(1000), [](troupe::system& sys) {
    const both of(sys);
    std::mt19937 random(21);
    long told = 0;
    std::uint64_t last = 0;
    for (int death = 0; death < 40; ++death) {
      EXPECT(eventually([&] { return total(1) != last; }));
      last = total(1);
      of.pass(200);
      told += 200;
      const timespec moment{0, static_cast<long>(random() % 2'000'000)};
      ::ppoll(nullptr, 0, &moment, nullptr);
      ::kill(static_cast<pid_t>(last), SIGKILL);
    }
    EXPECT_EQ(of.passer.ask(Passed{}, 20s).get(), told);
    EXPECT(eventually([&] { return of.sums.ask(Total{}, 20s).get() >= told; }));
    EXPECT(always([&] { return of.sums.ask(Total{}, 20s).get() == told; }, 20ms));
    EXPECT_EQ(sys.count().dead_letters, 0UL);
  });
}

TEST_CASE("poison in the middle of a long turn is found: it alone is quarantined, the others are handled once") {
  in_program<Sums, Passer>(quiet(100), [](troupe::system& sys) {
    const both of(sys);
    freeze(sys, of.passer);
    of.pass(7);
    of.passer.tell(Poison{});
    of.pass(7);
    sys.send_signal(of.passer, SIGCONT);
    EXPECT(eventually([&] { return sys.count().dead_letters == 1; }));
    EXPECT_EQ(of.passer.ask(Passed{}, 20s).get(), 14L);
    EXPECT(eventually([&] { return of.sums.ask(Total{}).get() == 14L; }));
    EXPECT(always([&] { return of.sums.ask(Total{}).get() == 14L; }, 20ms));
    EXPECT_EQ(sys.count().deaths, 3UL);
  });
}

TEST_CASE("poison in the middle of a long turn costs one restart, and each of its attempts counts") {
  in_program<Sums, Passer>(quiet(1), [](troupe::system& sys) {
    const both of(sys);
    freeze(sys, of.passer);
    of.pass(5);
    of.passer.tell(Poison{});
    of.pass(5);
    sys.send_signal(of.passer, SIGCONT);
    EXPECT(eventually([&] { return sys.count().dead_letters == 1; }));
    EXPECT_EQ(of.passer.ask(Passed{}, 20s).get(), 10L);
    const auto letter = sys.dead_letters().list().at(0);
    EXPECT_EQ(letter.attempts, 3U);
    EXPECT_EQ(letter.deaths.size(), 3UL);
  });
}

TEST_CASE("a letter of a later message in a long turn costs none of those before it") {
  in_program<Sums, Passer>(quiet(100), [](troupe::system& sys) {
    auto sums = sys.spawn<Sums>("sums");
    auto passer = sys.spawn<Passer>({.name = "passer", .restart = troupe::restart::temporary});
    freeze(sys, passer);
    for (int i = 0; i < 3; ++i) passer.tell(Pass{{sums}});
    passer.tell(Lie{});
    passer.tell(Poison{});
    sys.send_signal(passer, SIGCONT);
    EXPECT(eventually([&] { return sys.count().dead_letters == 2; }));
    EXPECT(eventually([&] { return sums.ask(Total{}).get() == 3L; }));
    EXPECT_EQ(sys.count().dead_letters, 2UL);
  });
}

TEST_CASE("what is handled once at most is not handled again because it shared a turn") {
  in_program<Sums, Passer>(quiet(100), [](troupe::system& sys) {
    const both of(sys);
    freeze(sys, of.passer);
    of.pass(5);
    of.passer.tell(Once{});
    of.pass(5);
    sys.send_signal(of.passer, SIGCONT);
    EXPECT_EQ(of.passer.ask(Passed{}, 20s).get(), 10L);
    EXPECT_EQ(notes(), std::vector<std::string>{"once"});
    EXPECT_EQ(sys.count().deaths, 1UL);
  });
}

TEST_CASE("what may be tried once is tried once, also in the middle of what a turn could cover") {
  in_program<Sums, Passer>(quiet(100), [](troupe::system& sys) {
    const both of(sys);
    freeze(sys, of.passer);
    of.pass(5);
    of.passer.tell(TriedOnce{});
    of.pass(5);
    sys.send_signal(of.passer, SIGCONT);
    EXPECT_EQ(of.passer.ask(Passed{}, 20s).get(), 10L);
    EXPECT_EQ(notes(), std::vector<std::string>{"tried"});
    EXPECT_EQ(sys.count().dead_letters, 1UL);
  });
}

TEST_CASE("a request is not handled again because it shared a turn, neither with what came before it nor behind it") {
  in_program<Sums, Passer>(quiet(100), [](troupe::system& sys) {
    const both of(sys);
    freeze(sys, of.passer);
    of.pass(5);
    auto answer = of.passer.ask(Query{}, 20s);
    of.passer.tell(Poison{});
    of.pass(5);
    sys.send_signal(of.passer, SIGCONT);
    EXPECT_EQ(answer.get(), 5L);
    EXPECT_EQ(of.passer.ask(Passed{}, 20s).get(), 10L);
    EXPECT_EQ(notes(), std::vector<std::string>{"asked"});
    EXPECT_EQ(sys.count().dead_letters, 1UL);
  });
}

TEST_CASE("in a long turn no handler waits for an answer; then goes out with the turn") {
  in_program<Sums, Passer>([](troupe::system& sys) {
    const both of(sys);
    EXPECT_EQ(of.passer.ask(Wait{{of.sums}}).get(), std::string("not_allowed"));
    EXPECT(eventually([&] { return noted("then 0"); }));
  });
}

struct Load {
  troupe::payload body;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(body);
  }
};
struct Loads : troupe::checkpointed<long> {
  void on(const Load&) { ++state(); }
  long on(Total) { return state(); }
  using handles = troupe::handles<Load, Total>;
};
struct Ship {
  troupe::actor_ref<Loads> to;
  std::uint64_t bytes = 0;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(to, bytes);
  }
};
struct Shipper : troupe::transactional {
  static constexpr int commit_every = 16;
  void on(const Ship& m) { m.to.tell(Load{self().payload(m.bytes)}); }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Ship, Pid>;
};

TEST_CASE("a long turn does not wait for room in the outbox that its own bodies take up") {
  in_program<Loads, Shipper>(quiet(1), [](troupe::system& sys) {
    auto to = sys.spawn<Loads>("loads");
    auto from = sys.spawn<Shipper>({.name = "shipper", .outbox_bytes = 0});
    freeze(sys, from);
    for (int i = 0; i < 16; ++i) from.tell(Ship{to, 8 << 20});
    sys.send_signal(from, SIGCONT);
    EXPECT(eventually([&] { return to.ask(Total{}).get() == 16L; }));
    EXPECT_EQ(sys.count().deaths, 0UL);
  });
}

struct Parcel {
  troupe::pipe_writer<int> end;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(end);
  }
};
struct Addressee : troupe::actor {
  void on(Parcel m) { m.end.send(7); }
  using handles = troupe::handles<Parcel>;
};
struct Delivery {
  troupe::actor_ref<Addressee> to;
  troupe::pipe_writer<int> end;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(to, end);
  }
};
struct Courier : troupe::transactional {
  static constexpr int commit_every = 16;
  void on(Delivery m) { m.to.tell(Parcel{std::move(m.end)}); }
  void on(Poison) { std::abort(); }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Delivery, Poison, Pid>;
};

TEST_CASE("the end of a pipe that one message hands over is not lost with a later message of a long turn") {
  in_program<Addressee, Courier>(quiet(5), [](troupe::system& sys) {
    auto to = sys.spawn<Addressee>("addressee");
    auto courier = sys.spawn<Courier>("courier");
    auto [reader, writer] = troupe::pipe<int>();
    freeze(sys, courier);
    courier.tell(Delivery{to, std::move(writer)});
    courier.tell(Poison{});
    sys.send_signal(courier, SIGCONT);
    EXPECT_EQ(reader.recv(10s).value_or(0), 7);
  });
}

struct Fetch {
  troupe::queue<int> from;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(from);
  }
};
struct Fetcher : troupe::checkpointed<int> {
  static constexpr int commit_every = 16;
  void on(const Fetch& m) { state() += m.from.get(1s).value_or(0); }
  void on(Poison) { std::abort(); }
  int on(Total) { return state(); }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Fetch, Poison, Total, Pid>;
};

TEST_CASE("the item of a queue that one message has got is not lost with a later message of a long turn") {
  in_program<Fetcher>(quiet(5), [](troupe::system& sys) {
    auto items = troupe::queue<int>::make();
    auto fetcher = sys.spawn<Fetcher>("fetcher");
    items.put(7);
    freeze(sys, fetcher);
    fetcher.tell(Fetch{items});
    fetcher.tell(Poison{});
    sys.send_signal(fetcher, SIGCONT);
    EXPECT_EQ(fetcher.ask(Total{}, 20s).get(), 7);
  });
}

}  // namespace
