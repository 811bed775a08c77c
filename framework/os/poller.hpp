#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>

#include "os/fd.hpp"

namespace troupe::os {

using clock = std::chrono::steady_clock;  // CLOCK_MONOTONIC
using time_point = clock::time_point;

inline std::uint64_t to_ns(time_point at) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(at.time_since_epoch()).count());
}
inline time_point from_ns(std::uint64_t ns) { return time_point{std::chrono::nanoseconds{ns}}; }

/// An epoll of level-triggered descriptors, each known by a number of the caller's.
class poller {
 public:
  enum interest : std::uint8_t { read = 1, write = 2, once = 4 };  ///< once: said once, then not before change()
  struct event {
    std::uint64_t key;
    bool readable;  ///< or hung up
    bool writable;
  };

  poller();
  void add(const fd& what, std::uint64_t key, std::uint8_t interests = read);
  void change(const fd& what, std::uint64_t key, std::uint8_t interests);
  void remove(const fd& what) noexcept;
  /// Waits until something is ready or `until` has come (no limit: for ever); fills `into`, returns how many.
  std::size_t wait(std::span<event> into, std::optional<time_point> until);

 private:
  fd epoll_;
};

/// Waits for one descriptor to become readable (or writable); false: `until` has come.
bool wait_ready(int number, poller::interest what, std::optional<time_point> until);
/// Waits until one of two descriptors is readable, and says which; the second, if both are.
std::size_t wait_first(const std::array<int, 2>& numbers);

}  // namespace troupe::os
