#pragma once

#include <concepts>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>

#include <troupe/codec.hpp>
#include <troupe/deferred.hpp>
#include <troupe/error.hpp>
#include <troupe/message.hpp>

namespace troupe {

template <class R>
class task;

/// What an actor handles: `using handles = troupe::handles<Greet, double(Divide)>;`
/// An entry is Msg (the reply is what the actor's on(Msg) returns) or Reply(Msg) (declared, and checked).
/// It also stands alone, as the interface of a troupe::ref; there an entry Msg has no reply.
template <class... Entries>
struct handles {};

namespace detail {

struct deduced {};

template <class Entry>
struct entry {
  using message = Entry;
  using reply = deduced;
};
template <class Reply, class Message>
struct entry<Reply(Message)> {
  using message = std::remove_cvref_t<Message>;
  using reply = Reply;
};

template <class T>
struct plain_reply {
  using type = T;
};
template <class T>
struct plain_reply<result<T>> {
  using type = T;
};
template <class T>
struct plain_reply<deferred<T>> {
  using type = T;
};
template <class T>
struct plain_reply<task<T>> {
  using type = typename plain_reply<T>::type;
};
template <class T>
using reply_of_return = typename plain_reply<std::remove_cvref_t<T>>::type;

template <class A, class M>
concept has_handler = requires(A& actor, M message) { actor.on(std::move(message)); };

/// The reply that A's on(M) gives; void if A has none.
template <class A, class M>
consteval auto handler_reply() {
  if constexpr (has_handler<A, M>) {
    return std::type_identity<reply_of_return<decltype(std::declval<A&>().on(std::declval<M>()))>>{};
  } else {
    return std::type_identity<void>{};
  }
}

/// A's list of messages: A itself if that is a list, else A::handles.
template <class A>
struct list_of {
  using type = typename A::handles;
};
template <class... Entries>
struct list_of<handles<Entries...>> {
  using type = handles<Entries...>;
};
template <class A>
inline constexpr bool is_interface = false;
template <class... Entries>
inline constexpr bool is_interface<handles<Entries...>> = true;

template <class M, class List>
struct lookup;
template <class M>
struct lookup<M, handles<>> {
  static constexpr bool found = false;
  using reply = void;
};
template <class M, class First, class... Rest>
struct lookup<M, handles<First, Rest...>> {
  static constexpr bool here = std::same_as<M, typename entry<First>::message>;
  using further = lookup<M, handles<Rest...>>;
  static constexpr bool found = here || further::found;
  using reply = std::conditional_t<here, typename entry<First>::reply, typename further::reply>;
};

template <class A, class M>
inline constexpr bool handles_message = lookup<M, typename list_of<A>::type>::found;

/// What an ask of M to A gives.
template <class A, class M>
consteval auto reply_type() {
  using declared = typename lookup<M, typename list_of<A>::type>::reply;
  if constexpr (!std::same_as<declared, deduced>) {
    return std::type_identity<declared>{};
  } else if constexpr (is_interface<A>) {
    return std::type_identity<void>{};
  } else {
    return handler_reply<A, M>();
  }
}

/// The sentence for a message that A's list lacks.
template <class A, class M>
consteval void require_handled() {
  constexpr bool listed = handles_message<A, M>;
  constexpr bool forgotten = !listed && !is_interface<A> && has_handler<A, M>;
  static_assert(!forgotten, "the actor has on(Message), but Message is missing from its handles list");
  static_assert(listed || forgotten, "this actor does not handle this message: it has no on(Message) and does not list "
                                     "Message in handles");
}

}  // namespace detail
}  // namespace troupe
