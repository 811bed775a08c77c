// A child that cannot be restarted, under a supervisor that goes on trying: cases 80 to 82.

#include <thread>

#include "conformance/common.hpp"

using namespace tests;
using troupe::errc;
using troupe::restart;
using troupe::shutdown;
using troupe::strategy;

namespace {

constexpr std::uint32_t for_ever = 1'000'000;  // restarts

troupe::child_spec child(const std::string& name) { return spec(name, restart::permanent, shutdown::brutal_kill()); }

/// From now on it is started again and again.
void hang_in_restarts(troupe::system& sys, const std::string& name, int slot) {
  starts(slot, start::fails);
  const auto before = started(slot);
  kid(sys, name).tell(End{ending::exit_code});
  EXPECT(eventually([&] { return started(slot) > before + 3; }));
}

/// No start comes any more.
void is_at_rest(int slot) {
  const auto so_far = started(slot);
  EXPECT(always([&] { return started(slot) == so_far; }, 300ms));
}

}  // namespace

TEST_CASE("hanging_restart_loop: a supervisor answers between attempts, and the loop can be ended") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(sup(strategy::one_for_one, for_ever));
    top.start_child<Kid>(child("child1"), 0);
    hang_in_restarts(sys, "child1", 0);
    EXPECT_EQ(error_of([&] { return top.start_child<Kid>(child("child1"), 0); }).code(), errc::already_present);
    EXPECT_EQ(error_of([&] { return top.restart_child("child1"); }).code(), errc::restarting);
    EXPECT_EQ(error_of([&] { return top.delete_child("child1"), 0; }).code(), errc::restarting);
    EXPECT_EQ(children(top), lines({"child1 restarting"}));
    EXPECT_EQ(counts(top), numbers({1, 0, 0, 1}));
    top.terminate_child("child1");
    EXPECT_EQ(children(top), lines({"child1 down"}));
    is_at_rest(0);

    starts(0, start::normally);
    top.restart_child("child1");
    hang_in_restarts(sys, "child1", 0);
    sys.stop(top);
    EXPECT_EQ(children(sys.root()), lines{});
    is_at_rest(0);
  });
}

// In OTP terminate_child waits for the end of the attempt; here it ends the attempt, which has failed then.
TEST_CASE("hanging_restart_loop_rest_for_one: earlier children run meanwhile, later ones are down") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(sup(strategy::rest_for_one, for_ever)
                                   .child<Kid>(child("child1"))
                                   .child<Kid>(child("child2"), 0)
                                   .child<Kid>(child("child3")));
    const auto first = incarnation(top, "child1");
    hang_in_restarts(sys, "child2", 0);
    EXPECT_EQ(error_of([&] { return top.start_child<Kid>(child("child2"), 0); }).code(), errc::already_present);
    EXPECT_EQ(error_of([&] { return top.restart_child("child2"); }).code(), errc::restarting);
    EXPECT_EQ(error_of([&] { return top.delete_child("child2"), 0; }).code(), errc::restarting);
    EXPECT_EQ(children(top), lines({"child3 down", "child2 restarting", "child1 up"}));
    EXPECT_EQ(counts(top), numbers({3, 1, 0, 3}));
    starts(0, start::asks);
    EXPECT(asks(0));
    top.terminate_child("child2");
    EXPECT_EQ(children(top), lines({"child3 down", "child2 down", "child1 up"}));
    is_at_rest(0);
    EXPECT_EQ(children(top), lines({"child3 down", "child2 down", "child1 up"}));

    set(asking(0), 0);
    starts(0, start::normally);
    top.restart_child("child2");
    EXPECT_EQ(children(top), lines({"child3 down", "child2 up", "child1 up"}));
    top.restart_child("child3");
    EXPECT_EQ(children(top), lines({"child3 up", "child2 up", "child1 up"}));
    hang_in_restarts(sys, "child2", 0);
    EXPECT_EQ(incarnation(top, "child1"), first);
    sys.stop(top);
    EXPECT_EQ(sys.count().workers, 0U);
    is_at_rest(0);
  });
}

