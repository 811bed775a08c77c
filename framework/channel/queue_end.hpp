#pragma once

/// A process's side of one queue: what its handles share. Puts go through a lane like any message; for a consumer it
/// has the queue's mailbox. Any thread.

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include <troupe/detail/node.hpp>

#include "channel/endpoint.hpp"
#include "channel/mailbox.hpp"

namespace troupe::channel {

class queue_end {
 public:
  queue_end(endpoint& at, wire::identity_id queue) noexcept : at_(at), address_(queue) {}
  queue_end(const queue_end&) = delete;
  queue_end& operator=(const queue_end&) = delete;
  /// The supervisor hears that this process has no handle any more.
  ~queue_end();

  wire::identity_id identity() const noexcept { return address_.identity; }
  expected<void> put(const detail::outgoing& what, std::optional<os::time_point> until);
  bool get(std::uint64_t item_type, std::optional<os::time_point> until,
           const std::function<void(detail::reader&)>& take);

  /// A control frame about the queue's lanes. The endpoint's mutex is held.
  void note(incoming&& frame) { noted_.push_back(std::move(frame)); }

 private:
  void become_consumer();
  void apply_frames();
  void apply(incoming& frame);
  void add_lane(incoming& frame);
  void segment_news(incoming& frame);
  inbound* next(record& into);
  void deliver(inbound& lane, const record& item, std::uint64_t item_type,
               const std::function<void(detail::reader&)>& take);
  void sleep(std::optional<os::time_point> until);

  endpoint& at_;
  const detail::address address_;
  std::deque<incoming> noted_;  // guarded by the endpoint's mutex

  // Held while a thread waits for an item; recursive, since callbacks may run in that wait.
  std::recursive_timed_mutex getting_;
  std::optional<mailbox> mailbox_;
  std::uint32_t taken_ = 0;  // low bits of the tag with which the queue was taken
  std::uint64_t gets_ = 0;
};

}  // namespace troupe::channel
