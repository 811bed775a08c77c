#include <sys/ioctl.h>

#include <algorithm>
#include <atomic>
#include <cstdio>

#include "process/common.hpp"

using namespace tests;

namespace {

struct Silence {};
struct Block {};
struct Command {
  std::string line;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(line);
  }
};
/// Notes its end; answers a request never; may refuse to stop.
struct Stopper : troupe::actor {
  troupe::deferred<int> on(Silence) {
    silent.push_back(self().defer<int>());
    return silent.back();
  }
  void on(Block) { block_ = true; }
  int on(Pid) { return ::getpid(); }
  int on(const Command& m) { return std::system(m.line.c_str()); }
  void on_stop(troupe::stop_reason) override {
    note("stop " + self().name());
    while (block_) ::pause();
  }
  using handles = troupe::handles<Silence, Block, Pid, Command>;
  std::vector<troupe::deferred<int>> silent;

 private:
  bool block_ = false;
};

void spawn_three(troupe::system& sys) {
  for (const auto* name : {"a", "b", "c"}) sys.spawn<Stopper>(name);
}
const std::vector<std::string> reverse_order{"stop c", "stop b", "stop a"};

std::vector<std::string> stops() {
  auto all = notes();
  std::erase_if(all, [](const std::string& line) { return !line.starts_with("stop "); });
  return all;
}

TEST_CASE("a signal stops the tree in reverse order while main waits, and is the exit code") {
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    auto program = start_program<Stopper>(logged(), [](troupe::system& sys) {
      spawn_three(sys);
      note("up");
      sys.wait();
      EXPECT(sys.stopping());
      note("waited");
      return 0;
    });
    REQUIRE(eventually([] { return noted("up"); }));
    program->signal(number);
    const auto ended = program->wait();
    CHECK_EQ(ended.exit_code, 128 + number);
    CHECK_EQ(stops(), reverse_order);
    CHECK(noted("waited"));
    CHECK(ended.log.find("stopping") != std::string::npos);
  }
}

TEST_CASE("a signal ends a get that main waits in, with an error") {
  auto program = start_program<Stopper>(quiet(), [](troupe::system& sys) {
    spawn_three(sys);
    auto one = *sys.find<Stopper>("a");
    auto asked = one.ask(Silence{}, 60s);
    note("up");
    EXPECT_EQ(error_of([&] { return asked.get(); }).code(), troupe::errc::stopping);
    EXPECT_EQ(error_of([&] { return pid_of(one); }).code(), troupe::errc::stopping);
    note("told");
    return 0;
  });
  REQUIRE(eventually([] { return noted("up"); }));
  program->signal(SIGTERM);
  CHECK_EQ(program->wait().exit_code, 128 + SIGTERM);
  CHECK(noted("told"));
  CHECK_EQ(stops(), reverse_order);
}

TEST_CASE("an error that a signal causes and that main does not catch is no failure of its own") {
  auto program = start_program<Stopper>(quiet(), [](troupe::system& sys) {
    spawn_three(sys);
    note("up");
    try {
      sys.find<Stopper>("a")->ask(Silence{}, 60s).get();
    } catch (const std::exception&) {
      note("caught");
    }
    return 0;
  });
  REQUIRE(eventually([] { return noted("up"); }));
  program->signal(SIGINT);
  CHECK_EQ(program->wait().exit_code, 128 + SIGINT);
  CHECK(noted("caught"));
}

TEST_CASE("a signal ends a main that computes for ever, after a second in which the tree stops") {
  auto program = start_program<Stopper>(quiet(), [](troupe::system& sys) -> int {
    spawn_three(sys);
    note("up");
    for (std::atomic<unsigned> i = 0;;) ++i;
  });
  REQUIRE(eventually([] { return noted("up"); }));
  program->signal(SIGTERM);
  CHECK_EQ(program->wait(10s).exit_code, 128 + SIGTERM);
  CHECK_EQ(stops(), reverse_order);
}

TEST_CASE("a signal ends a main that goes on although its supervisor has given up") {
  auto program = start_program<Stopper>(quiet(0), [](troupe::system& sys) {
    sys.send_signal(sys.spawn<Stopper>("one"), SIGKILL);
    eventually([&] { return sys.stopping(); });
    note("gave up");
    for (;;) ::pause();
    return 0;
  });
  CHECK(eventually([] { return noted("gave up"); }));
  program->signal(SIGTERM);
  CHECK_EQ(program->wait(20s).exit_code, 128 + SIGTERM);
}

TEST_CASE("a second signal ends the program at once, whatever a worker does in its on_stop") {
  auto program = start_program<Stopper>(quiet(), [](troupe::system& sys) {
    auto one = sys.spawn<Stopper>({.name = "a", .shutdown = troupe::shutdown::infinity()});
    one.ask(Block{}).get();
    note("up");
    sys.wait();
    return 0;
  });
  REQUIRE(eventually([] { return noted("up"); }));
  program->signal(SIGTERM);
  REQUIRE(eventually([] { return noted("stop a"); }));
  program->signal(SIGINT);
  CHECK_EQ(program->wait(10s).exit_code, 128 + SIGINT);
}

TEST_CASE("a signal that the program was started to ignore does not stop it") {
  program running([] {
    ::signal(SIGHUP, SIG_IGN);
    return troupe::run<Stopper>(0, nullptr, quiet(), [](troupe::system& sys) {
      sys.spawn<Stopper>("one");
      ::raise(SIGHUP);
      ::kill(::getpid(), SIGTERM);
      sys.wait();
    });
  });
  CHECK_EQ(running.wait().exit_code, 128 + SIGTERM);
}