TEST_CASE("terminate_child during a start that succeeds before its end: those that are started after it are started") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(sup(strategy::rest_for_one)
                                   .child<Kid>(child("child1"))
                                   .child<Kid>(spec("child2", restart::permanent, shutdown::within(60s)), 0)
                                   .child<Kid>(child("child3")));
    starts(0, start::asks);
    kid(sys, "child2").tell(End{ending::exit_code});
    EXPECT(asks(0));
    std::thread starter([&] {
      EXPECT(eventually([&] { return children(top) == lines({"child3 down", "child2 stopping", "child1 up"}); }));
      answer(0, start::normally);
    });
    top.terminate_child("child2");
    starter.join();
    EXPECT(eventually([&] { return children(top) == lines({"child3 up", "child2 down", "child1 up"}); }));
  });
}

TEST_CASE("hanging_restart_loop_simple: so it is with a child of a template, which is known by its old ref") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(sup(strategy::simple_one_for_one, for_ever).each<Kid>(child("child"), 0));
    const auto first = top.start<Kid>();
    hang_in_restarts(sys, "child-1", 0);
    EXPECT_EQ(error_of([&] { return top.restart_child("child-1"); }).code(), errc::not_allowed);
    EXPECT_EQ(error_of([&] { return top.delete_child("child-1"), 0; }).code(), errc::not_allowed);
    EXPECT_EQ(children(top), lines({"child-1 restarting"}));
    EXPECT_EQ(counts(top), numbers({1, 0, 0, 1}));
    top.terminate_child(first);
    EXPECT_EQ(children(top), lines{});
    is_at_rest(0);

    starts(0, start::normally);
    top.start<Kid>();
    hang_in_restarts(sys, "child-2", 0);
    sys.stop(top);
    EXPECT_EQ(sys.count().workers, 0U);
    is_at_rest(0);
  });
}

TEST_CASE("a death is told when it happens, also if the restart has to wait, and again if that comes to nothing") {
  in_program<Kid>(quiet(5), [](troupe::system& sys) {
    auto its = child("one");
    its.backoff = {.first = 3600s, .max = 3600s, .jitter = 0};
    const auto top = sys.spawn(sup(strategy::one_for_one, for_ever).child<Kid>(its));
    std::vector<bool> for_good;
    sys.monitor(kid(sys, "one"), [&](const troupe::down& d) { for_good.push_back(d.for_good); });
    kid(sys, "one").tell(End{ending::exit_code});
    EXPECT(eventually([&] { return for_good == std::vector{false}; }));
    EXPECT_EQ(children(top), lines({"one restarting"}));
    top.terminate_child("one");
    EXPECT(eventually([&] { return for_good == std::vector{false, true}; }));
  });
}

TEST_CASE("a death is told when it happens, also if others are stopped before the restart") {
  in_program<Kid, Leaver>(quiet(5), [](troupe::system& sys) {
    const auto described = [](shutdown how) {
      auto made = sup(strategy::one_for_all, for_ever);
      made.child<Kid>(child("one")).child<Leaver>(spec("leaver", restart::permanent, how), -1);
      return made;
    };
    const auto top = sys.spawn(described(shutdown::infinity()));
    const obituary end(sys, kid(sys, "one"));
    const auto old = incarnation(top, "one");
    kid(sys, "one").tell(End{ending::exit_code});
    EXPECT(!end.wait().for_good);
    EXPECT(eventually([] { return noted("asked leaver"); }));
    EXPECT_EQ(children(top)[0], "leaver stopping");
    sys.kill(*sys.find<Leaver>("leaver"));
    EXPECT(restarted(top, "one", old));
    top.reload(described(shutdown::brutal_kill()));
  });
}

TEST_CASE("a kill that main asks for counts against nobody, also while the child is being restarted") {
  in_program<Kid>(quiet(5), [](troupe::system& sys) {
    const auto top = sys.spawn(sup(strategy::one_for_one, 0).child<Kid>(spec("one"), 0));
    const auto one = kid(sys, "one");
    starts(0, start::asks);
    sys.kill(one);
    EXPECT(asks(0));
    starts(0, start::normally);
    sys.kill(one);
    EXPECT(eventually([&] { return incarnation(top, "one") != 0; }));
  });
}
