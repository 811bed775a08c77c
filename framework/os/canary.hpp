#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <thread>

#include "os/memory.hpp"

namespace troupe::os {

/// A robust futex in shared memory. Whoever holds it is alive as far as it tells; the kernel lets go of it when the
/// thread that holds it ends, which comes before the memory of its process is taken apart, and so long before a pidfd
/// tells. A hint and no more: other threads of that process may still run, and a stray store looks the same.
inline constexpr std::size_t canary_bytes = 64;

/// The calling thread holds the canary that lies here until it ends. `place`: canary_bytes of zeros in a shared
/// mapping, written by no other process. Where the kernel refuses robust futexes nothing will ever be told.
void hold_canary(std::byte* place) noexcept;

/// Waits, in a thread of its own that takes no signals, until a canary is let go of; then calls `gone` in that thread,
/// once. Calls it at once if nobody holds the canary. A read-only mapping is enough. If several processes watch a
/// canary, one of them is told.
class canary_watch {
 public:
  canary_watch(mapping memory, std::size_t offset, std::function<void()> gone);
  /// Ends the thread; `gone` is not called after this.
  ~canary_watch();
  canary_watch(const canary_watch&) = delete;
  canary_watch& operator=(const canary_watch&) = delete;

 private:
  void run();
  const std::atomic<unsigned>& word() const noexcept;

  mapping memory_;
  std::size_t offset_;
  std::function<void()> gone_;
  std::atomic<bool> ending_{false}, ended_{false};
  std::thread thread_;
};

}  // namespace troupe::os
