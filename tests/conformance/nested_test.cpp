// What OTP's suite has no case for: edges of starting, dying and stopping, with processes.

#include <thread>

#include "conformance/common.hpp"

using namespace tests;
using troupe::auto_shutdown;
using troupe::errc;
using troupe::restart;
using troupe::shutdown;
using troupe::strategy;

namespace {

troupe::supervisor below(const std::string& name, restart kind = restart::permanent, std::uint32_t max_restarts = 1) {
  return troupe::supervisor({.name = name, .max_restarts = max_restarts, .within = 3600s, .restart = kind});
}

}  // namespace

TEST_CASE("a tree whose deepest child cannot start fails at once, what had started stops in reverse, no name is left") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    starts(0, start::fails);
    const auto described = sup()
                               .child<Kid>(spec("a"))
                               .child(below("inner").child<Kid>(spec("b")).child<Kid>(spec("bad"), 0))
                               .child<Kid>(spec("c"));
    const auto e = error_of([&] { return sys.spawn(described); });
    EXPECT_EQ(e.code(), errc::start_failed);
    EXPECT(e.text().find("bad") != std::string::npos);
    EXPECT(e.text().find("start refused") != std::string::npos);
    EXPECT_EQ(notes(), lines({"start a", "start b", "stop b", "stop a"}));
    EXPECT_EQ(started(0), 1U);
    EXPECT_EQ(children(sys.root()), lines{});
    EXPECT_EQ(sys.count().workers, 0U);
    starts(0, start::normally);
    const auto top = sys.spawn(described);  // every name is free
    EXPECT_EQ(children(top), lines({"c up", "inner up", "a up"}));
  });
}

TEST_CASE("a child supervisor that cannot start again is tried as a child is, and its own failures count one each") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const auto top =
        sys.spawn(sup(strategy::one_for_one, 3).child<Kid>(spec("a")).child(below("inner").child<Kid>(spec("b"), 0)));
    starts(0, start::fails);
    kid(sys, "b").tell(End{ending::abort});
    EXPECT(ended(top));
    // inner: one restart of b, which fails, then it gives up; top: three starts of inner, each with one of b.
    EXPECT_EQ(started(0), 1U + 1U + 3U);
    EXPECT_EQ(sys.count().workers, 0U);
  });
}

TEST_CASE("a transient supervisor that gives up is not restarted: it ends with shutdown") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(sup()
                                   .child(below("transient", restart::transient, 0).child<Kid>(spec("a")))
                                   .child(below("permanent", restart::permanent, 0).child<Kid>(spec("b"))));
    kid(sys, "a").tell(End{ending::abort});
    EXPECT(is_down(top, "transient"));
    EXPECT_EQ(error_of([&] { return pid_of(kid(sys, "a")); }).code(), errc::closed);
    const auto old = incarnation(*sys.find_supervisor("permanent"), "b");
    kid(sys, "b").tell(End{ending::abort});
    EXPECT(eventually([&] {
      const auto its = sys.find_supervisor("permanent");
      return its && incarnation(*its, "b") != 0 && incarnation(*its, "b") != old;
    }));
    EXPECT(eventually([&] { return counts(top) == numbers({2, 1, 2, 0}); }));
    top.restart_child("transient");
    EXPECT(pid_of(kid(sys, "a")) != 0);
  });
}

TEST_CASE("intensity 0: the first death is too many, whatever the strategy") {
  for (const auto how : {strategy::one_for_one, strategy::one_for_all, strategy::rest_for_one}) {
    in_program<Kid>(quiet(), [&](troupe::system& sys) {
      const auto top = sys.spawn(sup(how, 0).child<Kid>(spec("child1")).child<Kid>(spec("child2")));
      kid(sys, "child1").tell(End{ending::normal});
      EXPECT(ended(top));
      EXPECT_EQ(sys.count().restarts, 0U);
      EXPECT_EQ(sys.count().workers, 0U);
    });
  }
}

TEST_CASE("window: a restart counts until the window has passed, and not after that") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const auto long_window = sys.spawn(sup(strategy::one_for_one, 1, 3600s).child<Kid>(spec("child1")));
    restart_by(sys, long_window, "child1", ending::abort);
    kid(sys, "child1").tell(End{ending::abort});
    EXPECT(ended(long_window));
    sys.stop(long_window);
    const auto short_window = sys.spawn(sup(strategy::one_for_one, 1, 100ms).child<Kid>(spec("child1")));
    for (int i = 0; i < 3; ++i) {
      restart_by(sys, short_window, "child1", ending::abort);
      EXPECT(always([&] { return counts(short_window) == numbers({1, 1, 0, 1}); }, 150ms));
    }
  });
}

