// No process of a program is left when it ends, however it ends: what its workers have started included.

#include <sys/prctl.h>
#include <sys/wait.h>

#include "os/kernel_files.hpp"
#include "process/common.hpp"
#include "supervision/cgroup_place.hpp"
#include "support/cgroups.hpp"

using namespace tests;

namespace {

enum word : std::size_t { first_orphan = 10, level };

struct LeaveOrphans {
  int count;
};
struct Quit {};
struct Use {
  std::uint64_t bytes;
};
struct Father : troupe::actor {
  void on(LeaveOrphans m) {
    for (const pid_t each : leave_orphans(m.count)) set(first_orphan, static_cast<std::uint64_t>(each));
  }
  std::uint64_t on(Use m) {
    std::vector<char> used(m.bytes);
    for (std::size_t i = 0; i < used.size(); i += 4096) used[i] = 1;
    return used.size();
  }
  int on(Pid) { return ::getpid(); }
  void on(Abort) { std::abort(); }
  void on(Quit) { stop(); }
  using handles = troupe::handles<LeaveOrphans, Use, Pid, Abort, Quit>;
};

pid_t the_orphan() { return static_cast<pid_t>(total(first_orphan)); }
bool gone(pid_t pid) { return state_of(pid) == 0 || state_of(pid) == 'Z'; }

pid_t orphan_of(const troupe::actor_ref<Father>& father) {
  father.ask(LeaveOrphans{1}).get();
  EXPECT(!gone(the_orphan()));
  return the_orphan();
}

/// A program whose workers have left three orphans; it says so and waits.
std::unique_ptr<program> start_father(const troupe::options& how = quiet()) {
  auto its = start_program<Father>(how, [](troupe::system& sys) {
    auto father = sys.spawn<Father>("father");
    father.ask(LeaveOrphans{3}).get();
    note("ready");
    sys.wait();
    return 0;
  });
  REQUIRE(eventually([] { return noted("ready"); }));
  return its;
}

/// Runs another program while one runs, whose processes must not be touched: a `program` would do so at its end.
int run_another() {
  const pid_t another = ::fork();
  if (another == 0) {
    ::_exit(
        troupe::run<Father>(0, nullptr, quiet(), [](troupe::system& sys) { pid_of(sys.spawn<Father>("another")); }));
  }
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(another), &info, WEXITED);
  return info.si_status;
}

/// As a user that may make no cgroups.
void become_nobody() {
  if (::getuid() == 0) EXPECT_EQ(::setuid(65534), 0);
  ::prctl(PR_SET_DUMPABLE, 1);  // or /proc/self belongs to root
}

TEST_CASE("what a worker has started is killed when the worker dies, stops or is killed, before its successor runs") {
  if (!cgroups_here()) return;
  in_program<Father>(quiet(10), [](troupe::system& sys) {
    auto father = sys.spawn<Father>("father");
    pid_t orphan = orphan_of(father);
    crash(sys, father);
    pid_of(father);
    EXPECT(eventually([&] { return gone(orphan); }));
    orphan = orphan_of(father);
    EXPECT_EQ(error_of([&] { father.ask(Abort{}).get(); }).code(), troupe::errc::outcome_unknown);
    EXPECT(eventually([&] { return gone(orphan); }));
    orphan = orphan_of(father);
    father.tell(Quit{});
    EXPECT(eventually([&] { return gone(orphan); }));
    orphan = orphan_of(father);
    sys.stop(father);
    EXPECT(eventually([&] { return gone(orphan); }));
  });
}

TEST_CASE("what workers have started is killed when the program ends, and no cgroup is left") {
  if (!cgroups_here()) return;
  auto its = start_father();
  CHECK_EQ(cgroups_of_run(its->pid()).empty(), false);
  its->signal(SIGTERM);
  CHECK_EQ(its->wait().exit_code, 128 + SIGTERM);
  CHECK_EQ(cgroups_of_run(its->pid()), std::vector<std::string>{});
}

TEST_CASE("what workers have started is killed when the supervisor process is killed, and no cgroup is left") {
  if (!cgroups_here()) return;
  auto its = start_father();
  its->signal(SIGKILL);
  CHECK_EQ(its->wait().signal, SIGKILL);
  CHECK_EQ(cgroups_of_run(its->pid()), std::vector<std::string>{});
}

TEST_CASE("a spawner that is killed leaves the guard to its twin") {
  if (!cgroups_here()) return;
  auto its = start_father();
  const auto spawners = children_of(its->pid(), "troupe-spawner");
  REQUIRE_EQ(spawners.size(), 2UL);
  its->signal(SIGSTOP);  // so that nobody makes another twin
  ::kill(spawners[0], SIGKILL);
  its->signal(SIGKILL);
  CHECK_EQ(its->wait().signal, SIGKILL);
  CHECK_EQ(cgroups_of_run(its->pid()), std::vector<std::string>{});
}

TEST_CASE("what a program has left behind that was killed together with its spawners is ended by the next one") {
  if (!cgroups_here()) return;
  auto its = start_father();
  const pid_t orphan = the_orphan();
  const auto spawners = children_of(its->pid(), "troupe-spawner");
  its->signal(SIGSTOP);
  REQUIRE(eventually([&] { return state_of(its->pid()) == 'T'; }));
  for (const pid_t each : spawners) ::kill(each, SIGKILL);
  its->signal(SIGKILL);
  CHECK_FALSE(gone(orphan));
  const auto left = cgroups_of_run(its->pid());
  REQUIRE_FALSE(left.empty());
  const auto whose = troupe::supervision::read_run_cgroup_name(left[0].substr(left[0].rfind('/') + 1));
  REQUIRE(whose);
  REQUIRE(eventually([&] { return troupe::os::runs(*whose) == false; }));  // with its last thread
  CHECK_EQ(run_another(), 0);
  CHECK_EQ(cgroups_of_run(its->pid()), std::vector<std::string>{});
  CHECK_EQ(its->wait().signal, SIGKILL);
}

