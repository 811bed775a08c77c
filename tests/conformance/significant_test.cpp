// Automatic shutdown: cases 57 to 63. Their significant_upgrade cases are in reload_test.cpp.

#include "conformance/common.hpp"

using namespace tests;
using troupe::auto_shutdown;
using troupe::errc;
using troupe::restart;
using troupe::strategy;

namespace {

constexpr std::array modes{auto_shutdown::never, auto_shutdown::any_significant, auto_shutdown::all_significant};

troupe::supervisor with(auto_shutdown mode, strategy how = strategy::one_for_one) {
  auto its = flags(how, 10);
  its.auto_shutdown = mode;
  return troupe::supervisor(its);
}

void end(troupe::system& sys, const std::string& name, ending how) { kid(sys, name).tell(End{how}); }

/// The supervisor has seen all that had happened before, and runs.
void still_runs(const troupe::supervisor_ref& top) {
  EXPECT(always([&] { return top.count_children().specs > 0; }, 100ms));
}

const std::vector<ending> all_endings{ending::normal, ending::exit_code, ending::exception, ending::abort,
                                      ending::killed};
const std::vector<ending> crashes(abnormal_endings.begin(), abnormal_endings.end());

/// Runs `look` once for each way to end, with a supervisor of this mode.
void each_ending(const std::vector<ending>& ways, const troupe::supervisor& described,
                 const std::function<void(troupe::system&, const troupe::supervisor_ref&, ending)>& look) {
  in_program<Kid>(quiet(), [&](troupe::system& sys) {
    for (const auto how : ways) {
      const auto top = sys.spawn(described);
      look(sys, top, how);
      sys.stop(top);
    }
  });
}

/// In this mode each way to end of a child is followed by the supervisor's end, or by none of it.
void ends_its_supervisor(troupe::system& sys, const troupe::supervisor_ref& top, const std::string& name, ending how) {
  end(sys, name, how);
  EXPECT(ended(top));
  EXPECT_EQ(sys.count().workers, 0U);
}

}  // namespace

TEST_CASE("nonsignificant_temporary: however a temporary child ends that is not significant, its supervisor goes on") {
  for (const auto mode : modes) {
    const auto described =
        with(mode).child<Kid>(spec("child1", restart::temporary)).child<Kid>(spec("child2", restart::temporary));
    each_ending(all_endings, described, [](troupe::system& sys, const troupe::supervisor_ref& top, ending how) {
      end(sys, "child1", how);
      EXPECT(is_gone(top, "child1"));
      still_runs(top);
      top.terminate_child("child2");
      EXPECT_EQ(counts(top), numbers({0, 0, 0, 0}));
    });
  }
}

TEST_CASE("nonsignificant_transient: a transient child that is not significant is restarted or stays down, no more") {
  for (const auto mode : modes) {
    const auto described =
        with(mode).child<Kid>(spec("child1", restart::transient)).child<Kid>(spec("child2", restart::transient));
    each_ending(crashes, described, [](troupe::system& sys, const troupe::supervisor_ref& top, ending how) {
      restart_by(sys, top, "child1", how);
      end(sys, "child1", ending::normal);
      EXPECT(is_down(top, "child1"));
      top.terminate_child("child2");
      still_runs(top);
      EXPECT_EQ(counts(top), numbers({2, 0, 0, 2}));
    });
  }
}

TEST_CASE("significant_temporary: any: each end but one that was asked for ends the supervisor") {
  const auto described = with(auto_shutdown::any_significant)
                             .child<Kid>(significant("child1", restart::temporary))
                             .child<Kid>(significant("child2", restart::temporary))
                             .child<Kid>(spec("child3", restart::permanent));
  in_program<Kid>(quiet(), [&](troupe::system& sys) {
    for (const auto how : all_endings) {
      const auto top = sys.spawn(described);
      top.terminate_child("child1");
      still_runs(top);
      ends_its_supervisor(sys, top, "child2", how);
      sys.stop(top);
    }
  });
}

TEST_CASE("significant_temporary: all: only the end of the last one ends the supervisor") {
  const auto described = with(auto_shutdown::all_significant)
                             .child<Kid>(significant("child1", restart::temporary))
                             .child<Kid>(significant("child2", restart::temporary))
                             .child<Kid>(significant("child3", restart::temporary))
                             .child<Kid>(spec("child4", restart::permanent));
  in_program<Kid>(quiet(), [&](troupe::system& sys) {
    for (const auto how : all_endings) {
      const auto top = sys.spawn(described);
      end(sys, "child1", how);
      EXPECT(is_gone(top, "child1"));
      still_runs(top);
      top.terminate_child("child2");
      still_runs(top);
      ends_its_supervisor(sys, top, "child3", how);
      sys.stop(top);
    }
  });
}

