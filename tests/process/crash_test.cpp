#include <algorithm>
#include <random>
#include <set>

#include "process/common.hpp"

using namespace tests;

namespace {

/// Kills its handler each time it is handled.
struct Poison {};
/// Kills its handler until this attempt.
struct Stubborn {
  unsigned until;
};
struct DropPoison {
  static constexpr auto delivery = troupe::drop{};
};
struct Retried {
  unsigned until;
  static constexpr auto delivery = troupe::redeliver{10};
};

struct Victim : troupe::actor {
  void on(Poison) {
    note("attempt " + std::to_string(self().attempt()));
    ::raise(SIGKILL);
  }
  void on(DropPoison) {
    note("drop attempt " + std::to_string(self().attempt()));
    ::raise(SIGKILL);
  }
  void on(Stubborn m) {
    if (self().attempt() < m.until) ::raise(SIGKILL);
    note("handled at attempt " + std::to_string(self().attempt()));
  }
  int on(Retried m) {
    if (self().attempt() < m.until) ::raise(SIGKILL);
    return static_cast<int>(self().attempt());
  }
  void on(Number m) { note("number " + std::to_string(m.value) + (self().attempt() > 1 ? " again" : "")); }
  int on(Pid) { return ::getpid(); }
  void on(Abort) { std::abort(); }
  void on(const Throw& m) { throw std::runtime_error(m.text); }
  using handles = troupe::handles<Poison, DropPoison, Stubborn, Retried, Number, Pid, Abort, Throw>;
};
using victim = troupe::actor_ref<Victim>;

TEST_CASE("an ask during which the callee dies ends at once: outcome unknown, and how it died") {
  in_program<Victim>(quiet(100), [](troupe::system& sys) {
    auto one = sys.spawn<Victim>("one");
    const auto aborted = error_of([&] { one.ask(Abort{}, 60s).get(); });
    EXPECT_EQ(aborted.code(), troupe::errc::outcome_unknown);
    EXPECT(aborted.text().find("SIGABRT") != std::string::npos);
    const auto thrown = error_of([&] { one.ask(Throw{"its words"}, 60s).get(); });
    EXPECT_EQ(thrown.code(), troupe::errc::outcome_unknown);
    EXPECT(thrown.text().find("its words") != std::string::npos);
    EXPECT(pid_of(one) > 0);
  });
}

TEST_CASE("asks that were not started when the callee died are answered by its replacement") {
  in_program<Victim>(quiet(100), [](troupe::system& sys) {
    auto one = sys.spawn<Victim>("one");
    for (int round = 0; round < 10; ++round) {
      auto fatal = one.ask(Abort{});
      std::vector<troupe::asking<int>> others;
      for (int i = 0; i < 20; ++i) others.push_back(one.ask(Pid{}));
      EXPECT_EQ(error_of([&] { fatal.get(); }).code(), troupe::errc::outcome_unknown);
      const int pid = others.front().get();
      for (std::size_t i = 1; i < others.size(); ++i) EXPECT_EQ(others[i].get(), pid);
    }
  });
}

TEST_CASE("a request that says redeliver is handled again, and its asker gets the reply") {
  in_program<Victim>(quiet(100), [](troupe::system& sys) {
    auto one = sys.spawn<Victim>("one");
    EXPECT_EQ(one.ask(Retried{4}).get(), 4);
  });
}

TEST_CASE("a told message is handled again with its attempt's number, then quarantined: one restart in the budget") {
  const auto ended = in_program<Victim>(logged(1), [](troupe::system& sys) {
    auto one = sys.spawn<Victim>("one");
    one.tell(Number{1});
    one.tell(Poison{});
    one.tell(Number{2});
    EXPECT(eventually([&] { return noted("number 2"); }));
    EXPECT_EQ(notes(), (std::vector<std::string>{"number 1", "attempt 1", "attempt 2", "attempt 3", "number 2"}));
    EXPECT_EQ(sys.count().dead_letters, 1UL);
    EXPECT_EQ(sys.count().deaths, 3UL);
    EXPECT(!sys.stopping());
  });
  INFO(ended.log);
  CHECK(ended.log.find(
            "dead letter: {anonymous}::Poison from main to one: one was killed by SIGKILL while it handled it, "
            "attempt 3") != std::string::npos);
}

TEST_CASE("a message that kills its handler twice and then does not is handled once, and costs no restart") {
  in_program<Victim>(quiet(0), [](troupe::system& sys) {
    auto one = sys.spawn<Victim>("one");
    one.tell(Stubborn{3});
    one.tell(Stubborn{2});
    one.tell(Number{1});
    EXPECT(eventually([&] { return noted("number 1"); }));
    EXPECT_EQ(notes(), (std::vector<std::string>{"handled at attempt 3", "handled at attempt 2", "number 1"}));
    EXPECT_EQ(sys.count().dead_letters, 0UL);
  });
}

TEST_CASE("a message that says drop is handled once at most, and is a dead letter") {
  in_program<Victim>(quiet(1), [](troupe::system& sys) {
    auto one = sys.spawn<Victim>("one");
    one.tell(DropPoison{});
    one.tell(Number{1});
    EXPECT(eventually([&] { return noted("number 1"); }));
    EXPECT_EQ(notes(), (std::vector<std::string>{"drop attempt 1", "number 1"}));
    EXPECT_EQ(sys.count().dead_letters, 1UL);
  });
}

/// The numbers noted, in order; those handled again are left out. Checks that each but the expected ones comes once.
std::vector<std::string> first_times() {
  std::vector<std::string> seen;
  for (const auto& line : notes()) {
    const std::string number = line.substr(0, line.find(" again"));
    if (std::find(seen.begin(), seen.end(), number) == seen.end()) {
      seen.push_back(number);
    } else {
      EXPECT(line.ends_with(" again"));
    }
  }
  return seen;
}
std::vector<std::string> numbers(int count) {
  std::vector<std::string> all;
  for (int i = 1; i <= count; ++i) all.push_back("number " + std::to_string(i));
  return all;
}

TEST_CASE("fifty kills of the receiver lose nothing and keep the order") {
  const auto ended = in_program<Victim>(logged(1000), [](troupe::system& sys) {
    auto one = sys.spawn<Victim>("one");
    std::mt19937 random(7);
    int told = 0;
    for (int kill = 0; kill < 50; ++kill) {
      const pid_t pid = pid_of(one);
      const int until = told + 1 + static_cast<int>(random() % 40);
      const int at = told + static_cast<int>(random() % static_cast<unsigned>(until - told));
      while (told < until) {
        one.tell(Number{++told});
        if (told == at) ::kill(pid, SIGKILL);
      }
      ::kill(pid, SIGKILL);
      EXPECT(eventually([&] { return state_of(pid) == 0; }));
    }
    EXPECT(eventually([&] { return noted("number " + std::to_string(told)); }));
    EXPECT_EQ(first_times(), numbers(told));
  });
  CHECK(ended.log.find("dead letter: tests::Number") == std::string::npos);
}

struct Flood {
  victim to;
  int count = 0;
  bool die = false;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(to, count, die);
  }
  static constexpr auto delivery = troupe::drop{};
};
struct Flooder : troupe::actor {
  void on(const Flood& m) {
    for (int i = 1; i <= m.count; ++i) m.to.tell(Number{i});
    if (m.die) ::raise(SIGKILL);
  }
  int on(Retried) { return 0; }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Flood, Retried, Pid>;
};

