#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <type_traits>
#include <utility>

#include <troupe/detail/bytes.hpp>

namespace troupe::detail {

/// How a type travels.
enum class shape : int {
  plain,        ///< its bytes are copied; only bools are looked at
  own,          ///< by its serialize function, through codec_cereal.hpp, or by its own troupe_encode/troupe_decode
  unknown,      ///< refused, as all that follow: there is no function that writes it
  no_default,   ///< it has no default constructor, and decoding fills an object that is there
  long_double,  ///< its padding shows bytes of the sender's memory
  shared,       ///< std::shared_ptr, std::weak_ptr
  address,      ///< a pointer, reference, view or iterator
};

/// Stands for an archive where only the existence of a function is asked for.
struct any_archive {
  using is_loading = std::false_type;
  using is_saving = std::true_type;
  template <class... T>
  any_archive& operator()(T&&...);
  template <class T>
  any_archive& operator&(T&&);
};

/// A type that writes and reads its own bytes, and what travels beside them, without cereal:
///   void troupe_encode(detail::writer&) const;
///   void troupe_decode(detail::reader&);          // throws error(errc::corrupt)
/// It works as a message, as a field of a message with a serialize function, and as an element of a container.
template <class T>
concept self_coding = requires(const T& from, T& to, writer& out, reader& in) {
  from.troupe_encode(out);
  to.troupe_decode(in);
};

template <class T>
concept has_serialize = requires(T& item, any_archive& ar) {
  item.serialize(ar);
}
|| requires(T& item, any_archive& ar) { serialize(ar, item); }
|| requires(const T& item, any_archive& ar) { item.save(ar); }
|| requires(const T& item, any_archive& ar) { save(ar, item); }
|| requires(const T& item, any_archive& ar) { item.save_minimal(ar); }
|| requires(const T& item, any_archive& ar) { save_minimal(ar, item); };

template <class T>
concept shared_pointer = requires(const T& item) {
  typename T::element_type;
  item.use_count();
};

/// string_view, span: found by what they do, so that their headers are not needed here.
template <class T>
concept view_like = std::is_trivially_copyable_v<T> && !std::is_aggregate_v<T> && requires(const T& item) {
  item.data();
  item.size();
};

template <class T>
concept dereferenceable = requires(const T& item) {
  *item;
};

template <class T>
concept optional_like = dereferenceable<T> && requires(const T& item) {
  item.has_value();
};

template <class T>
concept variant_like = requires(const T& item) {
  item.valueless_by_exception();
};

template <class T>
inline constexpr bool is_reference_wrapper = false;
template <class T>
inline constexpr bool is_reference_wrapper<std::reference_wrapper<T>> = true;

template <class T>
struct array_element {};
template <class T, std::size_t N>
struct array_element<T[N]> {
  using type = T;
};
template <class T, std::size_t N>
struct array_element<std::array<T, N>> {
  using type = T;
};
template <class T>
concept array_like = requires {
  typename array_element<T>::type;
};

template <class T>
struct from_base {
  template <class U>
  requires(!std::is_same_v<U, T> && std::is_base_of_v<U, T>) operator U() const;
};

struct from_union {
  template <class U>
  requires std::is_union_v<U>
  operator U() const;
};

template <std::size_t>
struct from_any {
  template <class U>
  operator U() const;
};

constexpr int undetectable = -1;

/// How many fields `T{{}, {}, ...}` fills: one for each `{}`, whatever its type, arrays too. At most 16.
template <class T>
consteval int braces_taken() {
  // clang-format off
  if constexpr (requires { T{{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}}; }) return undetectable;
  else if constexpr (requires { T{{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}}; }) return 16;
  else if constexpr (requires { T{{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}}; }) return 15;
  else if constexpr (requires { T{{},{},{},{},{},{},{},{},{},{},{},{},{},{}}; }) return 14;
  else if constexpr (requires { T{{},{},{},{},{},{},{},{},{},{},{},{},{}}; }) return 13;
  else if constexpr (requires { T{{},{},{},{},{},{},{},{},{},{},{},{}}; }) return 12;
  else if constexpr (requires { T{{},{},{},{},{},{},{},{},{},{},{}}; }) return 11;
  else if constexpr (requires { T{{},{},{},{},{},{},{},{},{},{}}; }) return 10;
  else if constexpr (requires { T{{},{},{},{},{},{},{},{},{}}; }) return 9;
  else if constexpr (requires { T{{},{},{},{},{},{},{},{}}; }) return 8;
  else if constexpr (requires { T{{},{},{},{},{},{},{}}; }) return 7;
  else if constexpr (requires { T{{},{},{},{},{},{}}; }) return 6;
  else if constexpr (requires { T{{},{},{},{},{}}; }) return 5;
  else if constexpr (requires { T{{},{},{},{}}; }) return 4;
  else if constexpr (requires { T{{},{},{}}; }) return 3;
  else if constexpr (requires { T{{},{}}; }) return 2;
  else if constexpr (requires { T{{}}; }) return 1;
  else return undetectable;
  // clang-format on
}

template <class T, std::size_t... At>
consteval bool union_after(std::index_sequence<At...>) {
  return requires { T{from_any<At>{}..., from_union{}}; };
}

template <class T, std::size_t... Count>
consteval bool has_union(std::index_sequence<Count...>) {
  return (union_after<T>(std::make_index_sequence<Count>{}) || ...);
}

/// How many names a structured binding of T needs; undetectable with more than 16 fields, a base class or a union.
template <class T>
consteval int field_count() {
  if constexpr (requires { T{from_base<T>{}}; }) {
    return undetectable;
  } else if constexpr (has_union<T>(std::make_index_sequence<32>{})) {
    return undetectable;
  } else {
    return braces_taken<T>();
  }
}

template <class... Fields>
struct field_types {};

/// take(field_types<...>{}, fields...). The fields are named, not read. Needs a detectable field_count.
template <class T, class Take>
constexpr auto with_fields(T& item, Take take) {
  constexpr int count = field_count<std::remove_const_t<T>>();
  // clang-format off
  if constexpr (count == 1) {
    auto& [a] = item;
    return take(field_types<decltype(a)>{}, a);
  } else if constexpr (count == 2) {
    auto& [a, b] = item;
    return take(field_types<decltype(a), decltype(b)>{}, a, b);
  } else if constexpr (count == 3) {
    auto& [a, b, c] = item;
    return take(field_types<decltype(a), decltype(b), decltype(c)>{}, a, b, c);
  } else if constexpr (count == 4) {
    auto& [a, b, c, d] = item;
    return take(field_types<decltype(a), decltype(b), decltype(c), decltype(d)>{}, a, b, c, d);
  } else if constexpr (count == 5) {
    auto& [a, b, c, d, e] = item;
    return take(field_types<decltype(a), decltype(b), decltype(c), decltype(d), decltype(e)>{}, a, b, c, d, e);
  } else if constexpr (count == 6) {
    auto& [a, b, c, d, e, f] = item;
    return take(field_types<decltype(a), decltype(b), decltype(c), decltype(d), decltype(e), decltype(f)>{}, a, b, c,
      d, e, f);
  } else if constexpr (count == 7) {
    auto& [a, b, c, d, e, f, g] = item;
    return take(field_types<decltype(a), decltype(b), decltype(c), decltype(d), decltype(e), decltype(f),
      decltype(g)>{}, a, b, c, d, e, f, g);
  } else if constexpr (count == 8) {
    auto& [a, b, c, d, e, f, g, h] = item;
    return take(field_types<decltype(a), decltype(b), decltype(c), decltype(d), decltype(e), decltype(f), decltype(g),
      decltype(h)>{}, a, b, c, d, e, f, g, h);
  } else if constexpr (count == 9) {
    auto& [a, b, c, d, e, f, g, h, i] = item;
    return take(field_types<decltype(a), decltype(b), decltype(c), decltype(d), decltype(e), decltype(f), decltype(g),
      decltype(h), decltype(i)>{}, a, b, c, d, e, f, g, h, i);
  } else if constexpr (count == 10) {
    auto& [a, b, c, d, e, f, g, h, i, j] = item;
    return take(field_types<decltype(a), decltype(b), decltype(c), decltype(d), decltype(e), decltype(f), decltype(g),
      decltype(h), decltype(i), decltype(j)>{}, a, b, c, d, e, f, g, h, i, j);
  } else if constexpr (count == 11) {
    auto& [a, b, c, d, e, f, g, h, i, j, k] = item;
    return take(field_types<decltype(a), decltype(b), decltype(c), decltype(d), decltype(e), decltype(f), decltype(g),
      decltype(h), decltype(i), decltype(j), decltype(k)>{}, a, b, c, d, e, f, g, h, i, j, k);
  } else if constexpr (count == 12) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l] = item;
    return take(field_types<decltype(a), decltype(b), decltype(c), decltype(d), decltype(e), decltype(f), decltype(g),
      decltype(h), decltype(i), decltype(j), decltype(k), decltype(l)>{}, a, b, c, d, e, f, g, h, i, j, k, l);
  } else if constexpr (count == 13) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m] = item;
    return take(field_types<decltype(a), decltype(b), decltype(c), decltype(d), decltype(e), decltype(f), decltype(g),
      decltype(h), decltype(i), decltype(j), decltype(k), decltype(l), decltype(m)>{}, a, b, c, d, e, f, g, h, i, j,
      k, l, m);
  } else if constexpr (count == 14) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n] = item;
    return take(field_types<decltype(a), decltype(b), decltype(c), decltype(d), decltype(e), decltype(f), decltype(g),
      decltype(h), decltype(i), decltype(j), decltype(k), decltype(l), decltype(m), decltype(n)>{}, a, b, c, d, e, f,
      g, h, i, j, k, l, m, n);
  } else if constexpr (count == 15) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o] = item;
    return take(field_types<decltype(a), decltype(b), decltype(c), decltype(d), decltype(e), decltype(f), decltype(g),
      decltype(h), decltype(i), decltype(j), decltype(k), decltype(l), decltype(m), decltype(n), decltype(o)>{}, a, b,
      c, d, e, f, g, h, i, j, k, l, m, n, o);
  } else if constexpr (count == 16) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = item;
    return take(field_types<decltype(a), decltype(b), decltype(c), decltype(d), decltype(e), decltype(f), decltype(g),
      decltype(h), decltype(i), decltype(j), decltype(k), decltype(l), decltype(m), decltype(n), decltype(o),
      decltype(p)>{}, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p);
  }
  // clang-format on
}

