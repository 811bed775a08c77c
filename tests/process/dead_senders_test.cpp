// Senders that die while their receiver is down or busy: what they told is there all the same, and others are not held up.

#include <string>

#include "process/common.hpp"

using namespace tests;

namespace {

enum word : std::size_t { holds = 10 };

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
struct Sender : troupe::actor {
  explicit Sender(receiver whom) : to(whom) {}
  int on(Send m) {
    for (int i = 0; i < m.count; ++i) to.tell(Number{m.first + i});
    return m.count;
  }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<int(Send), Pid>;
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
