// What a supervisor can be asked, and what it answers: cases 23 to 28, 71 to 73, 91 to 93.

#include "conformance/common.hpp"

using namespace tests;
using troupe::auto_shutdown;
using troupe::errc;
using troupe::restart;
using troupe::shutdown;
using troupe::strategy;

// Where OTP's terminate_child refuses a pid, Troupe's takes a ref: it names the child, as a name does. A static
// supervisor of OTP hibernates; one of Troupe is an object without a process.
TEST_CASE("child_adm: the calls about children, in every state of a child") {
  in_program<Kid>([](troupe::system& sys) {
    const auto top = sys.spawn(sup().child<Kid>(spec("child1")));
    const auto stranger = sys.spawn<Kid>("stranger");
    const troupe::supervisor_ref dead(987654321);
    const auto first = kid(sys, "child1");
    EXPECT_EQ(children(top), lines({"child1 up"}));
    EXPECT_EQ(counts(top), numbers({1, 1, 0, 1}));
    EXPECT_EQ(error_of([&] { return top.start_child<Kid>(spec("child1")); }).code(), errc::already_started);

    EXPECT_EQ(error_of([&] { return top.terminate_child("hej"), 0; }).code(), errc::not_found);
    EXPECT_EQ(error_of([&] { return dead.terminate_child("child1"), 0; }).code(), errc::closed);
    const int old = pid_of(first);
    top.terminate_child("child1");
    EXPECT_EQ(state_of(old), char{0});
    EXPECT(noted("stop child1"));
    EXPECT_EQ(children(top), lines({"child1 down"}));
    EXPECT_EQ(counts(top), numbers({1, 0, 0, 1}));
    top.terminate_child("child1");  // what has ended can be ended
    EXPECT_EQ(error_of([&] { return top.start_child<Kid>(spec("child1")); }).code(), errc::already_present);

    EXPECT_EQ(top.restart_child("child1").id, first.identity());
    EXPECT(pid_of(first) != old);
    EXPECT_EQ(counts(top), numbers({1, 1, 0, 1}));
    EXPECT_EQ(error_of([&] { return top.restart_child("child1"); }).code(), errc::running);
    EXPECT_EQ(error_of([&] { return top.restart_child("child2"); }).code(), errc::not_found);
    EXPECT_EQ(error_of([&] { return dead.restart_child("child1"); }).code(), errc::closed);

    EXPECT_EQ(error_of([&] { return top.delete_child("child1"), 0; }).code(), errc::running);
    EXPECT_EQ(error_of([&] { return top.delete_child("hej"), 0; }).code(), errc::not_found);
    EXPECT_EQ(error_of([&] { return dead.delete_child("child1"), 0; }).code(), errc::closed);
    top.terminate_child("child1");
    top.delete_child("child1");
    EXPECT_EQ(error_of([&] { return top.restart_child("child1"); }).code(), errc::not_found);
    EXPECT_EQ(error_of([&] { return top.terminate_child("child1"), 0; }).code(), errc::not_found);
    EXPECT_EQ(children(top), lines{});
    EXPECT_EQ(counts(top), numbers({0, 0, 0, 0}));

    EXPECT_EQ(error_of([&] { return dead.start_child<Kid>(spec("child1")); }).code(), errc::closed);
    const auto again = top.start_child<Kid>(spec("child1"));
    EXPECT(again.identity() != first.identity());
    EXPECT_EQ(counts(top), numbers({1, 1, 0, 1}));
    EXPECT_EQ(error_of([&] { return top.terminate_child(stranger), 0; }).code(), errc::not_found);
    EXPECT_EQ(error_of([&] { return top.terminate_child("stranger"), 0; }).code(), errc::not_found);
    EXPECT(pid_of(stranger) != 0);
    top.terminate_child(again);
    EXPECT_EQ(children(top), lines({"child1 down"}));
    EXPECT_EQ(error_of([&] { return dead.which_children(); }).code(), errc::closed);
    EXPECT_EQ(error_of([&] { return dead.count_children(); }).code(), errc::closed);
  });
}

