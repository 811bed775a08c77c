#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "os/kernel_files.hpp"

namespace troupe::supervision {

/// Where this process's own cgroups lie among the files; empty: it has none there, or they cannot be seen.
struct own_cgroups {
  std::string unified;    ///< cgroup v2
  std::string memory_v1;  ///< of the memory controller of cgroup v1
};
/// From the texts of /proc/self/cgroup and /proc/self/mountinfo.
own_cgroups find_own_cgroups(std::string_view cgroup, std::string_view mountinfo);

/// The name of the cgroup of a program's run, and what it says. nullopt: not such a name.
std::string run_cgroup_name(const os::process_name& of);
std::optional<os::process_name> read_run_cgroup_name(std::string_view name);

/// The number behind `key` in lines of "key number", as in memory.events; 0: there is none.
std::uint64_t count_in(std::string_view text, std::string_view key);

/// Kills every process in this cgroup of version 2 and in those below it, and takes away the folder with those below
/// it. 0: it is gone; else the error number of the last try: call again.
int kill_and_remove(os::kernel_files& files, const std::string& folder);

}  // namespace troupe::supervision
