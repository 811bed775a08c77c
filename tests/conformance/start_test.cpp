// How supervisors and their children are started: cases 1 to 15.

#include "conformance/common.hpp"

using namespace tests;
using troupe::errc;
using troupe::restart;
using troupe::strategy;

namespace {

/// Has a child of its own when it finds that it does not want to run.
struct Reluctant : troupe::actor {
  void on_start() override {
    self().spawn<Kid>("below");
    throw troupe::decline{};
  }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Pid>;
};

struct BadConstructor : troupe::actor {
  BadConstructor() { throw std::runtime_error("no such file: map.txt"); }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Pid>;
};

}  // namespace

TEST_CASE("sup_start_normal: a supervisor starts without children and stops with shutdown") {
  in_program<Kid>([](troupe::system& sys) {
    const auto top = sys.spawn(sup());
    EXPECT_EQ(counts(top), numbers({0, 0, 0, 0}));
    EXPECT_EQ(children(sys.root()), lines({"sup up"}));
    sys.stop(top);
    EXPECT_EQ(error_of([&] { return top.count_children(); }).code(), errc::closed);
    EXPECT_EQ(children(sys.root()), lines{});
    EXPECT_EQ(sys.count().deaths, 0U);
  });
}

// A supervisor here has no init function that could say `ignore`. An actor with children of its own does what such a
// function is used for: it looks around, and declines.
TEST_CASE(
    "sup_start_ignore_init: one that declines to start is no failure and no death, and what it had started ends") {
  in_program<Kid, Reluctant>([](troupe::system& sys) {
    const auto said = sys.root().start_child<Reluctant>(spec("reluctant"));
    EXPECT(said.declined());
    EXPECT_EQ(children(sys.root()), lines({"reluctant down"}));
    EXPECT_EQ(sys.count().restarts, 0U);
    EXPECT_EQ(sys.count().workers, 0U);
    EXPECT(!sys.find<Kid>("below"));
  });
}

TEST_CASE("sup_start_ignore_child: a permanent child that declines stays known and down") {
  in_program<Kid>([](troupe::system& sys) {
    starts(0, start::declines);
    const auto top = sys.spawn(sup());
    EXPECT(top.start_child<Kid>(spec("child1"), 0).declined());
    EXPECT(!top.start_child<Kid>(spec("child2"), 1).declined());
    EXPECT_EQ(children(top), lines({"child2 up", "child1 down"}));
    EXPECT_EQ(counts(top), numbers({2, 1, 0, 2}));
  });
}

TEST_CASE("sup_start_ignore_temporary_child: a temporary child that declines at its supervisor's start is forgotten") {
  in_program<Kid>([](troupe::system& sys) {
    starts(0, start::declines);
    const auto top = sys.spawn(
        sup().child<Kid>(spec("child1", restart::temporary), 0).child<Kid>(spec("child2", restart::temporary), 1));
    EXPECT_EQ(children(top), lines({"child2 up"}));
    EXPECT_EQ(counts(top), numbers({1, 1, 0, 1}));
  });
}

TEST_CASE("sup_start_ignore_temporary_child_start_child: a temporary child that declines at start_child is forgotten") {
  in_program<Kid>([](troupe::system& sys) {
    starts(0, start::declines);
    const auto top = sys.spawn(sup());
    EXPECT(top.start_child<Kid>(spec("child1", restart::temporary), 0).declined());
    EXPECT(!top.start_child<Kid>(spec("child2", restart::temporary), 1).declined());
    EXPECT_EQ(children(top), lines({"child2 up"}));
    EXPECT_EQ(counts(top), numbers({1, 1, 0, 1}));
    starts(0, start::normally);
    EXPECT(!top.start_child<Kid>(spec("child1", restart::temporary), 0).declined());  // its name is free
  });
}

namespace {

void a_declining_start_leaves_nothing_in_simple(troupe::system& sys, restart kind) {
  starts(0, start::declines);
  const auto top = sys.spawn(sup(strategy::simple_one_for_one).each<Kid>(spec("child", kind), 0));
  EXPECT(top.start<Kid>().declined());
  starts(0, start::normally);
  EXPECT(!top.start<Kid>().declined());
  EXPECT_EQ(children(top), lines({"child-2 up"}));
  EXPECT_EQ(counts(top), numbers({1, 1, 0, 1}));
  sys.stop(top);
  EXPECT_EQ(sys.count().workers, 0U);
}

}  // namespace

TEST_CASE(
    "sup_start_ignore_temporary_child_start_child_simple: a temporary child of a template that declines is forgotten") {
  in_program<Kid>([](troupe::system& sys) { a_declining_start_leaves_nothing_in_simple(sys, restart::temporary); });
}

TEST_CASE(
    "sup_start_ignore_permanent_child_start_child_simple: so is a permanent one, and the supervisor stops cleanly") {
  in_program<Kid>([](troupe::system& sys) { a_declining_start_leaves_nothing_in_simple(sys, restart::permanent); });
}

// Here there is no init function that returns nonsense: a description can be nonsense.
TEST_CASE("sup_start_error_return: a description that is nonsense is refused, and nothing of it is left") {
  in_program<Kid>([](troupe::system& sys) {
    auto nonsense = flags(strategy::one_for_one);
    nonsense.within = 0s;
    EXPECT_EQ(error_of([&] { return sys.spawn(troupe::supervisor(nonsense).child<Kid>(spec("child"))); }).code(),
              errc::bad_spec);
    EXPECT_EQ(children(sys.root()), lines{});
    EXPECT_EQ(sys.count().deaths, 0U);
    const auto top = sys.spawn(sup().child<Kid>(spec("child")));  // both names are free
    EXPECT_EQ(children(top), lines({"child up"}));
  });
}