// Children of a template have names here, so terminate_child takes them.
TEST_CASE("child_adm_simple: the calls about children of a template") {
  in_program<Kid>([](troupe::system& sys) {
    const auto top = sys.spawn(sup(strategy::simple_one_for_one).each<Kid>(spec("child")));
    const auto stranger = sys.spawn<Kid>("stranger");
    const troupe::supervisor_ref dead(987654321);
    EXPECT_EQ(children(top), lines{});
    EXPECT_EQ(counts(top), numbers({1, 0, 0, 0}));

    EXPECT_EQ(error_of([&] { return dead.start<Kid>(); }).code(), errc::closed);
    const auto first = top.start<Kid>();
    EXPECT_EQ(counts(top), numbers({1, 1, 0, 1}));
    top.start<Kid>();
    EXPECT_EQ(children(top), lines({"child-2 up", "child-1 up"}));
    EXPECT_EQ(counts(top), numbers({1, 2, 0, 2}));

    EXPECT_EQ(error_of([&] { return top.terminate_child("child"), 0; }).code(), errc::not_found);
    const int old = pid_of(first);
    top.terminate_child(first);
    EXPECT_EQ(state_of(old), char{0});
    EXPECT_EQ(children(top), lines({"child-2 up"}));
    EXPECT_EQ(counts(top), numbers({1, 1, 0, 1}));
    top.terminate_child(first);  // who has ended is as terminated as one can be
    EXPECT_EQ(counts(top), numbers({1, 1, 0, 1}));
    EXPECT_EQ(error_of([&] { return top.terminate_child(stranger), 0; }).code(), errc::not_found);
    EXPECT(pid_of(stranger) != 0);

    EXPECT_EQ(error_of([&] { return top.restart_child("child-2"); }).code(), errc::not_allowed);
    EXPECT_EQ(error_of([&] { return top.delete_child("child-2"), 0; }).code(), errc::not_allowed);
    EXPECT_EQ(error_of([&] { return top.start_child<Kid>(spec("other")); }).code(), errc::not_allowed);
    top.terminate_child("child-2");
    EXPECT_EQ(counts(top), numbers({1, 0, 0, 0}));
  });
}

// {ok,Pid,Info} is self().announce(Info) here.
TEST_CASE(
    "extra_return: what a child says at its start is passed to who starts it, and means nothing to its supervisor") {
  in_program<Kid>([](troupe::system& sys) {
    const auto top = sys.spawn(sup().child<Kid>(spec("child1"), no_slot, "extra_return"));
    EXPECT_EQ(children(top), lines({"child1 up"}));
    EXPECT_EQ(error_of([&] { return top.terminate_child("hej"), 0; }).code(), errc::not_found);
    EXPECT_EQ(error_of([&] { return top.delete_child("hej"), 0; }).code(), errc::not_found);
    EXPECT_EQ(error_of([&] { return top.restart_child("hej"); }).code(), errc::not_found);
    EXPECT_EQ(error_of([&] { return top.delete_child("child1"), 0; }).code(), errc::running);
    EXPECT_EQ(error_of([&] { return top.restart_child("child1"); }).code(), errc::running);
    top.terminate_child("child1");
    EXPECT_EQ(children(top), lines({"child1 down"}));
    EXPECT_EQ(top.restart_child("child1").info, std::string("extra_return"));
    restart_by(sys, top, "child1", ending::abort);
    EXPECT_EQ(counts(top), numbers({1, 1, 0, 1}));
    top.terminate_child("child1");
    top.terminate_child("child1");
    top.delete_child("child1");
    EXPECT_EQ(counts(top), numbers({0, 0, 0, 0}));
    EXPECT_EQ(top.start_child<Kid>(spec("child1"), no_slot, "extra_return").info(), std::string("extra_return"));
    EXPECT_EQ(top.start_child<Kid>(spec("child2")).info(), std::string());
    EXPECT_EQ(counts(top), numbers({2, 2, 0, 2}));
  });
}

namespace {

bool mentions(const std::vector<std::string>& wrong, const std::string& what) {
  return std::ranges::any_of(wrong, [&](const auto& each) { return each.find(what) != std::string::npos; });
}

constexpr std::array kinds{restart::permanent, restart::transient, restart::temporary};
constexpr std::array modes{auto_shutdown::never, auto_shutdown::any_significant, auto_shutdown::all_significant};

troupe::child_spec with_grace(std::chrono::milliseconds grace) {
  return spec("child", restart::permanent, shutdown::within(grace));
}

}  // namespace

