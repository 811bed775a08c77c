#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <utility>

#include <troupe/ask.hpp>
#include <troupe/detail/node.hpp>
#include <troupe/error.hpp>
#include <troupe/handles.hpp>

namespace troupe {

/// Names an actor: a value, cheap to copy, may be sent inside messages. It means the same actor across restarts, from
/// every process of the program, until the actor has ended for good; then it answers errc::closed for ever.
/// May be used from any thread of its process.
///
/// `A` is an actor class (actor_ref<Parser>) or an interface (ref<handles<int(Get), Put>>).
template <class A>
class actor_ref {
 public:
  /// Names nobody.
  actor_ref() noexcept = default;
  /// An actor as one of its interfaces: each entry must be handled by A, with that reply.
  template <class B>
    requires(!std::same_as<A, B> && detail::is_interface<A>)
  actor_ref(const actor_ref<B>& other) noexcept : address_(other.address()) {  // NOLINT: a ref is its interface
    require_covers<B>(static_cast<const A*>(nullptr));
  }

  /// Sends `message`; on return it is in the mailbox and survives the death of sender and receiver. Inside a turn it
  /// becomes visible with the turn's end. Waits up to `patience` for room, and (the first message of this process to
  /// that actor) for the supervisor. Throws error: full, closed, too_large, timeout (of the supervisor), stopping.
  template <class M>
  void tell(const M& message, std::chrono::nanoseconds patience = default_patience) const {
    if (const auto what = outgoing(message); !detail::tell_at_once(address_, what)) {
      const auto told = detail::tell(address_, what, detail::deadline_in(patience));
      if (!told) throw error(told.error());
    }
  }
  /// As tell, but never waits: errc::full, and errc::connecting until the supervisor has answered the first call of this
  /// process for that actor.
  template <class M>
  [[nodiscard]] expected<void> try_tell(const M& message) const {
    return detail::tell(address_, outgoing(message), std::nullopt);
  }
  /// Sends a request; see asking. `patience` is the deadline for the answer, counted from now.
  template <class M>
  auto ask(M message, std::chrono::nanoseconds patience = default_patience) const {
    detail::require_handled<A, M>();
    using reply = typename decltype(detail::reply_type<A, M>())::type;
    return asking<reply>(address_, std::move(message), detail::deadline_in(patience));
  }

  explicit operator bool() const noexcept { return address_.identity != 0; }
  friend bool operator==(const actor_ref& a, const actor_ref& b) noexcept {
    return a.address_.identity == b.address_.identity;
  }
  /// A number that stands for the actor; never reused.
  std::uint64_t identity() const noexcept { return address_.identity; }

  explicit actor_ref(std::uint64_t identity) noexcept : address_(identity) {}
  const detail::address& address() const noexcept { return address_; }
  void troupe_encode(detail::writer& to) const { to.bytes(&address_.identity, sizeof address_.identity); }
  void troupe_decode(detail::reader& from) {
    std::uint64_t identity = 0;
    from.bytes(&identity, sizeof identity);
    address_ = detail::address(identity);
  }

 private:
  template <class M>
  static detail::outgoing outgoing(const M& message) {
    detail::require_handled<A, M>();
    if constexpr (detail::handles_message<A, M>) {
      return {message_id<M>(), message_name<M>(), &message, &detail::encode_erased<M>};
    } else {
      return {};
    }
  }
  template <class B, class... Entries>
  static consteval void require_covers(const handles<Entries...>*) {
    constexpr bool all = (covers<B, Entries>() && ...);
    static_assert(all, "this actor does not implement the interface: it lacks a message, or replies with another type");
  }
  template <class B, class Entry>
  static consteval bool covers() {
    using message = typename detail::entry<Entry>::message;
    using declared = typename detail::entry<Entry>::reply;
    if constexpr (!detail::handles_message<B, message>) {
      return false;
    } else {
      return std::same_as<declared, detail::deduced> ||
             std::same_as<declared, typename decltype(detail::reply_type<B, message>())::type>;
    }
  }

  detail::address address_;
};

template <class Interface>
using ref = actor_ref<Interface>;

}  // namespace troupe
