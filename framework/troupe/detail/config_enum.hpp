#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <type_traits>
#include <utility>

namespace troupe::detail {

/// "... [with auto V = color::red]" (g++) or "... [V = color::red]" (clang); of what is no enumerator "(color)5".
template <auto V>
constexpr std::string_view value_signature() {
  return __PRETTY_FUNCTION__;
}

/// The enumerator's name; empty if V is none.
template <auto V>
constexpr std::string_view enumerator() {
  std::string_view spelled = value_signature<V>();
  spelled = spelled.substr(spelled.find("V = ") + 4);
  const std::size_t end = spelled.find_first_of(";]");
  spelled = spelled.substr(0, end);
  std::size_t begin = spelled.size();
  while (begin > 0 && spelled[begin - 1] != ':') --begin;
  const std::string_view name = spelled.substr(begin);
  const bool cast = name.find(')') != name.npos;
  return cast ? std::string_view{} : name;
}

/// Values of other enums are outside of the type where no enumerator is near: what is not there cannot be asked for.
template <class E>
concept enum_with_known_range = std::is_enum_v<E> && requires {
  E{0};
};

inline constexpr std::size_t enumerators_looked_for = 64;

template <class E, std::size_t... At>
constexpr auto enumerators_of(std::index_sequence<At...>) {
  return std::array<std::string_view, sizeof...(At)>{enumerator<static_cast<E>(At)>()...};
}

/// By value, 0 to 63: the enumerator's name, or empty. All empty where they cannot be known.
template <class E>
inline constexpr std::array<std::string_view, enumerators_looked_for> enumerators = [] {
  if constexpr (enum_with_known_range<E>) {
    return enumerators_of<E>(std::make_index_sequence<enumerators_looked_for>{});
  } else {
    return std::array<std::string_view, enumerators_looked_for>{};
  }
}();

}  // namespace troupe::detail
