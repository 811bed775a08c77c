#pragma once

/// When and where the kernel runs a thread of ours. Best effort, all of it: where the kernel refuses, nothing changes.

#include <sched.h>

#include <cstddef>

namespace troupe::os {

/// While it lives, waking the calling thread takes the processor from nobody: it runs when its turn comes (SCHED_BATCH).
/// For who is woken by somebody whose work it waits for. A thread that has been given a policy of its own keeps that one.
class modest_wakeup {
 public:
  modest_wakeup() noexcept;
  modest_wakeup(const modest_wakeup&) = delete;
  modest_wakeup& operator=(const modest_wakeup&) = delete;
  ~modest_wakeup();

 private:
  bool changed_ = false;
};

/// Where the calling thread runs just now; -1: not known.
int own_processor() noexcept;
/// Who is ready to run on this processor goes first.
void give_way() noexcept;

/// Processors that a thread may run on. None: it cannot be told, or none is left; give() changes nothing then.
class processors {
 public:
  /// Of the thread with this number, also of another process; 0: of the calling one.
  static processors of(int tid) noexcept;
  /// All but this one.
  processors without(int one) const noexcept;
  /// Every second of them, from the first (0) or the second (1) on.
  processors half(std::size_t which) const noexcept;
  /// That thread (0: the calling one) may run on these and no others.
  void give(int tid) const noexcept;

 private:
  cpu_set_t set_{};
};

}  // namespace troupe::os
