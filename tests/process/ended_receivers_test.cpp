// What a process keeps for another: a lane, room of its outbox, the knowledge of who has been handed its segments. It
// goes when that one has ended, and is made again when it is started again.

#include <string>

#include "process/common.hpp"

using namespace tests;

namespace {

constexpr std::size_t mib = 1 << 20;

enum word : std::size_t { read_pieces = 10, supplied, begun };

struct Piece {
  troupe::payload body;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(body);
  }
};
struct Make {
  std::uint64_t bytes;
};

struct Insist {
  static constexpr auto delivery = troupe::redeliver{};
};
struct Fill {};

struct Reader : troupe::actor {
  void on(const Piece&) { add(read_pieces); }
  int on(Insist) { return 1; }
  int on(Pid) { return ::getpid(); }
  std::string on(Fill) {
    const auto full = error_of([&] {
      for (;;) self().ref<Reader>().tell(Piece{}, 100s);
    });
    return full.text();
  }
  using handles = troupe::handles<Piece, Insist, Pid, Fill>;
};

/// Its first outbox is full, so large replies lie in a segment.
struct Maker : troupe::actor {
  std::string on(Make m) { return std::string(m.bytes, 'm'); }
  using handles = troupe::handles<std::string(Make)>;
  troupe::payload all = self().payload(64 * mib);
};

