#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <troupe/actor.hpp>
#include <troupe/codec.hpp>
#include <troupe/message.hpp>
#include <troupe/task.hpp>

namespace troupe::detail {

/// One entry of an actor's handles list, without its types.
struct handler_entry {
  std::uint64_t message;
  std::uint64_t reply;
  std::string_view name;
  std::optional<delivery> policy;
  /// Decodes (throws error(errc::corrupt)), calls the handler (throws what it throws), replies through context().
  void (*invoke)(actor& self, reader& from, bool& decoded);
  std::optional<std::chrono::milliseconds> deadline = {};  ///< of the message type
};

enum class turns : std::uint8_t { none, transactional, checkpointed };

/// An actor class, without its type: what a worker needs to run it and the supervisor to judge its messages.
struct actor_type {
  std::string_view name;
  std::span<const handler_entry> handlers;
  std::optional<delivery> policy;  ///< the actor's default
  turns works_in;
  unsigned commit_every;  ///< records that one turn may cover
  void (*save)(actor& self, writer& to);
  void (*load)(actor& self, reader& from);

  const handler_entry* find(std::uint64_t message) const noexcept {
    for (const auto& each : handlers) {
      if (each.message == message) return &each;
    }
    return nullptr;
  }
  /// What happens to a message that its handler died with. `declared`: the type or the actor says so itself.
  struct judgement {
    delivery policy;
    bool declared;
  };
  judgement judge(std::uint64_t message, bool request) const noexcept {
    const handler_entry* entry = find(message);
    if (entry != nullptr && entry->policy) return {*entry->policy, true};
    if (policy && !request) return {*policy, true};
    return {request ? delivery{delivery::kind::drop, 1} : delivery{delivery::kind::redeliver, 3}, false};
  }
};

template <class T>
inline constexpr bool is_deferred = false;
template <class R>
inline constexpr bool is_deferred<deferred<R>> = true;
template <class T>
inline constexpr bool is_result = false;
template <class R>
inline constexpr bool is_result<result<R>> = true;

template <class T>
inline constexpr bool is_task = false;
template <class R>
inline constexpr bool is_task<task<R>> = true;

template <class R>
void reply_with(const R& value) {
  context().reply(reply_id<R>(), &value, &encode_erased<R>);
}
inline void reply_void() {
  context().reply(reply_id<void>(), nullptr, [](const void*, writer&) {});
}

/// Replies with what `call` returns.
template <class Call>
void answer_with(Call call) {
  using returned = std::remove_cvref_t<decltype(call())>;
  if constexpr (is_task<returned>) {
    answer_with([&] { return call().get(); });
  } else if constexpr (std::is_void_v<returned>) {
    call();
    reply_void();
  } else if constexpr (is_deferred<returned>) {
    static_cast<void>(call());
  } else if constexpr (is_result<returned>) {
    const returned got = call();
    if (!got) {
      context().reply_failure(got.error().text);
    } else if constexpr (std::is_void_v<typename returned::value_type>) {
      reply_void();
    } else {
      reply_with(*got);
    }
  } else {
    reply_with<returned>(call());
  }
}

template <class A, class M>
void invoke(actor& self, reader& from, bool& decoded) {
  M message = decode<M>(from);
  decoded = true;
  answer_with([&] { return static_cast<A&>(self).on(std::move(message)); });
}

template <class A>
consteval turns turns_of() {
  if constexpr (requires { typename A::troupe_state; }) {
    return turns::checkpointed;
  } else if constexpr (requires { typename A::troupe_turns; }) {
    return turns::transactional;
  } else {
    return turns::none;
  }
}

/// Whether A's on(M) may return what it returns.
template <class A, class M>
consteval bool returns_well() {
  using returned = std::remove_cvref_t<decltype(std::declval<A&>().on(std::declval<M>()))>;
  constexpr bool one_step = turns_of<A>() == turns::none || !is_task<returned>;
  static_assert(one_step, "a handler of an actor that works in turns cannot be a coroutine, since a turn is one step: "
                          "return the reply itself, and use get() or then() of the ask");
  return one_step;
}

template <class A, class Entry>
consteval handler_entry make_entry() {
  using M = typename entry<Entry>::message;
  using declared = typename entry<Entry>::reply;
  constexpr bool present = has_handler<A, M>;
  static_assert(present, "the actor lists a message in handles, but has no on(Message) for it that can be called");
  if constexpr (!present) {
    return {};
  } else if constexpr (!returns_well<A, M>()) {
    return {};
  } else {
    using actual = typename decltype(handler_reply<A, M>())::type;
    constexpr bool agrees = std::same_as<declared, deduced> || std::same_as<declared, actual>;
    static_assert(agrees, "on(Message) returns another type than the handles list declares for it");
    return {message_id<M>(), reply_id<actual>(), message_name<M>(), delivery_of<M>(), &invoke<A, M>, deadline_of<M>()};
  }
}

/// Whether no two messages would be taken for one another.
template <class... Entries>
consteval bool differ() {
  const std::uint64_t ids[] = {0, message_id<typename entry<Entries>::message>()...};
  for (std::size_t i = 1; i <= sizeof...(Entries); ++i) {
    for (std::size_t k = i + 1; k <= sizeof...(Entries); ++k) {
      if (ids[i] == ids[k]) return false;
    }
  }
  return true;
}

template <class A, class List>
struct table;
template <class A, class... Entries>
struct table<A, handles<Entries...>> {
  static constexpr bool names_differ = differ<Entries...>();
  static_assert(names_differ, "two messages in the handles list have the same name: give each type a troupe_name of its own");
  static constexpr handler_entry entries[sizeof...(Entries) + 1] = {make_entry<A, Entries>()..., handler_entry{}};
  static constexpr std::span<const handler_entry> all{entries, sizeof...(Entries)};
};

// ------------------------------------------------------------------------------------------------ construction

/// Makes the actor from its arguments. Workers are forked from this program, so the function's address means the same
/// function there: it travels in front of the arguments.
using maker = std::unique_ptr<actor> (*)(reader& arguments);

template <class T>
struct as_argument {
  using type = std::decay_t<T>;
};
template <std::size_t N>
struct as_argument<const char (&)[N]> {
  using type = std::string;
};
template <>
struct as_argument<const char*> {
  using type = std::string;
};
template <>
struct as_argument<const char*&> {
  using type = std::string;
};
template <>
struct as_argument<std::string_view> {
  using type = std::string;
};
template <class T>
using argument = typename as_argument<T>::type;

/// One argument in a frame of its own, so that each codec sees just its bytes.
template <class T>
void write_argument(const T& value, writer& to) {
  writer probe(nullptr, 0, to.with());
  encode(value, probe);
  const std::uint64_t size = probe.size();
  to.bytes(&size, sizeof size);
  encode(value, to);
}
template <class T>
T read_argument(reader& from) {
  std::uint64_t size = 0;
  from.bytes(&size, sizeof size);
  const auto bytes = static_cast<std::size_t>(size);
  reader part(from.take(bytes), bytes, from.with());
  return decode<T>(part);
}

template <class A, class... Arguments>
std::unique_ptr<actor> make_actor(reader& from) {
  std::tuple<Arguments...> arguments{read_argument<Arguments>(from)...};  // braces: left to right
  return std::apply([](auto&... each) { return std::make_unique<A>(std::move(each)...); }, arguments);
}

template <class A>
consteval unsigned commit_every_of() {
  if constexpr (requires { A::commit_every; }) {
    constexpr bool in_turns = turns_of<A>() != turns::none;
    constexpr bool positive = A::commit_every > 0;
    static_assert(in_turns, "commit_every is for actors that work in turns: derive from checkpointed or transactional");
    static_assert(positive, "commit_every is the number of messages that one turn may cover: 1 or more");
    return static_cast<unsigned>(A::commit_every);
  } else {
    return 1;
  }
}

template <class A>
void save_state(actor& self, writer& to) {
  if constexpr (turns_of<A>() == turns::checkpointed) encode(static_cast<A&>(self).troupe_state_of(), to);
}
template <class A>
void load_state(actor& self, reader& from) {
  if constexpr (turns_of<A>() == turns::checkpointed) {
    static_cast<A&>(self).troupe_state_of() = decode<typename A::troupe_state>(from);
  }
}

template <class A>
const actor_type& type_of() {
  constexpr bool derived = std::derived_from<A, actor>;
  constexpr bool lists = requires { typename A::handles; };
  static_assert(derived, "an actor class derives from troupe::actor (or checkpointed, transactional)");
  static_assert(lists, "an actor class says what it handles: using handles = troupe::handles<...>;");
  if constexpr (derived && lists) {
    static const actor_type type{type_name<A>.view(), table<A, typename A::handles>::all, delivery_of<A>(), turns_of<A>(),
                                 commit_every_of<A>(), &save_state<A>, &load_state<A>};
    return type;
  } else {
    __builtin_unreachable();
  }
}

}  // namespace troupe::detail
