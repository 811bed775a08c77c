#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <type_traits>

namespace troupe {

/// No limit on the attempts of a message: `static constexpr auto delivery = troupe::redeliver{troupe::unlimited};`
inline constexpr std::uint32_t unlimited = std::numeric_limits<std::uint32_t>::max();

/// Delivery policy: a message in flight when its handler died is handled again, at most `limit` times in all;
/// beyond the limit it is quarantined as a dead letter.
struct redeliver {
  std::uint32_t limit = 3;
};

/// Delivery policy: a message in flight when its handler died is not handled again.
struct drop {};

/// A delivery policy as a value. `limit` is the number of attempts: 1 for drop.
struct delivery {
  enum class kind : std::uint8_t { redeliver, drop };
  kind how = kind::redeliver;
  std::uint32_t limit = 3;

  friend constexpr bool operator==(delivery, delivery) = default;
};

namespace detail {

template <class M>
concept has_own_name = requires {
  std::string_view{M::troupe_name};
};

template <class M>
concept has_own_delivery = requires {
  M::delivery;
};

/// "constexpr auto troupe::detail::signature() [with M = name]" (g++) or "auto ...() [M = name]" (clang).
template <class M>
constexpr auto signature() {
  return __PRETTY_FUNCTION__;
}

constexpr std::string_view spelled_type(std::string_view signature) {
  const std::size_t at = signature.find("M = ") + 4;
  return signature.substr(at, signature.size() - at - 1);
}

/// As text.find(part, from). In constant expressions under UBSan g++ 12 refuses that on an object being built.
constexpr std::size_t position(std::string_view text, std::string_view part, std::size_t from = 0) {
  for (std::size_t at = from; at + part.size() <= text.size(); ++at) {
    std::size_t same = 0;
    while (same < part.size() && text[at + same] == part[same]) ++same;
    if (same == part.size()) return at;
  }
  return text.npos;
}

/// Where the name of a class that is local to a function begins, else 0. g++ writes `main()::Greet`, clang `Greet`.
constexpr std::size_t local_name(std::string_view spelled) {
  std::size_t bracket = spelled.size();
  while (bracket > 0 && spelled[bracket - 1] != ')') --bracket;
  const std::size_t colons = position(spelled, "::", bracket);
  if (bracket == 0 || colons == spelled.npos) return 0;
  const bool argument = position(spelled.substr(0, colons), ">", bracket) != spelled.npos;
  return argument && position(spelled, "<lambda(") == spelled.npos ? 0
                                                                   : colons + 2;  // Box<int(int)>::Item is not local
}

/// A copy of a type's spelling on which g++ and clang agree, as far as they can.
template <std::size_t Capacity>
struct normal_name {
  std::array<char, Capacity> text{};
  std::size_t size = 0;

  constexpr explicit normal_name(std::string_view spelled) {
    constexpr std::string_view clang = "(anonymous namespace)";
    while (!spelled.empty()) {
      const bool anonymous = spelled.starts_with(clang);
      append(anonymous ? std::string_view{"{anonymous}"} : spelled.substr(0, 1));
      spelled.remove_prefix(anonymous ? clang.size() : 1);
    }
    const std::size_t begin = local_name({text.data(), size});
    for (std::size_t i = begin; i < size; ++i) text[i - begin] = text[i];
    size -= begin;
  }
  constexpr void append(std::string_view part) {
    for (const char c : part) text[size++] = c;
  }
  constexpr std::string_view view() const { return {text.data(), size}; }
};

template <class M>
inline constexpr normal_name<spelled_type(signature<M>()).size()> type_name{spelled_type(signature<M>())};

constexpr std::uint64_t fnv1a(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}

template <class M>
constexpr std::string_view own_or_type_name() {
  if constexpr (has_own_name<M>) {
    return M::troupe_name;
  } else {
    return type_name<M>.view();
  }
}

constexpr delivery as_value(redeliver policy) { return {delivery::kind::redeliver, policy.limit}; }
constexpr delivery as_value(drop) { return {delivery::kind::drop, 1}; }

}  // namespace detail

/// The name that stands for M between processes: `M::troupe_name` if there is one, else the type's qualified name.
/// The same with g++ and clang: an anonymous namespace is `{anonymous}`, a class local to a function has its bare name.
template <class M>
constexpr std::string_view message_name() {
  constexpr std::string_view name = detail::own_or_type_name<std::remove_cvref_t<M>>();
  constexpr bool clear = detail::has_own_name<std::remove_cvref_t<M>> || detail::position(name, "<") == name.npos;
  static_assert(clear, "message is a template: give it a name with static constexpr std::string_view troupe_name");
  return name;
}

/// FNV-1a 64 of the name.
template <class M>
constexpr std::uint64_t message_id() {
  return detail::fnv1a(message_name<M>());
}

/// Tells reply types apart; any type, templates and void included. Compilers spell templates differently, so the ids of
/// these agree only between processes built by the same compiler.
template <class R>
constexpr std::uint64_t reply_id() {
  return detail::fnv1a(detail::own_or_type_name<std::remove_cvref_t<R>>());
}

/// The policy that a message (or an actor) declares with `static constexpr auto delivery = troupe::redeliver{5};`
/// or `troupe::drop{}`; nullopt if it declares none.
template <class M>
constexpr std::optional<delivery> delivery_of() {
  if constexpr (detail::has_own_delivery<M>) {
    constexpr bool known = requires { detail::as_value(M::delivery); };
    static_assert(known, "delivery is not a policy: it must be troupe::redeliver{limit} or troupe::drop{}");
    if constexpr (known) return detail::as_value(M::delivery);
  }
  return std::nullopt;
}

/// How long a message of this type may be in hand, as the type says it: `static constexpr std::chrono::milliseconds
/// deadline{200};`. None: as the child's spec says.
template <class M>
constexpr std::optional<std::chrono::milliseconds> deadline_of() {
  if constexpr (requires { std::chrono::milliseconds{M::deadline}; }) {
    return std::chrono::milliseconds{M::deadline};
  } else {
    return std::nullopt;
  }
}

}  // namespace troupe
