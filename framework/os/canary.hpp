#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <functional>
#include <thread>

#include "os/memory.hpp"

namespace troupe::os {

/// Robust futexes in shared memory. Whoever holds them is alive as far as they tell; the kernel lets go of them when the
/// thread that holds them ends, which comes before the memory of its process is taken apart, and so long before a pidfd
/// tells. A hint and no more: other threads of that process may still run, and a stray store looks the same.
///
/// They are two because of the processor on which the holder ends: it is busy with that for a while, and who is woken
/// there waits until it is over. So two threads wait, each on half of the processors, and one of them is not there.
inline constexpr std::size_t canary_futexes = 2, canary_bytes = canary_futexes * 64;

/// The calling thread holds the canary that lies here until it ends. `place`: canary_bytes of zeros in a shared
/// mapping, written by no other process. Where the kernel refuses robust futexes nothing will ever be told.
void hold_canary(std::byte* place) noexcept;

/// Waits, in two threads of its own that take no signals, until a canary is let go of; then calls `gone` in each of
/// them, once. Calls it at once if nobody holds the canary. A read-only mapping is enough. If several processes watch a
/// canary, some of them are told.
class canary_watch {
 public:
  canary_watch(mapping memory, std::size_t offset, std::function<void()> gone);
  /// Ends the threads; `gone` is not called after this.
  ~canary_watch();
  canary_watch(const canary_watch&) = delete;
  canary_watch& operator=(const canary_watch&) = delete;

 private:
  struct waiter {
    std::atomic<bool> ended{false};
    std::thread thread;
  };
  void run(std::size_t futex);
  const std::atomic<unsigned>& word(std::size_t futex) const noexcept;

  mapping memory_;
  std::size_t offset_;
  std::function<void()> gone_;
  std::atomic<bool> ending_{false};
  std::array<waiter, canary_futexes> waiters_;
};

}  // namespace troupe::os
