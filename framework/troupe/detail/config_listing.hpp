#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <troupe/detail/config_reader.hpp>

namespace troupe::detail {

/// A field of a config, as `PROGRAM actors` lists it.
struct config_listed {
  std::string name;  ///< of one in a nested struct with a point: "output.path"
  std::string type;
  std::string value;  ///< the default, as a file would have it; empty: it cannot be shown on a line
};

template <class T>
std::string listed_number() {
  if constexpr (std::is_floating_point_v<T>) {
    return "number";
  } else {
    using limits = std::numeric_limits<T>;
    return "whole number, " + std::to_string(limits::min()) + " to " + std::to_string(limits::max());
  }
}

template <class E>
std::string listed_enum() {
  std::string words;
  for (const auto& word : enumerators<E>) {
    if (!word.empty()) words += (words.empty() ? "" : ", ") + config_quoted(word);
  }
  return words.empty() ? listed_number<std::underlying_type_t<E>>() : "one of " + words;
}

/// In the plural where it stands after "list of".
template <class T>
std::string listed_type() {
  constexpr category is = category_of<T>;
  if constexpr (std::is_same_v<T, bool>) {
    return "true or false";
  } else if constexpr (std::is_arithmetic_v<T>) {
    return listed_number<T>();
  } else if constexpr (std::is_enum_v<T>) {
    return listed_enum<T>();
  } else if constexpr (std::is_same_v<T, std::string>) {
    return "text";
  } else if constexpr (std::is_same_v<T, byte_count>) {
    return "size";
  } else if constexpr (is == category::duration) {
    return "time";
  } else if constexpr (is == category::optional) {
    return listed_type<typename T::value_type>() + ", or left out";
  } else if constexpr (is == category::box) {
    return listed_type<typename T::element_type>() + ", or left out";
  } else if constexpr (is == category::sequence || is == category::set) {
    return "list of: " + listed_type<typename T::value_type>();
  } else if constexpr (is == category::map) {
    return "table of: " + listed_type<typename T::mapped_type>();
  } else if constexpr (is == category::array || is == category::tuple) {
    return "list of " + std::to_string(std::tuple_size_v<T>);
  } else {
    return "table";
  }
}

template <class T>
std::string listed_value(const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_integral_v<T>) {
    return std::to_string(value);
  } else if constexpr (std::is_floating_point_v<T>) {
    return config_shown(static_cast<double>(value));
  } else if constexpr (std::is_enum_v<T>) {
    const auto number = static_cast<std::uint64_t>(value);
    if (number < enumerators_looked_for && !enumerators<T>[number].empty())
      return config_quoted(enumerators<T>[number]);
    return std::to_string(static_cast<std::underlying_type_t<T>>(value));
  } else if constexpr (std::is_same_v<T, std::string>) {
    return config_quoted(value);
  } else if constexpr (std::is_same_v<T, byte_count>) {
    return config_shown_size(value.bytes);
  } else if constexpr (category_of<T> == category::duration) {
    return config_shown_ticks(static_cast<double>(value.count()), tick_of(static_cast<T*>(nullptr)));
  } else if constexpr (category_of<T> == category::sequence || category_of<T> == category::set) {
    std::string all;
    for (const auto& each : value) all += (all.empty() ? "" : ", ") + listed_value(each);
    return "[" + all + "]";
  } else {
    return "";
  }
}

/// Adds the fields of `item`, those of structs in it after it.
template <class T>
void list_fields(T& item, const std::string& prefix, std::vector<config_listed>& to) {
  const auto each = [&](std::string_view name, auto& field) {
    using type = std::remove_cvref_t<decltype(field)>;
    if constexpr (require_readable<type>()) {
      to.push_back({prefix + std::string(name), listed_type<type>(), listed_value(field)});
      constexpr bool is_struct =
          std::is_class_v<type> && category_of<type> == category::none && !std::is_same_v<type, byte_count>;
      if constexpr (is_struct) list_fields(field, prefix + std::string(name) + ".", to);
    }
  };
  visit_fields(item, each);
}

}  // namespace troupe::detail