TEST_CASE("what a killed sender has told is delivered, also when the receiver wakes up after that") {
  in_program<Victim, Flooder>(quiet(100), [](troupe::system& sys) {
    auto one = sys.spawn<Victim>("one");
    auto sender = sys.spawn<Flooder>("sender");
    freeze(sys, one);
    sender.tell(Flood{one, 100, true});
    EXPECT(eventually([&] { return sys.count().restarts == 1; }));
    sys.send_signal(one, SIGCONT);
    EXPECT(eventually([&] { return noted("number 100"); }));
    EXPECT_EQ(notes(), numbers(100));
    EXPECT_EQ(sys.count().dead_letters, 1UL);  // Flood, which says drop
  });
}

TEST_CASE("what sender and receiver have between them survives the death of both") {
  in_program<Victim, Flooder>(quiet(100), [](troupe::system& sys) {
    auto one = sys.spawn<Victim>("one");
    auto sender = sys.spawn<Flooder>("sender");
    for (int round = 1; round <= 5; ++round) {
      freeze(sys, one);
      sender.tell(Flood{one, 50, true});
      EXPECT(eventually([&] { return sys.count().deaths == static_cast<unsigned>(2 * round - 1); }));
      crash(sys, one);
      EXPECT(eventually([&] { return notes().size() == static_cast<std::size_t>(50 * round); }));
    }
    EXPECT_EQ(sys.count().dead_letters, 5UL);  // of Flood, which says drop
  });
}

struct AskIt {
  victim whom;
  bool retried = false;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(whom, retried);
  }
};
struct Asker : troupe::actor {
  std::string on(const AskIt& m) {
    note("asks");
    const auto got = m.retried ? m.whom.ask(Retried{2}).try_get() : m.whom.ask(Pid{}).try_get();
    return got ? "reply" : std::string(troupe::name(got.error().code()));
  }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<AskIt, Pid>;
};

TEST_CASE("an asker that stands still while its callee is replaced gets a reply or a verdict, and never hangs") {
  in_program<Victim, Asker>(quiet(1000), [](troupe::system& sys) {
    auto one = sys.spawn<Victim>("one");
    auto asker = sys.spawn<Asker>("asker");
    EXPECT_EQ(asker.ask(AskIt{one}).get(), std::string("reply"));
    const pid_t asking = pid_of(asker);
    for (int round = 0; round < 10; ++round) {
      const bool started = round % 2 == 0;
      const bool retried = round % 4 < 2;  // the request kills its first handler itself
      const auto restarts = sys.count().restarts;
      const auto asks = notes().size();
      const pid_t callee = pid_of(one);
      if (!started) freeze(sys, one);  // the request waits in its mailbox
      auto pending = asker.ask(AskIt{one, retried});
      EXPECT(eventually([&] { return notes().size() > asks; }));
      ::kill(asking, SIGSTOP);
      EXPECT(eventually([&] { return state_of(asking) == 'T'; }));
      ::kill(callee, SIGKILL);
      EXPECT(eventually([&] { return sys.count().restarts > restarts; }));
      EXPECT(pid_of(one) != callee);
      EXPECT(always([] { return true; }, 100ms));
      ::kill(asking, SIGCONT);
      const std::string got = pending.get();
      if (!started) EXPECT_EQ(got, std::string("reply"));
      EXPECT(got == "reply" || got == "outcome_unknown");
    }
  });
}

TEST_CASE("a callee whose asker is replaced goes on, and the new asker is answered") {
  in_program<Victim, Asker>(quiet(100), [](troupe::system& sys) {
    auto one = sys.spawn<Victim>("one");
    auto asker = sys.spawn<Asker>("asker");
    for (int round = 0; round < 10; ++round) {
      EXPECT_EQ(asker.ask(AskIt{one}).get(), std::string("reply"));
      crash(sys, asker);
    }
    EXPECT_EQ(sys.count().deaths, 10UL);
  });
}

}  // namespace
