#include <sys/resource.h>

#include "process/common.hpp"

// Spares of a child whose supervisor is reloaded with another spec of it.

using namespace tests;
using troupe::strategy;
using troupe::supervisor;

namespace {

constexpr std::size_t spare_pid = 1, stood_by = 2;  // counters of the test program

struct Files {};
struct Holder : troupe::actor {
  void on_standby() override {
    set(spare_pid, static_cast<std::uint64_t>(::getpid()));
    add(stood_by);
  }
  int on(Pid) { return ::getpid(); }
  std::uint64_t on(Files) {
    rlimit its{};
    ::getrlimit(RLIMIT_NOFILE, &its);
    return its.rlim_cur;
  }
  using handles = troupe::handles<Pid, Files>;
};
using holder = troupe::actor_ref<Holder>;

troupe::child_spec with_spares(std::uint32_t count) { return {.name = "one", .standby = count}; }
troupe::child_spec with_files(std::uint64_t files) {
  auto made = with_spares(1);
  made.limits.files = files;
  return made;
}
supervisor top_of(const troupe::child_spec& spec) {
  return supervisor({.name = "top", .max_restarts = 1000}).child<Holder>(spec);
}
holder one(troupe::system& sys) { return *sys.find<Holder>("one"); }

/// Waits until so many spares have come to stand by since the program's start, and the supervisor knows of them.
pid_t last_of(troupe::system& sys, std::uint64_t count) {
  EXPECT(eventually([&] { return total(stood_by) == count; }));
  const auto spare = static_cast<pid_t>(total(spare_pid));
  EXPECT(eventually([&] { return state_of(spare) == 'S'; }));
  static_cast<void>(sys.find<Holder>("nobody"));  // what was said to the supervisor before this has been heard
  return spare;
}

TEST_CASE("a reload that gives a child spares has them made at once, and one takes over") {
  const auto ended = in_program<Holder>(logged(), [](troupe::system& sys) {
    const auto top = sys.spawn(top_of(with_spares(0)));
    const pid_t first = pid_of(one(sys));
    top.reload(top_of(with_spares(2)));
    const pid_t last = last_of(sys, 2);
    EXPECT_EQ(pid_of(one(sys)), first);
    EXPECT_EQ(sys.count().workers, 3UL);
    crash(sys, one(sys));
    const pid_t second = pid_of(one(sys));
    EXPECT(second != first && second != last);  // the one that has waited longest
    last_of(sys, 3);
  });
  CHECK(ended.log.find("seemed to die") == std::string::npos);
}

TEST_CASE("a reload that takes spares from a child ends them at once, and leaves what it does not") {
  in_program<Holder>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(top_of(with_spares(2)));
    const pid_t first = pid_of(one(sys));
    last_of(sys, 2);
    top.reload(top_of(with_spares(1)));
    EXPECT(eventually([&] { return sys.count().workers == 2; }));
    top.reload(top_of(with_spares(0)));
    EXPECT(eventually([&] { return sys.count().workers == 1; }));
    EXPECT_EQ(pid_of(one(sys)), first);
    EXPECT(always([&] { return total(stood_by) == 2; }, 100ms));
  });
}

TEST_CASE("a child that a reload makes temporary has no spares any more") {
  in_program<Holder>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(top_of(with_spares(1)));
    last_of(sys, 1);
    auto spec = with_spares(1);
    spec.restart = troupe::restart::temporary;
    top.reload(top_of(spec));
    EXPECT(eventually([&] { return sys.count().workers == 1; }));
    EXPECT(always([&] { return total(stood_by) == 1; }, 100ms));
  });
}

TEST_CASE("after a reload no spare that was made with the old limits takes over") {
  in_program<Holder>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(top_of(with_files(100)));
    EXPECT_EQ(one(sys).ask(Files{}).get(), 100UL);
    const pid_t old = last_of(sys, 1);
    top.reload(top_of(with_files(200)));
    const pid_t fresh = last_of(sys, 2);
    EXPECT(fresh != old);
    EXPECT(eventually([&] { return state_of(old) == 0; }));
    EXPECT_EQ(one(sys).ask(Files{}).get(), 100UL);  // the process that runs keeps what it was born with
    crash(sys, one(sys));
    EXPECT_EQ(pid_of(one(sys)), fresh);
    EXPECT_EQ(one(sys).ask(Files{}).get(), 200UL);
  });
}

TEST_CASE("a reload that changes nothing about its process leaves a spare as it is") {
  in_program<Holder>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(top_of(with_spares(1)));
    const pid_t spare = last_of(sys, 1);
    auto spec = with_spares(1);
    spec.shutdown = troupe::shutdown::within(1s);
    top.reload(top_of(spec));
    EXPECT(always([&] { return total(stood_by) == 1; }, 100ms));
    crash(sys, one(sys));
    EXPECT_EQ(pid_of(one(sys)), spare);
  });
}

TEST_CASE("a reload of a template gives spares to those that were made from it") {
  in_program<Holder>(quiet(), [](troupe::system& sys) {
    const auto described = [](std::uint32_t spares) {
      return supervisor({.name = "top", .strategy = strategy::simple_one_for_one, .max_restarts = 1000})
          .each<Holder>(with_spares(spares));
    };
    const auto top = sys.spawn(described(0));
    const auto made = top.start<Holder>();
    const pid_t first = pid_of(made);
    top.reload(described(1));
    const pid_t spare = last_of(sys, 1);
    EXPECT_EQ(pid_of(made), first);
    crash(sys, made);
    EXPECT_EQ(pid_of(made), spare);
  });
}

}  // namespace
