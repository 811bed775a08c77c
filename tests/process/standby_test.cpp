#include <linux/futex.h>
#include <poll.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>

#include "process/common.hpp"
#include "support/holdings.hpp"
#include "wire/memory.hpp"

using namespace tests;

namespace {

// Counters of the test program.
constexpr std::size_t spare_pid = 1, stood_by = 2, active_pid = 3;

struct Scribble {};
struct Scribbled {};
struct StartThread {};
struct Fill {
  std::uint64_t mib;
};
struct WasSpare {};
struct Processors {};
struct Step {
  static constexpr auto delivery = troupe::redeliver{troupe::unlimited};
  int number;
};

/// The word that the kernel changes when the calling worker dies. Its out-memory is what it has mapped for writing.
std::uint32_t* own_canary() {
  std::FILE* maps = std::fopen("/proc/self/maps", "r");
  char line[512];
  char* found = nullptr;
  while (found == nullptr && std::fgets(line, sizeof line, maps) != nullptr) {
    const std::string text = line;
    if (text.find("troupe-out") == text.npos || text.find(" rw-s ") == text.npos) continue;
    found = reinterpret_cast<char*>(std::strtoull(line, nullptr, 16)) + offsetof(troupe::wire::out_header, canary);
  }
  std::fclose(maps);
  return reinterpret_cast<std::uint32_t*>(found);
}

/// Keeps what it is told, and dies as it is told to.
struct Ready : troupe::actor {
  void on_standby() override {
    was_spare = true;
    set(spare_pid, static_cast<std::uint64_t>(::getpid()));
    add(stood_by);
  }
  void on_start() override { set(active_pid, static_cast<std::uint64_t>(::getpid())); }
  void on(Step m) { note(std::to_string(m.number) + (self().attempt() > 1 ? " again" : "")); }
  int on(Pid) { return ::getpid(); }
  bool on(WasSpare) { return was_spare; }
  /// That it may run on.
  int on(Processors) {
    cpu_set_t all{};
    ::sched_getaffinity(0, sizeof all, &all);
    return CPU_COUNT(&all);
  }
  void on(Abort) { std::abort(); }
  void on(Fill m) { ballast.assign(m.mib << 20, 'b'); }
  /// A stray store, in the worst case: it looks like the kernel's, and those who watch are woken.
  void on(Scribble) {
    std::uint32_t* const word = own_canary();
    *word = FUTEX_OWNER_DIED | FUTEX_WAITERS;
    ::syscall(SYS_futex, word, FUTEX_WAKE, 100, nullptr, nullptr, 0);
  }
  bool on(Scribbled) { return (*own_canary() & FUTEX_OWNER_DIED) != 0; }
  /// Another thread, which sleeps; its number.
  int on(StartThread) {
    std::atomic<int> tid{0};
    std::thread([&] {
      tid = static_cast<int>(::syscall(SYS_gettid));
      tid.notify_one();
      for (;;) ::pause();
    }).detach();
    tid.wait(0);
    return tid;
  }
  using handles = troupe::handles<Step, Pid, WasSpare, Processors, Abort, Fill, Scribble, Scribbled, StartThread>;
  std::string ballast;
  bool was_spare = false;
};
using ready = troupe::actor_ref<Ready>;

troupe::child_spec with_spares(std::uint32_t count, const std::string& name = "one") {
  return {.name = name, .standby = count};
}

/// Waits until so many spares have come to stand by, since the program's start, and the supervisor knows of them.
void expect_stood_by(troupe::system& sys, std::uint64_t count) {
  EXPECT(eventually([&] { return total(stood_by) >= count; }));
  const auto spare = static_cast<pid_t>(total(spare_pid));
  EXPECT(eventually([&] { return state_of(spare) == 'S'; }));
  static_cast<void>(sys.find<Ready>("nobody"));  // what was said to the supervisor before this has been heard
}

std::size_t workers_now() {
  auto all = children_of(::getpid());
  std::erase_if(all, [](pid_t pid) { return name_of_process(pid) == "troupe-spawner"; });
  return all.size();
}

/// What was handled first, in order; everything else is marked as a repetition.
void expect_each_in_order(int count) {
  int next = 1;
  for (const auto& line : notes()) {
    if (line == std::to_string(next)) {
      ++next;
    } else {
      EXPECT(line.ends_with(" again"));
      const int repeated = std::atoi(line.c_str());
      EXPECT(repeated <= next);
      if (repeated == next) ++next;  // died after the mark and before the note
    }
  }
  EXPECT_EQ(next, count + 1);
}

/// Kills the active process, so many times and at random moments.
void kill_active_often(int times, unsigned seed) {
  std::mt19937 random(seed);
  std::uint64_t last = 0;
  for (int i = 0; i < times; ++i) {
    if (!eventually([&] { return total(active_pid) != last; })) return note("it was not restarted");
    last = total(active_pid);
    const timespec moment{0, static_cast<long>(random() % 3'000'000)};
    ::ppoll(nullptr, 0, &moment, nullptr);
    ::kill(static_cast<pid_t>(last), SIGKILL);
  }
}

TEST_CASE("a spare takes over when its actor's process is killed, and another one takes its place") {
  in_program<Ready>(quiet(10), [](troupe::system& sys) {
    auto one = sys.spawn<Ready>(with_spares(1));
    const pid_t first = pid_of(one);
    EXPECT(!one.ask(WasSpare{}).get());
    expect_stood_by(sys, 1);
    const auto spare = static_cast<pid_t>(total(spare_pid));
    EXPECT(spare != first);
    crash(sys, one);
    EXPECT_EQ(pid_of(one), spare);
    EXPECT(one.ask(WasSpare{}).get());
    expect_stood_by(sys, 2);
    EXPECT(static_cast<pid_t>(total(spare_pid)) != spare);
    EXPECT_EQ(sys.count().restarts, 1UL);
    EXPECT(eventually([&] { return sys.count().workers == 2; }));
  });
}

TEST_CASE("a spare that has taken over may run on all processors that its actor may run on") {
  in_program<Ready>(quiet(10), [](troupe::system& sys) {
    auto one = sys.spawn<Ready>(with_spares(1));
    const int before = one.ask(Processors{}).get();
    for (std::uint64_t takeover = 1; takeover <= 3; ++takeover) {
      expect_stood_by(sys, takeover);
      const auto spare = static_cast<pid_t>(total(spare_pid));
      ::kill(pid_of(one), SIGKILL);
      EXPECT(eventually([&] { return total(active_pid) == static_cast<std::uint64_t>(spare); }));
      EXPECT_EQ(one.ask(Processors{}).get(), before);
    }
    return 0;
  });
}

TEST_CASE("messages are handled in order and none is lost while an actor with spares is killed again and again") {
  in_program<Ready>(
      quiet(1000),
      [](troupe::system& sys) {
        auto one = sys.spawn<Ready>(with_spares(2));
        std::jthread killer([] { kill_active_often(30, 1); });
        const int count = 3000;
        for (int i = 1; i <= count; ++i) {
          one.tell(Step{i}, 60s);
          // Killed over it, who is asked leaves the outcome unknown.
          if (i % 100 == 0) static_cast<void>(one.ask(Pid{}, 60s).try_get());
        }
        killer.join();
        pid_of(one);
        expect_each_in_order(count);
      },
      120s);
}

struct Bump {
  static constexpr auto delivery = troupe::redeliver{troupe::unlimited};
};
struct Get {};
struct Count {
  long value = 0;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(value);
  }
};
struct Tally : troupe::checkpointed<Count> {
  void on_standby() override { add(stood_by); }
  void on_start() override { set(active_pid, static_cast<std::uint64_t>(::getpid())); }
  void on(Bump) { ++state().value; }
  long on(Get) { return state().value; }
  using handles = troupe::handles<Bump, Get>;
};

