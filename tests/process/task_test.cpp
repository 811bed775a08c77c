#include <poll.h>

#include "process/common.hpp"

using namespace tests;

namespace {

struct Square {
  int value;
};
struct Nap {
  int milliseconds;
};
using shop = troupe::handles<int(Square), int(Nap), Number>;

/// Answers after a while, or not at all.
struct Clerk : troupe::actor {
  int on(Square m) {
    add(0);
    return m.value * m.value;
  }
  int on(Nap m) {
    add(1);
    ::poll(nullptr, 0, m.milliseconds);
    return m.milliseconds;
  }
  void on(Number m) { told = m.value; }
  int on(Numbers) { return told; }
  int on(Pid) { return ::getpid(); }
  void on(Abort) { std::abort(); }
  using handles = troupe::handles<Square, Nap, Number, Numbers, Pid, Abort>;
  int told = 0;
};
using clerk = troupe::actor_ref<Clerk>;

struct Order {
  clerk first, second;
  int value = 0;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(first, second, value);
  }
};
struct Sum : Order {};      // two asks under way at once
struct Chain : Order {};    // tasks of tasks
struct Many : Order {};     // all(): chains side by side
struct Failing : Order {};  // an ask that fails inside
struct Refuse : Order {};   // troupe::fail
struct Escape : Order {};   // an exception escapes
struct Deferring : Order {};
struct Quiet : Order {};  // task<void>
struct Poke : Order {};   // asks, and dies with its answer in hand
struct Rest {
  int milliseconds;
};
struct Twice {};
struct Tick {};
struct Ticks {};
struct AskTicking : Order {};

struct Desk : troupe::actor {
  troupe::task<int> on(Sum m) {
    auto a = m.first.ask(Square{m.value});
    auto b = m.second.ask(Square{m.value + 1});
    const int one = co_await a;
    co_return one + co_await b;
  }
  // By reference: the message lives until the coroutine has ended.
  troupe::task<std::string> on(const Chain& m) {
    const int once = co_await square(m.first, m.value);
    const int again = co_await square(m.second, once);
    co_return std::to_string(again) + " in attempt " + std::to_string(self().attempt());
  }
  troupe::task<std::vector<int>> on(const Many& m) {
    std::vector<troupe::task<int>> tasks;
    for (int i = 0; i < m.value; ++i) tasks.push_back(twice_squared(m.first, m.second, i));
    co_return co_await troupe::all(std::move(tasks));
  }
  troupe::task<std::string> on(Failing m) {
    std::vector<troupe::task<int>> tasks;
    tasks.push_back(patiently(m.second, m.value));
    tasks.push_back(square(m.second, 3));
    std::string text;
    try {
      static_cast<void>(co_await troupe::all(std::move(tasks)));
    } catch (const troupe::error& e) {
      text = troupe::name(e.code());
    }
    co_return text + " " + std::to_string(co_await m.first.ask(Square{4}));
  }
  troupe::task<troupe::result<int>> on(Refuse m) {
    const int value = co_await m.first.ask(Square{m.value});
    if (value > 10) co_return troupe::fail(std::to_string(value) + " is too much");
    co_return value;
  }
  troupe::task<int> on(Escape m) {
    const int value = co_await m.first.ask(Square{m.value});
    throw std::runtime_error("escaped with " + std::to_string(value));
  }
  troupe::task<troupe::deferred<int>> on(Deferring m) {
    const int value = co_await m.first.ask(Square{m.value});
    auto later = self().defer<int>();
    later.reply(value + 1);
    co_return later;
  }
  troupe::task<> on(Quiet m) {
    m.first.tell(Number{m.value});
    note("told " + std::to_string(co_await m.first.ask(Numbers{})));
  }
  troupe::task<> on(const Poke& m) {
    static_cast<void>(co_await m.first.ask(Square{m.value}));
    note("attempt " + std::to_string(self().attempt()));
    if (self().attempt() < 3) std::abort();
  }
  troupe::task<std::string> on(Rest m) {
    const auto before = std::chrono::steady_clock::now();
    co_await troupe::sleep_for(std::chrono::milliseconds(m.milliseconds));
    co_return std::chrono::steady_clock::now() - before >= std::chrono::milliseconds(m.milliseconds) ? "slept"
                                                                                                     : "woke early";
  }
  troupe::task<std::string> on(Twice) {
    auto once = nothing();
    co_await once;
    std::string text;
    try {
      co_await once;
    } catch (const troupe::error& e) {
      text = e.text();
    }
    co_return text;
  }
  void on(Tick) { ++ticks; }
  int on(Ticks) { return ticks; }
  /// How many ticks came while it waited for answers.
  troupe::task<int> on(AskTicking m) {
    const int before = ticks;
    after(1ms, Tick{});
    self().ref<Desk>().tell(Tick{});
    m.first.ask(Square{1}).then([this](const troupe::expected<int>&) { ++ticks; });
    for (int i = 0; i < 3; ++i) static_cast<void>(co_await m.first.ask(Nap{m.value}));
    co_return ticks - before;
  }
  using handles = troupe::handles<int(Sum), Chain, Many, Failing, int(Refuse), Escape, int(Deferring), Quiet, Poke,
                                  Rest, Twice, Tick, Ticks, AskTicking>;

