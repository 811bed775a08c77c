#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "channel/endpoint.hpp"

namespace troupe::worker {

/// Descriptors of the user's that wake the loop: troupe::watch. One that is found ready is out of the poller until its
/// handler has run, so that a wait inside a handler is not woken by it again and again.
class watches {
 public:
  explicit watches(channel::endpoint& in) : endpoint_(in) {}

  // Loop thread.
  std::uint64_t add(int descriptor, bool writable, std::function<void()> handler);
  void remove(std::uint64_t number) noexcept;
  bool any_due() const noexcept { return any_due_; }
  /// Runs the handlers of those that are due, each by `call`.
  void run(const std::function<void(const std::function<void()>&)>& call);

  /// Any thread, with the endpoint's mutex held. False: this is no key of a watch.
  bool found_ready(std::uint64_t key);

 private:
  struct watched {
    os::fd copy;  // epoll knows a descriptor once, and the user may watch it for both
    std::uint8_t interests;
    std::shared_ptr<const std::function<void()>> handler;
  };

  channel::endpoint& endpoint_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, watched> all_;  // guarded by the endpoint's mutex, as the next
  std::vector<std::uint64_t> due_;
  std::atomic<bool> any_due_{false};
};

}  // namespace troupe::worker
