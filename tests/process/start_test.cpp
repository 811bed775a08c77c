#include <iostream>

#include "process/common.hpp"

using namespace tests;

namespace {

/// Fails in its constructor, or in on_start, from a certain start on.
struct Fragile : troupe::actor {
  Fragile(std::string where, std::uint64_t from) : where_(std::move(where)), from_(from) {
    start_ = add(0);
    fail_if("constructor");
  }
  void on_start() override { fail_if("on_start"); }
  int on(Pid) { return ::getpid(); }
  void on(Abort) { std::abort(); }
  using handles = troupe::handles<Pid, Abort>;

 private:
  void fail_if(const std::string& here) const {
    if (where_ == here && start_ >= from_) throw std::runtime_error("no " + here + " today");
    if (where_ == here + " abort" && start_ >= from_) std::abort();
    if (where_ == here + " exit" && start_ >= from_) ::_exit(3);
  }
  std::string where_;
  std::uint64_t from_;
  std::uint64_t start_ = 0;
};

/// Writes to standard output and standard error before it answers.
struct Speaker : troupe::actor {
  int on(Number m) {
    std::cout << "told " << m.value << std::endl;
    std::cerr << "told " << m.value << std::endl;
    return m.value;
  }
  using handles = troupe::handles<Number>;
};

TEST_CASE("a program that is started with closed standard descriptors works, and ends in order") {
  for (const std::vector<int>& closed : {std::vector{0}, {1, 2}, {0, 1, 2}}) {
    for (const bool captured : {false, true}) {
      CAPTURE(closed);
      CAPTURE(captured);
      program started([&] {
        for (const int each : closed) ::close(each);
        return troupe::run<Speaker>(0, nullptr, captured ? logged() : quiet(), [](troupe::system& sys) {
          const auto speaker = sys.spawn<Speaker>("speaker");
          for (int i = 0; i < 100; ++i) EXPECT_EQ(speaker.ask(Number{i}).get(), i);
          note("answered");
        });
      });
      CHECK_EQ(started.wait().exit_code, 0);
      CHECK(noted("answered"));
    }
  }
}

TEST_CASE("a constructor or an on_start that fails makes spawn fail with its text, and the name is free") {
  in_program<Fragile>([](troupe::system& sys) {
    for (const std::string where : {"constructor", "on_start"}) {
      const auto failed = error_of([&] { return sys.spawn<Fragile>("one", where, 1UL); });
      EXPECT_EQ(failed.code(), troupe::errc::start_failed);
      EXPECT(failed.text().find("no " + where + " today") != std::string::npos);
      EXPECT(!sys.find<Fragile>("one"));
    }
    EXPECT_EQ(sys.count().workers, 0UL);
    EXPECT(pid_of(sys.spawn<Fragile>("one", "nowhere", 1UL)) > 0);
  });
}

TEST_CASE("a constructor that kills its process makes spawn fail with how it died") {
  in_program<Fragile>([](troupe::system& sys) {
    const auto aborted = error_of([&] { return sys.spawn<Fragile>("one", "constructor abort", 1UL); });
    EXPECT_EQ(aborted.code(), troupe::errc::start_failed);
    EXPECT(aborted.text().find("SIGABRT") != std::string::npos);
    const auto left = error_of([&] { return sys.spawn<Fragile>("one", "on_start exit", 1UL); });
    EXPECT_EQ(left.code(), troupe::errc::start_failed);
    EXPECT(left.text().find("3") != std::string::npos);
  });
}

TEST_CASE("a constructor that fails at restarts uses up the budget, and the program gives up") {
  auto program = start_program<Fragile>(quiet(5), [](troupe::system& sys) {
    auto one = sys.spawn<Fragile>("one", "constructor", 2UL);
    EXPECT_EQ(error_of([&] { one.ask(Abort{}).get(); }).code(), troupe::errc::outcome_unknown);
    EXPECT_EQ(error_of([&] { return one.ask(Pid{}).get(); }).code(), troupe::errc::gave_up);
    sys.wait();
    EXPECT_EQ(total(0), 6UL);  // the first start, and five restarts
    return 0;
  });
  CHECK_EQ(program->wait().exit_code, 70);
}

TEST_CASE("a constructor that fails twice at a restart, and then does not, is no end") {
  struct Twice : troupe::actor {
    Twice() {
      const auto start = add(0);
      if (start == 2 || start == 3) throw std::runtime_error("not yet");
    }
    int on(Pid) { return ::getpid(); }
    void on(Abort) { std::abort(); }
    using handles = troupe::handles<Pid, Abort>;
  };
  in_program<Twice>(quiet(5), [](troupe::system& sys) {
    auto one = sys.spawn<Twice>("one");
    EXPECT_EQ(error_of([&] { one.ask(Abort{}).get(); }).code(), troupe::errc::outcome_unknown);
    EXPECT(pid_of(one) > 0);
    EXPECT_EQ(total(0), 4UL);
  });
}

TEST_CASE("more than one restart in five seconds is too many, unless the program says otherwise") {
  auto program = start_program<Recorder>(logged(), [](troupe::system& sys) {
    auto one = sys.spawn<Recorder>("one"), bystander = sys.spawn<Recorder>("bystander");
    EXPECT_EQ(error_of([&] { one.ask(Abort{}).get(); }).code(), troupe::errc::outcome_unknown);
    EXPECT(pid_of(one) > 0);
    EXPECT_EQ(error_of([&] { one.ask(Abort{}).get(); }).code(), troupe::errc::outcome_unknown);
    const auto late = error_of([&] { return one.ask(Pid{}).get(); });
    EXPECT_EQ(late.code(), troupe::errc::gave_up);
    EXPECT(late.text().find("SIGABRT") != std::string::npos);
    sys.wait();
    EXPECT_EQ(error_of([&] { return bystander.ask(Pid{}).get(); }).code(), troupe::errc::gave_up);
    EXPECT_EQ(error_of([&] { return one.tell(Number{1}); }).code(), troupe::errc::gave_up);
    EXPECT_EQ(error_of([&] { return sys.spawn<Recorder>("new"); }).code(), troupe::errc::gave_up);
    return 3;
  });
  const auto ended = program->wait();
  CHECK_EQ(ended.exit_code, 70);
  CHECK(ended.log.find("the supervisor gives up; last: one") != std::string::npos);
}

TEST_CASE("an ask under way when the program gives up ends with gave_up, also one to a bystander") {
  auto program = start_program<Recorder>(quiet(0), [](troupe::system& sys) {
    auto one = sys.spawn<Recorder>("one");
    auto bystander = sys.spawn<Recorder>({.name = "bystander", .shutdown = troupe::shutdown::within(200ms)});
    freeze(sys, bystander);
    auto waiting = bystander.ask(Numbers{}, 60s);
    one.tell(Exit{1});
    for (int i = 0; i < 3; ++i) one.tell(Exit{1});
    EXPECT_EQ(error_of([&] { return waiting.get(); }).code(), troupe::errc::gave_up);
    return 0;
  });
  CHECK_EQ(program->wait().exit_code, 70);
}

}  // namespace
