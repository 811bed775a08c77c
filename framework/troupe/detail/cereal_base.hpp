#pragma once

#include <cstddef>
#include <type_traits>

#include <cereal/cereal.hpp>

#include <troupe/codec.hpp>
#include <troupe/detail/cereal_routes.hpp>

namespace troupe::detail {

/// Users' objects inside each other: beyond it encode throws errc::too_large, and decode errc::corrupt.
inline constexpr unsigned max_depth = 64;

/// The wrappers that cereal puts around a value, and what they wrap.
template <class T>
inline constexpr bool is_wrapper = false;
template <class T>
inline constexpr bool is_wrapper<cereal::NameValuePair<T>> = true;
template <class T>
inline constexpr bool is_base_class = false;
template <class T>
inline constexpr bool is_base_class<cereal::base_class<T>> = true;
template <class T>
inline constexpr bool is_size = false;
template <class T>
inline constexpr bool is_size<cereal::SizeTag<T>> = true;
template <class T>
inline constexpr bool is_binary = false;
template <class T>
inline constexpr bool is_binary<cereal::BinaryData<T>> = true;
template <class T>
inline constexpr bool is_map_item = false;
template <class K, class V>
inline constexpr bool is_map_item<cereal::MapItem<K, V>> = true;
template <class T>
inline constexpr bool is_unsupported = false;
template <class T>
inline constexpr bool is_unsupported<cereal::DeferredData<T>> = true;
template <class T>
inline constexpr bool is_unsupported<cereal::virtual_base_class<T>> = true;

/// What both archives do alike. The base is there so that functions in namespace cereal are found for them.
template <class Archive>
class archive_base : cereal::access {
 public:
  archive_base(const archive_base&) = delete;
  archive_base& operator=(const archive_base&) = delete;

  template <class... T>
  Archive& operator()(T&&... items) {
    (one(items), ...);
    return self();
  }
  template <class T>
  Archive& operator&(T&& item) {
    one(item);
    return self();
  }

 protected:
  archive_base() = default;
  ~archive_base() = default;

  /// Unwraps what cereal has wrapped, refuses what cannot be sent, and leaves the rest to the archive.
  template <class T>
  void one(T& item) {
    using bare = std::remove_cv_t<T>;
    if constexpr (is_wrapper<bare>) {
      one(item.value);
    } else if constexpr (is_base_class<bare>) {
      one(*item.base_ptr);
    } else if constexpr (is_map_item<bare>) {
      one(item.key);
      one(item.value);
    } else if constexpr (is_size<bare>) {
      self().size(item.size);
    } else if constexpr (is_binary<bare>) {
      self().raw(item.data, static_cast<std::size_t>(item.size));
    } else {
      value(item);
    }
  }

  /// Counts the depth around a user's function.
  template <class Run>
  void deeper(Run run) {
    if (++depth_ > max_depth) self().too_deep();
    run();
    --depth_;
  }

 private:
  template <class T>
  void value(T& item) {
    using bare = std::remove_cv_t<T>;
    static_assert(!is_unsupported<bare>,
                  "message is not serializable: cereal::defer and cereal::virtual_base_class have no meaning here; "
                  "name the fields themselves");
    if constexpr (!is_unsupported<bare>) {
      require_shape<bare, archived_shape<bare>(), true>();
      if constexpr (archived_shape<bare>() <= shape::own) self().known(item);
    }
  }
  Archive& self() noexcept { return static_cast<Archive&>(*this); }

  unsigned depth_ = 0;
};

}  // namespace troupe::detail
