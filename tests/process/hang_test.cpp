#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>

#include "process/common.hpp"

using namespace tests;

namespace {

using troupe::child_spec;
using std::chrono::milliseconds;

/// Told: how to hang.
enum class hanging : int { in_a_loop, asleep, deadlocked, on_another, stopped };

struct Hang {
  hanging how;
  static constexpr auto delivery = troupe::drop{};
};
struct HangAgain {
  static constexpr auto delivery = troupe::redeliver{2};
};
struct Burn {
  int for_ms;
};
struct Brisk {
  static constexpr milliseconds deadline{100};
  static constexpr auto delivery = troupe::drop{};
};
struct Patient {
  int for_ms;
  static constexpr milliseconds deadline{30'000};
};
struct HangInTimer {};
struct Tick {};
struct HangInCallback {};
struct HangInDown {
  recorder whom;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(whom);
  }
};

[[noreturn]] void loop_for_ever() {
  for (volatile bool on = true; on;) {
  }
  std::abort();
}

std::chrono::nanoseconds on(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

/// Takes so much processor time; returns how many milliseconds that took by the clock.
int burn(milliseconds time) {
  const auto began = on(CLOCK_MONOTONIC);
  const auto until = on(CLOCK_PROCESS_CPUTIME_ID) + time;
  while (on(CLOCK_PROCESS_CPUTIME_ID) < until) {
  }
  return static_cast<int>((on(CLOCK_MONOTONIC) - began).count() / 1'000'000);
}

struct Other : troupe::actor {
  void on(Pid) { ::pause(); }
  using handles = troupe::handles<Pid>;
};

struct Victim : troupe::actor {
  void on(Hang m) {
    std::mutex mine;
    switch (m.how) {
      case hanging::in_a_loop: loop_for_ever();
      case hanging::asleep: static_cast<void>(::pause()); break;
      case hanging::deadlocked: mine.lock(), mine.lock(); break;
      case hanging::on_another: static_cast<void>(self().find<Other>("other")->ask(Pid{}, 60s).get()); break;
      case hanging::stopped: static_cast<void>(::raise(SIGSTOP)); break;
    }
  }
  void on(HangAgain) { loop_for_ever(); }
  int on(Burn m) { return burn(milliseconds(m.for_ms)); }
  void on(Brisk) { loop_for_ever(); }
  int on(Patient m) { return burn(milliseconds(m.for_ms)); }
  void on(HangInTimer) { after(1ms, Tick{}); }
  void on(Tick) { loop_for_ever(); }
  void on(HangInCallback) {
    self().find<Recorder>("recorder")->ask(Pid{}).then([](troupe::expected<int>) { loop_for_ever(); });
  }
  void on(const HangInDown& m) { self().monitor(m.whom); }
  void on_down(const troupe::down&) override { loop_for_ever(); }
  int on(Pid) { return ::getpid(); }
  using handles =
      troupe::handles<Hang, HangAgain, Burn, Brisk, Patient, HangInTimer, Tick, HangInCallback, HangInDown, Pid>;
};
using victim = troupe::actor_ref<Victim>;

bool contains(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

/// What is told of the actor's next death; waits for it.
struct death_watch {
  death_watch(troupe::system& sys, const victim& whom) {
    sys.monitor(whom, [this](const troupe::down& d) { downs.push_back(d); });
  }
  troupe::down next() {
    const std::size_t seen = taken++;
    EXPECT(eventually([&] { return downs.size() > seen; }, 30s));
    return downs[seen];
  }
  std::vector<troupe::down> downs;
  std::size_t taken = 0;
};

void expect_hung(const troupe::down& death, std::string_view said) {
  EXPECT_EQ(death.signal, SIGKILL);
  EXPECT(death.why == troupe::down::kind::crashed);
  if (!contains(death.text, "was killed as hung: ") || !contains(death.text, said)) {
    broken(__FILE__, __LINE__, "it died, but not like this: " + death.text);
  }
}

TEST_CASE("a handler that loops, sleeps, is deadlocked or stopped is killed as hung; the death names the message") {
  const auto ended = in_program<Victim, Other>(logged(100), [](troupe::system& sys) {
    sys.spawn<Other>("other");
    auto one = sys.spawn<Victim>({.name = "one", .deadline = 200ms});
    death_watch death(sys, one);
    for (const auto how : {hanging::in_a_loop, hanging::asleep, hanging::deadlocked, hanging::on_another,
                           hanging::stopped}) {
      one.tell(Hang{how});
      expect_hung(death.next(), "Hang from main in hand for ");
      EXPECT(pid_of(one) > 0);
    }
  });
  CHECK(contains(ended.log, "one hangs: it had "));
  CHECK(contains(ended.log, "its deadline is 200 ms"));
  CHECK(contains(ended.log, "state R (running)"));
  CHECK(contains(ended.log, "state S (sleeping)"));
}

TEST_CASE("a worker that was stopped while it slept is killed as hung, whether there is a message for it or not") {
  in_program<Victim>(quiet(100), [](troupe::system& sys) {
    auto one = sys.spawn<Victim>({.name = "one", .deadline = 300ms});
    death_watch death(sys, one);
    const auto stop_asleep = [&] {
      const pid_t pid = pid_of(one);
      EXPECT(eventually([&] { return state_of(pid) == 'S'; }));
      sys.send_signal(one, SIGSTOP);
    };
    stop_asleep();
    one.tell(Burn{1});
    expect_hung(death.next(), ", its deadline is 300 ms");
    stop_asleep();
    expect_hung(death.next(), ", its deadline is 300 ms");
    EXPECT(pid_of(one) > 0);
  });
}

TEST_CASE("a message type's own deadline comes before the actor's") {
  in_program<Victim>(quiet(100), [](troupe::system& sys) {
    auto strict = sys.spawn<Victim>({.name = "strict", .deadline = 100ms});
    EXPECT(strict.ask(Patient{300}, 30s).get() >= 300);
    EXPECT_EQ(sys.count().deaths, 0UL);
    auto free = sys.spawn<Victim>("free");
    EXPECT(free.ask(Burn{300}, 30s).get() >= 300);
    EXPECT_EQ(sys.count().deaths, 0UL);
    death_watch death(sys, free);
    free.tell(Brisk{});
    expect_hung(death.next(), "its deadline is 100 ms");
  });
}

TEST_CASE("what is no message counts, too: a timer, a callback, on_down") {
  in_program<Victim, Recorder>(quiet(100), [](troupe::system& sys) {
    auto watched = sys.spawn<Recorder>("recorder");
    auto one = sys.spawn<Victim>({.name = "one", .deadline = 150ms});
    death_watch death(sys, one);
    one.tell(HangInTimer{});
    expect_hung(death.next(), "what is no message");
    one.tell(HangInCallback{});
    expect_hung(death.next(), "what is no message");
    one.ask(HangInDown{watched}).get();
    crash(sys, watched);
    expect_hung(death.next(), "what is no message");
    EXPECT(pid_of(one) > 0);
  });
}

TEST_CASE("a message that hangs its handler is delivered as often as its policy says, then it is a dead letter") {
  in_program<Victim>(quiet(1), [](troupe::system& sys) {
    auto one = sys.spawn<Victim>({.name = "one", .deadline = 100ms});
    one.tell(HangAgain{});
    EXPECT(eventually([&] { return sys.count().dead_letters == 1; }));
    const auto letter = sys.dead_letters().list(one).at(0);
    EXPECT(letter.why == troupe::dead_letter::reason::quarantined);
    EXPECT_EQ(letter.attempts, 2U);
    EXPECT_EQ(letter.deaths.size(), 2UL);
    EXPECT(contains(letter.deaths.at(1).text, "was killed as hung"));
    EXPECT(pid_of(one) > 0);
    EXPECT_EQ(sys.count().deaths, 2UL);
  });
}

TEST_CASE("who asks a worker that is killed as hung learns that the outcome is unknown, and why") {
  in_program<Victim>(quiet(100), [](troupe::system& sys) {
    auto one = sys.spawn<Victim>({.name = "one", .deadline = 100ms});
    const auto how = error_of([&] { one.ask(Hang{hanging::in_a_loop}, 60s).get(); });
    EXPECT_EQ(how.code(), troupe::errc::outcome_unknown);
    EXPECT(contains(how.text(), "was killed as hung"));
  });
}

TEST_CASE("a worker without a deadline is never killed for being busy") {
  in_program<Victim>([](troupe::system& sys) {
    auto one = sys.spawn<Victim>("one");
    EXPECT(one.ask(Burn{400}, 60s).get() >= 400);
    EXPECT_EQ(sys.count().deaths, 0UL);
  });
}

/// How often the thread of this name has gone to sleep.
std::uint64_t sleeps_of_thread(std::string_view name) {
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(task.path() / "status");
    const std::string status{std::istreambuf_iterator<char>(file), {}};
    constexpr std::string_view word = "\nvoluntary_ctxt_switches:";
    const auto at = status.find(word);
    if (at != status.npos && status.starts_with("Name:\t" + std::string(name) + "\n")) {
      return std::stoull(status.substr(at + word.size()));
    }
  }
  return 0;
}

TEST_CASE("an idle program without deadlines wakes once a second, as without this") {
  in_program<Recorder>([](troupe::system& sys) {
    auto one = sys.spawn<Recorder>("one");
    pid_of(one);
    const auto before = sleeps_of_thread("troupe-control");
    EXPECT(before > 0);
    EXPECT(always([] { return true; }, 3s));
    EXPECT(sleeps_of_thread("troupe-control") - before <= 8);
  });
}

/// Processes that want all the processor time there is, as many for each processor.
class crowd {
 public:
  explicit crowd(long each) {
    for (long left = each * ::sysconf(_SC_NPROCESSORS_ONLN); left > 0; --left) {
      const pid_t pid = ::fork();
      if (pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        loop_for_ever();
      }
      pids_.push_back(pid);
    }
  }
  ~crowd() {
    for (const pid_t each : pids_) ::kill(each, SIGKILL);
    for (const pid_t each : pids_) ::waitpid(each, nullptr, 0);
  }
  crowd(const crowd&) = delete;
  crowd& operator=(const crowd&) = delete;

 private:
  std::vector<pid_t> pids_;
};

TEST_SUITE("serial") {
  TEST_CASE("a starved worker is never killed; an endless loop that is starved as much is, by the same deadline") {
    in_program<Victim>(
        quiet(100),
        [](troupe::system& sys) {
          const crowd busy(8);
          auto one = sys.spawn<Victim>({.name = "one", .deadline = 100ms});
          const pid_t first = pid_of(one);
          int longest = 0;
          for (int i = 0; i < 5; ++i) longest = std::max(longest, one.ask(Burn{40}, 60s).get());
          EXPECT(longest > 100);  // so the deadline would have been passed, had it counted the waits
          EXPECT_EQ(sys.count().deaths, 0UL);
          EXPECT_EQ(pid_of(one), first);
          death_watch death(sys, one);
          one.tell(Hang{hanging::in_a_loop});
          expect_hung(death.next(), "Hang from main in hand for ");
        },
        120s);
  }
}

void signal_tree(const program& running, int number) {
  for (const pid_t each : children_of(running.pid())) ::kill(each, number);
  running.signal(number);
}

/// A tree with a worker that is idle and one that is in the middle of a message, paused as a whole.
void pause_tree(milliseconds length) {
  auto running = start_program<Victim>(quiet(100), [](troupe::system& sys) {
    auto idle = sys.spawn<Victim>({.name = "idle", .deadline = 1000ms});
    auto busy = sys.spawn<Victim>({.name = "busy", .deadline = 1000ms});
    const pid_t first = pid_of(idle), second = pid_of(busy);
    auto answer = busy.ask(Burn{700}, 120s);
    note("in the middle");
    EXPECT(answer.get() >= 700);
    EXPECT(eventually([] { return noted("awake again"); }, 60s));
    EXPECT(always([&] { return sys.count().deaths == 0; }, 2500ms));
    EXPECT_EQ(pid_of(idle), first);
    EXPECT_EQ(pid_of(busy), second);
    death_watch death(sys, busy);
    busy.tell(Hang{hanging::asleep});
    expect_hung(death.next(), "in hand for ");
    return 0;
  });
  REQUIRE(eventually([] { return noted("in the middle"); }));
  signal_tree(*running, SIGSTOP);
  REQUIRE(eventually([&] { return state_of(running->pid()) == 'T'; }));
  CHECK(always([&] { return state_of(running->pid()) == 'T'; }, length));
  signal_tree(*running, SIGCONT);
  note("awake again");
  const auto ended = running->wait(120s);
  CHECK(ended.failure == "");
  CHECK(ended.exit_code == 0);
}

TEST_CASE("nobody is killed when the whole tree was paused for three times its deadline") { pause_tree(3000ms); }

TEST_SUITE("long") {
  TEST_CASE("nobody is killed when the whole tree was paused for 30 s") { pause_tree(30s); }
}

}  // namespace
