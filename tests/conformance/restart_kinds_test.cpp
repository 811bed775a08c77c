// Permanent, transient and temporary children, and what is kept of them: cases 29, 45 to 50, 52 to 54, 76, 78.

#include "conformance/common.hpp"

using namespace tests;
using troupe::auto_shutdown;
using troupe::errc;
using troupe::restart;
using troupe::strategy;

namespace {

/// A child that ends in this way, in a supervisor of its own, and what is left of it.
void each_way(const std::vector<ending>& ways, restart kind,
              const std::function<void(troupe::system&, const troupe::supervisor_ref&, std::uint64_t old)>& look) {
  for (const auto how : ways) {
    in_program<Kid>(quiet(), [&](troupe::system& sys) {
      const auto top = sys.spawn(sup());
      const obituary end(sys, top.start_child<Kid>(spec("child1", kind)));
      const auto old = incarnation(top, "child1");
      kid(sys, "child1").tell(End{how});
      end.wait();
      look(sys, top, old);
    });
  }
}

void is_restarted(troupe::system&, const troupe::supervisor_ref& top, std::uint64_t old) {
  EXPECT(restarted(top, "child1", old));
  EXPECT_EQ(counts(top), numbers({1, 1, 0, 1}));
}
void stays_down(troupe::system& sys, const troupe::supervisor_ref& top, std::uint64_t) {
  EXPECT(is_down(top, "child1"));
  EXPECT_EQ(counts(top), numbers({1, 0, 0, 1}));
  EXPECT_EQ(sys.count().restarts, 0U);
}
void is_forgotten(troupe::system& sys, const troupe::supervisor_ref& top, std::uint64_t) {
  EXPECT(is_gone(top, "child1"));
  EXPECT_EQ(counts(top), numbers({0, 0, 0, 0}));
  EXPECT_EQ(sys.count().restarts, 0U);
}

const std::vector<ending> abnormal(abnormal_endings.begin(), abnormal_endings.end());

/// What ends with `shutdown` here is a supervisor: when it shuts down with its significant child, or when it gives up.
troupe::supervisor ends_with_shutdown(restart kind) {
  troupe::supervisor_spec its{
      .name = "child1", .max_restarts = 0, .auto_shutdown = auto_shutdown::any_significant, .restart = kind};
  return troupe::supervisor(its)
      .child<Kid>(significant("leaves", restart::transient))
      .child<Kid>(spec("crashes", restart::permanent));
}
struct shutdown_way {
  const char* who;
  ending how;
};
constexpr std::array shutdown_ways{shutdown_way{"leaves", ending::normal}, shutdown_way{"crashes", ending::abort}};

void end_below(troupe::system& sys, const shutdown_way& way) { kid(sys, way.who).tell(End{way.how}); }

}  // namespace

TEST_CASE("permanent_normal: a permanent child that ends normally is restarted") {
  each_way({ending::normal}, restart::permanent, is_restarted);
}
TEST_CASE("transient_normal: a transient child that ends normally is not restarted, and stays known") {
  each_way({ending::normal}, restart::transient, stays_down);
}
TEST_CASE("temporary_normal: a temporary child that ends normally is forgotten") {
  each_way({ending::normal}, restart::temporary, is_forgotten);
}
TEST_CASE("permanent_abnormal: a permanent child that crashes in whatever way is restarted") {
  each_way(abnormal, restart::permanent, is_restarted);
}
TEST_CASE("transient_abnormal: a transient child that crashes in whatever way is restarted") {
  each_way(abnormal, restart::transient, is_restarted);
}
TEST_CASE("temporary_abnormal: a temporary child that crashes in whatever way is forgotten") {
  each_way(abnormal, restart::temporary, is_forgotten);
}

TEST_CASE("permanent_shutdown: a permanent child that ends with shutdown is restarted") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(sup());
    const auto below = top.start_child(ends_with_shutdown(restart::permanent));
    for (const auto& way : shutdown_ways) {
      const auto old = incarnation(below, way.who);
      end_below(sys, way);
      EXPECT(restarted(below, way.who, old));
      EXPECT(eventually([&] { return counts(top) == numbers({1, 1, 1, 0}); }));
      EXPECT_EQ(counts(below), numbers({2, 2, 0, 2}));
    }
  });
}

TEST_CASE("transient_shutdown: a transient child that ends with shutdown stays down, and can be started again") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(sup());
    top.start_child(ends_with_shutdown(restart::transient));
    for (const auto& way : shutdown_ways) {
      end_below(sys, way);
      EXPECT(is_down(top, "child1"));
      EXPECT_EQ(counts(top), numbers({1, 0, 1, 0}));
      top.restart_child("child1");
      EXPECT_EQ(counts(top), numbers({1, 1, 1, 0}));
    }
  });
}

