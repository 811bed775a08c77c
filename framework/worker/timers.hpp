#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "os/poller.hpp"

namespace troupe::worker {

/// An actor's timers: messages to itself, by the time they are due. Not thread-safe.
class timers {
 public:
  struct message {
    std::uint64_t id = 0;
    std::vector<std::byte> body;
  };

  std::uint64_t add(os::time_point due, std::chrono::nanoseconds period, message what);
  void cancel(std::uint64_t number) noexcept;
  bool empty() const noexcept { return queue_.empty(); }
  std::optional<os::time_point> next() const;
  /// The message of the earliest timer that is due; a periodic one is set again, late periods are left out.
  std::optional<message> take_due(os::time_point now);

 private:
  struct entry {
    std::chrono::nanoseconds period;
    message what;
  };
  std::uint64_t last_number_ = 0;
  std::map<std::pair<os::time_point, std::uint64_t>, entry> queue_;
  std::map<std::uint64_t, os::time_point> due_of_;
};

}  // namespace troupe::worker
