#include <poll.h>
#include <sys/resource.h>

#include <array>
#include <thread>

#include "process/common.hpp"

using namespace tests;

namespace {

int give(int code) { return code; }
void say(std::string text, int number) { note(text + " " + std::to_string(number)); }
void fail_with(const std::string& text) { throw std::runtime_error(text); }
void crash_now() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  std::abort();
}

/// Until it is stopped: its wait is one that serves the program.
void wait_for_ever() {
  note("waiting");
  auto [reader, writer] = troupe::pipe<int>();
  reader.recv();
}
void wait_deaf() {
  note("deaf");
  for (;;) ::pause();
}
int start_another() {
  troupe::process inner(give, 7);
  inner.join();
  return *inner.exit_code() + 1;
}
bool readable(int descriptor, int ms) {
  pollfd what{descriptor, POLLIN, 0};
  return ::poll(&what, 1, ms) == 1;
}

struct Run {
  int code;
};
struct Start {};
struct Starter : troupe::actor {
  int on(Run m) {
    troupe::process started(give, m.code);
    started.join();
    return *started.exit_code();
  }
  int on(Start) {
    kept = troupe::process(wait_for_ever);
    return kept.pid();
  }
  void on(Abort) { crash_now(); }
  using handles = troupe::handles<Run, Start, Abort>;
  troupe::process kept;
};

}  // namespace

TEST_CASE("a process runs a function with its arguments elsewhere") {
  in_program([](troupe::system&) {
    troupe::process said(say, "hello", 5);
    EXPECT(said.pid() != ::getpid());
    said.join();
    EXPECT_EQ(said.exit_code().value_or(-1), 0);
    EXPECT(!said.is_alive());
    EXPECT(noted("hello 5"));
    troupe::process lambda([](int base, double factor) { return static_cast<int>(base * factor); }, 5, 2);
    lambda.join();
    EXPECT_EQ(lambda.exit_code().value_or(-1), 10);
  });
}

TEST_CASE("the exit code of a process is what its function returned, or the negative signal") {
  in_program([](troupe::system&) {
    for (const int code : {0, 1, 42, 255}) {
      troupe::process gives(give, code);
      gives.join();
      EXPECT_EQ(gives.exit_code().value_or(-1), code);
    }
    troupe::process aborts(crash_now);
    aborts.join();
    EXPECT_EQ(aborts.exit_code().value_or(0), -SIGABRT);
  });
}

TEST_CASE("terminate and kill end a process with SIGTERM and SIGKILL") {
  in_program([](troupe::system&) {
    troupe::process first(wait_deaf);
    EXPECT(first.is_alive());
    EXPECT(!first.exit_code());
    EXPECT(!first.join(20ms));
    first.terminate();
    EXPECT(first.join(10s));
    EXPECT_EQ(first.exit_code().value_or(0), -SIGTERM);
    troupe::process second(wait_deaf);
    second.kill();
    second.join();
    EXPECT_EQ(second.exit_code().value_or(0), -SIGKILL);
    second.terminate();
    second.kill();
    for (int i = 0; i < 100; ++i) {
      troupe::process at_once(wait_deaf);
      at_once.terminate();
      EXPECT(at_once.join(10s));
    }
  });
}

TEST_CASE("a process that is gone when it is terminated keeps its exit code") {
  in_program([](troupe::system&) {
    troupe::process ended(give, 3);
    EXPECT(readable(ended.sentinel(), 10'000));
    ended.terminate();
    ended.kill();
    EXPECT_EQ(ended.exit_code().value_or(-1), 3);
  });
}

TEST_CASE("the sentinel of a process becomes readable when it has ended, and then the exit code is known") {
  in_program([](troupe::system&) {
    for (int i = 0; i < 20; ++i) {
      troupe::process waits(wait_for_ever);
      EXPECT(!readable(waits.sentinel(), 0));
      waits.kill();
      EXPECT(readable(waits.sentinel(), 10'000));
      EXPECT(!waits.is_alive());
      EXPECT_EQ(waits.exit_code().value_or(0), -SIGKILL);
      EXPECT(readable(waits.sentinel(), 0));
    }
  });
}

TEST_CASE("an exception that escapes the function of a process is printed and gives exit code 1") {
  const auto ended = in_program([](troupe::system&) {
    troupe::process fails(fail_with, "no such luck");
    fails.join();
    EXPECT_EQ(fails.exit_code().value_or(0), 1);
  });
  CHECK(ended.log.find("no such luck") != std::string::npos);
}

TEST_CASE("an actor and a process can start processes") {
  in_program<Starter>([](troupe::system& sys) {
    auto starter = sys.spawn<Starter>("starter");
    EXPECT_EQ(starter.ask(Run{9}).get(), 9);
    troupe::process outer(start_another);
    outer.join();
    EXPECT_EQ(outer.exit_code().value_or(-1), 8);
  });
}

TEST_CASE("a process does not outlive the actor that started it") {
  in_program<Starter>([](troupe::system& sys) {
    auto starter = sys.spawn<Starter>("starter");
    const pid_t pid = starter.ask(Start{}).get();
    EXPECT(eventually([] { return noted("waiting"); }));
    starter.tell(Abort{});
    EXPECT(eventually([&] { return state_of(pid) == 0; }));
  });
}

TEST_CASE("a process does not outlive its program, whether it listens or not") {
  auto started = start_program(quiet(), [](troupe::system& sys) {
    std::array waiting{troupe::process(wait_for_ever), troupe::process(wait_deaf)};
    sys.wait();
    return 0;
  });
  CHECK(eventually([] { return noted("waiting") && noted("deaf"); }));
  started->signal(SIGTERM);
  CHECK_EQ(started->wait().exit_code, 128 + SIGTERM);
}

TEST_CASE("join in a thread does not hinder the others") {
  in_program([](troupe::system&) {
    troupe::process waits(wait_for_ever);
    std::thread joins([&] { waits.join(); });
    for (int i = 0; i < 10; ++i) {
      troupe::process other(give, i);
      other.join();
      EXPECT_EQ(other.exit_code().value_or(-1), i);
    }
    ::kill(waits.pid(), SIGKILL);
    joins.join();
  });
}

TEST_CASE("a handle without a process says so") {
  in_program([](troupe::system&) {
    troupe::process none;
    EXPECT(!none);
    EXPECT_EQ(error_of([&] { return none.pid(); }).code(), troupe::errc::not_allowed);
    troupe::process some(give, 1);
    none = std::move(some);
    EXPECT(!some);
    none.join();
  });
}

TEST_CASE("processes leave no descriptor behind") {
  in_program([](troupe::system&) {
    const auto round = [] {
      troupe::process first(give, 1), second(give, 2);
      first.join();
      second.join();
    };
    round();
    const auto before = descriptors_of(::getpid());
    for (int i = 0; i < 100; ++i) round();
    EXPECT(eventually([&] { return descriptors_of(::getpid()).size() <= before.size(); }));
  });
}