TEST_CASE("temporary_shutdown: a temporary child that ends with shutdown is forgotten, and its name is free") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(sup());
    for (const auto& way : shutdown_ways) {
      top.start_child(ends_with_shutdown(restart::temporary));
      end_below(sys, way);
      EXPECT(is_gone(top, "child1"));
      EXPECT_EQ(counts(top), numbers({0, 0, 0, 0}));
    }
    top.start_child(ends_with_shutdown(restart::temporary));
    EXPECT_EQ(counts(top), numbers({1, 1, 1, 0}));
  });
}

// The window is exact here; in OTP it is up to a second longer.
TEST_CASE("multiple_restarts: restarts that are further apart than the window do not end the supervisor") {
  in_program<Kid>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(sup(strategy::one_for_one, 1, 1s).child<Kid>(spec("child1")));
    auto last = std::chrono::steady_clock::now() - 1s;
    for (int i = 0; i < 4; ++i) {
      EXPECT(eventually([&] { return std::chrono::steady_clock::now() - last > 1100ms; }));
      restart_by(sys, top, "child1", ending::abort);
      last = std::chrono::steady_clock::now();
    }
    top.terminate_child("child1");
    top.delete_child("child1");
    EXPECT_EQ(counts(top), numbers({0, 0, 0, 0}));
  });
}

namespace {

/// How a child ends: by itself, or through terminate_child.
enum class by { kill, normal, abnormal, supervisor };

void end_child(troupe::system& sys, const troupe::supervisor_ref& top, const std::string& name, by how) {
  const obituary end(sys, kid(sys, name));
  switch (how) {
    case by::kill:
      return sys.send_signal(kid(sys, name), SIGKILL), void(end.wait());
    case by::normal:
      return kid(sys, name).tell(End{ending::normal}), void(end.wait());
    case by::abnormal:
      return kid(sys, name).tell(End{ending::exit_code}), void(end.wait());
    case by::supervisor:
      return top.terminate_child(name);
  }
}

void what_is_kept(troupe::system& sys, const troupe::supervisor_ref& top, restart kind, by how) {
  const auto add_child = [&] { return top.start_child<Kid>(spec("child", kind)); };
  add_child();
  const auto old = incarnation(top, "child");
  end_child(sys, top, "child", how);
  const bool again =
      how != by::supervisor && (kind == restart::permanent || (kind == restart::transient && how != by::normal));
  if (kind == restart::temporary) {
    EXPECT(is_gone(top, "child"));
    add_child();
  } else if (again) {
    EXPECT(restarted(top, "child", old));
    EXPECT_EQ(error_of(add_child).code(), errc::already_started);
  } else {
    EXPECT(is_down(top, "child"));
    EXPECT_EQ(error_of(add_child).code(), errc::already_present);
    top.restart_child("child");
  }
  EXPECT_EQ(children(top), lines({"child up"}));
}

}  // namespace

TEST_CASE("do_not_save_child_specs_for_temporary_children: only a temporary child makes room for another of its name") {
  for (const auto strategy_of : {strategy::one_for_all, strategy::one_for_one, strategy::rest_for_one}) {
    for (const auto how : {by::kill, by::normal, by::abnormal, by::supervisor}) {
      in_program<Kid>(quiet(), [&](troupe::system& sys) {
        for (const auto kind : {restart::permanent, restart::transient, restart::temporary}) {
          const auto top = sys.spawn(sup(strategy_of));
          what_is_kept(sys, top, kind, how);
          sys.stop(top);
        }
      });
    }
  }
}

TEST_CASE("temporary_bystander: a temporary child that is stopped for the sake of another is not started again") {
  for (const auto how : {strategy::one_for_all, strategy::rest_for_one}) {
    in_program<Kid>(quiet(), [&](troupe::system& sys) {
      const auto top = sys.spawn(sup(how));
      top.start_child<Kid>(spec("child1"));
      const obituary bystander(sys, top.start_child<Kid>(spec("child2", restart::temporary)));
      restart_by(sys, top, "child1", ending::normal);
      EXPECT(bystander.wait().why == troupe::down::kind::shutdown);
      EXPECT_EQ(children(top), lines({"child1 up"}));
      EXPECT(!sys.find<Kid>("child2"));
      top.start_child<Kid>(spec("child2", restart::temporary));
      EXPECT_EQ(counts(top), numbers({2, 2, 0, 2}));
    });
  }
}