TEST_CASE("a spare goes on with the state that the process before it had committed") {
  in_program<Tally>(
      quiet(1000),
      [](troupe::system& sys) {
        auto one = sys.spawn<Tally>(with_spares(2));
        std::thread killer([] { kill_active_often(30, 2); });
        const long count = 3000;
        for (long i = 0; i < count; ++i) one.tell(Bump{}, 60s);
        killer.join();
        EXPECT_EQ(one.ask(Get{}, 60s).get(), count);
      },
      120s);
}

TEST_CASE("who asked hears of the death at once, and the next request is answered by the spare") {
  in_program<Ready>(quiet(10), [](troupe::system& sys) {
    auto one = sys.spawn<Ready>(with_spares(1));
    expect_stood_by(sys, 1);
    const auto e = error_of([&] { return one.ask(Abort{}).get(), 0; });
    EXPECT_EQ(e.code(), troupe::errc::outcome_unknown);
    EXPECT(std::string(e.what()).find("SIGABRT") != std::string::npos);
    EXPECT(one.ask(WasSpare{}).get());
  });
}

TEST_CASE("a death is known and answered before the process can be reaped, and it is reaped when it can be") {
  in_program<Ready>(quiet(10), [](troupe::system& sys) {
    auto one = sys.spawn<Ready>(with_spares(1));
    const pid_t first = pid_of(one);
    const int thread = one.ask(StartThread{}).get();
    expect_stood_by(sys, 1);
    // A thread that is traced stays until its tracer takes note; until then the process is not dead for its parent.
    EXPECT_EQ(::ptrace(PTRACE_SEIZE, thread, nullptr, nullptr), 0L);
    EXPECT_EQ(::kill(first, SIGKILL), 0);
    EXPECT(one.ask(WasSpare{}).get());
    EXPECT(eventually([&] { return state_of(first) == 'Z'; }));
    EXPECT_EQ(sys.count().restarts, 1UL);
    expect_stood_by(sys, 2);
    EXPECT_EQ(sys.count().workers, 3UL);
    EXPECT_EQ(::waitpid(thread, nullptr, __WALL), thread);
    EXPECT(eventually([&] { return state_of(first) == 0; }));
    EXPECT(eventually([&] { return sys.count().workers == 2; }));
    EXPECT_EQ(sys.count().deaths, 1UL);
  });
}

