// Names and descriptions when supervisors are started again. In OTP an id belongs to its supervisor; here names are the
// program's, so what a description names stays reserved for it.

#include "conformance/common.hpp"

using namespace tests;
using troupe::errc;
using troupe::restart;
using troupe::strategy;
using troupe::supervisor;

namespace {

/// Below the root, which starts it again when it gives up: at the first death.
supervisor brief(strategy how = strategy::one_for_one) {
  return supervisor({.name = "sup", .strategy = how, .max_restarts = 0});
}
supervisor inner(restart its = restart::permanent) {
  supervisor made({.name = "inner", .max_restarts = 0, .restart = its});
  made.child<Kid>(spec("below"));
  return made;
}

/// The supervisor gives up, and is started again.
void start_again(troupe::system& sys, const troupe::supervisor_ref& top, const std::string& by) {
  const auto old = incarnation(top, by);
  kid(sys, by).tell(End{ending::abort});
  EXPECT(restarted(top, by, old));
}

bool lists(const troupe::supervisor_ref& top, const lines& wanted) {
  const auto has = [&] {
    try {
      return children(top) == wanted;
    } catch (const troupe::error& e) {
      if (e.code() != errc::closed) throw;
      return false;
    }
  };
  return eventually(has);
}

TEST_CASE("a temporary child that has ended is described anew by a reload, and started with its supervisor") {
  in_program<Kid>(quiet(5), [](troupe::system& sys) {
    const auto described = [] {
      return brief().child<Kid>(spec("job", restart::temporary)).child<Kid>(spec("worker"));
    };
    const auto top = sys.spawn(described());
    const auto job = kid(sys, "job");
    job.tell(End{ending::normal});
    EXPECT(is_gone(top, "job"));
    top.reload(described());
    EXPECT_EQ(children(top), lines({"worker up", "job down"}));
    start_again(sys, top, "worker");
    EXPECT(lists(top, {"worker up", "job up"}));
    EXPECT_EQ(error_of([&] { return pid_of(job); }).code(), errc::closed);  // its ref is of the one that has ended
    pid_of(kid(sys, "job"));
  });
}

TEST_CASE("a child that was deleted is described anew by a reload, also as an actor of another class") {
  in_program<Kid, Extra>(quiet(5), [](troupe::system& sys) {
    const auto top = sys.spawn(brief().child<Kid>(spec("a")).child<Kid>(spec("worker")));
    top.terminate_child("a");
    top.delete_child("a");
    top.reload(brief().child<Extra>(spec("a")).child<Kid>(spec("worker")));
    top.restart_child("a");
    pid_of(*sys.find<Extra>("a"));
    start_again(sys, top, "worker");
    EXPECT(lists(top, {"worker up", "a up"}));
    pid_of(*sys.find<Extra>("a"));
  });
}

TEST_CASE("a reload outlives the restart of its supervisor: order, what it added, and what it left out") {
  in_program<Kid>(quiet(5), [](troupe::system& sys) {
    const auto how = strategy::rest_for_one;
    const auto top = sys.spawn(brief(how).child<Kid>(spec("a")).child<Kid>(spec("b")).child<Kid>(spec("old")));
    top.start_child<Kid>(spec("run"));
    top.reload(brief(how).child<Kid>(spec("run")).child<Kid>(spec("new")).child<Kid>(spec("b")).child<Kid>(spec("a")));
    EXPECT_EQ(children(top), lines({"old up", "a up", "b up", "new down", "run up"}));
    start_again(sys, top, "a");
    EXPECT(lists(top, {"a up", "b up", "new up", "run up"}));
    pid_of(sys.spawn<Kid>("old"));
  });
}

TEST_CASE("the name of a child that has ended stays with its supervisor, which starts it again") {
  in_program<Kid>(quiet(5), [](troupe::system& sys) {
    const auto top = sys.spawn(brief().child<Kid>(spec("job", restart::temporary)).child<Kid>(spec("worker")));
    kid(sys, "job").tell(End{ending::normal});
    EXPECT(is_gone(top, "job"));
    EXPECT(!sys.find<Kid>("job"));
    const auto refused = error_of([&] { return sys.spawn<Kid>("job"); });
    EXPECT_EQ(refused.code(), errc::name_taken);
    EXPECT_EQ(refused.text(),
              "\"job\" is the name of a child of sup, which starts it again when it is started again itself");
    top.start_child<Kid>(spec("job"), no_slot, "in its place");  // as in OTP; for this life of the supervisor
    start_again(sys, top, "worker");
    EXPECT(lists(top, {"worker up", "job up"}));
    kid(sys, "job").tell(End{ending::normal});  // the described one: temporary
    EXPECT(is_gone(top, "job"));
  });
}

TEST_CASE("a deleted child whose name somebody else has got is left out when its supervisor is started again") {
  in_program<Kid>(quiet(5), [](troupe::system& sys) {
    const auto top = sys.spawn(brief().child<Kid>(spec("job")).child<Kid>(spec("worker")));
    top.terminate_child("job");
    top.delete_child("job");
    const auto other = sys.spawn<Kid>("job");
    start_again(sys, top, "worker");
    EXPECT(lists(top, {"worker up", "job down"}));
    EXPECT_EQ(pid_of(kid(sys, "job")), pid_of(other));
  });
}

TEST_CASE("nobody can take the name of a child of a supervisor that is down") {
  in_program<Kid>(quiet(5), [](troupe::system& sys) {
    const auto root = sys.root();
    const auto top = sys.spawn(sup().child<Kid>(spec("worker")));
    root.terminate_child("sup");
    EXPECT_EQ(error_of([&] { return sys.spawn<Kid>("worker"); }).code(), errc::name_taken);
    root.restart_child("sup");
    EXPECT_EQ(children(top), lines({"worker up"}));
    root.terminate_child("sup");
    root.delete_child("sup");
    pid_of(sys.spawn<Kid>("worker"));
  });
}

TEST_CASE("a supervisor below another that was deleted, or has ended for good, leaves its name to a new one there") {
  in_program<Kid>(quiet(5), [](troupe::system& sys) {
    const auto top = sys.spawn(brief().child(inner(restart::temporary)).child<Kid>(spec("worker")));
    top.terminate_child("inner");
    EXPECT(is_gone(top, "inner"));
    top.start_child(inner());
    top.terminate_child("inner");
    top.delete_child("inner");
    top.start_child(inner(restart::temporary));
    kid(sys, "below").tell(End{ending::abort});
    EXPECT(is_gone(top, "inner"));
    EXPECT_EQ(error_of([&] { return sys.spawn<Kid>("below"); }).code(), errc::name_taken);
    start_again(sys, top, "worker");
    EXPECT(lists(top, {"worker up", "inner up"}));
    EXPECT_EQ(children(*sys.find_supervisor("inner")), lines({"below up"}));
    pid_of(kid(sys, "below"));
  });
}

TEST_CASE("spawn takes the name of a supervisor that has ended for good") {
  in_program<Kid>(quiet(5), [](troupe::system& sys) {
    const auto batch = [] {
      supervisor made({.name = "batch",
                       .auto_shutdown = troupe::auto_shutdown::any_significant,
                       .restart = restart::transient});
      made.child<Kid>(significant("step", restart::transient));
      return made;
    };
    for (int i = 0; i < 2; ++i) {
      sys.spawn(batch());
      EXPECT_EQ(error_of([&] { return sys.spawn(batch()); }).code(), errc::name_taken);
      kid(sys, "step").tell(End{ending::normal});
      EXPECT(is_down(sys.root(), "batch"));
    }
    pid_of(sys.spawn<Kid>("batch"));
    pid_of(sys.spawn<Kid>("step"));
  });
}

TEST_CASE("a supervisor that a reload has added and nobody has started is deleted with all names below it") {
  in_program<Kid>(quiet(5), [](troupe::system& sys) {
    supervisor root({.name = "any"});
    root.child(inner());
    sys.root().reload(root);
    sys.root().delete_child("inner");
    pid_of(sys.spawn<Kid>("below"));
    pid_of(sys.spawn<Kid>("inner"));
  });
}

}  // namespace
