// Supervisors below supervisors, names, order and what the log says: cases 44, 56, 79, 87, 90.

#include "conformance/common.hpp"

using namespace tests;
using troupe::errc;
using troupe::restart;
using troupe::strategy;

namespace {

std::vector<std::string> log_lines(const std::string& log, const std::string& with) {
  std::vector<std::string> found;
  std::size_t at = 0;
  while (at < log.size()) {
    const std::size_t end = std::min(log.find('\n', at), log.size());
    const std::string line = log.substr(at, end - at);
    if (line.find(with) != std::string::npos) found.push_back(line);
    at = end + 1;
  }
  return found;
}

struct Say {
  std::string text;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(text);
  }
  static constexpr auto delivery = troupe::drop{};
};

/// Dies with a text of its own.
struct Talker : troupe::actor {
  void on(const Say& m) { throw std::runtime_error(m.text); }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Say, Pid>;
};

}  // namespace

// Here nothing is said of any start that succeeds, at whatever level.
TEST_CASE("external_start_no_progress_log: start_child says nothing in the log, only ends do") {
  const auto ended = in_program<Kid>(logged(), [](troupe::system& sys) {
    const auto top = sys.spawn(sup().child<Kid>(spec("child1")));
    top.start_child<Kid>(spec("child2"));
    top.terminate_child("child2");
    top.restart_child("child2");
  });
  CHECK_EQ(log_lines(ended.log, "start"), lines{});
  for (const auto& line : log_lines(ended.log, "child")) CHECK(line.find("was stopped; asked for by") != std::string::npos);
}

TEST_CASE(
    "tree: what dies is restarted where it is; a supervisor that gives up is restarted with all that it began with") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(troupe::supervisor(flags(strategy::one_for_all, 4)));
    troupe::supervisor_spec first{.name = "supchild1", .max_restarts = 4, .within = 3600s};
    troupe::supervisor_spec second{.name = "supchild2", .max_restarts = 4, .within = 3600s};
    const auto sup1 = top.start_child(troupe::supervisor(first).child<Kid>(spec("child1")).child<Kid>(spec("child2")));
    const auto sup2 = top.start_child(troupe::supervisor(second));
    top.start_child(troupe::supervisor({.name = "supchild3"}).child<Kid>(spec("child5")));
    top.terminate_child("supchild3");
    EXPECT_EQ(counts(top), numbers({3, 2, 3, 0}));
    EXPECT_EQ(counts(sup1), numbers({2, 2, 0, 2}));
    sup2.start_child<Kid>(spec("child3"), 0);
    sup2.start_child<Kid>(spec("child4"));
    EXPECT_EQ(counts(sup2), numbers({2, 2, 0, 2}));

    const auto child1 = incarnation(sup1, "child1"), child3 = incarnation(sup2, "child3");
    restart_by(sys, sup2, "child4", ending::abort);
    EXPECT_EQ(incarnation(sup1, "child1"), child1);
    EXPECT_EQ(incarnation(sup2, "child3"), child3);

    starts(0, start::fails);
    kid(sys, "child3").tell(End{ending::abort});
    EXPECT(restarted(sup1, "child1", child1));
    EXPECT(eventually([&] { return counts(top) == numbers({3, 3, 3, 0}); }));  // also the one that was down on purpose
    EXPECT(eventually([&] { return counts(sup1) == numbers({2, 2, 0, 2}); }));
    EXPECT_EQ(children(sup1), lines({"child2 up", "child1 up"}));
    EXPECT_EQ(children(sup2), lines{});  // what was added at run time is not made again
    EXPECT_EQ(counts(sup2), numbers({0, 0, 0, 0}));
    EXPECT(!sys.find<Kid>("child3"));
    EXPECT(sys.find<Kid>("child5").has_value());
  });
}

namespace {

struct global_tree {
  explicit global_tree(troupe::system& sys)
      : top(sys.spawn(troupe::supervisor(flags(strategy::one_for_all, 3, 60s)).child(middle()))),
        sup2(*sys.find_supervisor("sup2")),
        server(kid(sys, "server")),
        before(incarnation(sup2, "server")) {}
  static troupe::supervisor middle() {
    return troupe::supervisor({.name = "sup2", .strategy = strategy::one_for_all, .max_restarts = 3, .within = 60s})
        .child<Kid>(spec("server"));
  }
  void works_again(troupe::system& sys) const {
    EXPECT(restarted(*sys.find_supervisor("sup2"), "server", before));
    EXPECT_EQ(kid(sys, "server").identity(), server.identity());
    EXPECT(pid_of(server) != 0);  // the old ref reaches the new process
    EXPECT(sys.find_supervisor("sup2") == sup2);
  }
  void stop(troupe::system& sys) const {
    sys.stop(top);
    EXPECT(!sys.find_supervisor("sup2"));
    EXPECT(!sys.find<Kid>("server"));
  }
  troupe::supervisor_ref top, sup2;
  kid_ref server;
  std::uint64_t before;
};

}  // namespace

