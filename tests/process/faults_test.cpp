#include <poll.h>
#include <pthread.h>

#include <atomic>
#include <random>
#include <thread>

#include "process/common.hpp"
#include "process/few_descriptors.hpp"

using namespace tests;

namespace {

struct Push {
  troupe::ref<troupe::handles<Number>> to;
  int count = 0;
  std::uint64_t together = 0;  // so many begin at the same time
  std::uint32_t patience_ms = 300;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(to, count, together, patience_ms);
  }
};
/// Tells numbers until it has told them all or meets an error, and says which. Counts what was accepted, and handled.
struct Pusher : troupe::actor {
  std::string on(const Push& m) {
    add(2);
    eventually([&] { return total(2) >= m.together; });
    for (int i = 1; i <= m.count; ++i) {
      try {
        m.to.tell(Number{i}, std::chrono::milliseconds(m.patience_ms));
        add(0);
      } catch (const troupe::error& e) {
        return std::string(troupe::name(e.code()));
      }
    }
    return "told all";
  }
  void on(Number) { add(1); }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Push, Number, Pid>;
};

std::vector<pid_t> spawners() { return children_of(::getpid(), "troupe-spawner"); }

void kill_spawner_and_twin() {
  const auto both = spawners();
  EXPECT_EQ(both.size(), 2UL);
  for (const int number : {SIGSTOP, SIGKILL}) {
    for (const pid_t each : both) ::kill(each, number);
  }
  EXPECT(eventually([] { return spawners().empty(); }));
}

TEST_CASE("a spawner that dies is replaced by its twin, again and again") {
  in_program<Recorder>(quiet(0), [](troupe::system& sys) {
    auto one = sys.spawn<Recorder>("one");
    for (int round = 0; round < 20; ++round) {
      EXPECT(eventually([] { return spawners().size() == 2; }));
      const pid_t dies = spawners().at(static_cast<std::size_t>(round % 2));
      ::kill(dies, SIGKILL);
      auto other = sys.spawn<Recorder>("other");
      EXPECT_EQ(other.ask(Numbers{}).get(), std::vector<int>{});
      EXPECT(eventually([&] { return state_of(dies) == 0; }));
      sys.stop(other);
    }
    EXPECT_EQ(one.ask(Numbers{}).get(), std::vector<int>{});
  });
}

TEST_CASE("without spawner and twin a program spawns no more, says so, and its workers go on") {
  const auto ended = in_program<Recorder>(logged(), [](troupe::system& sys) {
    auto one = sys.spawn<Recorder>("one"), two = sys.spawn<Recorder>("two");
    kill_spawner_and_twin();
    EXPECT_EQ(error_of([&] { return sys.spawn<Recorder>("three"); }).code(), troupe::errc::spawn_failed);
    EXPECT_EQ(error_of([&] { return sys.spawn<Recorder>("three"); }).code(), troupe::errc::spawn_failed);
    one.tell(Number{1});
    EXPECT_EQ(one.ask(Numbers{}).get(), std::vector<int>{1});
    EXPECT(pid_of(two) > 0);
    sys.stop(two);
  });
  CHECK(ended.log.find("no worker can be started") != std::string::npos);
}

TEST_CASE("without spawner and twin a program whose worker crashes gives up") {
  auto program = start_program<Recorder>(quiet(3), [](troupe::system& sys) {
    auto one = sys.spawn<Recorder>("one");
    kill_spawner_and_twin();
    sys.send_signal(one, SIGKILL);
    sys.wait();
    EXPECT_EQ(error_of([&] { return pid_of(one); }).code(), troupe::errc::gave_up);
    return 0;
  });
  CHECK_EQ(program->wait().exit_code, 70);
}

