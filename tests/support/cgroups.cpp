#include "support/cgroups.hpp"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "supervision/cgroup_place.hpp"
#include "support/program.hpp"

namespace tests {

namespace {

std::string content(const char* path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

troupe::supervision::own_cgroups own() {
  return troupe::supervision::find_own_cgroups(content("/proc/self/cgroup"), content("/proc/self/mountinfo"));
}

struct Nothing {};
struct Idle : troupe::actor {
  void on(Nothing) {}
  using handles = troupe::handles<Nothing>;
};

bool ask_a_program(const std::function<bool(troupe::system&)>& what) {
  auto asked = start_program<Idle>(quiet(), [&](troupe::system& sys) { return what(sys) ? 1 : 0; });
  return asked->wait().exit_code == 1;
}

}  // namespace

bool cgroups_here() {
  static const bool can =
      ask_a_program([](troupe::system& sys) { return sys.orphan_level() == troupe::orphan_level::cgroup; });
  if (!can) MESSAGE("skipped: no cgroup can be made here (cgroup v2 with cgroup.kill, as root or delegated)");
  return can;
}

bool memory_cgroups_here() {
  static const bool can = ask_a_program([](troupe::system& sys) {
    sys.spawn<Idle>({.name = "limited", .limits = {.memory = 64 << 20}});
    for (const auto& each : cgroups_of_run(::getpid())) {
      for (const auto& of_worker : std::filesystem::directory_iterator(each)) {
        const auto path = of_worker.path();
        if (std::filesystem::exists(path / "memory.max") || std::filesystem::exists(path / "memory.oom_control"))
          return true;
      }
    }
    return false;
  });
  if (!can) MESSAGE("skipped: no cgroup can be made here whose memory is limited");
  return can;
}

std::vector<std::string> places_of_cgroups() {
  std::vector<std::string> places;
  for (const auto& each : {own().unified, own().memory_v1}) {
    if (!each.empty()) places.push_back(each);
  }
  return places;
}

std::vector<std::string> cgroups_of_run(pid_t program) {
  std::vector<std::string> found;
  for (const auto& place : places_of_cgroups()) {
    for (const auto& each : std::filesystem::directory_iterator(place)) {
      const auto whose = troupe::supervision::read_run_cgroup_name(each.path().filename().string());
      if (whose && whose->pid == program) found.push_back(each.path().string());
    }
  }
  return found;
}

std::vector<pid_t> leave_orphans(int count) {
  std::vector<pid_t> made;
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  for (int i = 0; i < count; ++i) {
    const pid_t between = ::fork();
    if (between == 0) {
      ::setsid();
      const pid_t orphan = ::fork();
      if (orphan != 0) ::_exit(::write(ends[1], &orphan, sizeof orphan) == sizeof orphan ? 0 : 1);
      ::setsid();
      for (;;) ::pause();
    }
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(between), &info, WEXITED);
    pid_t orphan = 0;
    EXPECT_EQ(::read(ends[0], &orphan, sizeof orphan), static_cast<ssize_t>(sizeof orphan));
    made.push_back(orphan);
  }
  ::close(ends[0]);
  ::close(ends[1]);
  return made;
}

}  // namespace tests
