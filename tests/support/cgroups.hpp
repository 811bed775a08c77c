#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace tests {

/// Whether a program can make cgroups here. If not, says so: a test that needs them is skipped with this message.
bool cgroups_here();
/// Whether it can limit the memory of one.
bool memory_cgroups_here();
/// The folders of this process's cgroups in which programs make theirs.
std::vector<std::string> places_of_cgroups();
/// Those of the run of this program that are there now.
std::vector<std::string> cgroups_of_run(pid_t program);

/// Makes processes that no parent knows: forks, and forks again in a session of its own. They sleep. Returns their
/// pids.
std::vector<pid_t> leave_orphans(int count);

}  // namespace tests
