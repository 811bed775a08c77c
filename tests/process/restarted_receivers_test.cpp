// A receiver that ends and is started again while a sender has not noticed, or could not take up its lane: what is told
// reaches that receiver and no other, once at most, and is never lost in silence.

#include <sys/resource.h>

#include <fstream>
#include <string>
#include <vector>

#include "process/common.hpp"

using namespace tests;

namespace {

enum word : std::size_t { are_busy = 10, go_on };

struct Item {
  std::uint32_t number;
};
struct Sync {};
struct Receiver : troupe::actor {
  void on(Item m) { note(self().name() + " " + std::to_string(m.number)); }
  int on(Sync) { return 1; }
  using handles = troupe::handles<Item, int(Sync)>;
};
using receiver = troupe::actor_ref<Receiver>;

struct Busy {
  std::uint64_t until;  ///< go_on says so
};
struct Send {
  std::uint32_t first, count;
  bool to_other;
};
struct Poor {};
struct Sender : troupe::actor {
  Sender(receiver one, receiver other) : one_(one), other_(other) {}
  int on(Sync) { return 1; }
  void on(Busy m) {
    add(are_busy);
    eventually([&] { return total(go_on) >= m.until; });
  }
  void on(Send m) {
    for (std::uint32_t number = m.first; number < m.first + m.count; ++number) send(number, m.to_other);
  }
  /// The receiver's pages cannot be mapped, and then they can.
  void on(Poor) {
    rlimit before{};
    ::getrlimit(RLIMIT_AS, &before);
    std::size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    const rlimit none_left{pages * 4096 + 64 * 1024, before.rlim_max};
    ::setrlimit(RLIMIT_AS, &none_left);
    send(1, false);
    ::setrlimit(RLIMIT_AS, &before);
    send(2, true);
    send(3, false);
  }
  using handles = troupe::handles<int(Sync), Busy, Send, Poor>;

 private:
  void send(std::uint32_t number, bool to_other) {
    try {
      (to_other ? other_ : one_).tell(Item{number});
    } catch (const troupe::error&) {
      note("refused " + std::to_string(number));
    }
  }
  receiver one_, other_;
};

std::size_t times(const std::string& what) {
  const auto all = notes();
  return static_cast<std::size_t>(std::count(all.begin(), all.end(), what));
}

/// Handled once by this one, or refused, or kept as a letter: one of them, and by nobody else.
void expect_once(troupe::system& sys, std::uint32_t number, const std::string& by) {
  std::size_t letters = 0;
  for (const auto& each : sys.dead_letters().list()) {
    letters += sys.dead_letters().read(each.number)->as<Item>().number == number ? 1U : 0U;
  }
  const std::string text = std::to_string(number);
  EXPECT_EQ(times(by + " " + text) + times("refused " + text) + letters, 1UL);
  EXPECT_EQ(times("one " + text) + times("other " + text), times(by + " " + text));
}

/// Both receivers have handled what they have, and the supervisor has looked at every lane.
void settle(const receiver& one, const receiver& other) {
  one.ask(Sync{}).get();
  other.ask(Sync{}).get();
  EXPECT(always([] { return true; }, 1500ms));
  one.ask(Sync{}).get();
  other.ask(Sync{}).get();
}

/// One of two receivers is ended and started again while both senders are busy. `at_once`: the first thing that a sender
/// does then is to tell it something.
void restarted_behind_their_backs(bool at_once) {
  in_program<Receiver, Sender>(quiet(10), [&](troupe::system& sys) {
    const auto one = sys.spawn<Receiver>("one"), other = sys.spawn<Receiver>("other");
    const auto from = sys.spawn<Sender>("from", one, other), later = sys.spawn<Sender>("later", one, other);
    for (const auto& each : {from, later}) {
      each.tell(Send{1, 1, false});
      each.ask(Sync{}).get();
    }
    from.tell(Busy{1});
    later.tell(Busy{2});  // so its slot is the next to be given away
    EXPECT(eventually([] { return total(are_busy) == 2; }));
    sys.root().terminate_child("one");
    sys.root().restart_child("one");
    if (at_once) from.tell(Send{100, 3, false});
    set(go_on, 1);
    from.ask(Sync{}).get();
    set(go_on, 2);
    later.ask(Sync{}).get();
    from.tell(Send{200, 3, false});
    from.tell(Send{300, 3, true});
    from.tell(Send{400, 3, false});
    from.ask(Sync{}).get();
    settle(one, other);
    for (const std::uint32_t first : {100U, 200U, 300U, 400U}) {
      if (first == 100 && !at_once) continue;
      for (std::uint32_t each = first; each < first + 3; ++each) expect_once(sys, each, first == 300 ? "other" : "one");
    }
    for (std::uint32_t each = 400; each < 403; ++each) EXPECT_EQ(times("one " + std::to_string(each)), 1UL);
  });
}

}  // namespace

TEST_CASE("what busy senders tell an actor that was ended and started again meanwhile goes to nobody else, nor twice") {
  restarted_behind_their_backs(true);
}

TEST_CASE("what senders tell later to an actor that was ended and started again goes to nobody else, nor twice") {
  restarted_behind_their_backs(false);
}

TEST_CASE("a receiver whose pages a sender could not map is reached at the next tell, and its lane is nobody else's" *
          not_sanitized) {
  in_program<Receiver, Sender>(quiet(10), [](troupe::system& sys) {
    const auto one = sys.spawn<Receiver>("one"), other = sys.spawn<Receiver>("other");
    const auto from = sys.spawn<Sender>("from", one, other);
    from.tell(Poor{});
    from.ask(Sync{}).get();
    settle(one, other);
    EXPECT_EQ(times("refused 1"), 1UL);
    EXPECT_EQ(times("other 2"), 1UL);
    EXPECT_EQ(times("one 3"), 1UL);
    EXPECT_EQ(notes().size(), 3UL);
  });
}

struct Whom {
  recorder to;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(to);
  }
};
struct Teller : troupe::actor {
  void on(const Whom& m) { to = m.to; }
  void on(Number m) { to.tell(m); }
  using handles = troupe::handles<Whom, Number>;
  recorder to;
};

TEST_CASE("a receiver with more senders than descriptors go to it at once is started again, and hears all of them") {
  in_program<Recorder, Teller>(quiet(10), [](troupe::system& sys) {
    auto to = sys.spawn<Recorder>("recorder");
    std::vector<troupe::actor_ref<Teller>> all;
    for (int i = 0; i < 24; ++i) {
      all.push_back(sys.spawn<Teller>("teller " + std::to_string(i)));
      all.back().tell(Whom{to});
      all.back().tell(Number{1});
    }
    EXPECT(eventually([&] { return to.ask(Numbers{}).get().size() == all.size(); }));
    crash(sys, to);
    for (const auto& each : all) each.tell(Number{2});
    EXPECT(eventually([&] { return to.ask(Numbers{}).get() == std::vector<int>(all.size(), 2); }));
  });
}
