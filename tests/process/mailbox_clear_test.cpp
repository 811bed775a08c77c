#include <algorithm>

#include "process/common.hpp"

using namespace tests;

namespace {

using reason = troupe::dead_letter::reason;

troupe::child_spec cleared(const char* name) {
  return {.name = name, .mailbox = troupe::mailbox::clear, .lane_bytes = 4096};
}

/// What the numbers in the letters are, in the order in which they were kept.
std::vector<int> numbers_in_letters(troupe::system& sys, const recorder& to) {
  std::vector<int> numbers;
  for (const auto& each : sys.dead_letters().list(to)) {
    EXPECT(each.why == reason::cleared);
    numbers.push_back(sys.dead_letters().read(each.number)->as<Number>().value);
  }
  return numbers;
}

/// Kills it and waits until its mailbox has been cleared.
void kill_and_clear(troupe::system& sys, const recorder& one) {
  const auto restarts = sys.count().restarts;
  sys.send_signal(one, SIGKILL);
  EXPECT(eventually([&] { return sys.count().restarts > restarts; }));
}

TEST_CASE("what was told before a restart becomes dead letters, what is told after it is handled, both in order") {
  in_program<Recorder>(quiet(10), [](troupe::system& sys) {
    auto one = sys.spawn<Recorder>(cleared("one"));
    const pid_t first = freeze_asleep(sys, one);
    for (int i = 1; i <= 20; ++i) one.tell(Number{i});
    kill_and_clear(sys, one);
    EXPECT_EQ(sys.count().dead_letters, 20UL);
    EXPECT(pid_of(one) != first);
    for (int i = 21; i <= 40; ++i) one.tell(Number{i});
    EXPECT_EQ(one.ask(Numbers{}).get(), range(21, 40));
    EXPECT_EQ(numbers_in_letters(sys, one), range(1, 20));
    EXPECT(sys.dead_letters().list(one).at(0).text.find("its mailbox is cleared") != std::string::npos);
    EXPECT(sys.dead_letters().replay(1));
    EXPECT_EQ(one.ask(Numbers{}).get().back(), 1);
  });
}

TEST_CASE("while a receiver is killed again and again, what it was told is handled or a letter, each once, in order") {
  in_program<Recorder>(quiet(1000), [](troupe::system& sys) {
    constexpr int rounds = 20, each = 60;
    auto one = sys.spawn<Recorder>(cleared("one"));
    std::vector<int> handled;
    int last = 0;
    for (int round = 0; round < rounds; ++round) {
      const auto restarts = sys.count().restarts;
      for (int i = 0; i < each; ++i) {
        one.tell(Number{++last}, 30s);
        if (i == each / 2) sys.send_signal(one, SIGKILL);
      }
      EXPECT(eventually([&] { return sys.count().restarts > restarts; }));
      // What the last life has handled is the end of what was told: nothing behind a handled message is cleared.
      const auto now = one.ask(Numbers{}).get();
      if (!now.empty()) EXPECT_EQ(now, range(now.front(), last));
    }
    const auto letters = numbers_in_letters(sys, one);
    EXPECT(std::is_sorted(letters.begin(), letters.end()));
    EXPECT(std::adjacent_find(letters.begin(), letters.end()) == letters.end());
  });
}

struct Ask {
  int which;
};
struct AskAgain {
  static constexpr auto delivery = troupe::redeliver{5};
};
struct Slow : troupe::actor {
  int on(Ask m) {
    note("asked " + std::to_string(m.which));
    if (m.which == 1) static_cast<void>(::pause());
    return m.which;
  }
  int on(AskAgain) {
    note("asked again");
    static_cast<void>(::pause());
    return 0;
  }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Ask, AskAgain, Pid>;
};

TEST_CASE("asks that wait are answered at once: not started, mailbox cleared; the one in hand has an unknown outcome") {
  in_program<Slow>(quiet(10), [](troupe::system& sys) {
    auto one = sys.spawn<Slow>(cleared("one"));
    auto first = one.ask(Ask{1}, 60s);
    auto second = one.ask(Ask{2}, 60s);
    auto third = one.ask(Ask{3}, 60s);
    EXPECT(eventually([] { return noted("asked 1"); }));
    sys.send_signal(one, SIGKILL);
    EXPECT_EQ(error_of([&] { return first.get(); }).code(), troupe::errc::outcome_unknown);
    for (auto* each : {&second, &third}) {
      const auto how = error_of([&] { return each->get(); });
      EXPECT_EQ(how.code(), troupe::errc::closed);
      EXPECT(how.text().find("before it had started") != std::string::npos);
      EXPECT(how.text().find("its mailbox has been cleared") != std::string::npos);
    }
    EXPECT_EQ(one.ask(Ask{4}).get(), 4);
    EXPECT(!noted("asked 2"));
    EXPECT_EQ(sys.count().dead_letters, 0UL);
  });
}

TEST_CASE("a request in hand that would be handled again is cleared, too: its outcome is unknown") {
  in_program<Slow>(quiet(10), [](troupe::system& sys) {
    auto one = sys.spawn<Slow>(cleared("one"));
    auto answer = one.ask(AskAgain{}, 60s);
    EXPECT(eventually([] { return noted("asked again"); }));
    sys.send_signal(one, SIGKILL);
    EXPECT_EQ(error_of([&] { return answer.get(); }).code(), troupe::errc::outcome_unknown);
    EXPECT(pid_of(one) > 0);
    EXPECT_EQ(notes().size(), 1UL);
  });
}

struct Begin {
  recorder to;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(to);
  }
};
struct Turner : troupe::transactional {
  void on(const Begin& m) {
    for (int i = 1; i <= 3; ++i) m.to.tell(Number{i});
    note("told");
    while (!noted("go on")) {
    }
  }
  using handles = troupe::handles<Begin>;
};