TEST_CASE("an actor of 512 MiB is taken over, and nothing of it is left") {
  in_program<Ready>(quiet(10), [](troupe::system& sys) {
    auto one = sys.spawn<Ready>(with_spares(1));
    const pid_t first = pid_of(one);
    one.tell(Fill{512});
    expect_stood_by(sys, 1);
    EXPECT_EQ(one.ask(Pid{}, 60s).get(), first);
    EXPECT_EQ(::kill(first, SIGKILL), 0);
    EXPECT(one.ask(WasSpare{}).get());
    EXPECT(eventually([&] { return state_of(first) == 0; }));
    expect_stood_by(sys, 2);
    EXPECT(eventually([&] { return sys.count().workers == 2; }));
  });
}

TEST_CASE("a stray store on the word that tells of a death brings no second process, and the real death is seen") {
  const auto ended = in_program<Ready>(logged(10), [](troupe::system& sys) {
    auto one = sys.spawn<Ready>(with_spares(2));
    const pid_t first = pid_of(one);
    expect_stood_by(sys, 2);
    one.tell(Scribble{});
    EXPECT(one.ask(Scribbled{}).get());
    EXPECT(always([&] { return total(active_pid) == static_cast<std::uint64_t>(first); }, 300ms));
    EXPECT_EQ(pid_of(one), first);
    EXPECT_EQ(sys.count().restarts, 0UL);
    crash(sys, one);
    EXPECT(one.ask(WasSpare{}).get());
  });
  CHECK(ended.log.find("one seemed to die and lives") != std::string::npos);
}

TEST_CASE("a process that is only stopped is not taken over") {
  in_program<Ready>(quiet(10), [](troupe::system& sys) {
    auto one = sys.spawn<Ready>(with_spares(1));
    expect_stood_by(sys, 1);
    const pid_t first = freeze(sys, one);
    EXPECT(always([&] { return total(active_pid) == static_cast<std::uint64_t>(first); }, 300ms));
    sys.send_signal(one, SIGCONT);
    EXPECT_EQ(pid_of(one), first);
  });
}