TEST_CASE("significant_transient: any: a normal end ends the supervisor, a crash is followed by a restart") {
  const auto described = with(auto_shutdown::any_significant)
                             .child<Kid>(significant("child1", restart::transient))
                             .child<Kid>(significant("child2", restart::transient))
                             .child<Kid>(spec("child3", restart::permanent));
  in_program<Kid>(quiet(), [&](troupe::system& sys) {
    for (const auto how : crashes) {
      const auto top = sys.spawn(described);
      top.terminate_child("child1");
      still_runs(top);
      restart_by(sys, top, "child2", how);
      ends_its_supervisor(sys, top, "child2", ending::normal);
      sys.stop(top);
    }
  });
}

TEST_CASE("significant_transient: all: only the normal end of the last one ends the supervisor") {
  const auto described = with(auto_shutdown::all_significant)
                             .child<Kid>(significant("child1", restart::transient))
                             .child<Kid>(significant("child2", restart::transient))
                             .child<Kid>(significant("child3", restart::transient))
                             .child<Kid>(spec("child4", restart::permanent));
  in_program<Kid>(quiet(), [&](troupe::system& sys) {
    for (const auto how : crashes) {
      const auto top = sys.spawn(described);
      restart_by(sys, top, "child1", how);
      end(sys, "child1", ending::normal);
      EXPECT(is_down(top, "child1"));
      top.terminate_child("child2");
      still_runs(top);
      restart_by(sys, top, "child3", how);
      ends_its_supervisor(sys, top, "child3", ending::normal);
      sys.stop(top);
    }
  });
}

TEST_CASE("significant_simple: a template cannot be significant, and its supervisor cannot shut down by itself") {
  for (const auto kind : {restart::temporary, restart::transient}) {
    for (const auto mode : modes) {
      const auto described = with(mode, strategy::simple_one_for_one).each<Kid>(significant("child", kind));
      CHECK(!troupe::check(described).empty());
      in_program<Kid>(quiet(), [&](troupe::system& sys) {
        EXPECT_EQ(error_of([&] { return sys.spawn(described); }).code(), errc::bad_spec);
        EXPECT_EQ(children(sys.root()), lines{});
      });
    }
  }
}

// In OTP a temporary child is never started again, here neither: only the transient ones are there afterwards.
TEST_CASE("significant_bystander: children that are stopped for the sake of another never end the supervisor") {
  for (const auto mode : {auto_shutdown::any_significant, auto_shutdown::all_significant}) {
    for (const auto how : {strategy::one_for_one, strategy::one_for_all, strategy::rest_for_one}) {
      in_program<Kid>(quiet(), [&](troupe::system& sys) {
        const auto top = sys.spawn(with(mode, how)
                                       .child<Kid>(spec("crashes", restart::permanent))
                                       .child<Kid>(significant("temporary", restart::temporary))
                                       .child<Kid>(significant("transient", restart::transient)));
        restart_by(sys, top, "crashes", ending::abort);
        EXPECT(eventually([&] { return incarnation(top, "transient") != 0; }));
        still_runs(top);
        const bool alone = how == strategy::one_for_one;
        EXPECT_EQ(children(top), alone ? lines({"transient up", "temporary up", "crashes up"})
                                       : lines({"transient up", "crashes up"}));
        top.terminate_child("transient");
        still_runs(top);
      });
    }
  }
}

TEST_CASE("significant_escalation: the end of a significant child supervisor goes on upwards, of another it does not") {
  for (const bool upwards : {true, false}) {
    for (const auto kind : {restart::temporary, restart::transient}) {
      in_program<Kid>(quiet(), [&](troupe::system& sys) {
        troupe::supervisor_spec below{
            .name = "below", .auto_shutdown = auto_shutdown::any_significant, .restart = kind, .significant = upwards};
        const auto top = sys.spawn(with(auto_shutdown::any_significant)
                                       .child<Kid>(spec("bystander", restart::permanent))
                                       .child(troupe::supervisor(below)
                                                  .child<Kid>(significant("child", restart::transient))
                                                  .child<Kid>(spec("sibling"))));
        end(sys, "child", ending::normal);
        if (upwards) {
          EXPECT(ended(top));
          EXPECT_EQ(sys.count().workers, 0U);
        } else {
          EXPECT(kind == restart::temporary ? is_gone(top, "below") : is_down(top, "below"));
          still_runs(top);
          EXPECT_EQ(incarnation(top, "bystander") != 0, true);
          EXPECT_EQ(sys.count().workers, 1U);
        }
      });
    }
  }
}
