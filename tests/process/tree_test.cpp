#include "process/common.hpp"

using namespace tests;

namespace {

using troupe::strategy;
using troupe::supervisor;

/// Spawns children of its own.
struct Parent : troupe::actor {
  explicit Parent(std::string child) : child_(std::move(child)) {}
  void on_start() override {
    note("start " + self().name());
    auto mine = self().spawn<Recorder>(child_);
    note("child " + std::to_string(mine.ask(Pid{}).get()));
  }
  int on(Pid) { return ::getpid(); }
  void on(Abort) { std::abort(); }
  std::vector<std::string> on(Numbers) {
    std::vector<std::string> names;
    for (const auto& each : self().children().which_children()) names.push_back(each.name);
    return names;
  }
  using handles = troupe::handles<Pid, Abort, Numbers>;
  std::string child_;
};

struct Unwilling : troupe::actor {
  void on_start() override { throw troupe::decline{}; }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Pid>;
};

struct Talkative : troupe::actor {
  void on_start() override { self().announce("listening on " + self().name()); }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Pid>;
};

struct Failing : troupe::actor {
  void on_start() override { throw std::runtime_error("no licence"); }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Pid>;
};

/// Calls its own supervisor when it must not.
struct Impatient : troupe::actor {
  void on_start() override { self().find_supervisor("team")->start_child<Recorder>({.name = "other"}); }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Pid>;
};

bool runs(pid_t pid) { return ::kill(pid, 0) == 0; }

supervisor team(strategy how, unsigned restarts = 10) {
  supervisor made({.name = "team", .strategy = how, .max_restarts = restarts});
  made.child<Recorder>({.name = "a"}).child<Recorder>({.name = "b"}).child<Recorder>({.name = "c"});
  return made;
}

std::vector<pid_t> pids(troupe::system& sys) {
  std::vector<pid_t> all;
  for (const auto* name : {"a", "b", "c"}) all.push_back(pid_of(*sys.find<Recorder>(name)));
  return all;
}

/// Which of a, b, c are other processes after b has crashed: "010".
std::string replaced_when_b_crashes(strategy how) {
  in_program<Recorder>(quiet(), [&](troupe::system& sys) {
    sys.spawn(team(how));
    const auto before = pids(sys);
    crash(sys, *sys.find<Recorder>("b"));
    EXPECT(eventually([&] { return pids(sys)[1] != before[1]; }));
    const auto after = pids(sys);
    std::string changed;
    for (std::size_t i = 0; i < 3; ++i) changed += before[i] != after[i] ? "1" : "0";
    note(changed);
  });
  return notes().empty() ? "" : notes().back();
}

TEST_CASE("a death touches those whom the strategy of their supervisor says") {
  CHECK(replaced_when_b_crashes(strategy::one_for_one) == "010");
  CHECK(replaced_when_b_crashes(strategy::rest_for_one) == "011");
  CHECK(replaced_when_b_crashes(strategy::one_for_all) == "111");
}

TEST_CASE("mail that waits while a strategy stops its receiver is handled by the next process, in order") {
  in_program<Recorder>([](troupe::system& sys) {
    supervisor made({.name = "team", .strategy = strategy::one_for_all});
    made.child<Recorder>({.name = "a", .shutdown = troupe::shutdown::brutal_kill()}).child<Recorder>({.name = "b"});
    sys.spawn(made);
    const auto a = *sys.find<Recorder>("a");
    const auto before = pid_of(a);
    freeze(sys, a);
    for (int i = 1; i <= 5; ++i) a.tell(Number{i});
    crash(sys, *sys.find<Recorder>("b"));
    for (int i = 6; i <= 10; ++i) a.tell(Number{i});
    EXPECT(eventually([&] { return pid_of(a) != before; }));
    EXPECT_EQ(a.ask(Numbers{}).get(), range(1, 10));
  });
}

TEST_CASE("a supervisor that gives up is restarted with its children, which keep their names; then all give up") {
  auto running = start_program<Recorder>(quiet(1), [](troupe::system& sys) {
    sys.spawn(team(strategy::one_for_one, 0));
    const auto a = *sys.find<Recorder>("a");
    const auto before = pids(sys);
    crash(sys, a);
    EXPECT(eventually([&] { return pid_of(a) != before[0]; }));
    const auto after = pids(sys);
    for (std::size_t i = 0; i < 3; ++i) EXPECT(before[i] != after[i]);
    sys.send_signal(a, SIGKILL);
    sys.wait();
    EXPECT_EQ(error_of([&] { pid_of(a); }).code(), troupe::errc::gave_up);
    return 0;
  });
  CHECK(running->wait().exit_code == 70);
}

TEST_CASE("children of an actor end with it before its replacement starts, which makes them again") {
  in_program<Recorder, Parent>(quiet(100), [](troupe::system& sys) {
    const auto parent = sys.spawn<Parent>("parent", "its child");
    const auto child = *sys.find<Recorder>("its child");
    const auto first = pid_of(child);
    EXPECT_EQ(parent.ask(Numbers{}).get(), std::vector<std::string>{"its child"});
    crash(sys, child);
    EXPECT(eventually([&] { return pid_of(child) != first; }));  // its own supervisor restarts it
    const auto second = pid_of(child);
    EXPECT_EQ(error_of([&] { parent.ask(Abort{}).get(); }).code(), troupe::errc::outcome_unknown);
    pid_of(parent);
    EXPECT(!runs(second));
    EXPECT_EQ(error_of([&] { child.tell(Number{1}); }).code(), troupe::errc::closed);
    pid_of(*sys.find<Recorder>("its child"));
    sys.stop(parent);
    EXPECT(!sys.find<Recorder>("its child"));
    EXPECT_EQ(sys.count().workers, 0UL);
  });
  CHECK(notes().size() == 4);
}

TEST_CASE("an actor whose children exceed their restarts is killed, and its own supervisor decides") {
  in_program<Recorder, Parent>(quiet(100), [](troupe::system& sys) {
    const auto parent = sys.spawn<Parent>("parent", "its child");
    const auto before = pid_of(parent);
    for (int i = 0; i < 2; ++i) {
      const auto child = *sys.find<Recorder>("its child");
      const auto pid = pid_of(child);
      sys.send_signal(child, SIGKILL);
      EXPECT(eventually([&] { return !runs(pid); }));
      if (i == 0) EXPECT(eventually([&] { return pid_of(child) != pid; }));
    }
    EXPECT(eventually([&] { return pid_of(parent) != before; }));
    pid_of(*sys.find<Recorder>("its child"));
  });
}

TEST_CASE("a start can be declined, and say something") {
  in_program<Unwilling, Talkative>([](troupe::system& sys) {
    const auto root = sys.root();
    const auto no = root.start_child<Unwilling>({.name = "no"});
    EXPECT(no.declined());
    EXPECT_EQ(error_of([&] { no.ask(Pid{}).get(); }).code(), troupe::errc::closed);
    EXPECT(root.which_child("no")->state == troupe::child_state::down);
    const auto yes = root.start_child<Talkative>({.name = "yes"});
    EXPECT(!yes.declined());
    EXPECT_EQ(yes.info(), std::string("listening on yes"));
    EXPECT_EQ(root.count_children().active, 1UL);
    EXPECT_EQ(root.count_children().specs, 2UL);
  });
}

TEST_CASE("a tree of which one child cannot start is stopped again, and says which") {
  in_program<Recorder, Failing>([](troupe::system& sys) {
    supervisor inner({.name = "inner"});
    inner.child<Failing>({.name = "failing"});
    supervisor outer({.name = "outer"});
    outer.child<Recorder>({.name = "first"}).child(inner);
    const auto why = error_of([&] { sys.spawn(outer); });
    EXPECT(why.code() == troupe::errc::start_failed);
    EXPECT(why.text().find("failing: no licence") != std::string::npos);
    EXPECT_EQ(sys.count().workers, 0UL);
    EXPECT(!sys.find<Recorder>("first"));
    EXPECT(!sys.find_supervisor("inner"));
    sys.spawn(team(strategy::one_for_one));
  });
}

TEST_CASE("an actor that calls its own supervisor while that waits for its start is refused") {
  in_program<Recorder, Impatient>([](troupe::system& sys) {
    supervisor made({.name = "team"});
    made.child<Impatient>({.name = "impatient"});
    const auto why = error_of([&] { sys.spawn(made); });
    EXPECT(why.text().find("deadlock") != std::string::npos);
  });
}

TEST_CASE("a supervisor as the template is refused") {
  in_program<Recorder>([](troupe::system& sys) {
    supervisor many({.name = "many", .strategy = strategy::simple_one_for_one});
    many.child(supervisor({.name = "each"}).child<Recorder>({.name = "below"}));
    const auto refused =
        error_of([&] { return sys.spawn(supervisor({.name = "top"}).child(many).child<Recorder>({.name = "a"})); });
    EXPECT_EQ(refused.code(), troupe::errc::bad_spec);
    EXPECT(refused.text().find("the template of simple_one_for_one has to be an actor") != std::string::npos);
    EXPECT(!sys.find<Recorder>("a"));
  });
}

TEST_CASE("children are made from a template, up to as many as there may be") {
  in_program<Parent, Recorder>([](troupe::system& sys) {
    supervisor pool({.name = "pool", .strategy = strategy::simple_one_for_one, .max_children = 2});
    pool.each<Parent, std::string>({.name = "parent"});
    const auto ref = sys.spawn(pool);
    const auto one = ref.start<Parent>("child of one");
    const auto two = ref.start<Parent>("child of two");
    EXPECT_EQ(one.ask(Numbers{}).get(), std::vector<std::string>{"child of one"});
    EXPECT(error_of([&] { ref.start<Parent>("three"); }).code() == troupe::errc::full);
    EXPECT(error_of([&] { ref.start<Parent>(3); }).code() == troupe::errc::bad_spec);
    EXPECT_EQ(ref.count_children().active, 2UL);
    ref.terminate_child(one);
    ref.terminate_child(one);
    EXPECT_EQ(ref.count_children().active, 1UL);
    EXPECT(!sys.find<Recorder>("child of one"));
    EXPECT_EQ(ref.start<Parent>("child of four").ask(Numbers{}).get(), std::vector<std::string>{"child of four"});
    pid_of(two);
  });
}

/// Never gets through its on_stop.
struct Stubborn : troupe::actor {
  void on_stop(troupe::stop_reason) override {
    note("asked " + self().name());
    for (;;) ::pause();
  }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Pid>;
};
/// Spawns one for which a stop has no limit, and below a supervisor another.
struct Lenient : troupe::actor {
  void on_start() override {
    const auto no_limit = troupe::shutdown::infinity();
    self().spawn<Stubborn>({.name = "stubborn", .shutdown = no_limit});
    supervisor more({.name = "more"});
    self().children().start_child(more.child<Stubborn>({.name = "deep", .shutdown = no_limit}));
  }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Pid>;
};

TEST_CASE("what actors have started is killed when the time of a supervisor above is over") {
  in_program<Lenient, Stubborn>([](troupe::system& sys) {
    const auto top = sys.spawn(supervisor({.name = "top", .shutdown = troupe::shutdown::within(100ms)})
                                   .child<Lenient>({.name = "lenient"}));
    sys.stop(top);
    EXPECT(noted("asked deep"));
    EXPECT_EQ(sys.count().workers, 0U);
  });
}

TEST_CASE("what an actor has started is killed with it if it is to be killed at once") {
  in_program<Lenient, Stubborn>([](troupe::system& sys) {
    auto one = sys.spawn<Lenient>({.name = "lenient", .shutdown = troupe::shutdown::brutal_kill()});
    sys.stop(one);
    EXPECT_EQ(sys.count().workers, 0U);
    EXPECT(!noted("asked stubborn"));
  });
}

}  // namespace