TEST_CASE("a spare that dies is replaced, and its actor goes on") {
  in_program<Ready>(quiet(10), [](troupe::system& sys) {
    auto one = sys.spawn<Ready>(with_spares(1));
    const pid_t first = pid_of(one);
    expect_stood_by(sys, 1);
    EXPECT_EQ(::kill(static_cast<pid_t>(total(spare_pid)), SIGKILL), 0);
    expect_stood_by(sys, 2);
    EXPECT_EQ(pid_of(one), first);
    EXPECT_EQ(sys.count().deaths, 0UL);
    EXPECT(eventually([&] { return sys.count().workers == 2; }));
  });
}

TEST_CASE("an actor whose spare dies with it is started as if it had none") {
  in_program<Ready>(quiet(10), [](troupe::system& sys) {
    auto one = sys.spawn<Ready>(with_spares(1));
    const pid_t first = pid_of(one);
    expect_stood_by(sys, 1);
    const auto spare = static_cast<pid_t>(total(spare_pid));
    EXPECT_EQ(::kill(spare, SIGKILL), 0);
    EXPECT_EQ(::kill(first, SIGKILL), 0);
    EXPECT(eventually([&] { return total(active_pid) != static_cast<std::uint64_t>(first); }));
    const pid_t second = pid_of(one);
    EXPECT(second != first);
    expect_stood_by(sys, 2);
    EXPECT(eventually([&] { return sys.count().workers == 2; }));
  });
}

TEST_CASE("the spares of an actor that is stopped end with it") {
  in_program<Ready>(quiet(10), [](troupe::system& sys) {
    auto one = sys.spawn<Ready>(with_spares(2));
    expect_stood_by(sys, 2);
    EXPECT_EQ(workers_now(), 3UL);
    sys.stop(one);
    EXPECT(eventually([&] { return workers_now() == 0; }));
    EXPECT(eventually([&] { return sys.count().workers == 0; }));
  });
}

TEST_CASE("a kill that was asked for is answered by a spare, too, and counts against nothing") {
  in_program<Ready>(quiet(0), [](troupe::system& sys) {
    auto one = sys.spawn<Ready>(with_spares(1));
    for (std::uint64_t i = 1; i <= 3; ++i) {
      expect_stood_by(sys, i);
      sys.kill(one);
      EXPECT(eventually([&] { return sys.count().restarts == i; }));
      EXPECT(one.ask(WasSpare{}).get());
    }
  });
}

TEST_CASE("takeovers count against the supervisor's restarts") {
  auto started = start_program<Ready>(quiet(2), [](troupe::system& sys) {
    auto one = sys.spawn<Ready>(with_spares(1));
    for (std::uint64_t i = 1; i <= 2; ++i) {
      expect_stood_by(sys, i);
      crash(sys, one);
      EXPECT(one.ask(WasSpare{}).get());
    }
    expect_stood_by(sys, 3);
    crash(sys, one);
    EXPECT_EQ(error_of([&] {
                pid_of(one);
                return 0;
              }).code(),
              troupe::errc::gave_up);
    return 0;
  });
  CHECK_EQ(started->wait().exit_code, 70);
}

TEST_CASE("a spare does not take over before its actor's own rules allow a restart") {
  in_program<Ready>(quiet(10), [](troupe::system& sys) {
    auto patient = with_spares(1);
    patient.backoff = {.first = 1s, .jitter = 0};
    auto one = sys.spawn<Ready>(patient);
    expect_stood_by(sys, 1);
    const auto before = total(active_pid);
    crash(sys, one);
    EXPECT(always([&] { return total(active_pid) == before; }, 300ms));
    EXPECT(one.ask(WasSpare{}).get());

    auto careful = with_spares(1, "two");
    careful.budget = troupe::restart_budget{.max_restarts = 1};
    auto two = sys.spawn<Ready>(careful);
    expect_stood_by(sys, 3);
    crash(sys, two);
    EXPECT(two.ask(WasSpare{}).get());
    expect_stood_by(sys, 4);
    crash(sys, two);
    EXPECT_EQ(error_of([&] { return pid_of(two); }).code(), troupe::errc::closed);
  });
}