template <class T>
consteval shape shape_of();

template <class... Fields>
consteval shape worst_of(field_types<Fields...>) {
  shape worst = shape::plain;
  ((worst = shape_of<Fields>() > worst ? shape_of<Fields>() : worst), ...);
  return worst;
}

template <class T>
consteval shape shape_of_aggregate() {
  constexpr shape bytes = std::is_trivially_copyable_v<T> ? shape::plain : shape::unknown;
  if constexpr (field_count<T>() != undetectable) {
    using types = decltype(with_fields(std::declval<T&>(), [](auto fields, const auto&...) { return fields; }));
    constexpr shape worst = worst_of(types{});
    // A field that brings its own functions is not reached by copying the bytes around it.
    return worst == shape::own || bytes > worst ? (worst > shape::unknown ? worst : shape::unknown) : worst;
  } else {
    return std::is_default_constructible_v<T> ? bytes : shape::unknown;
  }
}

template <class T>
consteval shape shape_of_class() {
  constexpr bool bytes = std::is_trivially_copyable_v<T>;
  if constexpr (self_coding<T> || has_serialize<T>) {
    return shape::own;
  } else if constexpr (shared_pointer<T>) {
    return shape::shared;
  } else if constexpr (optional_like<T> || variant_like<T>) {
    return shape::unknown;
  } else if constexpr (is_reference_wrapper<T> || view_like<T> || (bytes && dereferenceable<T>)) {
    return shape::address;
  } else if constexpr (std::is_empty_v<T>) {
    return shape::plain;
  } else if constexpr (std::is_aggregate_v<T>) {
    return shape_of_aggregate<T>();
  } else {
    return bytes ? shape::plain : shape::unknown;
  }
}

