#pragma once

#include <string>
#include <vector>

#include "os/fd.hpp"
#include "os/process.hpp"

namespace troupe::os {

/// What is to be executed, and with which descriptors.
struct execution {
  std::vector<std::string> command;      ///< not empty
  std::vector<std::string> environment;  ///< "NAME=value", all of it
  std::string directory;                 ///< empty: the caller's
  int input = -1, output = -1;           ///< become 0 and 1; -1: nothing to be read; the caller's
  int extra = -1;                        ///< becomes `extra_as`, if that is above 2
  int extra_as = 0;
};
struct executed {
  int pid = 0;
  fd pidfd;
};
/// Executes a program in a child of the calling thread, in a session of its own, with all signals as if nobody had
/// touched them; no descriptor above 2 is left open in it but `extra_as`. It dies with the calling thread. Returns when
/// it has been executed. Throws error(errc::os) with the name of the program.
executed execute(const execution& what);

/// Whether the process has died. Its name stays taken until it is reaped, and that of its process group.
bool has_died(const fd& pidfd) noexcept;
/// Kills the process group of that leader, which must not be reaped yet.
void kill_group(int leader) noexcept;
/// Of this process: "NAME=value".
std::vector<std::string> own_environment();

}  // namespace troupe::os