struct Stillborn : troupe::actor {
  void on_standby() override {
    add(stood_by);
    ::_exit(1);
  }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Pid>;
};

TEST_CASE("spares that die before they stand by are tried again ever more seldom, and then no more") {
  in_program<Stillborn>(quiet(), [](troupe::system& sys) {
    auto one = sys.spawn<Stillborn>(with_spares(1));
    const pid_t pid = pid_of(one);
    EXPECT(eventually([] { return total(stood_by) >= 2; }));
    EXPECT(always([] { return total(stood_by) <= 9; }, 1500ms));
    EXPECT_EQ(pid_of(one), pid);
  });
}

/// Talks before its time.
struct Hasty : troupe::actor {
  explicit Hasty(ready whom) : whom(whom) {}
  void on_standby() override {
    note("tell " + std::string(troupe::name(error_of([&] {
                                              whom.tell(Step{1});
                                              return 0;
                                            }).code())));
    note("ask " + std::string(troupe::name(error_of([&] { return whom.ask(Pid{}).get(); }).code())));
    note("spawn " + std::string(troupe::name(error_of([&] { return self().spawn<Ready>("two"), 0; }).code())));
    add(stood_by);
  }
  void on_start() override { whom.tell(Step{2}); }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Pid>;
  ready whom;
};

TEST_CASE("a spare can neither tell, ask nor spawn before it has taken over; then it can") {
  in_program<Ready, Hasty>(quiet(10), [](troupe::system& sys) {
    auto one = sys.spawn<Ready>("one");
    auto hasty = sys.spawn<Hasty>(with_spares(1, "hasty"), one);
    EXPECT(eventually([] { return total(stood_by) == 1; }));
    EXPECT(noted("tell not_allowed"));
    EXPECT(noted("ask not_allowed"));
    EXPECT(noted("spawn not_allowed"));
    EXPECT(!sys.find<Ready>("two"));
    crash(sys, hasty);
    EXPECT(pid_of(hasty) > 0);
    EXPECT(eventually([] { return std::ranges::count(notes(), "2") == 2; }));
    EXPECT(!noted("1"));
  });
}

struct BadSpare : troupe::actor {
  void on_standby() override {
    add(stood_by);
    throw std::runtime_error("no spare today");
  }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Pid>;
};

TEST_CASE("an actor whose spares cannot be made works without; they are tried again, not at once") {
  const auto ended = in_program<BadSpare>(logged(10), [](troupe::system& sys) {
    auto one = sys.spawn<BadSpare>(with_spares(2));
    EXPECT(eventually([] { return total(stood_by) >= 3; }));
    EXPECT(total(stood_by) < 10UL);
    const pid_t first = pid_of(one);
    crash(sys, one);
    EXPECT(pid_of(one) != first);
  });
  CHECK(ended.log.find("a spare process of one could not start: no spare today") != std::string::npos);
}

TEST_CASE("fifty takeovers leave no descriptor, mapping or process behind") {
  in_program<Ready>(
      quiet(1000),
      [](troupe::system& sys) {
        auto one = sys.spawn<Ready>(with_spares(1));
        std::uint64_t spares = 0;
        const auto round = [&] {
          expect_stood_by(sys, ++spares);
          crash(sys, one);
          EXPECT(one.ask(WasSpare{}).get());
        };
        for (int i = 0; i < 5; ++i) round();
        expect_stood_by(sys, spares + 1);
        const holdings here(::getpid()), his(pid_of(one));
        for (int i = 0; i < 50; ++i) round();
        expect_stood_by(sys, spares + 1);
        here.expect_no_more(::getpid());
        his.expect_no_more(pid_of(one));
        EXPECT(eventually([] { return workers_now() == 2; }));
      },
      120s);
}

}  // namespace
