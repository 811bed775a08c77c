// Where cgroups are made, and with what in them: on a machine of the test's own.

#include <doctest/doctest.h>

#include <cerrno>
#include <map>
#include <string>
#include <vector>

#include <troupe/error.hpp>

#include "supervision/cgroup_place.hpp"
#include "supervision/cgroups.hpp"

using namespace troupe::supervision;
using troupe::orphan_level;
namespace os = troupe::os;

namespace {

constexpr const char* unified_only = "0::/user.slice/app\n";
constexpr const char* unified_mount = "41 31 0:38 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";

/// A cgroup tree of version 2 as the kernel would show it, in memory.
class machine final : public os::kernel_files {
 public:
  std::string cgroup = unified_only, mountinfo = unified_mount;
  bool writable = true, has_kill = true, has_memory = true;
  int folder_fails = 0, memory_fails = 0;
  bool busy = false;                         // somebody is in every cgroup, and does not die yet
  std::map<std::string, std::string> files;  // what was written, by path
  std::vector<std::string> folders, killed;

  std::optional<std::string> read(const std::string& path) const override {
    if (path == "/proc/self/cgroup") return cgroup;
    if (path == "/proc/self/mountinfo") return mountinfo;
    if (path.ends_with("cgroup.controllers")) return has_memory ? "cpu memory pids\n" : "cpu pids\n";
    const auto found = files.find(path);
    if (found == files.end()) return std::nullopt;
    return found->second;
  }
  int write(const std::string& path, std::string_view text) override {
    if (path.ends_with("/cgroup.kill")) {
      killed.push_back(path.substr(0, path.rfind('/')));
      return 0;
    }
    if (memory_fails != 0 && path.ends_with("/memory.max")) return memory_fails;
    files[path] = text;
    return 0;
  }
  bool may_write(const std::string& path) const override { return path.ends_with("cgroup.kill") ? has_kill : writable; }
  int make_folder(const std::string& path) override {
    if (folder_fails == 0) folders.push_back(path);
    return folder_fails;
  }
  int remove_folder(const std::string& path) override {
    if (busy || !folders_in(path).empty()) return EBUSY;
    std::erase(folders, path);
    return 0;
  }
  std::vector<std::string> folders_in(const std::string& path) const override {
    std::vector<std::string> names;
    for (const auto& each : folders) {
      const bool below = each.starts_with(path + "/") && each.find('/', path.size() + 1) == each.npos;
      if (below) names.push_back(each.substr(path.size() + 1));
    }
    return names;
  }
  os::fd open_folder(const std::string&) const override { return os::duplicate(0); }
  os::fd open_to_write(const std::string&) const override { return os::duplicate(0); }
};

const std::string own = "/sys/fs/cgroup/user.slice/app";
std::string run_of_this() { return own + "/" + run_cgroup_name(os::own_process_name()); }

}  // namespace

TEST_CASE("the own cgroup is found where it is mounted, with both versions side by side") {
  const std::string cgroup = "4:memory:/process_api/8047\n3:cpuset,cpu:/\n1:name=systemd:/\n0::/\n";
  const std::string mounts =
      "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
      "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
      "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n";
  const own_cgroups found = find_own_cgroups(cgroup, mounts);
  CHECK_EQ(found.unified, "/sys/fs/cgroup/unified");
  CHECK_EQ(found.memory_v1, "/sys/fs/cgroup/memory/process_api/8047");
}

TEST_CASE("a mount that shows a part of the tree shows the own cgroup below that part only") {
  const std::string part = "41 31 0:38 /user.slice /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
  CHECK_EQ(find_own_cgroups("0::/user.slice/app\n", part).unified, "/sys/fs/cgroup/app");
  CHECK_EQ(find_own_cgroups("0::/user.slice\n", part).unified, "/sys/fs/cgroup");
  CHECK_EQ(find_own_cgroups("0::/user.slices/app\n", part).unified, "");
  CHECK_EQ(find_own_cgroups("0::/../other\n", unified_mount).unified, "");
  CHECK_EQ(find_own_cgroups("0::/a\n", "41 31 0:38 / /a\\040b rw - cgroup2 cgroup2 rw\n").unified, "/a b/a");
  CHECK_EQ(find_own_cgroups("", unified_mount).unified, "");
  CHECK_EQ(find_own_cgroups("0::/a\n", "nonsense\n\n41 31 - \n").unified, "");
}

TEST_CASE("the name of a run's cgroup is that of one process, and read back as it was written") {
  const os::process_name me = os::own_process_name();
  const auto read = read_run_cgroup_name(run_cgroup_name(me));
  REQUIRE(read);
  CHECK_EQ(read->boot, me.boot);
  CHECK_EQ(read->pid_space, me.pid_space);
  CHECK_EQ(read->pid, me.pid);
  CHECK_EQ(read->started, me.started);
  CHECK(os::runs(me) == true);
  CHECK(os::runs({me.boot, me.pid_space, me.pid, me.started + 1}) == false);
  CHECK(os::runs({me.boot, me.pid_space + 1, me.pid, me.started}) == std::nullopt);
  CHECK(os::runs({"another", me.pid_space, me.pid, me.started}) == std::nullopt);
  for (const char* wrong : {"troupe-", "troupe-a-1-2", "troupe-a-1-2-x", "troupe-a-1-2-3-4", "system.slice", ""}) {
    CHECK_FALSE(read_run_cgroup_name(wrong));
  }
}

