// How supervisors stop their children: cases 16 to 22 and 55.

#include <thread>

#include "conformance/common.hpp"

using namespace tests;
using troupe::errc;
using troupe::restart;
using troupe::shutdown;
using troupe::strategy;
using kind = troupe::down::kind;

namespace {

constexpr std::array restarts{restart::permanent, restart::transient, restart::temporary};

std::chrono::milliseconds time_of(const std::function<void()>& what) {
  const auto begun = std::chrono::steady_clock::now();
  what();
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun);
}

void make_hang(troupe::system& sys, const std::string& name) {
  kid(sys, name).tell(Hang{});
  EXPECT(eventually([&] { return noted("hangs " + name); }));
}

bool was_killed(const obituary& of) {
  const auto how = of.wait();
  return how.signal == SIGKILL;
}
bool was_shut_down(const obituary& of) {
  const auto how = of.wait();
  return how.why == kind::shutdown && how.exit_code == 0;
}

}  // namespace

TEST_CASE("sup_stop_infinity: a worker and a supervisor with shutdown infinity are asked, and waited for") {
  in_program<Kid, Leaver>([](troupe::system& sys) {
    const auto top =
        sys.spawn(sup().child(troupe::supervisor({.name = "child1"})
                                  .child<Leaver>(spec("below", restart::permanent, shutdown::infinity()), 300)));
    top.start_child<Leaver>(spec("child2", restart::permanent, shutdown::infinity()), 300);
    const obituary first(sys, *sys.find<Leaver>("below")), second(sys, *sys.find<Leaver>("child2"));
    EXPECT(time_of([&] { sys.stop(top); }) >= 600ms);
    EXPECT(was_shut_down(first));
    EXPECT(was_shut_down(second));
    EXPECT_EQ(notes(), lines({"asked child2", "asked below"}));
  });
}

TEST_CASE("sup_stop_timeout: a busy child is killed when its time is over, the others end as asked") {
  in_program<Kid>([](troupe::system& sys) {
    const auto top = sys.spawn(sup());
    const obituary first(sys, top.start_child<Kid>(spec("child1", restart::permanent, shutdown::within(10s))));
    const obituary second(sys, top.start_child<Kid>(spec("child2", restart::permanent, shutdown::within(500ms))));
    make_hang(sys, "child2");
    EXPECT(time_of([&] { sys.stop(top); }) >= 500ms);
    EXPECT(was_shut_down(first));
    EXPECT(was_killed(second));
    EXPECT(noted("stop child1"));
    EXPECT(!noted("stop child2"));
  });
}

TEST_CASE("sup_stop_timeout_dynamic: so it is with children of a template") {
  in_program<Kid>([](troupe::system& sys) {
    const auto top = sys.spawn(
        sup(strategy::simple_one_for_one).each<Kid>(spec("child", restart::permanent, shutdown::within(500ms))));
    const obituary first(sys, top.start<Kid>());
    const obituary second(sys, top.start<Kid>());
    make_hang(sys, "child-2");
    EXPECT(time_of([&] { sys.stop(top); }) >= 500ms);
    EXPECT(was_shut_down(first));
    EXPECT(was_killed(second));
  });
}

TEST_CASE("sup_stop_brutal_kill: a brutal_kill child is killed at once, its sibling is asked") {
  in_program<Kid>([](troupe::system& sys) {
    const auto top = sys.spawn(sup());
    const obituary first(sys, top.start_child<Kid>(spec("child1")));
    const obituary second(sys, top.start_child<Kid>(spec("child2", restart::permanent, shutdown::brutal_kill())));
    sys.stop(top);
    EXPECT(was_shut_down(first));
    EXPECT(was_killed(second));
    EXPECT(noted("stop child1"));
    EXPECT(!noted("stop child2"));
  });
}

TEST_CASE("sup_stop_brutal_kill_dynamic: ten children of a template with brutal_kill are all killed") {
  in_program<Kid>([](troupe::system& sys) {
    const auto top = sys.spawn(
        sup(strategy::simple_one_for_one).each<Kid>(spec("child", restart::permanent, shutdown::brutal_kill())));
    std::vector<obituary> all;
    for (int i = 0; i < 10; ++i) all.emplace_back(sys, top.start<Kid>());
    sys.stop(top);
    for (const auto& each : all) EXPECT(was_killed(each));
    EXPECT_EQ(sys.count().workers, 0U);
  });
}

