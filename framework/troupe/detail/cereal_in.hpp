#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include <troupe/detail/cereal_out.hpp>

namespace troupe::detail {

template <class T>
concept is_a_byte = std::is_same_v<T, char> || std::is_same_v<T, unsigned char> || std::is_same_v<T, std::byte>;

/// Reads from a reader; as out_archive. Throws error(errc::corrupt), and what users' functions throw.
class in_archive final : public archive_base<in_archive> {
 public:
  using is_loading = std::true_type;
  using is_saving = std::false_type;

  explicit in_archive(reader& from) noexcept : from_(from) {}
  template <class T>
  in_archive& operator>>(T&& item) {
    return (*this)(item);
  }

  reader& from() const noexcept { return from_; }
  attachments* with() const noexcept { return from_.with(); }

 private:
  friend archive_base<in_archive>;

  [[noreturn]] static void too_deep() { corrupt("the message nests more than 64 objects"); }

  void raw(void* to, std::size_t count) { from_.bytes(to, count); }

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto digit = std::to_integer<std::uint64_t>(*from_.take(1));
      if (shift == 63 && digit > 1) break;
      value |= (digit & 127) << shift;
      if (digit < 128) return value;
    }
    corrupt("a size in the message has more than 64 bits");
  }

  /// A size, if that many elements of so many bytes can be in what is left.
  std::size_t claim(std::size_t bytes_each) {
    const std::uint64_t n = varint();
    if (n > from_.left() / bytes_each) corrupt("the message claims more elements than it has bytes for");
    return static_cast<std::size_t>(n);
  }

  template <class N>
  void size(N& n) {
    n = static_cast<N>(claim(1));
  }

  bool flag() {
    const auto value = std::to_integer<unsigned>(*from_.take(1));
    if (value > 1) corrupt("a flag in the message is neither 0 nor 1");
    return value == 1;
  }

  template <class... T>
  void element(T&... parts) {
    const std::size_t before = from_.left();
    (one(parts), ...);
    if (from_.left() == before && flag()) corrupt("an element without bytes is not followed by 0");
  }

  template <class T>
  void known(T& item) {
    if constexpr (is_plain<T> && std::is_class_v<T> && !array_like<T>) {
      item = decode_plain<T>(from_);  // a copy of sizeof(T) could reach into what shares a base's padding
    } else if constexpr (is_plain<T>) {
      from_.bytes(&item, sizeof(T));
      if (!bools_valid(item)) corrupt("a bool in the message is neither 0 nor 1");
    } else if constexpr (self_coding<T>) {
      item.troupe_decode(from_);
    } else if constexpr (category_of<T> != category::none) {
      contained(item);
    } else {
      deeper([&] { this->routed(item); });
    }
  }

  template <class T>
  void contained(T& item) {
    constexpr category is = category_of<T>;
    if constexpr (is == category::sequence) {
      sequence(item);
    } else if constexpr (is == category::set || is == category::map) {
      associative(item);
    } else if constexpr (is == category::optional || is == category::box) {
      item.reset();
      if (flag()) one(made(item));
    } else if constexpr (is == category::variant) {
      alternative(item, std::make_index_sequence<std::variant_size_v<T>>{});
    } else if constexpr (is == category::tuple) {
      std::apply([this](auto&... part) { (this->one(part), ...); }, item);
    } else if constexpr (is == category::array) {
      for (auto& part : item) one(part);
    } else if constexpr (is == category::duration) {
      typename T::rep count{};
      one(count);
      item = T{count};
    } else {
      typename T::duration since{};
      one(since);
      item = T{since};
    }
  }

  template <class T>
  static T& made(std::optional<T>& item) {
    return item.emplace();
  }
  template <class T>
  static T& made(std::unique_ptr<T>& item) {
    return *(item = std::make_unique<T>());
  }

  template <class T>
  void sequence(T& items) {
    using element_type = typename T::value_type;
    items.clear();
    if constexpr (run_of_bytes<T>) {
      run(items, claim(sizeof(element_type)));
    } else {
      const std::size_t count = claim(1);
      if constexpr (requires { items.reserve(count); }) items.reserve(affordable<element_type>(count));
      for (std::size_t i = 0; i < count; ++i) append(items);
    }
  }

  template <class T>
  void run(T& items, std::size_t count) {
    if constexpr (is_a_byte<typename T::value_type>) {
      const auto* begin = reinterpret_cast<const typename T::value_type*>(from_.take(count));
      items.assign(begin, begin + count);
    } else {
      items.resize(count);
      from_.bytes(items.data(), count * sizeof(typename T::value_type));
      for (const auto& item : items) {
        if (!bools_valid(item)) corrupt("a bool in the message is neither 0 nor 1");
      }
    }
  }

  template <class T>
  void append(T& items) {
    using element_type = typename T::value_type;
    if constexpr (std::is_same_v<element_type, bool>) {
      bool item = false;
      element(item);
      items.push_back(item);
    } else {
      element(items.emplace_back());
    }
  }

  template <class T>
  void associative(T& items) {
    items.clear();
    const std::size_t count = claim(1);
    if constexpr (requires { items.reserve(count); }) items.reserve(affordable<void*>(count));
    for (std::size_t i = 0; i < count; ++i) {
      typename T::key_type key{};
      if constexpr (requires { typename T::mapped_type; }) {
        typename T::mapped_type mapped{};
        element(key, mapped);
        items.emplace_hint(items.end(), std::move(key), std::move(mapped));
      } else {
        element(key);
        items.emplace_hint(items.end(), std::move(key));
      }
    }
  }

  /// How many to make room for on a mere claim: no more than the bytes left would fill.
  template <class T>
  std::size_t affordable(std::size_t count) const noexcept {
    return std::min(count, from_.left() / sizeof(T));
  }

  template <class T, std::size_t... At>
  void alternative(T& item, std::index_sequence<At...>) {
    const std::uint64_t index = varint();
    const bool known = ((index == At ? (one(item.template emplace<At>()), true) : false) || ...);
    if (!known) corrupt("the message names an alternative that its variant does not have");
  }

  template <class T>
  void routed(T& item) {
    constexpr route way = route_of<T>();
    if constexpr (way == route::member_serialize) {
      cereal::access::member_serialize(*this, item);
    } else if constexpr (way == route::free_serialize) {
      CEREAL_SERIALIZE_FUNCTION_NAME(*this, item);
    } else if constexpr (way == route::member_split) {
      cereal::access::member_load(*this, item);
    } else if constexpr (way == route::free_split) {
      CEREAL_LOAD_FUNCTION_NAME(*this, item);
    } else if constexpr (way == route::member_minimal) {
      using minimal_type = decltype(cereal::access::member_save_minimal(std::declval<out_archive&>(), item));
      std::remove_cvref_t<minimal_type> minimal{};
      one(minimal);
      cereal::access::member_load_minimal(*this, item, minimal);
    } else {
      using minimal_type = decltype(CEREAL_SAVE_MINIMAL_FUNCTION_NAME(std::declval<out_archive&>(), item));
      std::remove_cvref_t<minimal_type> minimal{};
      one(minimal);
      CEREAL_LOAD_MINIMAL_FUNCTION_NAME(*this, item, minimal);
    }
  }

  reader& from_;
};

}  // namespace troupe::detail
