#pragma once

#include <atomic>
#include <cstdint>

namespace troupe::supervision {

/// A supervisor's leave for one takeover that it has not been asked about, so that no hop to its thread lies between a
/// death and the activation of a spare. There is one at a time: a spent one is not renewed before the supervisor has
/// heard of the takeover, so they never go beyond its restart intensity. One that is not there costs time and nothing
/// else.
///
/// Relaxed throughout: the word says all; what else the two threads tell each other goes through their queues.
class permit {
 public:
  /// Control thread. True: the death in hand may be answered at once, and is told to the supervisor as taken_over.
  bool spend() noexcept {
    state expected = state::given;
    return now_.compare_exchange_strong(expected, state::spent, std::memory_order_relaxed);
  }
  /// The supervisor: it has heard of the takeover.
  void settle() noexcept {
    state expected = state::spent;
    now_.compare_exchange_strong(expected, state::none, std::memory_order_relaxed);
  }
  /// The supervisor, after each event. One that is spent stays so.
  void allow(bool yes) noexcept {
    state expected = yes ? state::none : state::given;
    now_.compare_exchange_strong(expected, yes ? state::given : state::none, std::memory_order_relaxed);
  }

 private:
  enum class state : std::uint8_t { none, given, spent };
  std::atomic<state> now_{state::none};
};

}  // namespace troupe::supervision
