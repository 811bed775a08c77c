#include <poll.h>

#include "process/common.hpp"

using namespace tests;

namespace {

/// Spawns a child when it starts, and then takes its time.
struct Slow : troupe::actor {
  Slow(std::string child, bool waits) : child_(std::move(child)), waits_(waits) {}
  void on_start() override {
    self().spawn<Recorder>(child_);
    note("slow " + self().name());
    while (waits_ && total(0) == 0) ::poll(nullptr, 0, 1);
  }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Pid>;

 private:
  std::string child_;
  bool waits_;
};

struct Go {};
struct Grandparent : troupe::actor {
  void on(Go) { self().spawn<Slow>("slow", "deep", true); }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Go, Pid>;
};

/// SIGTERM while this one starts; what starts goes on when the supervisors know of the signal.
void check_that_a_signal_ends(program& running, const std::string& slow) {
  REQUIRE(eventually([&] { return noted("slow " + slow); }));
  running.signal(SIGTERM);
  REQUIRE(eventually([] { return noted("told"); }));
  set(0, 1);
  CHECK_EQ(running.wait().exit_code, 128 + SIGTERM);
}

/// A spawn that is ended by a signal.
template <class Spawn>
int cut_off(const Spawn& spawn) {
  EXPECT_EQ(error_of(spawn).code(), troupe::errc::stopping);
  note("told");
  return 0;
}

TEST_CASE("a signal ends a program in which an actor that has a child already is starting") {
  auto running = start_program<Slow, Recorder>(quiet(), [](troupe::system& sys) {
    return cut_off([&] { return sys.spawn<Slow>("p", "c", true); });
  });
  check_that_a_signal_ends(*running, "p");
}

TEST_CASE("a signal ends a program in which a tree is starting whose actors have children already") {
  auto running = start_program<Slow, Recorder>(quiet(), [](troupe::system& sys) {
    troupe::supervisor tree({.name = "tree"});
    tree.child<Slow>({.name = "p"}, "c", false).child<Slow>({.name = "q"}, "d", true);
    return cut_off([&] { return sys.spawn(tree); });
  });
  check_that_a_signal_ends(*running, "q");
}

TEST_CASE("an actor that is killed while its child, which has a child, is starting is started again") {
  in_program<Grandparent, Slow, Recorder>(quiet(5), [](troupe::system& sys) {
    auto a = sys.spawn<Grandparent>("a");
    const auto old = pid_of(a);
    a.tell(Go{});
    EXPECT(eventually([] { return noted("slow slow"); }));
    sys.send_signal(a, SIGKILL);
    set(0, 1);
    EXPECT(eventually([&] {
      const auto is = sys.root().which_child("a");
      return is && is->state == troupe::child_state::up && is->pid != old;
    }));
    EXPECT(pid_of(a) != old);
  });
}

}  // namespace
