#pragma once

/// How close a reader follows a writer. When the two meet at the end of a ring, every record costs both of them cache
/// lines that pass to and fro, and the faster the reader the slower the writer. A few microseconds behind, the reader
/// takes whole batches, and both do three times as much. So the reader of a fast sender, having read all that it knew
/// of, leaves the sender alone for a moment before it looks for more.

#include <chrono>
#include <cstdint>

#include "channel/spin.hpp"

namespace troupe::channel {

/// Of one lane, at its reader. A sender is fast if its records have lately come at less than `fast_record` each; from
/// then on a record may lie there for up to `moment` longer than it had to.
class pace {
 public:
  /// To be called before the tail is read anew. `taken`: how many records have been taken so far.
  void before_look(std::uint64_t taken) noexcept {
    if (taken == taken_) return;  // nothing has come since the last look: whoever waits does so in a way of its own
    taken_ = taken;
    if (++looks_ == looks_between_measurements) measure();
    if (fast_) leave_alone();
  }

 private:
  static constexpr std::chrono::nanoseconds moment{3000}, fast_record{250};
  static constexpr unsigned looks_between_measurements = 32;  // the clock costs as much as half a record

  void measure() noexcept {
    const auto now = os::clock::now();
    const std::chrono::nanoseconds took = now - measured_;
    fast_ = took < fast_record * static_cast<std::int64_t>(taken_ - taken_then_);
    measured_ = now;
    taken_then_ = taken_;
    looks_ = 0;
  }
  void leave_alone() const noexcept {
    for (const auto until = os::clock::now() + moment; os::clock::now() < until;) relax();
  }

  std::uint64_t taken_ = 0, taken_then_ = 0;
  os::time_point measured_{};
  unsigned looks_ = 0;
  bool fast_ = false;
};

}  // namespace troupe::channel