// A spec is a struct here: what has the wrong type does not compile (tests/compile_fail).
TEST_CASE("child_specs: specs that no supervisor can have are refused, by check, start_child and spawn alike") {
  const troupe::supervisor twice = sup().child<Kid>(spec("child")).child<Kid>(spec("child"));
  CHECK(mentions(troupe::check(sup().child<Kid>(with_grace(-10ms))), "shut down"));
  CHECK(mentions(troupe::check(twice), "more than once"));
  CHECK(mentions(troupe::check(sup(strategy::simple_one_for_one)), "exactly one"));
  CHECK(mentions(troupe::check(sup(strategy::simple_one_for_one).each<Kid>(spec("a")).each<Kid>(spec("b"))),
                 "exactly one"));
  for (const auto kind : kinds) {
    for (const auto how :
         {shutdown::infinity(), shutdown::within(0ms), shutdown::within(1s), shutdown::brutal_kill()}) {
      CHECK(troupe::check(sup().child<Kid>(spec("child", kind, how))).empty());
      troupe::supervisor_spec below{.name = "child", .restart = kind, .shutdown = how};
      CHECK(troupe::check(sup().child(troupe::supervisor(below))).empty());
    }
  }
  in_program<Kid>([&](troupe::system& sys) {
    const auto top = sys.spawn(troupe::supervisor({.name = "top"}));
    EXPECT_EQ(error_of([&] { return top.start_child<Kid>(with_grace(-10ms)); }).code(), errc::bad_spec);
    EXPECT_EQ(error_of([&] { return top.start_child<Kid>(spec("")); }).code(), errc::bad_spec);
    EXPECT_EQ(counts(top), numbers({0, 0, 0, 0}));
    EXPECT_EQ(error_of([&] { return sys.spawn(twice); }).code(), errc::bad_spec);
    EXPECT_EQ(error_of([&] { return sys.spawn(sup().child<Kid>(with_grace(-10ms))); }).code(), errc::bad_spec);
    EXPECT_EQ(error_of([&] { return sys.spawn(sup(strategy::simple_one_for_one)); }).code(), errc::bad_spec);
    EXPECT_EQ(children(sys.root()), lines({"top up"}));
  });
}

TEST_CASE("what spawn and start_child refuse about a description check says as well, wherever it stands in the tree") {
  const auto with = [](auto change) {
    auto its = spec("child");
    change(its);
    return its;
  };
  const std::vector<std::pair<troupe::child_spec, std::string>> wrong{
      {spec(""), "an actor's name has 1 to 200 bytes"},
      {spec(std::string(201, 'n')), "an actor's name has 1 to 200 bytes"},
      {spec("a\nb"), "line break"},
      {spec("main"), "main function"},
      {with([](auto& its) { its.lane_bytes = 5000; }), "child: lane_bytes is 5000"},
      {with([](auto& its) { its.lane_bytes = 2048; }), "child: lane_bytes is 2048"},
      {with([](auto& its) { its.checkpoint_bytes = 0; }), "child: checkpoint_bytes is 0"},
      {with([](auto& its) { its.checkpoint_bytes = std::uint64_t{1} << 63; }), "child: checkpoint_bytes is 9223"},
      {with([](auto& its) { its.start_timeout = -1ms; }), "child: start_timeout cannot be negative"},
      {with([](auto& its) { its.deadline = -1ms; }), "child: deadline cannot be negative"}};
  in_program<Kid>([&](troupe::system& sys) {
    const auto top = sys.spawn(troupe::supervisor({.name = "top"}));
    for (const auto& each : wrong) {
      const auto& its = each.first;
      const auto& why = each.second;
      const auto below = troupe::supervisor({.name = "above"}).child(sup().child<Kid>(its));
      EXPECT(mentions(troupe::check(below), why));
      for (const auto& refused :
           {error_of([&] { return sys.spawn<Kid>(its); }), error_of([&] { return top.start_child<Kid>(its); }),
            error_of([&] { return sys.spawn(below); }),
            error_of([&] { return top.reload(troupe::supervisor({.name = "top"}).child<Kid>(its)), 0; })}) {
        EXPECT_EQ(refused.code(), errc::bad_spec);
        EXPECT(refused.text().find(why) != std::string::npos);
      }
    }
    EXPECT_EQ(children(sys.root()), lines({"top up"}));
    EXPECT_EQ(counts(top), numbers({0, 0, 0, 0}));
  });
}

