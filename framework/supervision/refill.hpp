#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

namespace troupe::supervision {

/// When the next spare of a child is made. Pure: it is told what has happened, and asked. One that is lost is replaced;
/// one that cannot be made is tried again ever more seldom, and then no more until the child itself has been started
/// anew.
class refill {
 public:
  using duration = std::chrono::milliseconds;
  static constexpr duration soon{10};  ///< not at once: the child that has just taken over has work to do
  static constexpr duration first_pause{100}, longest_pause{10'000};
  static constexpr duration proven{10'000};  ///< one that stood by as long as this was well made
  static constexpr unsigned most_failures = 8;

  /// A spare that nobody asked to end has ended. `stood_by`: how long it was ready; none: it never was.
  void lost(std::optional<duration> stood_by) noexcept {
    failures_ = stood_by && *stood_by >= proven ? 0 : failures_ + 1;
  }
  /// The child itself is up anew.
  void renew() noexcept { failures_ = 0; }
  /// How long to wait from now on; none: no more are made until renew().
  std::optional<duration> pause() const noexcept {
    if (failures_ == 0) return soon;
    if (failures_ > most_failures) return std::nullopt;
    return std::min(first_pause * (1U << (failures_ - 1)), longest_pause);
  }

 private:
  unsigned failures_ = 0;
};

/// The pauses between looks at a process whose canary has gone, until it is proven dead or shows its pidfd; pure.
inline std::optional<std::chrono::microseconds> pause_before_look(unsigned looks) noexcept {
  constexpr unsigned most_looks = 12;
  constexpr std::chrono::microseconds first{100}, longest{10'000};
  if (looks == 0) return std::chrono::microseconds{0};
  if (looks >= most_looks) return std::nullopt;
  return std::min(first * (1U << (looks - 1)), longest);
}

}  // namespace troupe::supervision
