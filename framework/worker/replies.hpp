#pragma once

#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <troupe/detail/context.hpp>

#include "channel/endpoint.hpp"
#include "channel/mailbox.hpp"
#include "wire/reply.hpp"

namespace troupe::worker {

/// The callee's side of all links: frames replies, writes them to the askers' pipes, and keeps what does not fit.
/// Loop thread only.
class replies {
 public:
  using encoder = void (*)(const void*, detail::writer&);

  replies(channel::endpoint& endpoint, channel::mailbox& mailbox) : endpoint_(endpoint), mailbox_(mailbox) {}

  /// Answers a request. Between hold() and release() the frame waits for the turn's commit.
  void value(const detail::deferral& to, std::uint64_t reply_type, const void* body, encoder encode);
  void text(const detail::deferral& to, wire::reply_kind kind, std::string_view text);
  /// The reply to a request comes later; its asker waits until `deadline_ns`.
  void defer(const detail::deferral& to, std::uint64_t deadline_ns);
  /// It comes now, or never. False: nobody waits for it.
  bool settle(const detail::deferral& to) noexcept { return deferred_.erase({to.incarnation, to.correlation}) > 0; }
  /// Until when somebody waits for a deferred reply, the first of them; none: nobody does.
  std::optional<os::time_point> owed_until();
  void hold() noexcept { holding_ = true; }
  void release();

  /// The lane has its pipe (again): nothing of what was owed to an earlier asker is owed to this one.
  void pipe_arrived(channel::inbound& lane);
  /// Writes what waits for pipes that have room again, and frees what askers have read.
  void flush(std::uint32_t slot);
  void forget(std::uint32_t slot);
  /// Whether any pipe is waited for.
  bool waiting() const noexcept { return watched_ > 0; }
  /// Frees what askers have read.
  void release_read();

 private:
  struct frame {
    detail::deferral to;
    std::vector<std::byte> bytes;
    channel::block_ptr body;
  };
  struct outgoing_replies {
    wire::incarnation_id asker = 0;
    std::deque<frame> waiting;  // for the pipe
    bool watching = false;
    std::uint32_t large = 0;  // large replies written so far to this asker
    std::deque<std::pair<std::uint32_t, channel::block_ptr>> unread;
  };

  struct promise {
    detail::deferral to;
    std::uint64_t deadline_ns;
  };

  void drop_void_promises();
  void submit(frame&& reply);
  bool write(channel::inbound& lane, outgoing_replies& link, const frame& reply);
  void release_read(channel::inbound& lane, outgoing_replies& link);
  void watch(channel::inbound& lane, outgoing_replies& link);
  void unwatch(channel::inbound& lane, outgoing_replies& link);
  channel::inbound* lane_of(const detail::deferral& to);

  channel::endpoint& endpoint_;
  channel::mailbox& mailbox_;
  std::map<std::uint32_t, outgoing_replies> links_;  // by lane slot
  std::map<std::pair<wire::incarnation_id, std::uint64_t>, promise> deferred_;  // by asker and correlation
  std::size_t promises_to_check_ = 64;  // at so many those that nobody waits for any more are dropped
  unsigned watched_ = 0;
  bool holding_ = false;
  std::vector<frame> held_;
};

}  // namespace troupe::worker