TEST_CASE("when run has returned the signals that are blocked are those from before") {
  program running([] {
    sigset_t before, after;
    ::sigemptyset(&before);
    ::sigaddset(&before, SIGUSR1);
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    troupe::run<Stopper>(0, nullptr, quiet(), [](troupe::system&) {});
    ::sigprocmask(SIG_SETMASK, nullptr, &after);
    return ::sigismember(&after, SIGTERM) == 0 && ::sigismember(&after, SIGUSR1) == 1 ? 0 : 1;
  });
  CHECK_EQ(running.wait().exit_code, 0);
}

/// Prints more than a pipe holds.
struct Flood : troupe::actor {
  void on_start() override {
    for (int i = 0; i < 5000; ++i) std::printf("line %d of a worker that prints a lot, for nobody who reads\n", i);
    std::fflush(stdout);
  }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Pid>;
};

/// Its standard output is a pipe that is full when main goes on.
int run_unread(bool waits) {
  int ends[2];
  if (::pipe(ends) != 0 || ::dup2(ends[1], STDOUT_FILENO) < 0) return 1;
  troupe::options how;
  how.log.lines_per_second = 0;
  return troupe::run<Flood>(0, nullptr, how, [&](troupe::system& sys) {
    sys.spawn<Flood>("flood");
    EXPECT(eventually([&] {
      int bytes = 0;
      return ::ioctl(ends[0], FIONREAD, &bytes) == 0 && bytes > 60000;
    }));
    note("full");
    if (waits) sys.wait();
  });
}

TEST_CASE("a signal ends a program whose standard output nobody reads") {
  program running([] { return run_unread(true); });
  REQUIRE(eventually([] { return noted("full"); }));
  running.signal(SIGTERM);
  CHECK_EQ(running.wait().exit_code, 128 + SIGTERM);
}

TEST_CASE("a signal ends a program that waits at its end for somebody to read its standard output") {
  program running([] { return run_unread(false); });
  REQUIRE(eventually([] { return noted("full"); }));
  REQUIRE(eventually([&] { return children_of(running.pid()).empty(); }));
  running.signal(SIGTERM);
  const auto ended = running.wait();
  CHECK(ended.exit_code + ended.signal != 0);
}

TEST_CASE("a worker takes no signal that is meant for the program") {
  in_program<Stopper>([](troupe::system& sys) {
    auto one = sys.spawn<Stopper>("one");
    const pid_t pid = pid_of(one);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE}) {
      ::kill(pid, number);
      EXPECT_EQ(pid_of(one), pid);
    }
    const auto spawners = children_of(::getpid(), "troupe-spawner");
    for (const pid_t each : spawners) {
      for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1}) ::kill(each, number);
    }
    sys.stop(one);
    EXPECT(pid_of(sys.spawn<Stopper>("one")) > 0);
  });
}

TEST_CASE("a worker can run a program and wait for it, and other signals end it as they end any process") {
  in_program<Stopper>(quiet(100), [](troupe::system& sys) {
    auto one = sys.spawn<Stopper>("one");
    EXPECT_EQ(one.ask(Command{"exit 3"}).get(), 3 << 8);
    std::vector<int> signals;
    sys.monitor(one, [&](const troupe::down& d) { signals.push_back(d.signal); });
    for (const int number : {SIGUSR1, SIGALRM, SIGVTALRM}) {
      const pid_t pid = pid_of(one);
      sys.send_signal(one, number);
      EXPECT(eventually([&] { return !signals.empty() && signals.back() == number; }));
      EXPECT(pid_of(one) != pid);
    }
  });
}

TEST_CASE("the program's end stops the tree in reverse order, and its code is that of main") {
  auto program = start_program<Stopper>(quiet(), [](troupe::system& sys) {
    spawn_three(sys);
    return 42;
  });
  CHECK_EQ(program->wait().exit_code, 42);
  CHECK_EQ(stops(), reverse_order);
}

TEST_CASE("stop ends wait, also from another thread's callback") {
  in_program<Stopper>([](troupe::system& sys) {
    auto one = sys.spawn<Stopper>("one");
    one.ask(Pid{}).then([&](const troupe::expected<int>&) { sys.stop(); });
    sys.wait();
    EXPECT(sys.stopping());
  });
  CHECK_EQ(stops(), std::vector<std::string>{"stop one"});
}

TEST_CASE("an error that escapes main is printed, and the exit code is 1") {
  program escapes([] {
    return troupe::run<Stopper>(0, nullptr, quiet(), [](troupe::system& sys) {
      sys.spawn<Stopper>("one");
      throw std::runtime_error("words of main");
    });
  });
  const auto ended = escapes.wait();
  CHECK_EQ(ended.exit_code, 1);
  CHECK(ended.log.find("words of main") != std::string::npos);
  CHECK_EQ(stops(), std::vector<std::string>{"stop one"});
}

struct Dier : troupe::actor {
  int on(Pid) { return ::getpid(); }
  int on(const Command& m) { return std::system(m.line.c_str()); }
  void on_stop(troupe::stop_reason) override {
    note("stop " + self().name());
    if (self().name() == "b") std::abort();
    if (self().name() == "c") throw std::runtime_error("in on_stop");
  }
  using handles = troupe::handles<Pid>;
};

TEST_CASE("a worker that dies while the tree stops disturbs nothing") {
  auto program = start_program<Dier>(logged(), [](troupe::system& sys) {
    for (const auto* name : {"a", "b", "c"}) sys.spawn<Dier>(name);
    return 7;
  });
  CHECK_EQ(program->wait().exit_code, 7);
  CHECK_EQ(stops(), reverse_order);
}

}  // namespace
