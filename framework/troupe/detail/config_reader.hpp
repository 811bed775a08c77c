#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <troupe/byte_count.hpp>
#include <troupe/config_fault.hpp>
#include <troupe/detail/config_enum.hpp>
#include <troupe/detail/config_value.hpp>
#include <troupe/detail/containers.hpp>
#include <troupe/detail/shape.hpp>

namespace troupe::detail {

/// CEREAL_NVP(field), known by what it has, so that cereal's headers are not needed here.
template <class T>
concept named_field = requires(const T& item) {
  { item.name } -> std::convertible_to<std::string_view>;
  item.value;
};
/// cereal::base_class<Base>(this)
template <class T>
concept base_fields = requires(const T& item) {
  *item.base_ptr;
};

/// CEREAL_NVP(r.low) in a free serialize function names "low".
constexpr std::string_view field_name(std::string_view spelled) {
  const std::size_t end = spelled.find_last_of(".>");
  return end == spelled.npos ? spelled : spelled.substr(end + 1);
}

template <class T>
inline constexpr bool is_map_by_text = category_of<T> == category::map&& requires {
  requires std::same_as<typename T::key_type, std::string>;
};

/// Calls `each(name, field)` for every field that the serialize function of `item` names.
template <class Each>
class field_visitor {
 public:
  using is_loading = std::true_type;
  using is_saving = std::false_type;

  explicit field_visitor(Each& each) : each_(each) {}
  template <class... T>
  field_visitor& operator()(T&&... items) {
    (one(items), ...);
    return *this;
  }
  template <class T>
  field_visitor& operator&(T&& item) {
    one(item);
    return *this;
  }

