#pragma once

/// Waiting awake. Waking a sleeper costs tens of microseconds on another core, so whoever waits looks again for a while
/// before it sleeps: as long as that has lately been worth it, and never longer than a wake-up costs. Where it is never
/// worth it (both sides on one core, an idle actor) it all but stops trying.
///
/// After the spin-then-block of adaptive mutexes; the limit is that of ski rental: wait awake at most as long as the
/// sleep would cost, and the whole is never worse than twice the best.

#include <algorithm>
#include <chrono>

#include "os/poller.hpp"

namespace troupe::channel {

/// Between two looks at a word that another process writes.
inline void relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// One kind of wait of one process. Not thread-safe; `ready` may let others in.
class spin {
 public:
  /// `pauses` between two looks: each look takes the word's cache line away from the one who is about to write it.
  explicit spin(int pauses) noexcept : pauses_(pauses) {}
  /// Calls `ready` until it says true or waiting on is not worth it. False: sleep, then tell slept().
  template <class Ready>
  bool until(Ready ready) {
    if (budget_.count() == 0) return false;
    for (int look = 0; look < looks_without_clock; ++look) {
      if (ready()) return won(std::chrono::nanoseconds{0});
      pause();
    }
    const auto began = os::clock::now();
    for (auto now = began; now - began < budget_; now = os::clock::now()) {
      for (int look = 0; look < looks_between_clocks; ++look) {
        if (ready()) return won(os::clock::now() - began);
        pause();
      }
    }
    lost();
    return false;
  }
  /// How long the sleep took from its begin to its end.
  void slept(std::chrono::nanoseconds time) noexcept {
    if (budget_.count() > 0 || time > limit || --sleeps_before_try_ > 0) return;
    budget_ = limit;
    trying_ = true;
  }

 private:
  static constexpr std::chrono::nanoseconds limit = std::chrono::microseconds(100), least = std::chrono::microseconds(10);
  static constexpr int looks_without_clock = 32, looks_between_clocks = 8;
  static constexpr int first_interval = 4, last_interval = 1024;

  void pause() const noexcept {
    for (int pause = 0; pause < pauses_; ++pause) relax();
  }
  bool won(std::chrono::nanoseconds after) noexcept {
    // So late it came because the other side had to wait for this core.
    if (after > limit * 3 / 4) {
      lost();
      return true;
    }
    budget_ = std::clamp(std::max(4 * after, budget_ * 7 / 8), least, limit);
    trying_ = false;
    interval_ = first_interval;
    return true;
  }
  void lost() noexcept {
    // A try that failed is made again after twice as many short sleeps.
    if (trying_) interval_ = std::min(2 * interval_, last_interval);
    budget_ = trying_ || budget_ / 2 < least ? std::chrono::nanoseconds{0} : budget_ / 2;
    trying_ = false;
    sleeps_before_try_ = interval_;
  }

  int pauses_;
  std::chrono::nanoseconds budget_{0};
  int interval_ = first_interval;
  int sleeps_before_try_ = first_interval;
  bool trying_ = false;
};

}  // namespace troupe::channel
