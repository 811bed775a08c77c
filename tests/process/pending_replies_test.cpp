// Replies that their asker has not taken in: they wait in its pipe, behind that in the callee, and are for nobody else.

#include <utility>
#include <vector>

#include "process/common.hpp"

using namespace tests;

namespace {

enum word : std::size_t { answered = 10, asked, right, go, lives };

struct Square {
  int value;
};
struct Later {
  int value;
};
struct Answer {};

struct Callee : troupe::actor {
  int on(Square m) {
    add(answered);
    return m.value * m.value;
  }
  troupe::deferred<int> on(Later m) {
    waiting.emplace_back(self().defer<int>(), m.value);
    return waiting.back().first;
  }
  /// In the order in which they were asked.
  int on(Answer) {
    for (auto& [to, value] : waiting) to.reply(value);
    return static_cast<int>(waiting.size());
  }
  std::size_t on(Numbers) { return waiting.size(); }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Square, Later, Answer, std::size_t(Numbers), Pid>;
  std::vector<std::pair<troupe::deferred<int>, int>> waiting;
};

struct Begin {
  bool later = false;  // the callee is asked for what it answers when it is told to
};

constexpr int many = 20'000;  // answers that fill a pipe of 64 KiB again and again

/// Asks all at once, and takes nothing in before it may.
struct Hasty : troupe::actor {
  explicit Hasty(troupe::actor_ref<Callee> whom) : to(whom) {}
  void on(Begin m) {
    for (int i = 0; i < many; ++i) {
      const auto got_it = [](int what) {
        return [what](const troupe::expected<int>& got) { add(right, got && *got == what); };
      };
      m.later ? to.ask(Later{i}, 60s).then(got_it(i)) : to.ask(Square{i}, 60s).then(got_it(i * i));
    }
    set(asked, 1);
    EXPECT(eventually([] { return total(go) == 1; }, 30s));
  }
  using handles = troupe::handles<Begin>;

  troupe::actor_ref<Callee> to;
};

/// Asks once in each of its lives: the first request of each process.
struct Reborn : troupe::actor {
  explicit Reborn(troupe::actor_ref<Callee> whom) : to(whom) {}
  void on(Begin) {
    to.ask(Later{static_cast<int>(add(lives))}, 60s).then([](const troupe::expected<int>& got) {
      note("got " + std::to_string(got.value_or(-1)));
    });
  }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Begin, Pid>;

  troupe::actor_ref<Callee> to;
};

}  // namespace

TEST_CASE("who takes no replies in holds up its own requests only, and gets all its answers in the end") {
  in_program<Callee, Hasty>([](troupe::system& sys) {
    auto callee = sys.spawn<Callee>({.name = "callee", .lane_bytes = 2 << 20});
    const pid_t pid = pid_of(callee);
    sys.spawn<Hasty>("hasty", callee).tell(Begin{});
    EXPECT(eventually([&] { return total(asked) == 1 && state_of(pid) == 'S'; }));
    EXPECT_EQ(callee.ask(Square{3}).get(), 9);
    EXPECT(always([] { return total(answered) < many; }, 50ms));
    set(go, 1);
    EXPECT(eventually([] { return total(right) == many; }, 20s));
  });
}

TEST_CASE("replies that are given all at once, more than their asker's pipe holds, arrive all") {
  in_program<Callee, Hasty>([](troupe::system& sys) {
    auto callee = sys.spawn<Callee>({.name = "callee", .lane_bytes = 2 << 20});
    sys.spawn<Hasty>("hasty", callee).tell(Begin{true});
    EXPECT(eventually([&] { return callee.ask(Numbers{}).get() == static_cast<std::size_t>(many); }));
    EXPECT_EQ(callee.ask(Answer{}).get(), many);
    set(go, 1);
    EXPECT(eventually([] { return total(right) == many; }, 20s));
  });
}

TEST_CASE("a reply that a dead asker waited for is not its successor's") {
  in_program<Callee, Reborn>(quiet(10), [](troupe::system& sys) {
    auto callee = sys.spawn<Callee>("callee");
    auto asker = sys.spawn<Reborn>("asker", callee);
    asker.tell(Begin{});
    EXPECT(eventually([&] { return callee.ask(Numbers{}).get() == 1UL; }));
    crash(sys, asker);
    EXPECT(pid_of(asker) > 0);
    asker.tell(Begin{});
    EXPECT(eventually([&] { return callee.ask(Numbers{}).get() == 2UL; }));
    EXPECT_EQ(callee.ask(Answer{}).get(), 2);
    EXPECT(eventually([] { return !notes().empty(); }));
    EXPECT_EQ(notes(), std::vector<std::string>{"got 2"});
  });
}
