#include "process/common.hpp"

// What a certificate and the log say of who wanted an end, and of what is done about it.

using namespace tests;
using troupe::death_certificate;
using troupe::death_decision;

namespace {

death_certificate last_death(troupe::system& sys, const std::string& name, std::size_t count) {
  std::vector<death_certificate> all;
  EXPECT(eventually([&] {
    all = sys.deaths(name);
    return all.size() == count && all.back().decision != death_decision::undecided;
  }));
  return all.back();
}

TEST_CASE("whoever terminates a child that is down already has not wanted its next end") {
  in_program<Recorder>(quiet(5), [](troupe::system& sys) {
    const auto top = sys.spawn(troupe::supervisor({.name = "top"}).child<Recorder>({.name = "one"}));
    top.terminate_child("one");
    EXPECT_EQ(last_death(sys, "one", 1).asked_by, "main");
    top.terminate_child("one");
    top.restart_child("one");
    sys.stop(top);
    EXPECT_EQ(last_death(sys, "one", 2).asked_by, "its supervisor");
  });
}

TEST_CASE("a spare that is stopped does not take away who wanted its child to stop") {
  in_program<Recorder>(quiet(5), [](troupe::system& sys) {
    for (std::size_t count = 1; count <= 5; ++count) {
      const auto one = sys.spawn<Recorder>({.name = "one", .standby = 3});
      EXPECT(eventually([&] { return sys.count().workers == 4; }));
      sys.stop(one);
      EXPECT_EQ(last_death(sys, "one", count).asked_by, "main");
      EXPECT(eventually([&] { return sys.count().workers == 0; }));
    }
  });
}

TEST_CASE("a child that has used up its own budget is said to have, and its supervisor not to have given up") {
  const auto ended = in_program<Recorder>(logged(), [](troupe::system& sys) {
    auto one = sys.spawn<Recorder>({.name = "one", .budget = troupe::restart_budget{.max_restarts = 1, .within = 60s}});
    crash(sys, one);
    pid_of(one);
    sys.send_signal(one, SIGKILL);
    const auto last = last_death(sys, "one", 2);
    EXPECT(last.decision == death_decision::budget_spent);
    EXPECT_EQ(std::string(name_of(last.decision)), "budget_spent");
    const auto refused = error_of([&] { return pid_of(one); });
    EXPECT_EQ(refused.code(), troupe::errc::closed);
    EXPECT_EQ(refused.text(), "one has ended: it has used up its restarts; last: it was killed by SIGKILL");
    EXPECT(pid_of(sys.spawn<Recorder>("two")) > 0);
  });
  CHECK(ended.log.find("; it has used up its restarts, and stays down") != std::string::npos);
  CHECK(ended.log.find("given up") == std::string::npos);
  CHECK(ended.log.find("gives up") == std::string::npos);
}

TEST_CASE("below a supervisor that has used up its budget the log says that this supervisor has given up") {
  const auto ended = in_program<Recorder>(logged(), [](troupe::system& sys) {
    sys.spawn(troupe::supervisor(
                  {.name = "top", .max_restarts = 0, .budget = troupe::restart_budget{.max_restarts = 0, .within = 60s}})
                  .child<Recorder>({.name = "one"}));
    ::kill(pid_of(*sys.find<Recorder>("one")), SIGKILL);
    EXPECT(last_death(sys, "one", 1).decision == death_decision::given_up);
  });
  CHECK(ended.log.find("top gives up") != std::string::npos);
  CHECK(ended.log.find("top has used up its restarts and stays down") != std::string::npos);
}

}  // namespace