 private:
  static troupe::task<int> square(clerk whom, int value) { co_return co_await whom.ask(Square{value}); }
  static troupe::task<int> patiently(clerk whom, int milliseconds) {
    co_return co_await whom.ask(Nap{milliseconds}, 50ms);
  }
  static troupe::task<int> twice_squared(clerk one, clerk other, int value) {
    co_return co_await other.ask(Square{co_await square(one, value)});
  }
  static troupe::task<> nothing() { co_return; }
  int ticks = 0;
};
using desk = troupe::actor_ref<Desk>;

struct Shop {
  explicit Shop(troupe::system& sys)
      : first(sys.spawn<Clerk>("first")), second(sys.spawn<Clerk>("second")), middle(sys.spawn<Desk>("desk")) {}
  template <class M>
  M order(int value) const {
    M made;
    made.first = first;
    made.second = second;
    made.value = value;
    return made;
  }
  clerk first, second;
  desk middle;
};

TEST_CASE("a handler awaits answers, its own tasks, and replies when it has ended") {
  in_program<Clerk, Desk>([](troupe::system& sys) {
    const Shop shop(sys);
    EXPECT_EQ(shop.middle.ask(shop.order<Sum>(3)).get(), 9 + 16);
    EXPECT_EQ(shop.middle.ask(shop.order<Chain>(3)).get(), std::string("81 in attempt 1"));
    EXPECT_EQ(shop.middle.ask(shop.order<Deferring>(5)).get(), 26);
    shop.middle.ask(shop.order<Quiet>(7)).get();
    EXPECT(noted("told 7"));
    EXPECT_EQ(shop.middle.ask(Rest{20}).get(), std::string("slept"));
    EXPECT(shop.middle.ask(Twice{}).get().find("a task runs once") != std::string::npos);
  });
}

TEST_CASE("asks are sent when they are made: two callees work for one handler at the same time") {
  in_program<Clerk, Desk>([](troupe::system& sys) {
    const Shop shop(sys);
    const pid_t pid = freeze(sys, shop.first);
    auto sum = shop.middle.ask(shop.order<Sum>(1));
    EXPECT(eventually([] { return total(0) == 1; }));  // the second has answered, though nobody awaits it yet
    ::kill(pid, SIGCONT);
    EXPECT_EQ(sum.get(), 1 + 4);
  });
}

TEST_CASE("tasks run side by side: while one waits for a callee that stands still, the others go on") {
  in_program<Clerk, Desk>([](troupe::system& sys) {
    const Shop shop(sys);
    std::vector<int> expected;
    for (int i = 0; i < 100; ++i) expected.push_back(i * i * i * i);
    EXPECT_EQ(shop.middle.ask(shop.order<Many>(100)).get(), expected);
    EXPECT_EQ(shop.middle.ask(shop.order<Many>(0)).get(), std::vector<int>{});
    set(0, 0);
    const pid_t pid = freeze(sys, shop.second);
    auto many = shop.middle.ask(shop.order<Many>(5));
    EXPECT(eventually([] { return total(0) == 5; }));  // all five chains have done their first step
    ::kill(pid, SIGCONT);
    EXPECT_EQ(many.get(), (std::vector<int>{0, 1, 16, 81, 256}));
  });
}

TEST_CASE("an ask that fails throws where it is awaited, and the coroutine goes on") {
  in_program<Clerk, Desk>([](troupe::system& sys) {
    const Shop shop(sys);
    EXPECT_EQ(shop.middle.ask(shop.order<Failing>(300)).get(), std::string("timeout 16"));
    EXPECT_EQ(shop.middle.ask(shop.order<Refuse>(3)).get(), 9);
    const auto failed = error_of([&] { return shop.middle.ask(shop.order<Refuse>(5)).get(); });
    EXPECT_EQ(failed.code(), troupe::errc::failed);
    EXPECT_EQ(failed.text(), std::string("25 is too much"));
    sys.stop(shop.first);
    EXPECT_EQ(error_of([&] { return shop.middle.ask(shop.order<Escape>(5)).get(); }).code(),
              troupe::errc::outcome_unknown);
  });
}