 private:
  template <class T>
  void one(T& item) {
    if constexpr (named_field<T>) {
      each_(field_name(item.name), item.value);
    } else if constexpr (base_fields<T>) {
      visit_fields(*item.base_ptr, each_);
    } else {
      constexpr bool named = named_field<T>;
      static_assert(named, "a config names its fields, since a file does: ar(CEREAL_NVP(path), CEREAL_NVP(count))");
    }
  }
  Each& each_;
};

template <class T, class Each>
void visit_fields(T& item, Each& each) {
  field_visitor<Each> visitor(each);
  if constexpr (requires { item.serialize(visitor); }) {
    item.serialize(visitor);
  } else {
    serialize(visitor, item);
  }
}

/// A struct whose fields a file can name.
template <class T>
concept has_named_fields = has_serialize<T>;

/// Whether a file can hold a T; where it cannot, the compiler says so.
template <class T>
consteval bool require_readable() {
  constexpr category is = category_of<T>;
  constexpr bool scalar = std::is_arithmetic_v<T> || std::is_enum_v<T> || std::is_same_v<T, std::string> ||
                          std::is_same_v<T, byte_count> || is == category::duration;
  constexpr bool grouped = is == category::sequence || is == category::set || is == category::array ||
                           is == category::tuple || is == category::optional || is == category::box;
  constexpr bool readable = scalar || grouped || is_map_by_text<T> || has_named_fields<T>;
  static_assert(readable,
                "a tree file cannot hold a field of this type: a config is made of bool, numbers, enums, std::string, "
                "durations, troupe::byte_count, containers of these, maps with text as key, std::optional, and structs "
                "with a serialize function that names their fields");
  return readable;
}

// ------------------------------------------------------------------------------------------------------------- reading

template <class T>
void read_field(const config_field& from, T& to);

template <class T>
concept has_faults = requires(const T& item) {
  { item.faults() } -> std::same_as<std::vector<config_fault>>;
};

template <class T>
void read_struct(const config_field& from, T& to) {
  if (!config_is_table(from)) return;
  config_table table(from.value, std::string(from.name), from.problems);
  std::vector<std::string_view> unread;
  const auto each = [&](std::string_view name, auto& field) {
    const std::size_t before = from.problems.errors();
    if (const config_value* value = table.take(name)) {
      read_field(config_field{name, *value, from.problems}, field);
      if (from.problems.errors() > before || config_has_broken(*value)) unread.push_back(name);
    }
  };
  visit_fields(to, each);
  table.refuse_the_rest();
  if constexpr (has_faults<T>) table.say_faults(to.faults(), unread);
}

template <class E>
void read_enum(const config_field& from, E& to) {
  using number = std::underlying_type_t<E>;
  using limits = std::numeric_limits<number>;
  if (from.value.is == config_value::kind::string) {
    std::vector<std::string_view> words;
    std::vector<E> values;
    for (std::size_t i = 0; i < enumerators<E>.size(); ++i) {
      if (enumerators<E>[i].empty()) continue;
      words.push_back(enumerators<E>[i]);
      values.push_back(static_cast<E>(i));
    }
    if (!words.empty()) {
      if (const auto chosen = config_choice(from, words)) to = values[*chosen];
      return;
    }
  }
  const auto found =
      config_integer(from, static_cast<std::int64_t>(limits::min()), static_cast<std::uint64_t>(limits::max()));
  if (found) to = static_cast<E>(*found);
}

template <class T>
void read_number(const config_field& from, T& to) {
  using limits = std::numeric_limits<T>;
  if constexpr (std::is_integral_v<T>) {
    const auto found =
        config_integer(from, static_cast<std::int64_t>(limits::min()), static_cast<std::uint64_t>(limits::max()));
    if (found) to = static_cast<T>(*found);
  } else {
    const auto found = config_real(from, static_cast<double>(limits::lowest()), static_cast<double>(limits::max()));
    if (found) to = static_cast<T>(*found);
  }
}

template <class R, class P>
constexpr double tick_of(const std::chrono::duration<R, P>*) {
  return 1e9 * static_cast<double>(P::num) / static_cast<double>(P::den);
}

template <class T>
void read_duration(const config_field& from, T& to) {
  using count = typename T::rep;
  constexpr bool whole = std::is_integral_v<count>;
  const double most = whole ? std::min(9e15, static_cast<double>(std::numeric_limits<count>::max())) : 9e15;
  if (const auto ticks = config_ticks(from, tick_of(static_cast<T*>(nullptr)), whole, 0, most)) {
    to = T{static_cast<count>(*ticks)};
  }
}

/// `parsers[2]`: an element's name in messages.
inline std::string element_name(std::string_view list, std::size_t index) {
  return std::string(list) + "[" + std::to_string(index) + "]";
}

template <class T>
void read_elements(const config_field& from, T& to) {
  if (!config_is_list(from)) return;
  to.clear();
  for (std::size_t i = 0; i < from.value.items.size(); ++i) {
    const std::string name = element_name(from.name, i);
    typename T::value_type element{};
    read_field(config_field{name, from.value.items[i], from.problems}, element);
    to.insert(to.end(), std::move(element));
  }
}

/// Array, tuple, pair: a list of exactly so many.
template <class T>
void read_parts(const config_field& from, T& to) {
  if (!config_is_list(from)) return;
  constexpr std::size_t count = std::tuple_size_v<T>;
  if (from.value.items.size() != count) {
    from.wrong("a list of " + std::to_string(count));
    return;
  }
  std::size_t i = 0;
  const auto each = [&](auto& part) {
    const std::string name = element_name(from.name, i);
    read_field(config_field{name, from.value.items[i++], from.problems}, part);
  };
  std::apply([&](auto&... part) { (each(part), ...); }, to);
}

template <class T>
void read_map(const config_field& from, T& to) {
  if (!config_is_table(from)) return;
  to.clear();
  for (const auto& member : from.value.members) {
    typename T::mapped_type mapped{};
    const std::string name = config_shown_key(member.key);
    read_field(config_field{name, member.value, from.problems}, mapped);
    to.emplace(member.key, std::move(mapped));
  }
}

template <class T>
void read_container(const config_field& from, T& to) {
  constexpr category is = category_of<T>;
  if constexpr (is == category::duration) {
    read_duration(from, to);
  } else if constexpr (is == category::sequence || is == category::set) {
    read_elements(from, to);
  } else if constexpr (is == category::array || is == category::tuple) {
    read_parts(from, to);
  } else if constexpr (is == category::map) {
    read_map(from, to);
  } else if constexpr (is == category::optional) {
    read_field(from, to.emplace());
  } else {
    to = std::make_unique<typename T::element_type>();
    read_field(from, *to);
  }
}

template <class T>
void read_field(const config_field& from, T& to) {
  if constexpr (require_readable<T>()) {
    if constexpr (std::is_same_v<T, bool>) {
      if (const auto found = config_boolean(from)) to = *found;
    } else if constexpr (std::is_arithmetic_v<T>) {
      read_number(from, to);
    } else if constexpr (std::is_enum_v<T>) {
      read_enum(from, to);
    } else if constexpr (std::is_same_v<T, std::string>) {
      if (const auto found = config_text(from)) to = *found;
    } else if constexpr (std::is_same_v<T, byte_count>) {
      if (const auto found = config_size(from, 0, std::numeric_limits<std::uint64_t>::max())) to.bytes = *found;
    } else if constexpr (category_of<T> != category::none) {
      read_container(from, to);
    } else {
      read_struct(from, to);
    }
  }
}

}  // namespace troupe::detail
