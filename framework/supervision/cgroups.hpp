#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <troupe/orphans.hpp>

#include "os/kernel_files.hpp"
#include "wire/control.hpp"

namespace troupe::supervision {

/// The cgroup of a program's run, made below the program's own one, with one for each worker below it: what a worker
/// leaves behind is killed when it ends, and all of it when the program does. Where no such cgroup can be made, the
/// level says so and everything here does nothing.
///
///     own cgroup/troupe-BOOT-PIDSPACE-PID-STARTED/INCARNATION
///
/// Killing takes cgroup version 2 with cgroup.kill (Linux 5.14) and the right to make folders in the own cgroup: root,
/// or a delegated one. Memory is limited in the same cgroups, if the controller is there, or by version 1 in a tree of
/// the same names. Made before the spawner; then for the control thread alone.
class cgroups {
 public:
  /// Makes the run's cgroup, and takes away those of runs that are dead.
  explicit cgroups(os::kernel_files& files);
  ~cgroups();
  cgroups(const cgroups&) = delete;
  cgroups& operator=(const cgroups&) = delete;

  orphan_level level() const noexcept { return run_.empty() ? orphan_level::best_effort : orphan_level::cgroup; }
  /// What is missing for orphan_level::cgroup, in one sentence; empty: nothing.
  const std::string& lacks() const noexcept { return lacks_; }
  /// The folders of this run, for whoever has to end it when this process cannot: also those that are not made yet.
  std::vector<std::string> folders() const;

  /// What a worker is put into.
  struct seat {
    os::fd born_in;             ///< a folder, for clone_process; none: the spawner's own cgroup
    std::vector<os::fd> enter;  ///< cgroup.procs files that it enters before it runs anything of the user's
    bool limits_memory = false;
  };
  /// Makes the cgroups of one worker. `at_birth`: workers can be born in a cgroup. Throws error(errc::os).
  seat make(wire::incarnation_id who, std::optional<std::uint64_t> memory, bool at_birth);
  /// How many processes of this worker's cgroup the kernel has killed for lack of memory.
  std::uint64_t killed_for_memory(wire::incarnation_id who) const;
  /// The worker is dead: kills what it leaves behind, takes its cgroups away.
  void end(wire::incarnation_id who);
  /// Takes away what could not be taken away before.
  void sweep();
  /// Kills everything in the run's cgroup and takes it away; waits for that, but not for ever.
  void end_all();

 private:
  void find_place();
  void remove_dead_runs(const std::string& among);
  bool prepare_memory();
  void limit_memory(const std::string& folder, std::uint64_t bytes);
  void remove(const std::string& folder);
  std::string folder_of(wire::incarnation_id who) const { return run_ + "/" + std::to_string(who); }
  std::string memory_folder_of(wire::incarnation_id who) const { return memory_run_ + "/" + std::to_string(who); }

  os::kernel_files& files_;
  std::string own_, run_;                // cgroup v2
  std::string own_memory_, memory_run_;  // where memory is limited: the same, or version 1's tree
  bool memory_v1_ = false;
  std::optional<bool> memory_prepared_;
  std::string lacks_;
  std::vector<std::string> left_;  // busy when they were to be taken away
};

/// Ends runs from outside: kills, and waits until the folders are gone, but not for ever.
void end_runs(os::kernel_files& files, const std::vector<std::string>& folders);

}  // namespace troupe::supervision
