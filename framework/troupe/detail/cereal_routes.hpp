#pragma once

#include <memory>
#include <type_traits>

#include <cereal/cereal.hpp>

#include <troupe/detail/containers.hpp>
#include <troupe/detail/shape.hpp>

namespace troupe::detail {

class out_archive;
class in_archive;

/// Which of cereal's functions a type has for an archive.
enum class route { none, member_serialize, free_serialize, member_split, free_split, member_minimal, free_minimal };

template <class T, template <class, class> class Has, template <class, class> class Chosen>
inline constexpr bool takes = Has<T, out_archive>::value &&
                              (Chosen<T, out_archive>::value || !cereal::traits::is_specialized<T, out_archive>::value);

template <class T>
consteval route route_of() {
  namespace is = cereal::traits;
  if constexpr (!is::is_output_serializable<T, out_archive>::value) {
    return route::none;
  } else if constexpr (takes<T, is::has_member_serialize, is::is_specialized_member_serialize>) {
    return route::member_serialize;
  } else if constexpr (takes<T, is::has_non_member_serialize, is::is_specialized_non_member_serialize>) {
    return route::free_serialize;
  } else if constexpr (!is::is_input_serializable<T, in_archive>::value) {
    return route::none;
  } else if constexpr (takes<T, is::has_member_save, is::is_specialized_member_save>) {
    return route::member_split;
  } else if constexpr (takes<T, is::has_non_member_save, is::is_specialized_non_member_save>) {
    return route::free_split;
  } else if constexpr (takes<T, is::has_member_save_minimal, is::is_specialized_member_save_minimal>) {
    return route::member_minimal;
  } else if constexpr (takes<T, is::has_non_member_save_minimal, is::is_specialized_non_member_save_minimal>) {
    return route::free_minimal;
  } else {
    return route::none;
  }
}

template <class T>
consteval shape archived_shape();

template <class... Parts>
consteval shape worst_part(field_types<Parts...>) {
  shape worst = shape::own;
  ((worst = archived_shape<Parts>() > worst ? archived_shape<Parts>() : worst), ...);
  return worst;
}

/// A unique_ptr to a base class: what it points at is not what its type says.
template <class T>
inline constexpr bool is_polymorphic_box = false;
template <class T>
inline constexpr bool is_polymorphic_box<std::unique_ptr<T>> = std::is_polymorphic_v<T>;

/// As shape_of, knowing cereal and the containers.
template <class T>
consteval shape archived_shape() {
  using bare = std::remove_cv_t<T>;
  if constexpr (is_plain<bare> || self_coding<bare> || shape_of<T>() > shape::unknown) {
    return shape_of<T>();
  } else if constexpr (is_polymorphic_box<bare>) {
    return shape::address;
  } else if constexpr (category_of<bare> != category::none) {
    return worst_part(typename container<bare>::parts{});
  } else if constexpr (route_of<bare>() == route::none) {
    return shape::unknown;
  } else {
    return std::is_default_constructible_v<bare> ? shape::own : shape::no_default;
  }
}

}  // namespace troupe::detail