TEST_CASE("check says what spawn refuses about a template, and about names that two supervisors give") {
  const auto simple = [](const troupe::child_spec& its) { return sup(strategy::simple_one_for_one).each<Kid>(its); };
  auto narrow = spec("kid");
  narrow.lane_bytes = 5000;
  const auto twice = troupe::supervisor({.name = "above"})
                         .child(troupe::supervisor({.name = "left"}).child<Kid>(spec("kid")))
                         .child(troupe::supervisor({.name = "right"}).child<Kid>(spec("kid")));
  const auto own = troupe::supervisor({.name = "above"}).child<Kid>(spec("above"));
  CHECK(troupe::check(simple(spec(std::string(189, 'n')))).empty());
  for (const auto& [described, why] :
       std::vector<std::pair<troupe::supervisor, std::string>>{
           {simple(narrow), "kid: lane_bytes is 5000"},
           {simple(spec(std::string(190, 'n'))), "1 to 189 bytes, since a number is put behind it"},
           {twice, "the name \"kid\" is there more than once"},
           {own, "the name \"above\" is there more than once"},
           {troupe::supervisor({.name = ""}), "a supervisor's name has 1 to 200 bytes"}}) {
    CHECK(mentions(troupe::check(described), why));
    in_program<Kid>([&, its = described](troupe::system& sys) {
      EXPECT_EQ(error_of([&] { return sys.spawn(its); }).code(), errc::bad_spec);
      EXPECT_EQ(children(sys.root()), lines{});
    });
  }
}

TEST_CASE("a template's name is nobody's: its supervisor may be called like it, and others") {
  in_program<Kid>([](troupe::system& sys) {
    auto kids = troupe::supervisor({.name = "kid", .strategy = strategy::simple_one_for_one}).each<Kid>(spec("kid"));
    const auto above = troupe::supervisor({.name = "above"}).child(kids).child<Kid>(spec("other"));
    EXPECT(troupe::check(above).empty());
    sys.spawn(above);
    EXPECT_EQ(sys.find_supervisor("kid")->start<Kid>().info(), "");
    EXPECT(sys.find<Kid>("kid-1").has_value());
  });
}

TEST_CASE("flags of the root that no supervisor can have are an error of run, before anything is started") {
  const auto refused = [](const troupe::supervisor_flags& flags, const std::string& why) {
    const auto what = error_of([&] {
      return troupe::run<Kid>(0, nullptr, {.supervisor = flags}, [](troupe::system&) { CHECK(false); });
    });
    CHECK(what.code() == errc::bad_spec);
    CHECK(what.text().starts_with("options::supervisor: "));
    CHECK(what.text().find(why) != std::string::npos);
  };
  refused({.within = 0ms}, "above 0");
  refused({.within = -1s}, "above 0");
  refused({.max_children = 1}, "max_children");
  refused({.strategy = strategy::simple_one_for_one}, "no template");
}

TEST_CASE("child_specs_map: significant goes with neither a permanent child nor auto_shutdown never") {
  for (const auto kind : kinds) {
    for (const bool is_significant : {false, true}) {
      for (const auto mode : modes) {
        auto its = flags(strategy::one_for_one);
        its.auto_shutdown = mode;
        troupe::child_spec child{.name = "child", .restart = kind, .significant = is_significant};
        troupe::supervisor_spec below{.name = "below", .restart = kind, .significant = is_significant};
        const bool legal = !is_significant || (kind != restart::permanent && mode != auto_shutdown::never);
        CHECK_EQ(troupe::check(troupe::supervisor(its).child<Kid>(child)).empty(), legal);
        CHECK_EQ(troupe::check(troupe::supervisor(its).child(troupe::supervisor(below))).empty(), legal);
        in_program<Kid>([&](troupe::system& sys) {
          const auto top = sys.spawn(troupe::supervisor(its));
          if (legal) {
            top.start_child<Kid>(child);
            top.start_child(troupe::supervisor(below));
            EXPECT_EQ(counts(top), numbers({2, 2, 1, 1}));
          } else {
            EXPECT_EQ(error_of([&] { return top.start_child<Kid>(child); }).code(), errc::bad_spec);
            EXPECT_EQ(error_of([&] { return top.start_child(troupe::supervisor(below)); }).code(), errc::bad_spec);
            EXPECT_EQ(counts(top), numbers({0, 0, 0, 0}));
          }
        });
      }
    }
  }
}

