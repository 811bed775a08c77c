#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace troupe::os {

/// What a process that died of its own fault has left behind.
struct crash {
  int signal = 0;
  std::uintptr_t address = 0;         ///< of SIGSEGV, SIGBUS, SIGILL, SIGFPE: the fault's
  std::vector<std::uintptr_t> trace;  ///< addresses of code, the innermost first; all but the first: where it returns to
};

/// What a crash is recorded in.
inline constexpr std::size_t crash_bytes = 1024;

/// From now on this process, when it dies of SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP or SIGSYS, first records
/// where it was in `memory`: crash_bytes of zeros, real pages, mapped until it ends. Then it dies of the same signal, with
/// the same siginfo, as it would have without this. The calling thread can do so with its stack used up. Handlers that are
/// set later take this one's place. Nothing here allocates, locks or waits for more than two seconds.
void record_crashes(std::byte* memory) noexcept;

/// What is recorded there, by a process that may have written anything. None: nothing.
std::optional<crash> read_crash(const std::byte* memory);

}  // namespace troupe::os
