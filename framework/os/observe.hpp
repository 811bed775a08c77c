#pragma once

/// What the kernel says of another process, without its help.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "os/fd.hpp"

namespace troupe::os {

/// How a process, all of its threads together, gets on with the processor. Times since its start.
struct activity {
  bool runnable = false;  ///< a thread runs, or waits for a processor
  bool stopped = false;   ///< by a signal or a debugger
  std::chrono::nanoseconds ran{0};
  std::chrono::nanoseconds waited{0};  ///< for a processor; waits that are over
};
/// None: this machine does not say, or there is no such process. Of a process of many threads the first 64 are asked.
/// Never waits for the process.
std::optional<activity> activity_of(int pid);

/// Bytes of memory that the process has for itself (RssAnon). None: as above. Never waits for the process.
std::optional<std::uint64_t> private_memory_of(int pid);

/// The process's folder in /proc: means this process for ever, never another one of the same pid. Empty: there is none.
fd open_proc(int pid) noexcept;

/// Where the main thread of a process stands, in one line for people: its state, what it waits for in the kernel, its
/// system call, and, if it may be traced, the places in its code: file+offset, as addr2line takes them, the innermost
/// first. Beyond the first they are read off the stack, and one that is left over there may be among them.
///
/// Stops the process for a moment; may be slow, or hang with a process that hangs in the kernel: not for a thread that
/// others wait for. `proc`: of open_proc(pid). Waits at most `patience` for the process to stop.
std::string standing_of(int pid, const fd& proc, std::chrono::milliseconds patience);

}  // namespace troupe::os