/// How a T travels as a field of a message, as far as it can be told without cereal.
template <class T>
consteval shape shape_of() {
  using bare = std::remove_cv_t<T>;
  if constexpr (std::is_reference_v<T> || std::is_pointer_v<T> || std::is_member_pointer_v<T> ||
                std::is_null_pointer_v<T>) {
    return shape::address;
  } else if constexpr (std::is_same_v<bare, long double>) {
    return shape::long_double;
  } else if constexpr (array_like<bare>) {
    return shape_of<typename array_element<bare>::type>();
  } else if constexpr (std::is_class_v<T>) {
    return shape_of_class<bare>();
  } else {
    return std::is_trivially_copyable_v<T> ? shape::plain : shape::unknown;
  }
}

/// Whether a T by itself is copied as bytes. A class with constructors is so only inside an aggregate.
template <class T>
inline constexpr bool is_plain = shape_of<T>() == shape::plain &&
                                 (!std::is_class_v<T> || std::is_aggregate_v<T> || std::is_empty_v<T>);

template <class T>
concept visitable =
    std::is_class_v<T> && std::is_aggregate_v<T> && !std::is_empty_v<T> && field_count<T>() != undetectable;

/// Whether every bool in a T that has been copied from outside is 0 or 1: reading another one is undefined.
template <class T>
bool bools_valid(const T& item) noexcept {
  if constexpr (std::is_same_v<T, bool>) {
    return *reinterpret_cast<const unsigned char*>(&item) <= 1;
  } else if constexpr (array_like<T>) {
    for (const auto& element : item) {
      if (!bools_valid(element)) return false;
    }
    return true;
  } else if constexpr (visitable<T>) {
    return with_fields(item, [](auto, const auto&... fields) { return (bools_valid(fields) && ...); });
  } else {
    return true;
  }
}

}  // namespace troupe::detail