TEST_CASE("a program that runs keeps its cgroup when another one starts") {
  if (!cgroups_here()) return;
  auto its = start_father();
  const pid_t orphan = the_orphan();
  CHECK_EQ(run_another(), 0);
  CHECK_FALSE(gone(orphan));
  CHECK_FALSE(cgroups_of_run(its->pid()).empty());
  its->signal(SIGTERM);
  its->wait();
}

TEST_CASE("the level that is required is there, or run throws and says what is missing") {
  if (cgroups_here()) {
    troupe::options how = quiet();
    how.require_level = troupe::orphan_level::cgroup;
    in_program<Father>(how, [](troupe::system& sys) {
      EXPECT(sys.orphan_level() == troupe::orphan_level::cgroup);
      pid_of(sys.spawn<Father>("father"));
    });
  }
  program refused([] {
    become_nobody();
    troupe::options how = quiet();
    how.require_level = troupe::orphan_level::cgroup;
    const auto why = error_of([&] { return troupe::run<Father>(0, nullptr, how, [](troupe::system&) {}); });
    EXPECT_EQ(why.code(), troupe::errc::level_missing);
    note(why.what());
    return 0;
  });
  CHECK_EQ(refused.wait().exit_code, 0);
  REQUIRE_EQ(notes().size(), 1UL);
  MESSAGE(notes()[0]);
  CHECK(notes()[0].starts_with("level_missing: options::require_level says cgroup, and none can be made: "));
}

TEST_CASE("where no cgroup can be made workers die with the supervisor process all the same, and the log says why") {
  const auto start = [](bool waits) {
    return std::make_unique<program>([waits] {
      become_nobody();
      troupe::options how = logged();
      how.log.level = troupe::log_level::debug;
      return troupe::run<Father>(0, nullptr, how, [&](troupe::system& sys) {
        EXPECT(sys.orphan_level() == troupe::orphan_level::best_effort);
        pid_of(sys.spawn<Father>("father"));
        note("ready");
        if (waits) sys.wait();
      });
    });
  };
  auto its = start(true);
  REQUIRE(eventually([] { return noted("ready"); }));
  its->signal(SIGKILL);
  CHECK_EQ(its->wait().signal, SIGKILL);
  CHECK(start(false)->wait().log.find("no orphans: best effort, since ") != std::string::npos);
}

TEST_CASE("a child that uses more memory than its limit is killed, and its death says that memory was the reason") {
  if (!memory_cgroups_here()) return;
  const outcome how = in_program<Father>(logged(10), [](troupe::system& sys) {
    auto father = sys.spawn<Father>({.name = "father", .limits = {.memory = 48 << 20}});
    EXPECT_EQ(father.ask(Use{8 << 20}).get(), std::uint64_t{8 << 20});
    const auto why = error_of([&] { father.ask(Use{200 << 20}).get(); });
    EXPECT_EQ(why.code(), troupe::errc::outcome_unknown);
    EXPECT(why.text().find("was killed by SIGKILL, out of memory") != std::string::npos);
    EXPECT(sys.deaths(father).back().out_of_memory);
    EXPECT_EQ(father.ask(Use{8 << 20}).get(), std::uint64_t{8 << 20});
    crash(sys, father);
    pid_of(father);
    EXPECT_EQ(sys.deaths(father).size(), 2UL);
    EXPECT(!sys.deaths(father).back().out_of_memory);  // the crash had another reason
  });
  CHECK(how.log.find("was killed by SIGKILL, out of memory") != std::string::npos);
}

TEST_CASE("what a child starts counts against the child's memory") {
  if (!memory_cgroups_here()) return;
  in_program<Father>(quiet(10), [](troupe::system& sys) {
    auto father = sys.spawn<Father>({.name = "father", .limits = {.memory = 48 << 20}});
    const pid_t orphan = orphan_of(father);
    crash(sys, father);
    pid_of(father);
    EXPECT(eventually([&] { return gone(orphan); }));
  });
}

TEST_CASE("where no cgroup can be made limits.memory is a limit of private memory, and the log says so" * not_sanitized) {
  program its([] {
    become_nobody();
    return troupe::run<Father>(0, nullptr, logged(), [&](troupe::system& sys) {
      auto father =
          sys.spawn<Father>({.name = "father", .restart = troupe::restart::temporary, .limits = {.memory = 64 << 20}});
      EXPECT_EQ(father.ask(Use{1 << 20}).get(), std::uint64_t{1 << 20});
      const auto why = error_of([&] { father.ask(Use{200 << 20}).get(); });
      EXPECT(why.text().find("bad_alloc") != std::string::npos);
    });
  });
  const outcome how = its.wait();
  CHECK_EQ(how.exit_code, 0);
  CHECK(how.log.find("limits.memory is limits.data on this machine") != std::string::npos);
}

TEST_CASE("a program in which many workers live and die leaves no cgroup of theirs while it runs") {
  if (!cgroups_here()) return;
  in_program<Father>(quiet(1000), [](troupe::system& sys) {
    auto father = sys.spawn<Father>("father");
    for (int i = 0; i < 30; ++i) {
      orphan_of(father);
      crash(sys, father);
    }
    pid_of(father);
    const auto of_workers = [] {
      std::size_t count = 0;
      for (const auto& run : cgroups_of_run(::getpid())) count += troupe::os::kernel_files().folders_in(run).size();
      return count;
    };
    EXPECT(eventually([&] { return of_workers() == 1; }));
  });
}

}  // namespace