TEST_CASE("failed starts count: two of them and a death are three of three, and the next death is too many") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(sup(strategy::one_for_one, 3).child<Kid>(spec("child1"), 0));
    starts(0, start::asks);
    kid(sys, "child1").tell(End{ending::abort});
    answer(0, start::fails);
    answer(0, start::exits);
    answer(0, start::normally);
    EXPECT(eventually([&] { return incarnation(top, "child1") != 0; }));
    kid(sys, "child1").tell(End{ending::abort});
    EXPECT(ended(top));
    EXPECT_EQ(started(0), 4U);
  });
}

TEST_CASE("shutdown of 0 ms: the child is asked, and killed without waiting") {
  in_program<Leaver>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(sup());
    const obituary end(sys, top.start_child<Leaver>(spec("child1", restart::permanent, shutdown::within(0ms)), -1));
    top.terminate_child("child1");
    EXPECT_EQ(end.wait().signal, SIGKILL);
    EXPECT_EQ(children(top), lines({"child1 down"}));
  });
}

TEST_CASE("a child that is killed while it starts has failed to start") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(sup(strategy::one_for_one, 5));
    starts(0, start::asks);
    std::thread starter([&] {
      EXPECT_EQ(error_of([&] { return top.start_child<Kid>(spec("child1"), 0); }).code(), errc::start_failed);
    });
    EXPECT(eventually([&] { return total(asking(0)) == 1 && pid(top, "child1") != 0; }));
    EXPECT_EQ(children(top), lines({"child1 starting"}));
    ::kill(pid(top, "child1"), SIGKILL);
    starter.join();
    EXPECT_EQ(children(top), lines{});

    set(asking(0), 0);
    starts(0, start::normally);
    top.start_child<Kid>(spec("child1"), 0);
    starts(0, start::asks);
    kid(sys, "child1").tell(End{ending::abort});
    EXPECT(asks(0));
    EXPECT_EQ(children(top), lines({"child1 restarting"}));
    starts(0, start::normally);
    ::kill(pid(top, "child1"), SIGKILL);
    EXPECT(eventually([&] { return incarnation(top, "child1") != 0; }));
    EXPECT_EQ(started(0), 4U);
  });
}

TEST_CASE("a stopped process does not hold up its supervisor: it is killed when its time is over") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(sup());
    const auto frozen = top.start_child<Kid>(spec("child1", restart::permanent, shutdown::within(200ms)));
    top.start_child<Kid>(spec("child2"));
    const obituary end(sys, frozen);
    freeze(sys, frozen);
    sys.stop(top);
    EXPECT_EQ(end.wait().signal, SIGKILL);
    EXPECT_EQ(notes(), lines({"start child1", "start child2", "stop child2"}));
  });
}

TEST_CASE("down on purpose: one_for_all and rest_for_one start such children too, one_for_one does not") {
  for (const auto how : {strategy::one_for_all, strategy::rest_for_one, strategy::one_for_one}) {
    in_program<Kid>(quiet(), [&](troupe::system& sys) {
      const auto top = sys.spawn(sup(how)
                                     .child<Kid>(spec("crashes"))
                                     .child<Kid>(spec("terminated"))
                                     .child<Kid>(spec("finished", restart::transient))
                                     .child<Kid>(spec("last")));
      top.terminate_child("terminated");
      kid(sys, "finished").tell(End{ending::normal});
      EXPECT(is_down(top, "finished"));
      restart_by(sys, top, "crashes", ending::abort);
      const int up = how == strategy::one_for_one ? 2 : 4;
      EXPECT(eventually([&] { return counts(top) == numbers({4, up, 0, 4}); }));
      EXPECT_EQ(incarnation(top, "terminated") != 0, up == 4);
    });
  }
}