namespace {

/// Stopped first, since it is started last: while it is being stopped all others end by themselves.
struct Trigger : troupe::actor {
  void on_stop(troupe::stop_reason) override {
    set(mode_of(0), 1);
    while (total(mode_of(1)) == 0) ::poll(nullptr, 0, 1);
  }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Pid>;
};

bool ended_as(const troupe::down& how, ending wanted) {
  switch (wanted) {
    case ending::normal:
      return how.exit_code == 0;
    case ending::exit_code:
      return how.exit_code == 3;
    case ending::exception:
      return how.exit_code > 0 && how.text.find("a wanted exception") != std::string::npos;
    case ending::abort:
      return how.signal == SIGABRT;
    case ending::killed:
      return how.signal == SIGKILL;
  }
  return false;
}

}  // namespace

// shutdown and {shutdown,_}, two of OTP's four reasons, are ways in which supervisors end here; there are other four.
TEST_CASE(
    "sup_stop_race: children that end by themselves while others are stopped neither come again nor hold up the end") {
  in_program<Kid, Trigger>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(sup());
    std::vector<std::pair<ending, obituary>> all;
    std::vector<int> pids;
    for (const auto kind_of : restarts) {
      for (const auto how : {ending::normal, ending::exit_code, ending::exception, ending::killed}) {
        const auto its = top.start_child<Kid>(spec("kid" + std::to_string(all.size()), kind_of, shutdown::within(20s)));
        all.emplace_back(how, obituary(sys, its));
        pids.push_back(pid_of(its));
        its.tell(EndWith{0, how});
      }
    }
    top.start_child<Trigger>(spec("trigger", restart::permanent, shutdown::infinity()));
    std::thread let_go([&] {
      // Not eventually(), which would run callbacks in this thread. A hang is ended by the program's watchdog.
      while (!std::ranges::all_of(pids, [](int each) { return state_of(each) == 0; })) ::poll(nullptr, 0, 1);
      set(mode_of(1), 1);
    });
    sys.stop(top);
    let_go.join();
    for (const auto& [how, each] : all) EXPECT(ended_as(each.wait(), how));
    EXPECT_EQ(sys.count().restarts, 0U);
    EXPECT_EQ(sys.count().workers, 0U);
  });
}

TEST_CASE("sup_stop_non_shutdown_exit_dynamic: children of a template may end in any way when they are stopped") {
  for (const auto kind_of : restarts) {
    in_program<Leaver>(quiet(), [kind_of](troupe::system& sys) {
      const auto top = sys.spawn(sup(strategy::simple_one_for_one).each<Leaver, int, ending>(spec("child", kind_of)));
      std::vector<std::pair<ending, obituary>> all;
      for (const auto how : {ending::normal, ending::exit_code, ending::exception, ending::abort, ending::killed}) {
        all.emplace_back(how, obituary(sys, top.start<Leaver>(0, ending{how})));
      }
      sys.stop(top);
      for (const auto& [how, each] : all) EXPECT(ended_as(each.wait(), how));
      EXPECT_EQ(sys.count().restarts, 0U);
      EXPECT_EQ(sys.count().workers, 0U);
    });
  }
}

// A process cannot leave its supervisor here. It can close all its descriptors, and hear nothing any more.
TEST_CASE("child_unlink: a child that has cut itself off holds up neither terminate_child nor the supervisor") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(sup(strategy::one_for_one, 5));
    const auto naughty = top.start_child<Kid>(spec("naughty_child", restart::temporary, shutdown::within(500ms)));
    top.start_child<Kid>(spec("other"));
    naughty.tell(Unlink{});
    EXPECT(eventually([] { return noted("unlinked"); }));
    std::thread stops([&] {
      try {
        top.terminate_child("naughty_child");
      } catch (const troupe::error&) {  // has been found out before, and is gone
      }
    });
    EXPECT_EQ(restart_by(sys, top, "other", ending::killed) != 0, true);
    stops.join();
    EXPECT(is_gone(top, "naughty_child"));
    EXPECT_EQ(children(top), lines({"other up"}));
  });
}
