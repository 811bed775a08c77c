#include "process/common.hpp"

using namespace tests;

namespace {

using std::chrono::milliseconds;

enum class slowness_of : int { nothing, constructor, on_start };

/// Takes for ever to start where it is told, from the life `first` to the life `last` of the program's actors.
struct Starter : troupe::actor {
  Starter(int where, int first, int last) : where_(static_cast<slowness_of>(where)) {
    const int life = static_cast<int>(add(0));
    note("life " + std::to_string(life));
    if (life < first || life > last) where_ = slowness_of::nothing;
    if (where_ == slowness_of::constructor) static_cast<void>(::pause());
  }
  void on_standby() override { set(1, static_cast<std::uint64_t>(::getpid())); }
  void on_start() override {
    if (where_ != slowness_of::on_start) return;
    for (volatile bool on = true; on;) {
    }
  }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Pid>;
  slowness_of where_;
};

constexpr int constructor = static_cast<int>(slowness_of::constructor);
constexpr int on_start = static_cast<int>(slowness_of::on_start);

TEST_CASE("a constructor or on_start that takes longer than start_timeout is a failed start whose text says so") {
  in_program<Starter>([](troupe::system& sys) {
    for (const int where : {constructor, on_start}) {
      const troupe::child_spec spec{.name = "slow", .start_timeout = 200ms};
      const auto how = error_of([&] { return sys.spawn<Starter>(spec, where, 0, 1000); });
      EXPECT_EQ(how.code(), troupe::errc::start_failed);
      EXPECT(how.text().find("slow could not start: ") != std::string::npos);
      EXPECT(how.text().find("it had not started after ") != std::string::npos);
      EXPECT(how.text().find("its start_timeout is 200 ms") != std::string::npos);
      EXPECT_EQ(sys.count().workers, 0UL);
    }
    EXPECT(pid_of(sys.spawn<Starter>("slow", on_start, 0, 0)) > 0);  // its name is free
  });
}

TEST_CASE("a start within its start_timeout is none of its business, nor is what comes later") {
  in_program<Starter>([](troupe::system& sys) {
    auto one = sys.spawn<Starter>({.name = "one", .start_timeout = 1s}, 0, 0, 0);
    const pid_t first = pid_of(one);
    EXPECT(always([&] { return pid_of(one) == first; }, 1500ms));
    EXPECT_EQ(sys.count().deaths, 0UL);
  });
}

TEST_CASE("a spare that stands by for longer than start_timeout is not killed for it, and takes over") {
  in_program<Starter>([](troupe::system& sys) {
    auto one = sys.spawn<Starter>({.name = "one", .start_timeout = 500ms, .standby = 1}, 0, 0, 0);
    EXPECT(eventually([] { return total(1) != 0; }));
    const auto spare = total(1);
    EXPECT(always([&] { return total(1) == spare && state_of(static_cast<pid_t>(spare)) != 0; }, 2500ms));
    crash(sys, one);
    EXPECT_EQ(static_cast<std::uint64_t>(pid_of(one)), spare);
  });
}

TEST_CASE("a restart that takes longer than start_timeout is a failed attempt, and the next one counts") {
  const auto ended = in_program<Starter>(logged(100), [](troupe::system& sys) {
    auto one = sys.spawn<Starter>({.name = "one", .start_timeout = 200ms}, on_start, 2, 3);
    const pid_t first = pid_of(one);
    crash(sys, one);
    EXPECT(one.ask(Pid{}, 60s).get() != first);
    EXPECT(noted("life 4"));
    EXPECT(!noted("life 5"));
  });
  CHECK(ended.log.find("one failed to start: was killed: it had not started after ") != std::string::npos);
}

TEST_CASE("restarts that always take longer than start_timeout end with the supervisor giving up") {
  auto running = start_program<Starter>(quiet(3), [](troupe::system& sys) {
    auto one = sys.spawn<Starter>({.name = "one", .start_timeout = 100ms}, on_start, 2, 1000);
    crash(sys, one);
    sys.wait();
    return 0;
  });
  CHECK(running->wait(60s).exit_code == 70);
}

}  // namespace