// An unknown strategy and an intensity that is no number do not compile. OTP's period is in whole seconds, here any
// time above 0.
TEST_CASE("sup_flags: flags that no supervisor can have are refused") {
  const auto refused = [](const troupe::supervisor_spec& its, const std::string& why) {
    troupe::supervisor made(its);
    if (its.strategy == strategy::simple_one_for_one) made.each<Kid>(spec("child"));
    CHECK(mentions(troupe::check(made), why));
    in_program<Kid>([&](troupe::system& sys) {
      EXPECT_EQ(error_of([&] { return sys.spawn(made); }).code(), errc::bad_spec);
      EXPECT_EQ(children(sys.root()), lines{});
    });
  };
  auto its = flags(strategy::one_for_one);
  its.within = 0ms;
  refused(its, "above 0");
  its.within = -1s;
  refused(its, "above 0");
  its = flags(strategy::simple_one_for_one);
  for (const auto mode : {auto_shutdown::any_significant, auto_shutdown::all_significant}) {
    its.auto_shutdown = mode;
    refused(its, "auto_shutdown");
  }
  its = flags(strategy::one_for_all);
  its.max_children = 3;
  refused(its, "max_children");
  for (const auto how : {strategy::one_for_one, strategy::one_for_all, strategy::rest_for_one})
    CHECK(troupe::check(sup(how, 0, 1ms)).empty());
}

// OTP's suite takes 1,000 and 2,000 children; a process costs more than an Erlang process.
TEST_CASE(
    "count_children: a hundred and two hundred dynamic workers are counted, and none of them when all are killed") {
  in_program<Extra>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(sup(strategy::simple_one_for_one).each<Extra>(spec("child", restart::temporary)));
    for (int i = 0; i < 100; ++i) top.start<Extra>();
    EXPECT_EQ(top.which_children().size(), 100U);
    EXPECT_EQ(counts(top), numbers({1, 100, 0, 100}));
    for (int i = 0; i < 100; ++i) top.start<Extra>();
    EXPECT_EQ(counts(top), numbers({1, 200, 0, 200}));
    EXPECT_EQ(top.which_children().size(), 200U);
    EXPECT(children(top) == children(top));
    for (const auto& each : top.which_children()) ::kill(each.pid, SIGKILL);
    EXPECT(eventually([&] { return counts(top) == numbers({1, 0, 0, 0}); }));
  });
}

// A template makes actors only here, so these supervisors have names and specs of their own. They end by themselves,
// when what they are there for has ended.
TEST_CASE("count_children_supervisor: supervisors are counted as such, and none of them when all have ended") {
  in_program<Extra>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(sup());
    for (int i = 0; i < 60; ++i) {
      troupe::supervisor_spec its{.name = "below" + std::to_string(i),
                                  .auto_shutdown = auto_shutdown::any_significant,
                                  .restart = restart::temporary};
      top.start_child(troupe::supervisor(its).child<Extra>(significant("kid" + std::to_string(i), restart::temporary)));
    }
    EXPECT_EQ(counts(top), numbers({60, 60, 60, 0}));
    EXPECT_EQ(sys.count().workers, 60U);
    for (int i = 0; i < 60; ++i) sys.send_signal(*sys.find<Extra>("kid" + std::to_string(i)), SIGKILL);
    EXPECT(eventually([&] { return counts(top) == numbers({0, 0, 0, 0}); }));
    EXPECT_EQ(sys.count().workers, 0U);
  });
}

