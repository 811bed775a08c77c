#pragma once

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <cstddef>
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

#include <troupe/codec_cereal.hpp>

/// Messages of many shapes, for the tests of the codec.
namespace codec_shapes {

using bytes = std::vector<std::byte>;

template <class M>
bytes encoded(const M& m) {
  troupe::detail::writer measure(nullptr, 0);
  troupe::encode(m, measure);
  bytes result(measure.size());
  troupe::detail::writer to(result.data(), result.size());
  troupe::encode(m, to);
  REQUIRE(to.size() == result.size());
  return result;
}

template <class M>
M decoded(const bytes& from) {
  // Exactly as large as the message, so that ASan sees a read beyond it.
  const auto copy = std::make_unique<std::byte[]>(from.size());
  std::copy(from.begin(), from.end(), copy.get());
  troupe::detail::reader in(copy.get(), from.size());
  return troupe::decode<M>(in);
}

template <class M>
M round_trip(const M& m) {
  return decoded<M>(encoded(m));
}

template <class M>
bool refused(const bytes& from) {
  try {
    (void)decoded<M>(from);
    return false;
  } catch (const troupe::error& e) {
    return e.code() == troupe::errc::corrupt;
  }
}

struct point {
  int x = 0;
  bool seen = false;
  bool operator==(const point&) const = default;
};
enum class colour : std::uint8_t { red, green };
struct nothing {
  bool operator==(const nothing&) const = default;
};

struct greet {
  std::string who;
  bool operator==(const greet&) const = default;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(CEREAL_NVP(who));
  }
};

struct body {
  std::uint64_t id = 0;
  double value = 0;
  std::string text;
  bool operator==(const body&) const = default;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(id, value, text);
  }
};

struct sequences {
  std::vector<int> ints;
  std::vector<bool> bools;
  std::vector<point> points;
  std::vector<nothing> nothings;
  std::vector<std::vector<std::string>> names;
  std::deque<std::string> queue;
  std::list<greet> list;
  std::u16string wide;
  bool operator==(const sequences&) const = default;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(ints, bools, points, nothings, names, queue, list, wide);
  }
};

struct by_x {
  bool operator()(const point& a, const point& b) const { return a.x < b.x; }
};

struct associations {
  std::map<std::string, greet> map;
  std::multimap<int, nothing> multimap;
  std::unordered_map<std::string, std::vector<int>> unordered_map;
  std::unordered_multimap<int, bool> unordered_multimap;
  std::set<std::string> set;
  std::multiset<point, by_x> multiset;
  std::unordered_set<std::uint64_t> unordered_set;
  std::unordered_multiset<std::string> unordered_multiset;
  bool operator==(const associations&) const = default;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(map, multimap, unordered_map, unordered_multimap, set, multiset, unordered_set, unordered_multiset);
  }
};

struct choices {
  std::optional<greet> maybe;
  std::optional<std::optional<bool>> twice;
  std::variant<std::monostate, int, std::string, std::vector<point>> one_of;
  std::tuple<int, std::string, bool> tuple;
  std::pair<colour, greet> pair;
  std::array<std::string, 2> array;
  point plain[2];
  std::string texts[2];
  std::chrono::milliseconds duration{0};
  std::chrono::system_clock::time_point time;
  bool flag = false;
  colour paint = colour::red;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(CEREAL_NVP(maybe), twice, one_of, tuple, pair, array, plain, texts);
    ar& duration& time& flag& paint;
  }
  auto fields() const { return std::tie(maybe, twice, one_of, tuple, pair, array, duration, time, flag, paint); }
  bool operator==(const choices& other) const {
    return fields() == other.fields() && std::equal(std::begin(plain), std::end(plain), other.plain) &&
           std::equal(std::begin(texts), std::end(texts), other.texts);
  }
};

struct tree {
  int value = 0;
  std::vector<tree> children;
  std::unique_ptr<tree> next;
  std::map<std::string, tree> named;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(value, children, next, named);
  }
  bool operator==(const tree& other) const {
    const bool same_next = next && other.next ? *next == *other.next : !next && !other.next;
    return value == other.value && children == other.children && same_next && named == other.named;
  }
};

inline sequences full_sequences() {
  return {{1, -2, 3},
          {true, false, true},
          {{1, true}, {2, false}},
          std::vector<nothing>(5),
          {{"a", ""}, {}, {"bc"}},
          {"q", "longer than a short string"},
          {{"x"}, {"y"}},
          u"wide"};
}
inline associations full_associations() {
  return {
      {{"a", {"b"}}, {"", {"c"}}}, {{1, {}}, {1, {}}}, {{"k", {1, 2}}, {"l", {}}}, {{5, true}, {5, false}}, {"x", "y"},
      {{1, true}, {1, false}},     {7, 8, 9},          {"twice", "twice"}};
}
inline choices full_choices() {
  choices all;
  all.maybe = greet{"maybe"};
  all.twice = std::optional<bool>(true);
  all.one_of = std::vector<point>{{3, true}};
  all.tuple = {1, "two", true};
  all.pair = {colour::green, {"pair"}};
  all.array = {"first", "second"};
  all.plain[1] = {9, true};
  all.texts[0] = "text";
  all.duration = std::chrono::milliseconds(-5);
  all.time = std::chrono::system_clock::time_point(std::chrono::seconds(1'700'000'000));
  all.flag = true;
  all.paint = colour::green;
  return all;
}
inline tree full_tree() {
  tree root;
  root.children.resize(3);
  root.children[1].next = std::make_unique<tree>();
  root.children[1].next->value = 4;
  root.named["left"].children.resize(1);
  return root;
}

}  // namespace codec_shapes