TEST_CASE("what a turn has told that is not committed yet is not cleared: it comes with the commit") {
  in_program<Recorder, Turner>(quiet(10), [](troupe::system& sys) {
    auto one = sys.spawn<Recorder>(cleared("one"));
    auto turner = sys.spawn<Turner>("turner");
    turner.tell(Begin{one});
    EXPECT(eventually([] { return noted("told"); }));
    freeze_asleep(sys, one);
    one.tell(Number{9});
    kill_and_clear(sys, one);
    EXPECT(pid_of(one) > 0);
    note("go on");
    EXPECT(eventually([&] { return one.ask(Numbers{}).get() == range(1, 3); }));
    EXPECT_EQ(numbers_in_letters(sys, one), (std::vector<int>{9}));
  });
}

TEST_CASE("who waits for room in a mailbox goes on when it is cleared") {
  in_program<Recorder>(quiet(10), [](troupe::system& sys) {
    auto one = sys.spawn<Recorder>(cleared("one"));
    freeze_asleep(sys, one);
    int told = 0;
    while (one.try_tell(Number{told + 1}).has_value()) ++told;
    EXPECT(told > 10);
    sys.send_signal(one, SIGKILL);
    one.tell(Number{told + 1}, 30s);
    EXPECT_EQ(one.ask(Numbers{}).get(), range(told + 1, told + 1));
    EXPECT_EQ(numbers_in_letters(sys, one), range(1, told));
  });
}

struct Poison {};
struct Frail : troupe::actor {
  void on(Poison) { std::abort(); }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Poison, Pid>;
};

TEST_CASE("a message that kills a receiver whose mailbox is cleared has no further attempt, so its death counts") {
  auto running = start_program<Frail>(quiet(2), [](troupe::system& sys) {
    auto one = sys.spawn<Frail>(cleared("one"));
    for (std::uint64_t i = 1; i <= 2; ++i) {
      one.tell(Poison{});
      EXPECT(eventually([&] { return sys.count().dead_letters == i; }));
      const auto letter = sys.dead_letters().list(one).back();
      EXPECT(letter.why == reason::cleared);
      EXPECT_EQ(letter.attempts, 1U);
      EXPECT_EQ(letter.deaths.size(), 1UL);
      EXPECT(pid_of(one) > 0);
    }
    one.tell(Poison{});
    sys.wait();
    return 0;
  });
  CHECK(running->wait().exit_code == 70);
}

}  // namespace
