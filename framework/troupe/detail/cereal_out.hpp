#pragma once

#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <variant>

#include <troupe/detail/cereal_base.hpp>

namespace troupe::detail {

/// Writes to a writer. `ar(a, b)`, `ar & a`, CEREAL_NVP and cereal::base_class as in cereal.
class out_archive final : public archive_base<out_archive> {
 public:
  using is_loading = std::false_type;
  using is_saving = std::true_type;

  explicit out_archive(writer& to) noexcept : to_(to) {}
  template <class T>
  out_archive& operator<<(T&& item) {
    return (*this)(item);
  }

  writer& to() const noexcept { return to_; }
  attachments* with() const noexcept { return to_.with(); }

 private:
  friend archive_base<out_archive>;

  [[noreturn]] static void too_deep() { throw error(errc::too_large, "the message nests more than 64 objects"); }

  void raw(const void* from, std::size_t count) noexcept { to_.bytes(from, count); }

  void size(std::uint64_t n) noexcept {
    std::byte digits[10];
    std::size_t count = 0;
    for (; n >= 128; n >>= 7) digits[count++] = static_cast<std::byte>(n | 128);
    digits[count++] = static_cast<std::byte>(n);
    to_.bytes(digits, count);
  }

  void flag(bool value) noexcept { to_.bytes(&value, 1); }

  /// One that writes nothing gets a byte, so that a reader can tell how many there can be at most.
  template <class T>
  void element(const T& item) {
    const std::size_t before = to_.size();
    one(item);
    if (to_.size() == before) flag(false);
  }

  template <class T>
  void known(const T& item) {
    if constexpr (is_plain<T>) {
      encode_plain(item, to_);
    } else if constexpr (self_coding<T>) {
      item.troupe_encode(to_);
    } else if constexpr (category_of<T> != category::none) {
      contained(item);
    } else {
      deeper([&] { this->routed(item); });
    }
  }

  template <class T>
  void contained(const T& item) {
    constexpr category is = category_of<T>;
    if constexpr (is == category::sequence || is == category::set || is == category::map) {
      elements(item);
    } else if constexpr (is == category::optional || is == category::box) {
      flag(static_cast<bool>(item));
      if (item) one(*item);
    } else if constexpr (is == category::variant) {
      alternative(item);
    } else if constexpr (is == category::tuple) {
      std::apply([this](const auto&... part) { (this->one(part), ...); }, item);
    } else if constexpr (is == category::array) {
      for (const auto& part : item) one(part);
    } else if constexpr (is == category::duration) {
      const auto count = item.count();
      one(count);
    } else {
      const auto since = item.time_since_epoch();
      one(since);
    }
  }

  template <class T>
  void elements(const T& items) {
    size(items.size());
    if constexpr (run_of_bytes<T>) {
      to_.bytes(items.data(), items.size() * sizeof(typename T::value_type));
    } else {
      for (const auto& item : items) element<typename T::value_type>(item);
    }
  }

  template <class... T>
  void alternative(const std::variant<T...>& item) {
    if (item.valueless_by_exception()) throw error(errc::not_allowed, "a variant without a value cannot be sent");
    size(item.index());
    std::visit([this](const auto& value) { this->one(value); }, item);
  }

  template <class T>
  void routed(const T& item) {
    constexpr route way = route_of<T>();
    if constexpr (way == route::member_serialize) {
      cereal::access::member_serialize(*this, const_cast<T&>(item));  // it is written for both directions
    } else if constexpr (way == route::free_serialize) {
      CEREAL_SERIALIZE_FUNCTION_NAME(*this, const_cast<T&>(item));
    } else if constexpr (way == route::member_split) {
      cereal::access::member_save(*this, item);
    } else if constexpr (way == route::free_split) {
      CEREAL_SAVE_FUNCTION_NAME(*this, item);
    } else if constexpr (way == route::member_minimal) {
      const auto minimal = cereal::access::member_save_minimal(*this, item);
      one(minimal);
    } else {
      const auto minimal = CEREAL_SAVE_MINIMAL_FUNCTION_NAME(*this, item);
      one(minimal);
    }
  }

  writer& to_;
};

}  // namespace troupe::detail
