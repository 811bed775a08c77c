#include <algorithm>

#include "process/common.hpp"
#include "support/holdings.hpp"

using namespace tests;

namespace {

struct AskHim {
  recorder whom;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(whom);
  }
};
/// Talks with another actor, and is the bystander of its deaths.
struct Friend : troupe::actor {
  int on(const AskHim& m) {
    m.whom.tell(Number{1});
    return m.whom.ask(Pid{}).get();
  }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<AskHim, Pid>;
};

void restart_often(int rounds) {
  in_program<Recorder, Friend>(
      quiet(1'000'000),
      [&](troupe::system& sys) {
        auto one = sys.spawn<Recorder>("one");
        auto bystander = sys.spawn<Friend>("bystander");
        const auto round = [&] {
          EXPECT_EQ(bystander.ask(AskHim{one}).get(), pid_of(one));
          crash(sys, one);
          EXPECT_EQ(bystander.ask(AskHim{one}).get(), pid_of(one));
        };
        for (int i = 0; i < rounds / 10; ++i) round();
        const pid_t other = pid_of(bystander);
        const holdings here(::getpid()), there(other), his(pid_of(one));
        const auto children = children_of(::getpid()).size();
        const std::size_t memory = private_kib(::getpid());
        for (int i = 0; i < rounds; ++i) round();
        // A sanitizer keeps what has been freed.
        if (slowness == 1) EXPECT(private_kib(::getpid()) <= memory + 64);
        here.expect_no_more(::getpid());
        there.expect_no_more(other);
        his.expect_no_more(pid_of(one));
        EXPECT_EQ(children_of(::getpid()).size(), children);
      },
      300s);
}

TEST_CASE("a hundred restarts leave no descriptor, mapping or process behind, in the program or in a bystander") {
  restart_often(100);
}
TEST_CASE("a thousand restarts leave no descriptor, mapping, memory or process behind" * doctest::test_suite("long")) {
  restart_often(1000);
}

void restart_sender_often(int rounds) {
  in_program<Recorder, Friend>(
      quiet(1'000'000),
      [&](troupe::system& sys) {
        auto one = sys.spawn<Recorder>("one");
        auto sender = sys.spawn<Friend>("sender");
        const auto round = [&] {
          EXPECT_EQ(sender.ask(AskHim{one}).get(), pid_of(one));
          crash(sys, sender);
          pid_of(sender);
        };
        for (int i = 0; i < rounds / 10; ++i) round();
        const pid_t receiver = pid_of(one);
        const holdings here(::getpid()), there(receiver);
        for (int i = 0; i < rounds; ++i) round();
        here.expect_no_more(::getpid());
        there.expect_no_more(receiver);
      },
      300s);
}

TEST_CASE("a hundred restarts of a sender leave nothing in its receiver") { restart_sender_often(100); }
TEST_CASE("a thousand restarts of a sender leave nothing in its receiver" * doctest::test_suite("long")) {
  restart_sender_often(1000);
}

TEST_CASE("actors that come and go leave nothing in the program or in who talked with them") {
  in_program<Recorder, Friend>(quiet(1000), [](troupe::system& sys) {
    auto bystander = sys.spawn<Friend>("bystander");
    const auto round = [&] {
      auto one = sys.spawn<Recorder>("one");
      EXPECT_EQ(bystander.ask(AskHim{one}).get(), pid_of(one));
      sys.stop(one);
    };
    for (int i = 0; i < 10; ++i) round();
    const pid_t other = pid_of(bystander);
    const holdings here(::getpid()), there(other);
    for (int i = 0; i < 100; ++i) round();
    here.expect_no_more(::getpid());
    there.expect_no_more(other);
  });
}

TEST_CASE("a worker holds the descriptors that it needs, and none of another worker's") {
  in_program<Recorder, Friend>([](troupe::system& sys) {
    std::vector<recorder> all;
    for (int i = 0; i < 3; ++i) all.push_back(sys.spawn<Recorder>("one " + std::to_string(i)));
    const auto pids = [] {
      auto found = children_of(::getpid());
      std::erase_if(found, [](pid_t pid) { return name_of_process(pid) == "troupe-spawner"; });
      return found;
    };
    EXPECT_EQ(pids().size(), 3UL);
    const std::string alone = text_of(kinds_of(pids().front()));
    for (const pid_t each : pids()) {
      auto kinds = kinds_of(each);
      EXPECT_EQ(text_of(kinds), alone);
      EXPECT_EQ(kinds["[pidfd]"], 0);
      EXPECT_EQ(kinds["[signalfd]"], 0);
      EXPECT(kinds["socket"] <= 2);     // the control socket, and its copy for the last frame
      EXPECT_EQ(kinds["[eventfd]"], 0);
      EXPECT(kinds["pipe"] <= 2);       // the doorbell, as endpoint and as mailbox
      EXPECT_EQ(kinds["[eventpoll]"], 1);
      EXPECT_EQ(kinds["test-log"], 2);  // standard output and error
    }
    const pid_t spawner = children_of(::getpid(), "troupe-spawner").at(0);
    EXPECT_EQ(kinds_of(spawner)["socket"], 1);
    EXPECT_EQ(kinds_of(spawner)["[pidfd]"], 1);  // the program's, whose end it waits for
    EXPECT_EQ(descriptors_of(spawner).size(), 5UL);
    // Whoever is asked gets one pipe's write end and the asker's doorbell, whoever asks its read end and the other's
    // doorbell: main, who asks three.
    const int worker_alone = kinds_of(pids().front())["pipe"], main_alone = kinds_of(::getpid())["pipe"];
    for (const auto& each : all) EXPECT_EQ(kinds_of(pid_of(each))["pipe"], worker_alone + 2);
    EXPECT_EQ(kinds_of(::getpid())["pipe"], main_alone + 6);
  });
}

}  // namespace
