// The four strategies, escalation, and starts that fail in a restart: cases 30 to 38, 40 to 43.

#include "conformance/common.hpp"

using namespace tests;
using troupe::errc;
using troupe::restart;
using troupe::shutdown;
using troupe::strategy;

namespace {

/// Ends this child, and waits until this one has another process.
void restart_all_by(troupe::system& sys, const troupe::supervisor_ref& top, const std::string& name,
                    const std::vector<std::string>& replaced) {
  std::vector<std::uint64_t> old;
  for (const auto& each : replaced) old.push_back(incarnation(top, each));
  kid(sys, name).tell(End{ending::abort});
  for (std::size_t i = 0; i < replaced.size(); ++i) EXPECT(restarted(top, replaced[i], old[i]));
}

/// The last restart that is allowed, and the one that is too many.
void use_up(troupe::system& sys, const troupe::supervisor_ref& top, const std::string& first,
            const std::string& second) {
  restart_by(sys, top, first, ending::abort);
  EXPECT(eventually([&] { return top.count_children().active == top.count_children().workers; }));
  kid(sys, second).tell(End{ending::abort});
  EXPECT(ended(top));
  EXPECT_EQ(sys.count().workers, 0U);
}

}  // namespace

TEST_CASE("one_for_one: only the dead child is replaced; one restart too many ends the supervisor") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(sup().child<Kid>(spec("child1")).child<Kid>(spec("child2")));
    const auto other = incarnation(top, "child2");
    restart_by(sys, top, "child1", ending::abort);
    EXPECT_EQ(incarnation(top, "child2"), other);
    EXPECT_EQ(children(top), lines({"child2 up", "child1 up"}));
    EXPECT_EQ(counts(top), numbers({2, 2, 0, 2}));
    use_up(sys, top, "child2", "child2");
  });
}

namespace {

/// The child `fails` cannot be started a second time; `dies` ends. The supervisor tries as often as it may, then stops
/// the others and ends.
void escalates(strategy how, const std::string& dies, const std::string& fails) {
  in_program<Kid>(quiet(), [&](troupe::system& sys) {
    const auto top = sys.spawn(sup(how, 4));
    const int first = fails == "child1" ? 0 : 1;
    const obituary end1(sys, top.start_child<Kid>(spec("child1"), int{first}));
    const obituary end2(sys, top.start_child<Kid>(spec("child2"), 1 - first));
    starts(0, start::fails);
    kid(sys, dies).tell(End{ending::abort});
    EXPECT(ended(top));
    // The death counts, and each failed start: of five the fifth is too many.
    EXPECT_EQ(started(0), 1U + 4U);
    EXPECT_EQ(sys.count().workers, 0U);
    end1.wait();
    end2.wait();
  });
}

}  // namespace

TEST_CASE("one_for_one_escalation: a child that cannot be restarted ends its supervisor, and so its siblings") {
  escalates(strategy::one_for_one, "child1", "child1");
}

TEST_CASE("one_for_all: all are replaced, and no old process is left") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(sup(strategy::one_for_all).child<Kid>(spec("child1")).child<Kid>(spec("child2")));
    const int old1 = pid(top, "child1"), old2 = pid(top, "child2");
    restart_all_by(sys, top, "child1", {"child1", "child2"});
    EXPECT_EQ(children(top), lines({"child2 up", "child1 up"}));
    EXPECT_EQ(state_of(old1), char{0});
    EXPECT_EQ(state_of(old2), char{0});
    EXPECT_EQ(counts(top), numbers({2, 2, 0, 2}));
    EXPECT_EQ(notes(), lines({"start child1", "start child2", "stop child2", "start child1", "start child2"}));
    use_up(sys, top, "child2", "child1");
  });
}

TEST_CASE("one_for_all_escalation: when another child cannot be started again, the supervisor ends") {
  escalates(strategy::one_for_all, "child1", "child2");
}

TEST_CASE("one_for_all_other_child_fails_restart: those that were restarted already are stopped, and all start anew") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const auto top =
        sys.spawn(sup(strategy::one_for_all, 3).child<Kid>(spec("child1"), 0).child<Kid>(spec("child2"), 1));
    starts(0, start::asks);
    starts(1, start::asks);
    kid(sys, "child1").tell(End{ending::abort});
    answer(0, start::normally);
    answer(1, start::fails);
    EXPECT(asks(0));  // stopped by its supervisor, and started again
    EXPECT_EQ(notes(), lines({"start child1", "start child2", "stop child2", "start child1", "stop child1"}));
    answer(0, start::normally);
    answer(1, start::normally);
    EXPECT(eventually([&] { return counts(top) == numbers({2, 2, 0, 2}); }));
    EXPECT_EQ(started(0), 3U);
    EXPECT_EQ(started(1), 3U);
  });
}

TEST_CASE("simple_one_for_one: only that child is replaced; one restart too many ends the supervisor") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(sup(strategy::simple_one_for_one).each<Kid>(spec("child")));
    top.start<Kid>();
    top.start<Kid>();
    const auto other = incarnation(top, "child-2");
    restart_by(sys, top, "child-1", ending::abort);
    EXPECT_EQ(incarnation(top, "child-2"), other);
    EXPECT_EQ(counts(top), numbers({1, 2, 0, 2}));
    use_up(sys, top, "child-2", "child-2");
  });
}

