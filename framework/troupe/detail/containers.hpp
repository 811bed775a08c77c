#pragma once

#include <array>
#include <chrono>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include <troupe/detail/shape.hpp>

namespace troupe::detail {

/// The types of the standard library that the archives write themselves, by how they are written.
enum class category { none, sequence, set, map, optional, variant, tuple, array, duration, time_point, box };

template <category how, class... Parts>
struct container_of {
  static constexpr category is = how;
  using parts = field_types<Parts...>;
};

template <class T>
struct container : container_of<category::none> {};

template <class C, class R, class A>
struct container<std::basic_string<C, R, A>> : container_of<category::sequence, C> {};
template <class T, class A>
struct container<std::vector<T, A>> : container_of<category::sequence, T> {};
template <class T, class A>
struct container<std::deque<T, A>> : container_of<category::sequence, T> {};
template <class T, class A>
struct container<std::list<T, A>> : container_of<category::sequence, T> {};

template <class K, class... Rest>
struct container<std::set<K, Rest...>> : container_of<category::set, K> {};
template <class K, class... Rest>
struct container<std::multiset<K, Rest...>> : container_of<category::set, K> {};
template <class K, class... Rest>
struct container<std::unordered_set<K, Rest...>> : container_of<category::set, K> {};
template <class K, class... Rest>
struct container<std::unordered_multiset<K, Rest...>> : container_of<category::set, K> {};

template <class K, class V, class... Rest>
struct container<std::map<K, V, Rest...>> : container_of<category::map, K, V> {};
template <class K, class V, class... Rest>
struct container<std::multimap<K, V, Rest...>> : container_of<category::map, K, V> {};
template <class K, class V, class... Rest>
struct container<std::unordered_map<K, V, Rest...>> : container_of<category::map, K, V> {};
template <class K, class V, class... Rest>
struct container<std::unordered_multimap<K, V, Rest...>> : container_of<category::map, K, V> {};

template <class T>
struct container<std::optional<T>> : container_of<category::optional, T> {};
template <class... T>
struct container<std::variant<T...>> : container_of<category::variant, T...> {};
template <class... T>
struct container<std::tuple<T...>> : container_of<category::tuple, T...> {};
template <class A, class B>
struct container<std::pair<A, B>> : container_of<category::tuple, A, B> {};
template <class T, std::size_t N>
struct container<std::array<T, N>> : container_of<category::array, T> {};
template <class T, std::size_t N>
struct container<T[N]> : container_of<category::array, T> {};
template <class R, class P>
struct container<std::chrono::duration<R, P>> : container_of<category::duration, R> {};
template <class C, class D>
struct container<std::chrono::time_point<C, D>> : container_of<category::time_point, D> {};
template <class T>
struct container<std::unique_ptr<T>> : container_of<category::box, T> {};

template <class T>
inline constexpr category category_of = container<T>::is;

/// A sequence whose elements are written and read as one run of bytes.
template <class T>
concept run_of_bytes = category_of<T>
== category::sequence&& requires(T& item) {
  *item.data();  // std::vector<bool>::data() is void
  requires is_plain<typename T::value_type>;
  requires !std::is_empty_v<typename T::value_type>;
  requires std::is_default_constructible_v<typename T::value_type>;
};

}  // namespace troupe::detail