TEST_CASE("count_restarting_children: a child that is being restarted is not active, until it has come up again") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(sup(strategy::simple_one_for_one, 1'000'000).each<Kid, int>(spec("child")));
    for (int slot = 0; slot < 5; ++slot) top.start<Kid>(int{slot});
    EXPECT_EQ(counts(top), numbers({1, 5, 0, 5}));
    for (int slot = 0; slot < 3; ++slot) {
      starts(slot, start::fails);
      kid(sys, "child-" + std::to_string(slot + 1)).tell(End{ending::killed});
      EXPECT(eventually([&] { return counts(top) == numbers({1, 4 - slot, 0, 5}); }));
    }
    EXPECT_EQ(children(top),
              lines({"child-5 up", "child-4 up", "child-3 restarting", "child-2 restarting", "child-1 restarting"}));
    for (int slot = 0; slot < 3; ++slot) starts(slot, start::normally);
    EXPECT(eventually([&] { return counts(top) == numbers({1, 5, 0, 5}); }));
  });
}

// {already_started,Pid} out of the start function is name_taken here, since names are the program's.
TEST_CASE(
    "already_started_outside_supervisor: a name that is in use elsewhere is refused, and its user is not touched") {
  in_program<Kid>([](troupe::system& sys) {
    const auto outside = sys.spawn<Kid>("child1");
    const auto old = incarnation(sys.root(), "child1");
    const auto top = sys.spawn(sup());
    EXPECT_EQ(error_of([&] { return top.start_child<Kid>(spec("child1")); }).code(), errc::name_taken);
    EXPECT_EQ(error_of([&] { return top.start_child<Kid>(spec("sup")); }).code(), errc::name_taken);
    EXPECT_EQ(counts(top), numbers({0, 0, 0, 0}));
    EXPECT_EQ(incarnation(sys.root(), "child1"), old);
    sys.stop(outside);
    top.start_child<Kid>(spec("child1"));
    EXPECT_EQ(children(top), lines({"child1 up"}));
  });
}

TEST_CASE("which_children: the list, newest first, after each change") {
  in_program<Kid>([](troupe::system& sys) {
    const auto top = sys.spawn(sup());
    EXPECT_EQ(children(top), lines{});
    EXPECT(!top.which_child("child1"));
    const auto first = top.start_child<Kid>(spec("child1"));
    auto its = top.which_child("child1");
    EXPECT(its && its->identity == first.identity() && its->pid == pid_of(first) &&
           its->kind == troupe::child_kind::worker);
    const auto below = top.start_child(troupe::supervisor({.name = "child2"}));
    EXPECT_EQ(children(top), lines({"child2 up", "child1 up"}));
    its = top.which_child("child2");
    EXPECT(its && its->identity == below.id() && its->pid == 0 && its->kind == troupe::child_kind::supervisor);
    top.terminate_child("child1");
    its = top.which_child("child1");
    EXPECT(its && its->pid == 0 && its->incarnation == 0 && its->identity == first.identity());
    EXPECT_EQ(children(top), lines({"child2 up", "child1 down"}));
    top.delete_child("child1");
    EXPECT_EQ(children(top), lines({"child2 up"}));
    EXPECT(!top.which_child("child1"));
    top.start_child<Kid>(spec("child1"));
    EXPECT_EQ(children(top), lines({"child1 up", "child2 up"}));
    top.terminate_child("child2");
    EXPECT_EQ(children(top), lines({"child1 up", "child2 down"}));
  });
}

TEST_CASE("which_children_simple_one_for_one: the list of children of a template") {
  in_program<Kid>([](troupe::system& sys) {
    const auto top = sys.spawn(sup(strategy::simple_one_for_one).each<Kid>(spec("child")));
    EXPECT_EQ(children(top), lines{});
    EXPECT(!top.which_child("child"));
    const auto first = top.start<Kid>();
    const auto second = top.start<Kid>();
    const auto all = top.which_children();
    EXPECT_EQ(all.size(), 2U);
    EXPECT_EQ(all[0].identity, second.identity());
    EXPECT_EQ(all[1].identity, first.identity());
    EXPECT_EQ(all[1].pid, pid_of(first));
    top.terminate_child(second);
    EXPECT_EQ(children(top), lines({"child-1 up"}));
    EXPECT(!top.which_child("child-2"));
  });
}