// Not under UBSan: it needs descriptors itself to look at an object, and reports a good one when there are none.
TEST_CASE("a spawn that runs out of descriptors, at whatever step, is a typed error, and others go on" *
          not_sanitized) {
  in_program<Recorder>(quiet(0), [](troupe::system& sys) {
    auto bystander = sys.spawn<Recorder>("bystander");
    pid_of(bystander);
    std::size_t refused = 0;
    for (std::size_t more = 0; more < 20; ++more) {
      const few_descriptors few(more);
      try {
        sys.stop(sys.spawn<Recorder>("one"));
      } catch (const troupe::error& e) {
        ++refused;
        EXPECT_EQ(e.code(), troupe::errc::spawn_failed);
      }
      bystander.tell(Number{static_cast<int>(more)});
      EXPECT_EQ(bystander.ask(Numbers{}).get().size(), more + 1);
    }
    EXPECT(refused > 3);
    EXPECT(refused < 20);
    EXPECT(pid_of(sys.spawn<Recorder>("one")) > 0);
  });
}

TEST_CASE("a first message for which no descriptor is left ends the program in order, and says why" * not_sanitized) {
  in_program<Recorder>(quiet(0), [](troupe::system& sys) {
    std::vector<recorder> all;
    for (int i = 0; i < 12; ++i) all.push_back(sys.spawn<Recorder>("one " + std::to_string(i)));
    std::size_t refused = 0;
    for (std::size_t more = 0; more < all.size() && refused == 0; ++more) {
      const few_descriptors few(more);
      const auto got = all[more].ask(Pid{}, 1s).try_get();
      if (got) continue;
      ++refused;
      EXPECT_EQ(got.error().code(), troupe::errc::os);
      EXPECT(got.error().text().find("ulimit") != std::string::npos);
    }
    EXPECT_EQ(refused, 1UL);
    sys.wait();
    EXPECT(sys.stopping());
  });
}

struct AskPid {
  recorder whom;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(whom);
  }
};
struct Asker : troupe::actor {
  int on(AskPid m) {
    const int pid = m.whom.ask(Pid{}, 20s).get();
    add(0);
    return pid;
  }
  using handles = troupe::handles<AskPid>;
};

TEST_CASE("a request for whose reply pipe there was no descriptor is answered when there is one again" * not_sanitized) {
  in_program<Recorder, Asker>(quiet(0), [](troupe::system& sys) {
    auto asker = sys.spawn<Asker>("asker");
    EXPECT(asker.ask(AskPid{sys.spawn<Recorder>("first")}).get() > 0);
    std::uint64_t late = 0;
    for (std::size_t more = 0; more < 8; ++more) {
      const auto callee = sys.spawn<Recorder>("callee " + std::to_string(more));
      std::optional<few_descriptors> few(more);
      auto asked = asker.ask(AskPid{callee}, 30s);
      late += eventually([&] { return total(0) == more + 2; }, 100ms) ? 0 : 1;
      few.reset();
      EXPECT(asked.get() > 0);
    }
    EXPECT(late > 0);
  });
}

TEST_CASE("two actors whose mailboxes are full and who tell each other end with full") {
  in_program<Pusher>([](troupe::system& sys) {
    auto one = sys.spawn<Pusher>({.name = "one", .lane_bytes = 4096});
    auto two = sys.spawn<Pusher>({.name = "two", .lane_bytes = 4096});
    auto first = one.ask(Push{two, 2000, 2}), second = two.ask(Push{one, 2000, 2});
    const std::string a = first.get(), b = second.get();
    EXPECT(a == "full" || b == "full");
    EXPECT(a == "full" || a == "told all");
    EXPECT(b == "full" || b == "told all");
    EXPECT(eventually([&] { return total(0) == total(1); }));
  });
}

