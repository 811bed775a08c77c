// Wakes that are owed come from who owes them: while the supervisor process stands still, whose sweep would make up for
// a ring that was lost, sleepers are woken all the same.

#include <array>
#include <string>
#include <thread>

#include "process/common.hpp"

using namespace tests;

namespace {

enum word : std::size_t { ready = 10, handled, finish, watched_pid, go, told, full, unswept, given_up };

struct Block {
  std::array<std::byte, 500> bytes{};
};
struct Nothing {};
struct Piece {
  troupe::payload body;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(body);
  }
};

struct Held : Piece {};  // handled when it may
struct Text {
  std::string body;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(body);
  }
};

struct Receiver : troupe::actor {
  void on_start() override { set(watched_pid, static_cast<std::uint64_t>(::getpid())); }
  void on(const Block&) {
    std::this_thread::sleep_for(200us);  // tidy: allow sleep, because a sender with a full lane falls asleep meanwhile
    add(handled);
  }
  void on(const Piece&) {
    std::this_thread::sleep_for(3ms);  // tidy: allow sleep, because a sender without outbox is to fall asleep over it
    add(handled);
  }
  void on(const Held& m) {
    EXPECT(eventually([] { return total(go) == 1; }, 30s));
    on(static_cast<const Piece&>(m));
  }
  void on(const Text&) { add(handled); }
  void on(Nothing) { add(handled); }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Block, Piece, Held, Text, Nothing, Pid>;
};

struct Begin {
  int burst = 0;  // blocks; 0: one message of nothing
};
struct Again {};

using blocks = troupe::handles<Block, Nothing>;

/// Passes on what it is told, in turns that cover up to four messages.
struct Relay : troupe::transactional {
  static constexpr int commit_every = 4;
  explicit Relay(troupe::actor_ref<Receiver> whom) : to(whom) {}
  void on(const Block& m) { to.tell(m); }
  void on(Nothing m) { to.tell(m); }
  using handles = blocks;

  troupe::actor_ref<Receiver> to;
};

/// Tells its receiver something again and again; between two times the receiver has fallen asleep.
struct Sender : troupe::actor {
  explicit Sender(troupe::ref<blocks> whom) : to(whom) {}
  void on(Begin m) {
    burst = m.burst;
    every(2ms, Again{});
  }
  void on(Again) {
    if (burst == 0) return to.tell(Nothing{});
    for (int i = 0; i < burst; ++i) to.tell(Block{});
  }
  using handles = troupe::handles<Begin, Again>;

  troupe::ref<blocks> to;
  int burst = 0;
};

/// Fills the 64 MiB of its outbox with pieces, and has then something to tell that needs the room of most of them.
struct Hoarder : troupe::actor {
  explicit Hoarder(troupe::actor_ref<Receiver> whom) : to(whom) {}
  void on(Begin) { every(2ms, Again{}); }
  void on(Again) {
    for (int i = 0; i < 8; ++i) to.tell(Piece{self().payload(8UL << 20)});
    to.tell(Piece{self().payload(40UL << 20)});
  }
  using handles = troupe::handles<Begin, Again>;

  troupe::actor_ref<Receiver> to;
};

/// Fills its outbox with pieces for two receivers, of which one stands still, and needs the room of the other's for a
/// third.
struct Divider : troupe::actor {
  using receiver = troupe::actor_ref<Receiver>;
  Divider(receiver stopped, receiver other, receiver third) : stuck(stopped), going(other), idle(third) {}
  void on(Begin) {
    for (const auto& each : {stuck, going, idle}) each.tell(Nothing{});
    set(told, 1);
    every(2ms, Again{});
  }
  void on(Again) {
    if (total(unswept) == 0 || total(full) == 1) return;
    for (int i = 0; i < 8; ++i) (i < 2 ? stuck : going).tell(Held{{self().payload(8UL << 20)}});
    set(full, 1);
    idle.tell(Text{std::string(1UL << 20, 't')}, 60s);
    idle.tell(Piece{self().payload(40UL << 20)});
  }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Begin, Again, Pid>;

  receiver stuck, going, idle;
};

/// Tells one message each time that it is let go.
struct Obedient : troupe::actor {
  explicit Obedient(troupe::actor_ref<Receiver> whom) : to(whom) {}
  void on(Begin) { every(2ms, Again{}); }
  void on(Again) {
    if (total(told) >= total(go)) return;
    to.tell(Nothing{});
    add(told);
  }
  using handles = troupe::handles<Begin, Again>;

  troupe::actor_ref<Receiver> to;
};

/// Two of its threads wait for room in the same lane, and one of them not for long.
struct TwoThreads : troupe::actor {
  explicit TwoThreads(troupe::actor_ref<Receiver> whom) : to(whom) {}
  void on(Begin) {
    to.tell(Block{});
    while (to.try_tell(Block{})) {
    }
    std::thread impatient([this] {
      EXPECT(eventually([] { return total(unswept) == 1; }, 30s));
      EXPECT_EQ(error_of([&] { to.tell(Block{}, 50ms); }).code(), troupe::errc::full);
      set(given_up, 1);
    });
    set(full, 1);
    to.tell(Block{}, 60s);
    add(told);
    impatient.join();
  }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Begin, Pid>;

  troupe::actor_ref<Receiver> to;
};

pid_t pid_watched() { return static_cast<pid_t>(total(watched_pid)); }