TEST_CASE(
    "sup_start_fail: what a constructor throws is in the error of its supervisor's start, and those before it stop") {
  in_program<Kid, BadConstructor>([](troupe::system& sys) {
    const auto e =
        error_of([&] { return sys.spawn(sup().child<Kid>(spec("first")).child<BadConstructor>(spec("bad"))); });
    EXPECT_EQ(e.code(), errc::start_failed);
    EXPECT(e.text().find("bad") != std::string::npos);
    EXPECT(e.text().find("no such file: map.txt") != std::string::npos);
    EXPECT(noted("stop first"));
    EXPECT_EQ(children(sys.root()), lines{});
    EXPECT_EQ(sys.count().workers, 0U);
    EXPECT_EQ(sys.count().restarts, 0U);  // never tried again, OTP 5.3
  });
}

TEST_CASE("sup_start_child_returns_error: start_child gives the error of the start, and nothing is stored") {
  in_program<Kid>([](troupe::system& sys) {
    const auto top = sys.spawn(sup());
    for (const auto how : {start::fails, start::exits}) {
      starts(0, how);
      const auto e = error_of([&] { return top.start_child<Kid>(spec("child1"), 0); });
      EXPECT_EQ(e.code(), errc::start_failed);
      EXPECT(e.text().find(how == start::fails ? "start refused" : "4") != std::string::npos);
      EXPECT_EQ(children(top), lines{});
      EXPECT_EQ(counts(top), numbers({0, 0, 0, 0}));
      EXPECT_EQ(error_of([&] { return top.restart_child("child1"); }).code(), errc::not_found);
    }
  });
}

TEST_CASE("sup_start_restart_child_returns_error: a child whose restart_child fails stays known and down") {
  in_program<Kid>([](troupe::system& sys) {
    const auto top = sys.spawn(sup());
    for (const auto how : {start::fails, start::exits}) {
      starts(0, start::normally);
      top.start_child<Kid>(spec("child1"), 0);
      top.terminate_child("child1");
      starts(0, how);
      EXPECT_EQ(error_of([&] { return top.restart_child("child1"); }).code(), errc::start_failed);
      EXPECT_EQ(children(top), lines({"child1 down"}));
      EXPECT_EQ(counts(top), numbers({1, 0, 0, 1}));
      top.delete_child("child1");
    }
  });
}

TEST_CASE("sup_start_child_returns_error_simple: start() gives the error of the start, and nothing is stored") {
  in_program<Kid>([](troupe::system& sys) {
    const auto top = sys.spawn(sup(strategy::simple_one_for_one).each<Kid>(spec("child"), 0));
    for (const auto how : {start::fails, start::exits}) {
      starts(0, how);
      EXPECT_EQ(error_of([&] { return top.start<Kid>(); }).code(), errc::start_failed);
      EXPECT_EQ(children(top), lines{});
      EXPECT_EQ(counts(top), numbers({1, 0, 0, 0}));
    }
  });
}

TEST_CASE("sup_start_map: a spec that says its name alone has OTP's defaults") {
  in_program<Kid>([](troupe::system& sys) {
    const auto top = sys.spawn(troupe::supervisor({.name = "sup"})
                                   .child<Kid>({.name = "child1"})
                                   .child<Kid>({.name = "child2", .shutdown = troupe::shutdown::brutal_kill()})
                                   .child(troupe::supervisor({.name = "child3"})));
    const auto first = top.get_childspec("child1");
    EXPECT(first.name == "child1");
    EXPECT(first.restart == restart::permanent);
    EXPECT(first.shutdown.how == troupe::shutdown::kind::timed);
    EXPECT(first.shutdown.grace == 5000ms);
    EXPECT(!first.significant);
    EXPECT(top.get_childspec("child2").shutdown.how == troupe::shutdown::kind::brutal_kill);
    const auto third = top.get_supervisorspec("child3");
    EXPECT(third.restart == restart::permanent);
    EXPECT(third.shutdown.how == troupe::shutdown::kind::infinity);
    EXPECT(third.strategy == strategy::one_for_one);
    EXPECT_EQ(third.max_restarts, 1U);
    EXPECT(third.within == 5s);
    EXPECT(third.auto_shutdown == troupe::auto_shutdown::never);
    EXPECT_EQ(error_of([&] { return top.get_childspec("child4"); }).code(), errc::not_found);
  });
}

TEST_CASE("sup_start_map_simple: the spec of a child from a template is the template's, with its own name") {
  in_program<Kid>([](troupe::system& sys) {
    const auto top = sys.spawn(sup(strategy::simple_one_for_one).each<Kid>({.name = "child"}));
    top.start<Kid>();
    const auto its = top.get_childspec("child-1");
    EXPECT(its.name == "child-1");
    EXPECT(its.restart == restart::permanent);
    EXPECT(its.shutdown.grace == 5000ms);
    EXPECT(!its.significant);
    EXPECT_EQ(error_of([&] { return top.get_childspec("child-2"); }).code(), errc::not_found);
  });
}

// What has another type or an unknown key does not compile here.
TEST_CASE("sup_start_map_faulty_specs: a child without name or without actor class is refused") {
  in_program<Kid>([](troupe::system& sys) {
    EXPECT_EQ(error_of([&] { return sys.spawn(sup().child<Kid>(spec(""))); }).code(), errc::bad_spec);
    troupe::detail::tree_child without_class;
    without_class.spec.name = "child2";
    EXPECT_EQ(error_of([&] { return sys.spawn(sup().child(without_class)); }).code(), errc::bad_spec);
    EXPECT_EQ(children(sys.root()), lines{});
  });
}