TEST_CASE("a sender that dies again and again while its receiver stands still waits for it in the end, as for room") {
  in_program<Pusher>(quiet(100), [](troupe::system& sys) {
    auto one = sys.spawn<Pusher>("one");
    auto pusher = sys.spawn<Pusher>("pusher");
    freeze(sys, one);
    for (int round = 0; round < 8; ++round) {
      EXPECT_EQ(pusher.ask(Push{one, 1}).get(), std::string("told all"));
      crash(sys, pusher);
    }
    EXPECT_EQ(pusher.ask(Push{one, 1}).get(), std::string("full"));
    crash(sys, pusher);
    auto waiting = pusher.ask(Push{one, 1, 0, 60'000}, 60s);
    EXPECT(always([&] { return total(0) == 8; }, 50ms));
    sys.send_signal(one, SIGCONT);
    EXPECT_EQ(waiting.get(), std::string("told all"));
    EXPECT(eventually([&] { return total(1) == 9; }));
    EXPECT_EQ(sys.count().dead_letters, 0UL);
  });
}

TEST_CASE("an actor that ends for good while others tell it: every message is handled, refused or a dead letter") {
  in_program<Pusher>([](troupe::system& sys) {
    auto one = sys.spawn<Pusher>({.name = "one", .restart = troupe::restart::temporary});
    auto pusher = sys.spawn<Pusher>("pusher"), other = sys.spawn<Pusher>("other");
    auto first = pusher.ask(Push{one, 1'000'000}), second = other.ask(Push{one, 1'000'000});
    EXPECT(eventually([] { return total(1) > 1000; }));
    for (int i = 0; i < 50; ++i, add(0)) one.tell(Number{i});
    sys.send_signal(one, SIGKILL);
    EXPECT_EQ(first.get(), std::string("closed"));
    EXPECT_EQ(second.get(), std::string("closed"));
    EXPECT(eventually([&] { return !one.try_tell(Number{0}); }));
    EXPECT_EQ(error_of([&] { one.tell(Number{0}); }).code(), troupe::errc::closed);
    // The one in hand may have been counted as handled before it was finished.
    const auto open = [&] {
      return static_cast<long>(total(0)) - static_cast<long>(total(1) + sys.count().dead_letters);
    };
    EXPECT(eventually([&] { return open() <= 0; }));
    EXPECT(always([&] { return open() >= -1; }, 50ms));
  });
}

TEST_CASE("an actor that is stopped with mail in its mailbox: the mail is dead letters, one by one") {
  const auto ended = in_program<Pusher>(logged(), [](troupe::system& sys) {
    auto one = sys.spawn<Pusher>({.name = "one", .shutdown = troupe::shutdown::brutal_kill()});
    freeze(sys, one);
    for (int i = 0; i < 100; ++i) one.tell(Number{i});
    sys.stop(one);
    EXPECT(eventually([&] { return sys.count().dead_letters == 100; }));
    EXPECT_EQ(total(1), 0UL);
  });
  CHECK(ended.log.find("dead letter: tests::Number from main to one") != std::string::npos);
}

void kill_supervisors(int rounds, unsigned longest_life_ms) {
  std::mt19937 random(5);
  for (int round = 0; round < rounds; ++round) {
    auto program = start_program<Recorder>(quiet(1'000'000), [](troupe::system& sys) {
      std::vector<recorder> all;
      for (int i = 0; i < 6; ++i) all.push_back(sys.spawn<Recorder>("one " + std::to_string(i)));
      for (;;) {
        for (const auto& each : all) each.tell(Exit{1});
        sys.poll(1ms);
      }
      return 0;
    });
    ::poll(nullptr, 0, static_cast<int>(random() % longest_life_ms));
    program->signal(SIGKILL);
    CHECK_EQ(program->wait().signal, SIGKILL);
  }
}

TEST_CASE("a supervisor process that is killed at any moment leaves no worker behind") { kill_supervisors(20, 50); }
TEST_CASE("two hundred supervisor processes that are killed at any moment leave no worker behind" *
          doctest::test_suite("long")) {
  kill_supervisors(200, 200);
}

TEST_CASE("run refuses to start when there are threads already, and names them") {
  program refused([] {
    std::atomic<bool> end = false;
    std::thread helper([&] {
      ::pthread_setname_np(::pthread_self(), "a-helper");
      note("named");
      while (!end) ::poll(nullptr, 0, 1);
    });
    eventually([] { return noted("named"); });
    try {
      const auto error = error_of([] { return troupe::run<Recorder>(0, nullptr, [](troupe::system&) {}); });
      EXPECT_EQ(error.code(), troupe::errc::threads_exist);
      EXPECT(error.text().find("a-helper") != std::string::npos);
    } catch (const broken_expectation& e) {
      note(e.what());
    }
    end = true;
    helper.join();
    return 0;
  });
  CHECK_EQ(refused.wait().exit_code, 0);
  CHECK_EQ(notes().size(), 1);
}

}  // namespace