TEST_CASE("a run makes one cgroup, with one for each worker, and takes all of them away") {
  machine here;
  {
    cgroups run(here);
    CHECK(run.level() == orphan_level::cgroup);
    CHECK_EQ(run.folders(), std::vector<std::string>{run_of_this()});
    const auto seat = run.make(7, std::nullopt, true);
    CHECK(seat.born_in);
    CHECK(seat.enter.empty());
    CHECK_FALSE(seat.limits_memory);
    CHECK_EQ(here.folders, std::vector<std::string>{run_of_this(), run_of_this() + "/7"});
    run.make(8, std::nullopt, true);
    run.end(7);
    CHECK_EQ(here.folders, std::vector<std::string>{run_of_this(), run_of_this() + "/8"});
    CHECK(here.killed.empty());
  }
  CHECK(here.folders.empty());
}

TEST_CASE("where workers cannot be born in a cgroup they enter it by themselves") {
  machine here;
  cgroups run(here);
  const auto seat = run.make(7, std::nullopt, false);
  CHECK_FALSE(seat.born_in);
  CHECK_EQ(seat.enter.size(), 1UL);
}

TEST_CASE("what a dead worker has left is killed, and its cgroup taken away when it is empty") {
  machine here;
  cgroups run(here);
  run.make(7, std::nullopt, true);
  here.busy = true;
  run.end(7);
  CHECK_EQ(here.killed, std::vector<std::string>{run_of_this() + "/7"});
  run.sweep();
  CHECK_EQ(here.folders.size(), 2UL);
  here.busy = false;
  run.sweep();
  CHECK_EQ(here.folders, std::vector<std::string>{run_of_this()});
}

TEST_CASE("runs that are dead are killed and taken away, those that live and those of others are not") {
  machine here;
  os::process_name dead = os::own_process_name(), strange = dead;
  dead.started += 1;
  strange.pid_space += 1;
  for (const auto& name :
       {run_cgroup_name(dead), run_cgroup_name(dead) + "/3", run_cgroup_name(strange), std::string("system.slice")}) {
    here.folders.push_back(own + "/" + name);
  }
  cgroups run(here);
  CHECK_EQ(here.killed, std::vector<std::string>{own + "/" + run_cgroup_name(dead)});
  CHECK_EQ(here.folders_in(own),
           std::vector<std::string>{run_cgroup_name(strange), "system.slice", run_cgroup_name(os::own_process_name())});
}

TEST_CASE("memory is limited in the worker's cgroup; the controller is switched on for the first who needs it") {
  machine here;
  cgroups run(here);
  run.make(6, std::nullopt, true);
  CHECK(here.files.empty());
  const auto seat = run.make(7, 1 << 20, true);
  CHECK(seat.limits_memory);
  CHECK(seat.born_in);
  const std::string its = run_of_this() + "/7/";
  CHECK_EQ(here.files[own + "/cgroup.subtree_control"], "+memory");
  CHECK_EQ(here.files[run_of_this() + "/cgroup.subtree_control"], "+memory");
  CHECK_EQ(here.files[its + "memory.max"], "1048576");
  CHECK_EQ(here.files[its + "memory.swap.max"], "0");
  CHECK_EQ(here.files[its + "memory.oom.group"], "1");
}

TEST_CASE("out of memory is what the kernel has counted") {
  machine here;
  cgroups run(here);
  run.make(7, 1 << 20, true);
  CHECK_EQ(run.killed_for_memory(7), 0UL);
  here.files[run_of_this() + "/7/memory.events"] = "low 0\nhigh 0\nmax 12\noom 2\noom_kill 3\noom_group_kill 1\n";
  CHECK_EQ(run.killed_for_memory(7), 3UL);
  CHECK_EQ(run.killed_for_memory(8), 0UL);
}

TEST_CASE(
    "where the controller is missing a worker gets its cgroup, and is told that its memory is not limited by it") {
  machine here;
  here.has_memory = false;
  cgroups run(here);
  const auto seat = run.make(7, 1 << 20, true);
  CHECK(seat.born_in);
  CHECK_FALSE(seat.limits_memory);
}

TEST_CASE("a limit that the kernel refuses is an error with its name, and no cgroup is left") {
  machine here;
  here.memory_fails = EINVAL;
  cgroups run(here);
  try {
    run.make(7, 1, true);
    FAIL("an error was expected");
  } catch (const troupe::error& e) {
    CHECK_EQ(e.os_errno(), EINVAL);
    CHECK(e.text().find("limits.memory = 1") != std::string::npos);
  }
  CHECK_EQ(here.folders, std::vector<std::string>{run_of_this()});
}

TEST_CASE("what is missing for the level is said") {
  const auto lack = [](auto change) {
    machine here;
    change(here);
    cgroups run(here);
    CHECK(run.level() == orphan_level::best_effort);
    CHECK(run.folders().empty());
    CHECK(here.folders.empty());
    CHECK_FALSE(run.make(7, 1 << 20, true).born_in);
    return run.lacks();
  };
  CHECK_EQ(lack([](machine& its) { its.mountinfo = ""; }),
           "no cgroup v2 tree is mounted in which this process has its place");
  CHECK_EQ(lack([](machine& its) { its.writable = false; }),
           own + " may not be changed by this user: it must be delegated to it, or the user be root");
  CHECK_EQ(lack([](machine& its) { its.folder_fails = EROFS; }),
           "no folder can be made in " + own + ": Read-only file system");
  CHECK_EQ(lack([](machine& its) { its.has_kill = false; }),
           "the kernel has no cgroup.kill, which came with Linux 5.14");
}
