#pragma once

/// What the public templates need of the process they run in: its endpoint. One per process; in a worker it belongs to
/// the loop, in the user's program to main. Not for users.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <troupe/detail/bytes.hpp>
#include <troupe/error.hpp>

namespace troupe::detail {

using time_point = std::chrono::steady_clock::time_point;

/// Which identity a ref means, and a cache of how this process reaches it.
struct address {
  std::uint64_t identity = 0;
  mutable std::atomic<void*> route{nullptr};

  address() noexcept = default;
  explicit address(std::uint64_t id) noexcept : identity(id) {}
  address(const address& other) noexcept : identity(other.identity), route(other.route.load(std::memory_order_relaxed)) {}
  address& operator=(const address& other) noexcept {
    identity = other.identity;
    route.store(other.route.load(std::memory_order_relaxed), std::memory_order_relaxed);
    return *this;
  }
};

/// A piece of this process's outbox; given back when nobody needs it any more.
struct outbox_block {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::byte* data = nullptr;
  outbox_block() = default;
  outbox_block(const outbox_block&) = delete;
  outbox_block& operator=(const outbox_block&) = delete;
  ~outbox_block();
};
/// Throws error: too_large beyond the outbox, full if it has no room within `until`.
std::shared_ptr<outbox_block> take_block(std::size_t bytes, std::optional<time_point> until);

/// What a message hands over to its receiver: a descriptor, or a queue that must not end meanwhile. The supervisor keeps
/// it until the receiver has it, or the message is gone.
struct enclosure {
  std::uint64_t number = 0;  ///< from new_enclosure(); with this incarnation it names a descriptor
  std::function<int()> descriptor;  ///< -1: it has been handed over by now. None: it is the queue that is handed over
  std::uint64_t queue = 0;
  std::function<void()> sent;  ///< called when the receiver will have it; keeps the descriptor open until then
};
std::uint64_t new_enclosure() noexcept;

/// What travels beside a message's bytes.
class attachments {
 public:
  /// Sender: the block goes with the message; returns its index.
  virtual std::uint32_t attach(std::shared_ptr<const outbox_block> block) = 0;
  /// Sender: whether a payload that lies in another's outbox may be copied into the own one now, which may wait. If not,
  /// it is left out.
  virtual bool may_copy() { return true; }
  /// Sender: such a copy waits for room until then.
  virtual time_point copy_until() { return std::chrono::steady_clock::now(); }
  /// Sender: the same again is the same. Nothing is handed over unless the message is sent.
  virtual void enclose(enclosure what);
  /// Receiver: the bytes of that block, in place; throws error(errc::corrupt) if there is none.
  virtual std::span<const std::byte> attached(std::uint32_t index) = 0;

 protected:
  ~attachments() = default;
};

/// A message on its way out.
struct outgoing {
  std::uint64_t message = 0;
  std::string_view name;
  const void* body = nullptr;
  void (*encode)(const void* body, writer& to) = nullptr;
  bool may_hold_payloads = true;
};

/// The way of nearly every message: no clock, no error to be made. False: it could not be told at once; tell() says why,
/// or waits. Throws what tell() returns about the ref itself.
bool tell_at_once(const address& to, const outgoing& what);
/// `until` absent: never waits (connecting and full are then errors).
expected<void> tell(const address& to, const outgoing& what, std::optional<time_point> until);

/// A reply's bytes; they stay valid as long as the object.
struct reply_bytes {
  std::vector<std::byte> copy;
  std::span<const std::byte> body;
  std::shared_ptr<const void> keep;
};
using reply_handler = std::function<void(expected<reply_bytes>)>;

/// Sends a request; returns its correlation id. Whoever asked takes the reply once, by await_reply, on_reply or forget.
expected<std::uint64_t> ask(const address& to, const outgoing& what, std::uint64_t reply_type, time_point deadline,
                            bool waiting);
/// A request that has its answer already: this error.
std::uint64_t ask_failed(error why);
expected<reply_bytes> await_reply(std::uint64_t correlation);
/// Waits until await_reply of one of these would return at once, and says which; none: `until` has come. An error: waits
/// are being ended. Throws what a callback throws that runs meanwhile.
expected<std::optional<std::size_t>> await_any(std::span<const std::uint64_t> correlations,
                                               std::optional<time_point> until);
void on_reply(std::uint64_t correlation, reply_handler handler);
void forget_reply(std::uint64_t correlation) noexcept;

/// Whether the calling thread is inside a turn of its actor.
bool in_turn() noexcept;

/// Identity of the actor of this name; 0: there is none. Throws error(errc::stopping).
std::uint64_t find(const std::string& name);
std::uint64_t own_identity() noexcept;

/// Watches an actor; its end or death is told to on_down (in main: to `handler`).
void monitor(std::uint64_t identity);
void demonitor(std::uint64_t identity);

/// The supervisor sends `signal` to the actor's process; a death by it counts as a crash.
void send_signal(std::uint64_t identity, int signal);
/// Asks the supervisor to stop the actor in order, or to kill it; its death was asked for.
void end_actor(std::uint64_t identity, bool kill);

/// Names an enclosed descriptor in the bytes of its message.
struct fd_token {
  std::uint64_t from = 0;  ///< incarnation
  std::uint64_t number = 0;
};
std::uint64_t own_incarnation();

/// The end of a wait of this length that begins now; a very long one is cut at ten years.
time_point deadline_in(std::chrono::nanoseconds patience) noexcept;

/// Waits until `fd` is readable (or writable) while this process's endpoint is served. False: `until` has come.
/// Throws error(errc::stopping).
bool wait_fd(int fd, bool writable, std::optional<time_point> until);

}  // namespace troupe::detail