// All names are global here. A supervisor has no process that could be killed: it ends when it has been terminated, or
// when it gives up.
TEST_CASE("simple_global_supervisor: names are taken over when a supervisor or a worker is replaced") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    {
      const global_tree its(sys);
      for (int i = 0; i < 3; ++i) restart_by(sys, its.sup2, "server", ending::killed);
      const auto last = incarnation(its.sup2, "server");
      its.server.tell(End{ending::killed});
      EXPECT(restarted(its.sup2, "server", last));
      its.works_again(sys);
      its.stop(sys);
    }
    {
      const global_tree its(sys);
      its.top.terminate_child("sup2");
      its.top.restart_child("sup2");
      its.works_again(sys);
      its.stop(sys);
    }
    for (const auto how : {ending::killed, ending::normal}) {
      const global_tree its(sys);
      its.server.tell(End{how});
      its.works_again(sys);
      its.stop(sys);
    }
    {
      const global_tree its(sys);
      its.sup2.terminate_child("server");
      its.sup2.restart_child("server");
      its.works_again(sys);
      its.stop(sys);
    }
  });
}

TEST_CASE(
    "order_of_children: started in the order of the list and of start_child, stopped in the reverse order, always") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const auto top =
        sys.spawn(sup(strategy::rest_for_one).child<Kid>(spec("e")).child<Kid>(spec("b")).child<Kid>(spec("d")));
    top.start_child<Kid>(spec("a"));
    top.start_child<Kid>(spec("c"));
    lines wanted{"start e", "start b", "start d", "start a", "start c"};
    EXPECT_EQ(notes(), wanted);
    EXPECT_EQ(children(top), lines({"c up", "a up", "d up", "b up", "e up"}));

    const auto last = incarnation(top, "c");
    kid(sys, "d").tell(End{ending::killed});
    EXPECT(restarted(top, "c", last));
    for (const auto* each : {"stop c", "stop a", "start d", "start a", "start c"}) wanted.emplace_back(each);
    EXPECT_EQ(notes(), wanted);

    // One that is started again by hand keeps its place.
    top.terminate_child("b");
    top.restart_child("b");
    sys.stop(top);
    for (const auto* each : {"stop b", "start b", "stop c", "stop a", "stop d", "stop b", "stop e"})
      wanted.emplace_back(each);
    EXPECT_EQ(notes(), wanted);
  });
}

// OTP's reports are terms that a formatter cuts; here a report is one line of text, whatever a dying child says.
TEST_CASE(
    "format_log_2: one line for each report, with the child, the reason, and no more than a limit of a long text") {
  const auto ended = in_program<Kid, Talker>(logged(), [](troupe::system& sys) {
    starts(0, start::normally);
    troupe::supervisor_spec its{.name = "sup", .max_restarts = 3, .within = 3600s, .restart = restart::transient};
    const auto top = sys.spawn(troupe::supervisor(its)
                                   .child<Talker>(spec("talker"))
                                   .child<Kid>(spec("stubborn", restart::permanent, troupe::shutdown::within(100ms)))
                                   .child<Kid>(spec("again"), 0));
    const auto talker = *sys.find<Talker>("talker");
    auto old = incarnation(top, "talker");
    talker.tell(Say{"first line\nsecond line"});
    EXPECT(restarted(top, "talker", old));
    old = incarnation(top, "talker");
    talker.tell(Say{std::string(20'000, 'x')});
    EXPECT(restarted(top, "talker", old));
    kid(sys, "stubborn").tell(Hang{});
    EXPECT(eventually([] { return noted("hangs stubborn"); }));
    top.terminate_child("stubborn");
    starts(0, start::fails);
    kid(sys, "again").tell(End{ending::exit_code});
    EXPECT(tests::ended(top));
  });
  const auto said = [&](const std::string& what) { return log_lines(ended.log, what); };
  const auto child_terminated = said(") ended by an exception");
  REQUIRE_EQ(child_terminated.size(), 2);
  CHECK(child_terminated[0].find("talker(") != std::string::npos);
  CHECK(child_terminated[0].find("first line\\nsecond line") != std::string::npos);
  CHECK(child_terminated[1].find("xxxx") != std::string::npos);
  CHECK(child_terminated[1].size() < 10'000);
  CHECK_EQ(said("stubborn(").size(), 1);
  CHECK_EQ(said("killed by SIGKILL, since it did not stop in time").at(0).find("stubborn") != std::string::npos, true);
  CHECK_EQ(said("again failed to start: start refused").size(), 1);  // start_error, once for each attempt
  CHECK_EQ(said("sup gives up; last: again").size(), 1);             // shutdown, reached_max_restart_intensity
}