namespace {

constexpr int many = 100;
constexpr auto patience = 100s;  // a hundred processes take their time on a loaded machine

/// A hundred children, killed all at one time. The supervisor may have this many restarts.
struct massacre {
  massacre(troupe::system& sys, strategy how, std::uint32_t max_restarts) {
    auto described = sup(how, max_restarts);
    for (int i = 0; i < many; ++i) described.child<Extra>(spec("child" + std::to_string(i)));
    top = sys.spawn(described);
    EXPECT_EQ(counts(top), numbers({many, many, 0, many}));
    for (const auto& each : top.which_children()) {
      last = std::max(last, each.incarnation);
      ::kill(each.pid, SIGKILL);
    }
  }
  bool all_are_replaced() const {
    const auto is_new = [this](const auto& each) { return each.incarnation > last; };
    return eventually(
        [&] {
          return std::ranges::all_of(top.which_children(), is_new) && counts(top) == numbers({many, many, 0, many});
        },
        patience);
  }
  troupe::supervisor_ref top;
  std::uint64_t last = 0;  // incarnations count up
};

}  // namespace

TEST_CASE("a hundred at once: for one_for_all that is one restart") {
  in_program<Extra>(
      quiet(),
      [](troupe::system& sys) {
        const massacre all(sys, strategy::one_for_all, 1);
        EXPECT(all.all_are_replaced());
        EXPECT_EQ(sys.count().restarts, std::uint64_t{many});
      },
      patience);
}

TEST_CASE("a hundred at once: for one_for_one those are a hundred restarts, and one less is too few") {
  in_program<Extra>(
      quiet(),
      [](troupe::system& sys) {
        const massacre all(sys, strategy::one_for_one, many);
        EXPECT(all.all_are_replaced());
        EXPECT_EQ(sys.count().restarts, std::uint64_t{many});
        sys.stop(all.top);
        EXPECT(ended(massacre(sys, strategy::one_for_one, many - 1).top, patience));
      },
      patience);
}

TEST_CASE("a hundred at once: for rest_for_one those are one to a hundred restarts, by the order of the deaths") {
  in_program<Extra>(
      quiet(),
      [](troupe::system& sys) {
        const massacre all(sys, strategy::rest_for_one, many);
        EXPECT(all.all_are_replaced());
        const auto list = all.top.which_children();
        for (std::size_t i = 0; i < list.size(); ++i)
          EXPECT_EQ(list[i].name, "child" + std::to_string(many - 1 - static_cast<int>(i)));
      },
      patience);
}

TEST_CASE("max_children: one more is refused, until one has ended") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    auto its = flags(strategy::simple_one_for_one);
    its.max_children = 2;
    const auto top = sys.spawn(troupe::supervisor(its).each<Kid>(spec("child", restart::temporary)));
    const auto first = top.start<Kid>();
    top.start<Kid>();
    EXPECT_EQ(error_of([&] { return top.start<Kid>(); }).code(), errc::full);
    EXPECT_EQ(counts(top), numbers({1, 2, 0, 2}));
    first.tell(End{ending::normal});
    EXPECT(eventually([&] { return counts(top) == numbers({1, 1, 0, 1}); }));
    top.start<Kid>();
    EXPECT_EQ(counts(top), numbers({1, 2, 0, 2}));
  });
}

TEST_CASE(
    "a child supervisor that is killed after its time takes all that is below it along, whatever their own time is") {
  in_program<Leaver>(quiet(), [](troupe::system& sys) {
    troupe::supervisor_spec inner{.name = "inner", .shutdown = shutdown::within(200ms)};
    const auto top = sys.spawn(sup().child(
        troupe::supervisor(inner).child<Leaver>(spec("slow", restart::permanent, shutdown::infinity()), -1)));
    const obituary end(sys, *sys.find<Leaver>("slow"));
    top.terminate_child("inner");
    EXPECT_EQ(end.wait().signal, SIGKILL);
    EXPECT_EQ(children(top), lines({"inner down"}));
  });
}

TEST_CASE("mail to a child of a supervisor that is being restarted is kept for its successor") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(sup().child(below("inner", restart::permanent, 0).child<Kid>(spec("a"), 0)));
    const auto a = kid(sys, "a");
    starts(0, start::asks);
    a.tell(End{ending::abort});  // inner gives up, and is started again
    EXPECT(asks(0));
    auto later = a.ask(Pid{});
    answer(0, start::normally);
    EXPECT(later.get() != 0);
    EXPECT(eventually([&] { return counts(top) == numbers({1, 1, 1, 0}); }));
  });
}
