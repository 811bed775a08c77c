// Wakes that are owed come from who owes them: while the supervisor process stands still, whose sweep would make up for a
// ring that was lost, sleepers are woken all the same.

#include <array>
#include <thread>

#include "process/common.hpp"

using namespace tests;

namespace {

enum word : std::size_t { ready = 10, handled, finish };

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

struct Receiver : troupe::actor {
  void on(const Block&) {
    std::this_thread::sleep_for(200us);  // tidy: allow sleep, because a sender with a full lane is to fall asleep over it
    add(handled);
  }
  void on(const Piece&) {
    std::this_thread::sleep_for(3ms);  // tidy: allow sleep, because a sender without outbox is to fall asleep over it
    add(handled);
  }
  void on(Nothing) { add(handled); }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Block, Piece, Nothing, Pid>;
};

struct Begin {
  int burst = 0;  // blocks; 0: one message of nothing
};
struct Again {};

/// Tells its receiver something again and again; between two times the receiver has fallen asleep.
struct Sender : troupe::actor {
  explicit Sender(troupe::actor_ref<Receiver> whom) : to(whom) {}
  void on(Begin m) {
    burst = m.burst;
    every(2ms, Again{});
  }
  void on(Again) {
    if (burst == 0) return to.tell(Nothing{});
    for (int i = 0; i < burst; ++i) to.tell(Block{});
  }
  using handles = troupe::handles<Begin, Again>;

  troupe::actor_ref<Receiver> to;
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

/// The messages keep coming while nobody sweeps.
template <class Teller>
void goes_on_unswept(int burst, std::uint64_t messages) {
  auto its = start_program<Receiver, Teller>(quiet(), [burst](troupe::system& sys) {
    const auto to = sys.spawn<Receiver>({.name = "receiver", .lane_bytes = 4096});
    const auto from = sys.spawn<Teller>({.name = "sender", .outbox_bytes = 0}, to);
    from.tell(Begin{burst});
    EXPECT(eventually([] { return total(handled) > 10; }));
    set(ready, 1);
    EXPECT(eventually([] { return total(finish) == 1; }, 60s));
    return 0;
  });
  REQUIRE(eventually([] { return total(ready) == 1; }, 30s));
  its->signal(SIGSTOP);
  const auto before = total(handled);
  CHECK(eventually([&] { return total(handled) >= before + messages; }, 20s));
  its->signal(SIGCONT);
  set(finish, 1);
  CHECK_EQ(its->wait().exit_code, 0);
}

}  // namespace

TEST_CASE("each sleep of a receiver is ended by its sender, while the supervisor process stands still") {
  goes_on_unswept<Sender>(0, 200);
}

TEST_CASE("each wait for room is ended by the receiver, while the supervisor process stands still") {
  goes_on_unswept<Sender>(30, 1500);
}

TEST_CASE("each wait for outbox is ended by the receiver, piece by piece, while the supervisor process stands still") {
  goes_on_unswept<Hoarder>(0, 60);
}
