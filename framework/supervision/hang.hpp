#pragma once

/// When a worker hangs: looks at it in, verdict out. Knows no process and no clock.

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>

#include "os/observe.hpp"

namespace troupe::supervision::hang {

using std::chrono::nanoseconds;

/// What a worker is at. Two are equal only if the worker has begun and finished nothing between the looks.
struct work {
  enum class kind : std::uint8_t {
    idle,      ///< it sleeps, as it should
    starting,  ///< from its process's birth to the end of on_start
    message,   ///< one is in hand
    aside,     ///< a timer, a callback, on_down: what is no message in its mailbox
    asleep,    ///< it sleeps although it has been rung or is stopped
  };
  kind what = kind::idle;
  std::array<std::uint64_t, 3> number{};  ///< tells it from others of its kind
  friend bool operator==(const work&, const work&) = default;
};

/// One look at a worker.
struct sample {
  nanoseconds at{0};  ///< steady
  work doing;
  nanoseconds deadline{0};              ///< of this work; 0: none
  std::optional<os::activity> process;  ///< none: not known; then the time up to here counts for nothing
};

enum class verdict : std::uint8_t { idle, busy, stuck };

/// How long the worker could have run between two looks that are at most `nominal` apart, or should have been.
///  - A look that comes late may mean that everything was paused, the worker too: what is beyond `nominal` is left out.
///  - Waits for a processor are left out. One that still goes on shows in no number: of a worker that is runnable, only
///    what it has run counts.
nanoseconds could_have_run(const sample& before, const sample& after, nanoseconds nominal) noexcept;

/// What is known of one worker, from look to look. A value.
class watch {
 public:
  /// `nominal`: how long after the last look this one was to come.
  verdict take(const sample& seen, nanoseconds nominal) noexcept;

  /// The last look.
  const sample& last() const noexcept { return last_; }
  /// When this work was first seen.
  nanoseconds since() const noexcept { return since_; }
  /// How long the worker could have run while it has been at this work.
  nanoseconds counted() const noexcept { return counted_; }

 private:
  sample last_;
  nanoseconds since_{0};
  nanoseconds counted_{0};
};

/// When the next look is due: a quarter of the finest deadline, or when the deadline of the work in hand may be over if
/// that is earlier; 10 ms to 1 s. `finest` 0: no deadline.
nanoseconds next_look(const watch& of, nanoseconds finest) noexcept;

inline constexpr nanoseconds shortest_look = std::chrono::milliseconds(10);
inline constexpr nanoseconds longest_look = std::chrono::seconds(1);

}  // namespace troupe::supervision::hang