TEST_CASE("an exception that escapes the coroutine ends the worker, as one that escapes a handler") {
  const auto ended = in_program<Clerk, Desk>(logged(), [](troupe::system& sys) {
    const Shop shop(sys);
    const auto unknown = error_of([&] { return shop.middle.ask(shop.order<Escape>(3)).get(); });
    EXPECT_EQ(unknown.code(), troupe::errc::outcome_unknown);
    EXPECT(unknown.text().find("escaped with 9") != std::string::npos);
    EXPECT_EQ(shop.middle.ask(shop.order<Sum>(3)).get(), 25);
  });
  CHECK(ended.log.find("escaped with 9") != std::string::npos);
}

TEST_CASE("while a coroutine waits no other message, timer or callback comes between") {
  in_program<Clerk, Desk>([](troupe::system& sys) {
    const Shop shop(sys);
    auto ticking = shop.middle.ask(shop.order<AskTicking>(50));
    for (int i = 0; i < 5; ++i) shop.middle.tell(Tick{});
    EXPECT_EQ(ticking.get(), 0);
    EXPECT(eventually([&] { return shop.middle.ask(Ticks{}).get() == 5 + 3; }));
  });
}

TEST_CASE("a message whose coroutine died is in flight: it is handled again") {
  in_program<Clerk, Desk>(quiet(5), [](troupe::system& sys) {
    const Shop shop(sys);
    shop.middle.tell(shop.order<Poke>(2));
    shop.middle.tell(Tick{});
    EXPECT(eventually([] { return noted("attempt 3"); }));
    EXPECT_EQ(notes(), (std::vector<std::string>{"attempt 1", "attempt 2", "attempt 3"}));
    EXPECT_EQ(shop.middle.ask(Ticks{}).get(), 1);
  });
}

TEST_CASE("a stop ends the waits of a coroutine, and the worker ends in order") {
  const auto ended = in_program<Clerk, Desk>(logged(), [](troupe::system& sys) {
    const Shop shop(sys);
    auto rest = shop.middle.ask(Rest{60'000}, 60s);
    EXPECT(always([&] { return sys.count().workers == 3; }, 50ms));
    sys.stop(shop.middle);
    EXPECT_EQ(error_of([&] { return rest.get(); }).code(), troupe::errc::outcome_unknown);

    auto other = sys.spawn<Desk>("other");
    const pid_t pid = freeze(sys, shop.first);
    auto sum = other.ask(shop.order<Sum>(1), 60s);
    EXPECT(eventually([] { return total(0) == 1; }));
    sys.stop(other);
    EXPECT_EQ(error_of([&] { return sum.get(); }).code(), troupe::errc::outcome_unknown);
    EXPECT_EQ(sys.count().deaths, 0UL);
    ::kill(pid, SIGCONT);
  });
  CHECK(ended.log.find("did not stop") == std::string::npos);  // none had to be killed
}

TEST_CASE("main runs tasks, too") {
  in_program<Clerk, Desk>([](troupe::system& sys) {
    const Shop shop(sys);
    const auto both = [](clerk one, clerk other) -> troupe::task<int> {
      auto a = one.ask(Nap{20});
      co_await troupe::sleep_for(1ms);
      co_return co_await other.ask(Square{3}) + co_await a;
    };
    EXPECT_EQ(both(shop.first, shop.second).get(), 29);
    auto once = both(shop.first, shop.second);
    EXPECT_EQ(once.get(), 29);
    EXPECT_EQ(error_of([&] { return once.get(); }).code(), troupe::errc::not_allowed);
  });
}

TEST_CASE("what a callback throws while main's task waits ends the wait, and is no news to the task") {
  in_program<Clerk>([](troupe::system& sys) {
    auto clerk = sys.spawn<Clerk>("clerk");
    bool told = false;
    const auto sleeper = [&]() -> troupe::task<> {
      try {
        co_await troupe::sleep_for(60s);
      } catch (const troupe::error&) {
        told = true;
      }
    };
    clerk.ask(Square{1}).then([](const troupe::expected<int>&) { throw troupe::error(troupe::errc::closed, "thrown"); });
    const auto thrown = error_of([&] {
      sleeper().get();
      return 0;
    });
    EXPECT_EQ(thrown.text(), std::string("thrown"));
    EXPECT(!told);
  });
}

struct Run {};
struct InTurn : troupe::transactional {
  std::string on(Run) {
    const auto work = []() -> troupe::task<> { co_await troupe::sleep_for(1ms); };
    return error_of([&] {
             work().get();
             return 0;
           })
        .what();
  }
  using handles = troupe::handles<Run>;
};

TEST_CASE("a task inside a turn is refused, and the sentence says what to do") {
  in_program<InTurn>([](troupe::system& sys) {
    const auto text = sys.spawn<InTurn>("in turn").ask(Run{}).get();
    EXPECT(text.find("not_allowed") != std::string::npos);
    EXPECT(text.find("a task cannot run inside a turn") != std::string::npos);
  });
}

}  // namespace
