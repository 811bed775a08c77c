#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <troupe/codec.hpp>
#include <troupe/detail/node.hpp>
#include <troupe/error.hpp>
#include <troupe/message.hpp>

namespace troupe {

/// How long an ask, or a tell that finds the mailbox full, waits unless told otherwise.
inline constexpr std::chrono::seconds default_patience{5};

namespace detail {

template <class R>
struct reply_awaiter;

template <class R>
expected<R> decode_reply(expected<reply_bytes> got) {
  if (!got) return tl::unexpected(std::move(got.error()));
  if constexpr (std::is_void_v<R>) {
    return {};
  } else {
    try {
      reader from(got->body.data(), got->body.size());
      return decode<R>(from);
    } catch (const error& e) {
      return tl::unexpected(e);
    }
  }
}

}  // namespace detail

/// A request under way. Ends by the reply, by the deadline (errc::timeout), by errc::closed (the actor has ended for
/// good), errc::outcome_unknown (it died after it had started the request), errc::failed (it answered troupe::fail, or its
/// outbox had no room for a large answer) or errc::stopping. It never hangs. Take the answer once: get(), try_get() or then(), or co_await it in a task.
///
/// The request is sent at ask(); inside a turn it is sent by get() and try_get() (at once) or by then() (with the turn).
template <class R>
class [[nodiscard]] asking {
 public:
  /// Waits for the answer. Throws error.
  R get() {
    expected<R> answer = try_get();
    if (!answer) throw error(std::move(answer.error()));
    if constexpr (!std::is_void_v<R>) return std::move(*answer);
  }

  /// Waits for the answer, which may be an error.
  expected<R> try_get() {
    if (auto sent = send(true); !sent) return tl::unexpected(std::move(sent.error()));
    return detail::decode_reply<R>(await());
  }

  /// Calls `handler(expected<R>)` when the answer is there: in an actor on its loop, between messages; in main inside
  /// system::wait(), system::poll() or whatever else waits. Errors of sending arrive there too, never inside then().
  /// Throws error(errc::not_allowed) if the answer has been taken already, and outside troupe::run.
  template <class F>
  void then(F handler) {
    static_assert(std::is_invocable_v<F&, expected<R>>, "then takes a function of troupe::expected<Reply>");
    if (auto sent = send(false); !sent) correlation_ = detail::ask_failed(std::move(sent.error()));
    auto kept = std::make_shared<F>(std::move(handler));
    detail::on_reply(std::exchange(correlation_, 0), [kept](expected<detail::reply_bytes> got) {
      (*kept)(detail::decode_reply<R>(std::move(got)));
    });
  }

  template <class M>
  asking(const detail::address& to, M message, detail::time_point deadline) : to_(to), deadline_(deadline) {
    what_ = {message_id<M>(), message_name<M>(), nullptr, &detail::encode_erased<M>};
    if (!detail::in_turn() && to_.identity != detail::own_identity()) {
      what_.body = &message;
      keep(detail::ask(to_, what_, reply_id<R>(), deadline_, true));
      return;
    }
    auto held = std::make_shared<M>(std::move(message));
    what_.body = held.get();
    held_ = std::move(held);
  }
  asking(asking&& other) noexcept
      : to_(other.to_),
        deadline_(other.deadline_),
        what_(other.what_),
        held_(std::move(other.held_)),
        correlation_(std::exchange(other.correlation_, 0)),
        failed_(std::move(other.failed_)) {}
  asking& operator=(asking&&) = delete;
  ~asking() {
    if (gone_ != nullptr) *gone_ = true;
    if (correlation_ != 0) detail::forget_reply(correlation_);
  }

 private:
  friend detail::reply_awaiter<R>;

  /// What a callback throws in the wait costs no answer. A callback may also end this object: its destructor says so.
  expected<detail::reply_bytes> await() {
    const std::uint64_t awaited = std::exchange(correlation_, 0);
    bool gone = false;
    gone_ = &gone;
    try {
      auto got = detail::await_reply(awaited);
      if (!gone) gone_ = nullptr;
      return got;
    } catch (...) {
      if (gone) {
        detail::forget_reply(awaited);
      } else {
        gone_ = nullptr;
        correlation_ = awaited;
      }
      throw;
    }
  }
  void keep(expected<std::uint64_t> sent) {
    if (sent) {
      correlation_ = *sent;
    } else {
      failed_ = std::move(sent.error());
    }
  }
  expected<void> send(bool waiting) {
    if (held_) {
      keep(detail::ask(to_, what_, reply_id<R>(), deadline_, waiting));
      held_.reset();
    }
    if (failed_) return tl::unexpected(*failed_);
    return {};
  }

  detail::address to_;
  detail::time_point deadline_;
  detail::outgoing what_;
  std::shared_ptr<const void> held_;  // inside a turn, or to oneself: the message, not sent yet
  std::uint64_t correlation_ = 0;
  std::optional<error> failed_;
  bool* gone_ = nullptr;  // while await() waits
};

}  // namespace troupe