struct Via {
  troupe::actor_ref<Maker> whom;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(whom);
  }
};
struct Customer : troupe::actor {
  std::size_t on(const Via& m) { return m.whom.ask(Make{10'000}).get().size(); }
  using handles = troupe::handles<std::size_t(Via)>;
};

/// Tells so many pieces, and has then said so.
struct Supply {
  int count;
};
struct Supplier : troupe::actor {
  explicit Supplier(troupe::actor_ref<Reader> whom) : to(whom) {}
  void on(Supply m) {
    for (int i = 0; i < m.count; ++i) to.tell(Piece{});
    add(supplied, static_cast<std::uint64_t>(m.count));
  }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Supply, Pid>;
  troupe::actor_ref<Reader> to;
};

/// Says at which attempt it answers; the first of all waits.
struct Attempt {
  static constexpr auto delivery = troupe::redeliver{10};
};
struct Stubborn : troupe::actor {
  int on(Attempt) {
    if (add(begun) == 1) EXPECT(eventually([] { return false; }, 100s));
    return static_cast<int>(self().attempt());
  }
  using handles = troupe::handles<int(Attempt)>;
};

troupe::options with_outbox(std::uint64_t bytes) {
  auto how = quiet();
  how.outbox_bytes = bytes;
  return how;
}

}  // namespace

TEST_CASE("what an actor had not read when it ended gives its room back") {
  in_program<Reader>(with_outbox(0), [](troupe::system& sys) {
    for (int i = 1; i <= 3; ++i) {
      auto one = sys.spawn<Reader>({.name = "one", .restart = troupe::restart::temporary});
      freeze(sys, one);
      one.tell(Piece{sys.payload(40 * mib)});
      sys.kill(one);
      EXPECT(eventually([&] { return sys.count().dead_letters == static_cast<std::uint64_t>(i); }));
    }
  });
}

TEST_CASE("actors may come and go that have more memory of lanes than a process has at once") {
  in_program<Recorder>([](troupe::system& sys) {
    for (int i = 0; i < 40; ++i) {
      auto one = sys.spawn<Recorder>({.name = "one", .lane_bytes = 16 * mib});
      one.tell(Number{i});
      EXPECT_EQ(one.ask(Numbers{}).get(), std::vector<int>{i});
      sys.stop(one);
    }
  });
}

TEST_CASE("an actor that has ended and is started again hears those who knew it before") {
  in_program<Reader>(with_outbox(100 * mib), [](troupe::system& sys) {
    troupe::supervisor team({.name = "team"});
    team.child<Reader>({.name = "reader"});
    const auto top = sys.spawn(team);
    const auto to = *sys.find<Reader>("reader");
    const auto all = sys.payload(64 * mib), some = sys.payload(mib);  // what follows lies in a segment that stays
    for (std::uint64_t i = 1; i <= 3; ++i) {
      to.tell(Piece{sys.payload(mib)});
      EXPECT(eventually([&] { return total(read_pieces) == i; }));
      top.terminate_child("reader");
      EXPECT_EQ(error_of([&] { to.tell(Piece{}); }).code(), troupe::errc::closed);
      top.restart_child("reader");
    }
  });
}

TEST_CASE("a segment with replies is handed to each of those who ask") {
  in_program<Maker, Customer>([](troupe::system& sys) {
    auto maker = sys.spawn<Maker>("maker");
    EXPECT_EQ(maker.ask(Make{10'000}).get().size(), std::size_t{10'000});
    // For some of them the reply comes first, and waits for the segment.
    for (int i = 0; i < 12; ++i) {
      EXPECT_EQ(sys.spawn<Customer>("customer " + std::to_string(i)).ask(Via{maker}).get(), std::size_t{10'000});
    }
  });
}

TEST_CASE("who asked an actor that ended before it had started is told; a letter is for what nobody waits for") {
  in_program<Reader>([](troupe::system& sys) {
    auto one = sys.spawn<Reader>({.name = "one", .restart = troupe::restart::temporary});
    freeze(sys, one);
    auto answer = one.ask(Insist{}, 60s);
    sys.kill(one);
    EXPECT_EQ(error_of([&] { answer.get(); }).code(), troupe::errc::closed);
    EXPECT_EQ(sys.count().dead_letters, 0UL);
  });
}

TEST_CASE("who fills the lane to himself hears at once that nobody else could make room") {
  in_program<Reader>([](troupe::system& sys) {
    const std::string said = sys.spawn<Reader>({.name = "one", .lane_bytes = 4096}).ask(Fill{}, 60s).get();
    EXPECT(said.find("the lane to oneself is full") != std::string::npos);
  });
}

TEST_CASE("what was told an actor that has ended is kept as letters when its sender dies before it has heard of the end") {
  in_program<Reader, Supplier>(quiet(10), [](troupe::system& sys) {
    auto one = sys.spawn<Reader>({.name = "one", .shutdown = troupe::shutdown::brutal_kill()});
    auto from = sys.spawn<Supplier>({.name = "from", .restart = troupe::restart::temporary}, one);
    freeze(sys, one);
    from.tell(Supply{5});
    EXPECT(eventually([] { return total(supplied) == 5; }));
    const pid_t stopped = freeze(sys, from);
    sys.stop(one);
    EXPECT(always([&] { return sys.count().dead_letters == 0; }, 20ms));
    ::kill(stopped, SIGKILL);
    EXPECT(eventually([&] { return sys.count().dead_letters == 5; }));
  });
}

TEST_CASE("what was told an actor before it ended is not for the process that is started again") {
  in_program<Reader, Supplier>(quiet(10), [](troupe::system& sys) {
    auto one = sys.spawn<Reader>({.name = "one", .shutdown = troupe::shutdown::brutal_kill()});
    auto from = sys.spawn<Supplier>("from", one);
    freeze(sys, one);
    from.tell(Supply{5});
    EXPECT(eventually([] { return total(supplied) == 5; }));
    const pid_t stopped = freeze(sys, from);
    sys.root().terminate_child("one");
    sys.root().restart_child("one");
    EXPECT(pid_of(one) > 0);
    EXPECT_EQ(sys.count().dead_letters, 0UL);
    ::kill(stopped, SIGCONT);
    EXPECT(eventually([&] { return sys.count().dead_letters == 5; }));
    EXPECT_EQ(total(read_pieces), 0UL);
    from.tell(Supply{2});
    EXPECT(eventually([] { return total(read_pieces) == 2; }));
  });
}

TEST_CASE("a request in hand when its actor is ended is no attempt of what is asked when it is started again") {
  in_program<Stubborn>(quiet(10), [](troupe::system& sys) {
    auto one = sys.spawn<Stubborn>({.name = "one", .shutdown = troupe::shutdown::brutal_kill()});
    auto first = one.ask(Attempt{}, 60s);
    EXPECT(eventually([] { return total(begun) == 1; }));
    sys.root().terminate_child("one");
    EXPECT_EQ(error_of([&] { return first.get(); }).code(), troupe::errc::closed);
    sys.root().restart_child("one");
    EXPECT_EQ(one.ask(Attempt{}).get(), 1);
  });
}
