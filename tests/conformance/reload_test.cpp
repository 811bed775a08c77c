// New flags and specs for a supervisor that runs: cases 64 to 70, 84, 86. OTP's code_change cases in tuple form (83,
// 85) differ from those in map form by the syntax alone.

#include <thread>

#include "conformance/common.hpp"

using namespace tests;
using troupe::auto_shutdown;
using troupe::errc;
using troupe::restart;
using troupe::shutdown;
using troupe::strategy;

namespace {

troupe::supervisor with(auto_shutdown mode) {
  auto its = flags(strategy::one_for_one, 10);
  its.auto_shutdown = mode;
  return troupe::supervisor(its);
}

struct Argument {};
struct Other : troupe::actor {
  explicit Other(int its = 0) : its_(its) {}
  int on(Argument) { return its_; }
  using handles = troupe::handles<Argument>;

 private:
  int its_;
};

void end(troupe::system& sys, const std::string& name) { kid(sys, name).tell(End{ending::normal}); }
void still_runs(const troupe::supervisor_ref& top) {
  EXPECT(always([&] { return top.count_children().specs > 0; }, 100ms));
}

/// A supervisor with three children that can be significant in every mode but never, and are as `from` allows; then
/// `to` is put in force.
struct upgraded {
  static troupe::supervisor described(auto_shutdown mode) {
    auto made = with(mode);
    for (const auto* name : {"child1", "child2", "child3"}) {
      made.child<Kid>(mode == auto_shutdown::never ? spec(name, restart::transient)
                                                   : significant(name, restart::transient));
    }
    return made;
  }
  upgraded(troupe::system& sys, auto_shutdown from, auto_shutdown to) : top(sys.spawn(described(from))) {
    for (const auto* name : {"child1", "child2", "child3"}) before.push_back(incarnation(top, name));
    change(to);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(incarnation(top, "child" + std::to_string(i + 1)), before[i]);
  }
  void change(auto_shutdown to) const { top.reload(described(to)); }

  troupe::supervisor_ref top;
  std::vector<std::uint64_t> before;
};

}  // namespace

TEST_CASE("significant_upgrade_never_any: from never to any: the first end that follows ends the supervisor") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const upgraded its(sys, auto_shutdown::never, auto_shutdown::any_significant);
    end(sys, "child1");
    EXPECT(ended(its.top));
  });
}

TEST_CASE("significant_upgrade_any_never: from any to never: no end ends the supervisor any more") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const upgraded its(sys, auto_shutdown::any_significant, auto_shutdown::never);
    for (const auto* name : {"child1", "child2", "child3"}) {
      end(sys, name);
      EXPECT(is_down(its.top, name));
    }
    still_runs(its.top);
  });
}

TEST_CASE("significant_upgrade_never_all: from never to all: the end of the last one ends the supervisor") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const upgraded its(sys, auto_shutdown::never, auto_shutdown::never);
    end(sys, "child1");
    EXPECT(is_down(its.top, "child1"));
    still_runs(its.top);
    its.change(auto_shutdown::all_significant);
    end(sys, "child2");
    EXPECT(is_down(its.top, "child2"));
    still_runs(its.top);
    end(sys, "child3");
    EXPECT(ended(its.top));
  });
}

TEST_CASE("significant_upgrade_all_never: from all to never: not even the end of the last one ends the supervisor") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const upgraded its(sys, auto_shutdown::all_significant, auto_shutdown::all_significant);
    end(sys, "child1");
    EXPECT(is_down(its.top, "child1"));
    its.change(auto_shutdown::never);
    for (const auto* name : {"child2", "child3"}) {
      end(sys, name);
      EXPECT(is_down(its.top, name));
    }
    still_runs(its.top);
  });
}

TEST_CASE("significant_upgrade_any_all: from any to all: the end of the last one ends the supervisor") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const upgraded its(sys, auto_shutdown::any_significant, auto_shutdown::all_significant);
    for (const auto* name : {"child1", "child2"}) {
      end(sys, name);
      EXPECT(is_down(its.top, name));
    }
    still_runs(its.top);
    end(sys, "child3");
    EXPECT(ended(its.top));
  });
}

TEST_CASE("significant_upgrade_all_any: from all to any: the next end ends the supervisor") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const upgraded its(sys, auto_shutdown::all_significant, auto_shutdown::all_significant);
    end(sys, "child1");
    EXPECT(is_down(its.top, "child1"));
    still_runs(its.top);
    its.change(auto_shutdown::any_significant);
    still_runs(its.top);  // what has ended before ends nothing now
    end(sys, "child2");
    EXPECT(ended(its.top));
  });
}