void no_longer_swept(const program& its) {
  REQUIRE(eventually([] { return total(ready) == 1; }, 30s));
  its.signal(SIGSTOP);
  REQUIRE(eventually([&] { return state_of(its.pid()) == 'T'; }));
  set(unswept, 1);
}

void swept_again(program& its) {
  its.signal(SIGCONT);
  set(finish, 1);
  CHECK_EQ(its.wait().exit_code, 0);
}

int until_finished() {
  set(ready, 1);
  EXPECT(eventually([] { return total(finish) == 1; }, 60s));
  return 0;
}

/// The messages keep coming while nobody sweeps.
template <class Teller>
void goes_on_unswept(int burst, std::uint64_t messages) {
  auto its = start_program<Receiver, Teller>(quiet(), [burst](troupe::system& sys) {
    const auto to = sys.spawn<Receiver>({.name = "receiver", .lane_bytes = 4096});
    const auto from = sys.spawn<Teller>({.name = "sender", .outbox_bytes = 0}, to);
    from.tell(Begin{burst});
    EXPECT(eventually([] { return total(handled) > 10; }));
    return until_finished();
  });
  no_longer_swept(*its);
  const auto before = total(handled);
  CHECK(eventually([&] { return total(handled) >= before + messages; }, 20s));
  swept_again(*its);
}

}  // namespace

TEST_CASE("each sleep of a receiver is ended by its sender, while the supervisor process stands still") {
  goes_on_unswept<Sender>(0, 200);
}

TEST_CASE("each sleep of a receiver is ended by a turn that told it, while the supervisor process stands still") {
  auto its = start_program<Receiver, Relay, Sender>(quiet(), [](troupe::system& sys) {
    const auto relay = sys.spawn<Relay>("relay", sys.spawn<Receiver>("receiver"));
    sys.spawn<Sender>("sender", relay).tell(Begin{});
    EXPECT(eventually([] { return total(handled) > 10; }));
    return until_finished();
  });
  no_longer_swept(*its);
  const auto before = total(handled);
  CHECK(eventually([&] { return total(handled) >= before + 200; }, 20s));
  swept_again(*its);
}

TEST_CASE("each wait for room is ended by the receiver, while the supervisor process stands still") {
  goes_on_unswept<Sender>(30, 1500);
}

TEST_CASE("each wait for outbox is ended by the receiver, piece by piece, while the supervisor process stands still") {
  goes_on_unswept<Hoarder>(0, 60);
}

TEST_CASE("a wait for outbox is ended by each who holds some of it, while the supervisor process stands still") {
  for (const bool first : {false, true}) {
    auto its = start_program<Receiver, Divider>(quiet(), [first](troupe::system& sys) {
      const auto one = sys.spawn<Receiver>("one"), other = sys.spawn<Receiver>("other"),
                 idle = sys.spawn<Receiver>("idle");
      const auto& stuck = first ? one : other;
      const auto from = sys.spawn<Divider>({.name = "sender", .outbox_bytes = 0}, stuck, first ? other : one, idle);
      set(watched_pid, static_cast<std::uint64_t>(pid_of(from)));
      from.tell(Begin{});
      EXPECT(eventually([] { return total(told) == 1 && total(handled) == 3; }));
      const pid_t stopped = freeze_asleep(sys, stuck);
      until_finished();
      ::kill(stopped, SIGCONT);
      return 0;
    });
    no_longer_swept(*its);
    REQUIRE(eventually([] { return total(full) == 1 && state_of(pid_watched()) == 'S'; }));
    set(go, 1);
    CHECK(eventually([] { return total(handled) == 3 + 6 + 2; }, 20s));
    swept_again(*its);
  }
}

TEST_CASE("a wait for room is ended by the receiver, also when another thread of the sender has given up its own") {
  auto its = start_program<Receiver, TwoThreads>(quiet(), [](troupe::system& sys) {
    const auto to = sys.spawn<Receiver>({.name = "receiver", .lane_bytes = 4096});
    const auto from = sys.spawn<TwoThreads>("sender", to);
    const pid_t sender = pid_of(from);
    freeze_asleep(sys, to);
    from.tell(Begin{});
    EXPECT(eventually([&] { return total(full) == 1 && state_of(sender) == 'S'; }));
    return until_finished();
  });
  no_longer_swept(*its);
  REQUIRE(eventually([] { return total(given_up) == 1; }));
  CHECK(total(told) == 0);
  ::kill(pid_watched(), SIGCONT);
  CHECK(eventually([] { return total(told) == 1; }, 20s));
  swept_again(*its);
}

TEST_CASE("the first sleep of a replacement is ended by who had rung for the last one of the process before it") {
  auto its = start_program<Receiver, Obedient>(quiet(), [](troupe::system& sys) {
    const auto to = sys.spawn<Receiver>("receiver");
    sys.spawn<Obedient>("sender", to).tell(Begin{});
    set(go, 1);
    EXPECT(eventually([] { return total(handled) == 1; }));
    const pid_t first = freeze_asleep(sys, to);
    set(go, 2);
    EXPECT(eventually([] { return total(told) == 2; }));
    crash(sys, to);
    EXPECT(eventually([&] { return total(handled) == 2 && pid_watched() != first && state_of(pid_watched()) == 'S'; }));
    return until_finished();
  });
  no_longer_swept(*its);
  set(go, 3);
  CHECK(eventually([] { return total(handled) == 3; }, 20s));
  swept_again(*its);
}