// An upper limit as in OTP: what takes five times the shutdown time one by one takes two times together.
TEST_CASE("simple_one_for_one_shutdown: all children of a template are stopped at the same time") {
  in_program<Leaver>(quiet(), [](troupe::system& sys) {
    constexpr int time = 2000;
    const auto top = sys.spawn(sup(strategy::simple_one_for_one)
                                   .each<Leaver, int>(spec("child", restart::permanent, shutdown::within(2ms * time))));
    const obituary in_time(sys, top.start<Leaver>(int{time}));
    top.start<Leaver>(int{time});
    const obituary late(sys, top.start<Leaver>(5 * time));
    const auto begun = std::chrono::steady_clock::now();
    sys.stop(top);
    const auto took = std::chrono::steady_clock::now() - begun;
    EXPECT(in_time.wait().exit_code == 0);
    EXPECT_EQ(late.wait().signal, SIGKILL);
    EXPECT(took >= 2ms * time);
    EXPECT(took < 5ms * time);
  });
}

TEST_CASE("simple_one_for_one_extra: what children of a template say at their start is passed on, and restarts work") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(sup(strategy::simple_one_for_one).each<Kid, int, std::string>(spec("child")));
    EXPECT_EQ(top.start<Kid>(int{no_slot}, std::string("extra_info")).info(), std::string("extra_info"));
    EXPECT_EQ(top.start<Kid>(int{no_slot}, std::string("extra_info")).info(), std::string("extra_info"));
    const auto other = incarnation(top, "child-2");
    restart_by(sys, top, "child-1", ending::abort);
    EXPECT_EQ(incarnation(top, "child-2"), other);
    EXPECT_EQ(counts(top), numbers({1, 2, 0, 2}));
    use_up(sys, top, "child-2", "child-1");
  });
}

TEST_CASE("simple_one_for_one_escalation: a child of a template that cannot be restarted ends its supervisor") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(sup(strategy::simple_one_for_one, 4).each<Kid, int>(spec("child")));
    top.start<Kid>(int{0});
    const obituary other(sys, top.start<Kid>(int{1}));
    starts(0, start::fails);
    kid(sys, "child-1").tell(End{ending::abort});
    EXPECT(ended(top));
    EXPECT_EQ(started(0), 1U + 4U);
    EXPECT(other.wait().why == troupe::down::kind::shutdown);
  });
}

TEST_CASE("simple_one_for_one_restart_ignore: a child of a template that declines its restart is forgotten") {
  for (const auto kind : {restart::transient, restart::permanent}) {
    in_program<Kid>(quiet(), [&](troupe::system& sys) {
      const auto top = sys.spawn(sup(strategy::simple_one_for_one).each<Kid>(spec("child", kind), 0));
      top.start<Kid>();
      starts(0, start::declines);
      kid(sys, "child-1").tell(End{ending::abort});
      EXPECT(is_gone(top, "child-1"));
      EXPECT_EQ(counts(top), numbers({1, 0, 0, 0}));
      EXPECT_EQ(started(0), 2U);
    });
  }
}

TEST_CASE("rest_for_one: the dead child and those behind it are replaced, the one before it is not") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(
        sup(strategy::rest_for_one).child<Kid>(spec("child1")).child<Kid>(spec("child2")).child<Kid>(spec("child3")));
    const auto first = incarnation(top, "child1");
    const int old2 = pid(top, "child2"), old3 = pid(top, "child3");
    EXPECT_EQ(counts(top), numbers({3, 3, 0, 3}));
    restart_all_by(sys, top, "child2", {"child2", "child3"});
    EXPECT_EQ(incarnation(top, "child1"), first);
    EXPECT_EQ(children(top), lines({"child3 up", "child2 up", "child1 up"}));
    EXPECT_EQ(counts(top), numbers({3, 3, 0, 3}));
    EXPECT_EQ(state_of(old2), char{0});
    EXPECT_EQ(state_of(old3), char{0});
    use_up(sys, top, "child3", "child2");
  });
}

TEST_CASE("rest_for_one_escalation: when a later child cannot be started again, the supervisor ends") {
  escalates(strategy::rest_for_one, "child1", "child2");
}

TEST_CASE("rest_for_one_other_child_fails_restart: only the later child that failed is tried again") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const auto top =
        sys.spawn(sup(strategy::rest_for_one, 3).child<Kid>(spec("child1"), 0).child<Kid>(spec("child2"), 1));
    starts(0, start::asks);
    starts(1, start::asks);
    kid(sys, "child1").tell(End{ending::abort});
    answer(0, start::normally);
    answer(1, start::fails);
    answer(1, start::normally);
    EXPECT(eventually([&] { return counts(top) == numbers({2, 2, 0, 2}); }));
    EXPECT_EQ(started(0), 2U);
    EXPECT_EQ(started(1), 3U);
    EXPECT_EQ(notes(), lines({"start child1", "start child2", "stop child2", "start child1", "start child2"}));
  });
}