TEST_CASE("significant_upgrade_child: a child becomes significant, and stops being so; in mode never that is refused") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const auto plain = with(auto_shutdown::any_significant)
                           .child<Kid>(spec("child1", restart::transient))
                           .child<Kid>(spec("child2", restart::transient));
    const auto one_is = with(auto_shutdown::any_significant)
                            .child<Kid>(significant("child1", restart::transient))
                            .child<Kid>(spec("child2", restart::transient));
    const auto top = sys.spawn(plain);
    const auto before = incarnation(top, "child1");
    top.reload(one_is);
    EXPECT(top.get_childspec("child1").significant);
    top.reload(plain);
    EXPECT(!top.get_childspec("child1").significant);
    EXPECT_EQ(incarnation(top, "child1"), before);
    end(sys, "child1");
    EXPECT(is_down(top, "child1"));
    still_runs(top);
    const auto refused = with(auto_shutdown::never).child<Kid>(significant("child1", restart::transient));
    EXPECT_EQ(error_of([&] { return top.reload(refused), 0; }).code(), errc::bad_spec);
    EXPECT(!top.get_childspec("child1").significant);
    top.restart_child("child1");
    top.reload(one_is);
    end(sys, "child1");
    EXPECT(ended(top));
  });
}

// OTP's `ignore` during an upgrade is an init function's answer. Restart intensity is looked at through what it does.
TEST_CASE(
    "code_change_map: new flags at once; known children keep their process, new ones are not started, others stay") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(sup(strategy::one_for_one, 0, 1s));
    EXPECT_EQ(children(top), lines{});
    const auto faulty =
        sup(strategy::one_for_one, 1).child<Kid>(spec("child1", restart::permanent, shutdown::within(-1s)));
    EXPECT_EQ(error_of([&] { return top.reload(faulty), 0; }).code(), errc::bad_spec);
    EXPECT_EQ(children(top), lines{});

    const auto child1 = spec("child1", restart::permanent, shutdown::within(2s));
    const auto child2 = spec("child2", restart::permanent, shutdown::brutal_kill());
    top.reload(sup(strategy::one_for_one, 1).child<Kid>(child1).child<Kid>(child2));
    EXPECT_EQ(children(top), lines({"child2 down", "child1 down"}));
    top.restart_child("child1");
    top.restart_child("child2");
    EXPECT_EQ(children(top), lines({"child2 up", "child1 up"}));
    restart_by(sys, top, "child1", ending::abort);  // which intensity 0 would not have allowed

    const auto process1 = incarnation(top, "child1"), process2 = incarnation(top, "child2");
    const auto changed = spec("child1", restart::permanent, shutdown::within(1s));
    const auto child3 = spec("child3", restart::permanent, shutdown::brutal_kill());
    top.reload(sup(strategy::one_for_one, 5).child<Kid>(changed).child<Kid>(child3));
    // As OTP has it: what the new description does not name stays, behind the others.
    EXPECT_EQ(children(top), lines({"child2 up", "child3 down", "child1 up"}));
    EXPECT_EQ(incarnation(top, "child1"), process1);
    EXPECT_EQ(incarnation(top, "child2"), process2);
    EXPECT(top.get_childspec("child1").shutdown.grace == 1s);

    const auto old = counts(top);
    const auto twice = sup().child<Kid>(child1).child<Kid>(child1);
    EXPECT_EQ(error_of([&] { return top.reload(twice), 0; }).code(), errc::bad_spec);
    EXPECT_EQ(error_of([&] { return top.reload(sup(strategy::simple_one_for_one).each<Kid>(child1)), 0; }).code(),
              errc::bad_spec);
    EXPECT_EQ(counts(top), old);
    EXPECT(top.get_childspec("child1").shutdown.grace == 1s);

    // A new strategy.
    top.restart_child("child3");
    top.reload(sup(strategy::one_for_all, 5).child<Kid>(changed).child<Kid>(child3));
    const auto before = incarnation(top, "child2");
    restart_by(sys, top, "child1", ending::abort);
    EXPECT(restarted(top, "child2", before));
  });
}

TEST_CASE("code_change_simple_map: the template may change, but there has to be exactly one") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const auto simple = [](const troupe::child_spec& its) {
      return sup(strategy::simple_one_for_one, 5).each<Kid>(its);
    };
    const auto top = sys.spawn(simple(spec("child")));
    top.start<Kid>();
    const auto before = incarnation(top, "child-1");
    EXPECT_EQ(error_of([&] { return top.reload(sup(strategy::simple_one_for_one)), 0; }).code(), errc::bad_spec);
    EXPECT_EQ(error_of([&] { return top.reload(simple(spec("child")).each<Kid>(spec("other"))), 0; }).code(),
              errc::bad_spec);
    EXPECT_EQ(error_of([&] { return top.reload(sup().child<Kid>(spec("child"))), 0; }).code(), errc::bad_spec);
    EXPECT_EQ(children(top), lines({"child-1 up"}));

    top.reload(simple(spec("kid", restart::temporary)));
    EXPECT_EQ(incarnation(top, "child-1"), before);
    EXPECT(top.get_childspec("child-1").restart == restart::temporary);
    const auto second = top.start<Kid>();
    EXPECT(top.get_childspec("kid-2").restart == restart::temporary);
    second.tell(End{ending::abort});
    EXPECT(is_gone(top, "kid-2"));
    EXPECT_EQ(counts(top), numbers({1, 1, 0, 1}));
    kid(sys, "child-1").tell(End{ending::abort});
    EXPECT(is_gone(top, "child-1"));
  });
}

