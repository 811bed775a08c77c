// Senders that die while their receiver is down or busy: what they told is there all the same, and others are not held up.

#include <string>

#include "process/common.hpp"

using namespace tests;

namespace {

enum word : std::size_t { holds = 10, tries };

struct Hold {};
struct Receiver : troupe::actor {
  void on(Number m) { note(std::to_string(m.value)); }
  int on(Hold) {
    set(holds, 1);
    for (;;) ::pause();
  }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Number, Hold, Pid>;
};
using receiver = troupe::actor_ref<Receiver>;

struct Send {
  int first, count;
};
struct Try {};
struct Sender : troupe::actor {
  explicit Sender(receiver whom) : to(whom) {}
  int on(Send m) {
    for (int i = 0; i < m.count; ++i) to.tell(Number{m.first + i});
    return m.count;
  }
  /// What becomes of a tell that waits for as long as it takes.
  int on(Try) {
    add(tries);
    try {
      to.tell(Number{9}, 600s);
    } catch (const troupe::error& e) {
      return static_cast<int>(e.code());
    }
    return -1;
  }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<int(Send), int(Try), Pid>;
  receiver to;
};

}  // namespace

TEST_CASE("what a sender told that died while its receiver was down is handled when that one runs again") {
  in_program<Receiver, Sender>(quiet(10), [](troupe::system& sys) {
    const auto to = sys.spawn<Receiver>({.name = "receiver", .backoff = {.first = 500ms}});
    const auto from = sys.spawn<Sender>({.name = "sender", .restart = troupe::restart::temporary}, to);
    from.ask(Send{1, 1}).get();
    EXPECT(eventually([] { return notes().size() == 1; }));
    crash(sys, to);
    EXPECT_EQ(from.ask(Send{2, 5}).get(), 5);
    crash(sys, from);
    EXPECT(eventually([] { return notes().size() == 6; }));
    for (int each = 1; each <= 6; ++each) EXPECT_EQ(notes().at(static_cast<std::size_t>(each - 1)), std::to_string(each));
    EXPECT(sys.dead_letters().list().empty());
  });
}

TEST_CASE("who waits for a callee that dies hears of it, also behind the lane of a sender that died before") {
  in_program<Receiver, Sender>(quiet(10), [](troupe::system& sys) {
    const auto to = sys.spawn<Receiver>("receiver");
    const auto from = sys.spawn<Sender>({.name = "sender", .restart = troupe::restart::temporary}, to);
    from.ask(Send{1, 1}).get();  // so its lane is the first
    auto asked = to.ask(Hold{}, 600s);
    EXPECT(eventually([] { return total(holds) == 1; }));
    from.ask(Send{2, 2}).get();
    crash(sys, from);
    sys.send_signal(to, SIGKILL);
    EXPECT_EQ(error_of([&] { asked.get(); }).code(), troupe::errc::outcome_unknown);
    EXPECT(eventually([] { return notes().size() == 3; }));
  });
}

TEST_CASE("who waits for a lane, since too many of the processes before it have left theirs, hears of the receiver's end") {
  in_program<Receiver, Sender>(quiet(20), [](troupe::system& sys) {
    const auto to = sys.spawn<Receiver>({.name = "receiver", .shutdown = troupe::shutdown::brutal_kill()});
    const auto from = sys.spawn<Sender>("sender", to);
    freeze(sys, to);
    for (int life = 0; life < 8; ++life) {
      from.ask(Send{life, 1}).get();
      crash(sys, from);
    }
    auto tried = from.ask(Try{}, 600s);
    EXPECT(eventually([] { return total(tries) == 1; }));
    EXPECT(always([] { return true; }, 50ms));  // it waits by now, or comes too late: closed all the same
    sys.stop(to);
    EXPECT_EQ(tried.get(), static_cast<int>(troupe::errc::closed));
    EXPECT(eventually([&] { return sys.count().dead_letters == 8; }));
  });
}
