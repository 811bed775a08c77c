#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include <troupe/codec.hpp>
#include <troupe/detail/node.hpp>
#include <troupe/message.hpp>

namespace troupe {
namespace channel {
class queue_end;
}
namespace detail {

using queue_ptr = std::shared_ptr<channel::queue_end>;

queue_ptr make_queue(std::size_t bytes_per_producer);
queue_ptr hold_queue(std::uint64_t identity);
std::uint64_t queue_identity(const queue_ptr& of);
void queue_encode(const queue_ptr& which, writer& to);
/// `until` absent: never waits for room.
expected<void> queue_put(const queue_ptr& on, const outgoing& what, std::optional<time_point> until);
/// Hands the next item's bytes to `take`. False: `until` has come (absent: no limit).
bool queue_get(const queue_ptr& from, std::uint64_t item_type, std::optional<time_point> until,
               const std::function<void(reader&)>& take);

}  // namespace detail

/// A queue between processes: any process that has a handle puts; one process at a time gets. What put() accepted is
/// delivered whatever becomes of the producer; items of one producer come in their order.
///
/// A handle is a value: copies mean the same queue, in this process and in those it is sent to (in messages, as an
/// argument of spawn or of a process, in replies, items, timers' messages and states). The queue ends when no process
/// has a handle any more; a message to an actor or an argument that holds one counts, what else holds one does not: keep
/// a handle until the other side has its own. Any thread may use it.
///
/// The process that gets first is the consumer; when it has died, or dropped its last handle, the next one that gets.
/// An item that it was taking when it died is given to the next one; getting is no part of an actor's turn.
template <class T>
class queue {
 public:
  /// A handle of no queue.
  queue() noexcept = default;
  /// A new queue that keeps about so many bytes of each producer (4 KiB to 16 MiB, rounded up to a power of two). Items
  /// larger than half of it lie in the producer's outbox of 64 MiB instead and count with a few bytes.
  /// Throws error: os, not_allowed (outside troupe::run).
  static queue make(std::size_t bytes_per_producer = 64 * 1024) {
    return queue(detail::make_queue(bytes_per_producer));
  }
  explicit operator bool() const noexcept { return end_ != nullptr; }
  friend bool operator==(const queue& a, const queue& b) noexcept { return a.identity() == b.identity(); }
  /// A number that stands for the queue; never reused. 0: no queue.
  std::uint64_t identity() const noexcept { return end_ ? detail::queue_identity(end_) : 0; }

  /// Puts one item; waits while there is no room. Inside a turn of an actor it becomes visible with the turn's end.
  /// Throws error: closed, too_large, stopping, not_allowed (a payload in it, too: those travel in messages).
  void put(const T& item) const { put_until(item, detail::deadline_in(std::chrono::nanoseconds::max())); }
  /// The same. Throws error(errc::full) if there is no room within `patience`.
  void put(const T& item, std::chrono::nanoseconds patience) const { put_until(item, detail::deadline_in(patience)); }
  /// Does not wait for room: errc::full. (The first put of a process waits for the supervisor's introduction.)
  [[nodiscard]] expected<void> try_put(const T& item) const { return send(item, std::nullopt); }

  /// The next item; waits for it. Throws error: stopping; not_allowed (another process is the consumer); corrupt (the
  /// item was no T and is lost); closed.
  T get() const { return *next(std::nullopt); }
  /// The same; nullopt: nothing came within `patience`.
  std::optional<T> get(std::chrono::nanoseconds patience) const { return next(detail::deadline_in(patience)); }
  /// Does not wait for an item: errc::empty. Other errors as get().
  [[nodiscard]] expected<T> try_get() const {
    try {
      auto got = next(detail::time_point{});
      if (got) return std::move(*got);
      return tl::unexpected(error(errc::empty, "the queue is empty"));
    } catch (const error& e) {
      return tl::unexpected(e);
    }
  }

  void troupe_encode(detail::writer& to) const { detail::queue_encode(end_, to); }
  void troupe_decode(detail::reader& from) {
    std::uint64_t identity = 0;
    from.bytes(&identity, sizeof identity);
    end_ = identity == 0 ? nullptr : detail::hold_queue(identity);
  }

 private:
  explicit queue(detail::queue_ptr end) noexcept : end_(std::move(end)) {}
  expected<void> send(const T& item, std::optional<detail::time_point> until) const {
    detail::require_serializable<T>();
    return detail::queue_put(end_, {reply_id<T>(), "the item", &item, &detail::encode_erased<T>, false}, until);
  }
  void put_until(const T& item, detail::time_point until) const {
    if (auto done = send(item, until); !done) throw error(done.error());
  }
  std::optional<T> next(std::optional<detail::time_point> until) const {
    detail::require_serializable<T>();
    std::optional<T> item;
    detail::queue_get(end_, reply_id<T>(), until, [&](detail::reader& from) { item.emplace(decode<T>(from)); });
    return item;
  }

  detail::queue_ptr end_;
};

}  // namespace troupe