// In OTP the supervisor dies of it.
TEST_CASE("a child made from a template that was temporary stays temporary when a reload makes the template permanent") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const auto simple = [](restart kind) { return sup(strategy::simple_one_for_one, 5).each<Kid>(spec("child", kind)); };
    const auto top = sys.spawn(simple(restart::temporary));
    top.start<Kid>();
    top.reload(simple(restart::permanent));
    top.start<Kid>();
    kid(sys, "child-1").tell(End{ending::abort});
    EXPECT(is_gone(top, "child-1"));
    restart_by(sys, top, "child-2", ending::abort);
    EXPECT_EQ(counts(top), numbers({1, 1, 0, 1}));
  });
}

// OTP takes what it is given: there a child has no refs of one class.
TEST_CASE("a reload refuses a child of another kind or class, and nothing has changed") {
  in_program<Kid, Other>(quiet(5), [](troupe::system& sys) {
    const auto top = sys.spawn(sup(strategy::one_for_one, 5)
                                   .child<Kid>(spec("actor"))
                                   .child(troupe::supervisor({.name = "inner"}).child<Kid>(spec("below"))));
    const auto refused = [&](const troupe::supervisor& described) {
      const auto why = error_of([&] { return top.reload(described), 0; });
      EXPECT_EQ(why.code(), errc::bad_spec);
      EXPECT_EQ(children(top), lines({"inner up", "actor up"}));
      return why.text();
    };
    const std::string to_do = "; a reload cannot change that: terminate and delete it first, or take another name";
    EXPECT_EQ(refused(sup().child<Kid>(spec("fresh")).child(troupe::supervisor({.name = "actor"}))),
              "child \"actor\" is an actor, and no supervisor" + to_do);
    EXPECT_EQ(refused(sup().child<Kid>(spec("inner"))), "child \"inner\" is a supervisor, and no actor" + to_do);
    EXPECT_EQ(refused(sup().child<Other>(spec("actor"))), "child \"actor\" is an actor of another class" + to_do);
    EXPECT(!sys.find<Kid>("fresh"));
    restart_by(sys, top, "actor", ending::abort);
  });
}

TEST_CASE("after a reload a child is started again with the arguments of its first start") {
  in_program<Other>(quiet(5), [](troupe::system& sys) {
    const auto top = sys.spawn(sup(strategy::one_for_one, 5).child<Other>(spec("other"), 1));
    top.reload(sup(strategy::one_for_one, 5).child<Other>(spec("other"), 2));
    top.terminate_child("other");
    top.restart_child("other");
    EXPECT_EQ(sys.find<Other>("other")->ask(Argument{}).get(), 1);
  });
}

TEST_CASE("a temporary child that a reload names while it starts is there again with its supervisor") {
  in_program<Kid>(quiet(5), [](troupe::system& sys) {
    const auto described = [] {
      return troupe::supervisor({.name = "top", .max_restarts = 0}).child<Kid>(spec("other"));
    };
    const auto top = sys.spawn(described());
    set(mode_of(0), static_cast<std::uint64_t>(start::asks));
    std::jthread starter([&] { top.start_child<Kid>(spec("late", restart::temporary), 0); });
    EXPECT(eventually([] { return total(asking(0)) == 1; }));
    top.reload(described().child<Kid>(spec("late", restart::temporary), 0));
    set(mode_of(0), static_cast<std::uint64_t>(start::normally));
    set(verdict(0), 1 + static_cast<std::uint64_t>(start::normally));
    starter.join();
    kid(sys, "other").tell(End{ending::abort});
    EXPECT(eventually([] { return total(starts_of(0)) == 2; }));
    EXPECT(kid(sys, "late").ask(Pid{}).get() > 0);
  });
}

TEST_CASE("after a reload get_supervisorspec says what the one above decides by now") {
  in_program<Kid>(quiet(5), [](troupe::system& sys) {
    const auto described = [](std::chrono::milliseconds grace) {
      return sup().child(
          troupe::supervisor({.name = "inner", .shutdown = shutdown::within(grace)}).child<Kid>(spec("below")));
    };
    const auto top = sys.spawn(described(1s));
    top.reload(described(2s));
    EXPECT(top.get_supervisorspec("inner").shutdown.grace == 2s);
  });
}
