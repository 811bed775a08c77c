#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string_view>
#include <variant>
#include <vector>

#include <troupe/codec.hpp>

using troupe::errc;
using troupe::error;
using troupe::is_message;
using troupe::detail::reader;
using troupe::detail::shape;
using troupe::detail::shape_of;
using troupe::detail::writer;

namespace {

template <class M>
std::vector<std::byte> encoded(const M& m) {
  std::vector<std::byte> bytes(4096);
  writer to(bytes.data(), bytes.size());
  troupe::encode(m, to);
  REQUIRE(to.fits());
  bytes.resize(to.size());
  return bytes;
}

template <class M>
M decoded(const std::vector<std::byte>& bytes) {
  reader from(bytes.data(), bytes.size());
  return troupe::decode<M>(from);
}

template <class M>
bool refused(const std::vector<std::byte>& bytes) {
  try {
    (void)decoded<M>(bytes);
    return false;
  } catch (const error& e) {
    return e.code() == errc::corrupt;
  }
}

template <class M>
M round_trip(const M& m) {
  return decoded<M>(encoded(m));
}

struct Empty {
  bool operator==(const Empty&) const = default;
};
struct Point {
  int x;
  double y;
  bool operator==(const Point&) const = default;
};
enum class Colour : std::uint8_t { red, green };
struct Deep {
  char tag;
  std::array<Point, 2> points;
  struct Flags {
    bool first;
    std::array<bool, 3> more;
    bool table[2][2];
  } flags[2];
  Colour colour;
  char name[100];
  bool last;
};
struct Padded {
  bool first;
  std::uint64_t number;
  bool last;
};
struct Derived : Padded {
  bool own;
};
struct Tagged {
  int kind;
  union {
    int number;
    float other;
  };
};
struct Bits {
  unsigned low : 3;
  bool flag : 1;
  bool whole;
};
struct Timed {
  std::chrono::milliseconds after;
  std::chrono::steady_clock::time_point at;
};
struct Sixteen {
  bool a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p;
};
struct Seventeen {
  bool a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q;
};
struct Fixed {
  const int number;
  const bool flag;
};

}  // namespace

TEST_CASE("an empty message takes no bytes") {
  CHECK(encoded(Empty{}).empty());
  CHECK(decoded<Empty>({}) == Empty{});
  CHECK(refused<Empty>({std::byte{0}}));
}

TEST_CASE("a plain aggregate is its own bytes") {
  const Point point{3, 0.5};
  const auto bytes = encoded(point);
  CHECK(bytes.size() == sizeof point);
  CHECK(std::memcmp(bytes.data(), &point, sizeof point) == 0);
  CHECK(decoded<Point>(bytes) == point);
}

TEST_CASE("numbers, enums and arrays are messages by themselves") {
  CHECK(round_trip(5) == 5);
  CHECK(round_trip(true));
  CHECK(round_trip(-0.25F) == -0.25F);
  CHECK(round_trip(Colour::green) == Colour::green);
  CHECK(round_trip(std::numeric_limits<std::uint64_t>::max()) == std::numeric_limits<std::uint64_t>::max());
  CHECK(round_trip(std::array<bool, 3>{true, false, true}) == std::array<bool, 3>{true, false, true});
  CHECK(round_trip(Timed{std::chrono::milliseconds(7), {}}).after == std::chrono::milliseconds(7));
  CHECK(round_trip(Fixed{4, true}).number == 4);
}

TEST_CASE("a plain message that is cut short or too long is corrupt") {
  auto bytes = encoded(Deep{});
  CHECK_FALSE(refused<Deep>(bytes));
  bytes.push_back(std::byte{0});
  CHECK(refused<Deep>(bytes));
  for (std::size_t size = 0; size < sizeof(Deep); ++size) {
    bytes.resize(sizeof(Deep) - 1 - size);
    CHECK(refused<Deep>(bytes));
  }
}

TEST_CASE("a bool that is neither 0 nor 1 is corrupt, wherever it lies") {
  const Deep deep{};
  const auto* begin = reinterpret_cast<const std::byte*>(&deep);
  std::vector<const bool*> bools{&deep.last};
  for (const auto& flags : deep.flags) {
    bools.push_back(&flags.first);
    for (const bool& more : flags.more) bools.push_back(&more);
    for (const auto& row : flags.table) bools.insert(bools.end(), {&row[0], &row[1]});
  }
  for (const bool* one : bools) {
    auto bytes = encoded(deep);
    const auto at = static_cast<std::size_t>(reinterpret_cast<const std::byte*>(one) - begin);
    bytes[at] = std::byte{1};
    CHECK_FALSE(refused<Deep>(bytes));
    bytes[at] = std::byte{2};
    CHECK(refused<Deep>(bytes));
    bytes[at] = std::byte{255};
    CHECK(refused<Deep>(bytes));
  }
  CHECK(refused<bool>({std::byte{2}}));
}

TEST_CASE("only bools are looked at: padding and numbers may be anything") {
  std::vector<std::byte> bytes(sizeof(Padded), std::byte{0xff});
  bytes[offsetof(Padded, first)] = std::byte{0};
  bytes[offsetof(Padded, last)] = std::byte{1};
  CHECK(decoded<Padded>(bytes).number == std::numeric_limits<std::uint64_t>::max());
  CHECK(static_cast<int>(decoded<Colour>({std::byte{77}})) == 77);  // a value without a name
}

TEST_CASE("sixteen fields are looked at, further ones are copied as they are") {
  std::vector<std::byte> bytes(16);
  bytes[15] = std::byte{2};
  CHECK(refused<Sixteen>(bytes));
  Seventeen many{};
  many.q = true;
  CHECK(round_trip(many).q);
}

TEST_CASE("what a structured binding cannot name is copied as bytes") {
  CHECK(troupe::detail::field_count<Derived>() == troupe::detail::undetectable);
  CHECK(troupe::detail::field_count<Tagged>() == troupe::detail::undetectable);
  CHECK(troupe::detail::field_count<Seventeen>() == troupe::detail::undetectable);
  CHECK(troupe::detail::field_count<Sixteen>() == 16);
  CHECK(troupe::detail::field_count<Deep>() == 6);
  Derived derived{};
  derived.own = true;
  CHECK(round_trip(derived).own);
  CHECK(round_trip(Tagged{2, {9}}).number == 9);
}

TEST_CASE("bit fields keep their values, and a bool beside them is looked at") {
  const Bits sent{5, true, true};
  const Bits got = round_trip(sent);
  CHECK(got.low == 5);
  CHECK(got.flag);
  auto bytes = encoded(sent);
  bytes[offsetof(Bits, whole)] = std::byte{3};
  CHECK(refused<Bits>(bytes));
}

namespace {

struct HoldsPointer {
  int size;
  const char* text;
};
struct HoldsDeepPointer {
  HoldsPointer inner[2];
};
struct HoldsReference {
  const int& it;
};
struct HoldsView {
  std::string_view text;
};
struct HoldsSpan {
  std::array<std::span<int>, 1> rows;
};
struct HoldsMember {
  int Point::*field;
};
struct HoldsFunction {
  void (*call)();
};
struct HoldsIterator {
  std::vector<int>::iterator at;
};
struct HoldsWrapper {
  std::reference_wrapper<int> it;
};
struct HoldsShared {
  std::vector<int> numbers;
  std::shared_ptr<int> it;
};
struct HoldsLongDouble {
  int scale;
  long double sum;
};
struct HoldsOptional {
  std::optional<int> it;
};
struct HoldsVariant {
  std::variant<int, float> it;
};
struct Serialized {
  int number;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(number);
  }
};
struct HoldsSerialized {
  Serialized it;
};
class Private {
 public:
  int number() const { return number_; }

 private:
  int number_ = 0;
};
struct HoldsPrivate {
  Private it;
};

}  // namespace

TEST_CASE("what an address, a view or a share is in a message is known when it is compiled") {
  static_assert(shape_of<HoldsPointer>() == shape::address);
  static_assert(shape_of<HoldsDeepPointer>() == shape::address);
  static_assert(shape_of<HoldsReference>() == shape::address);
  static_assert(shape_of<HoldsView>() == shape::address);
  static_assert(shape_of<HoldsSpan>() == shape::address);
  static_assert(shape_of<HoldsMember>() == shape::address);
  static_assert(shape_of<HoldsFunction>() == shape::address);
  static_assert(shape_of<HoldsIterator>() == shape::address);
  static_assert(shape_of<std::reference_wrapper<int>>() == shape::address && !is_message<HoldsWrapper>);
  static_assert(shape_of<HoldsShared>() == shape::shared);
  static_assert(shape_of<HoldsLongDouble>() == shape::long_double);
  static_assert(!is_message<HoldsPointer> && !is_message<HoldsShared> && !is_message<HoldsLongDouble>);
  static_assert(!is_message<int*> && !is_message<std::nullptr_t> && !is_message<std::string_view>);
}

TEST_CASE("what bytes alone do not carry safely is not taken for plain") {
  static_assert(shape_of<HoldsOptional>() == shape::unknown);
  static_assert(shape_of<HoldsVariant>() == shape::unknown);
  static_assert(shape_of<Serialized>() == shape::own);
  static_assert(shape_of<HoldsSerialized>() == shape::unknown);
  static_assert(is_message<HoldsPrivate>);
  static_assert(!troupe::detail::is_plain<Private>);
}

namespace {

/// Brings its own bytes: no cereal is needed for it.
class Port {
 public:
  Port() = default;
  explicit Port(std::uint16_t number) : number_(number) {}
  std::uint16_t number() const { return number_; }
  void troupe_encode(writer& to) const { to.bytes(&number_, 2); }
  void troupe_decode(reader& from) {
    from.bytes(&number_, 2);
    if (number_ == 0) throw std::runtime_error("port 0");
  }

 private:
  std::uint16_t number_ = 0;
};

}  // namespace

TEST_CASE("a type with troupe_encode and troupe_decode writes and reads itself") {
  static_assert(troupe::message_type<Port>);
  CHECK(round_trip(Port(80)).number() == 80);
  CHECK(encoded(Port(80)).size() == 2);
}

TEST_CASE("what a type's own decoding throws becomes errc::corrupt") {
  CHECK(refused<Port>({std::byte{0}, std::byte{0}}));
  CHECK(refused<Port>({std::byte{1}}));
  CHECK(refused<Port>({std::byte{1}, std::byte{0}, std::byte{0}}));
}

TEST_CASE("encoding into a buffer that is too small tells the size that is needed") {
  std::byte small[4];
  writer to(small, sizeof small);
  troupe::encode(Point{}, to);
  CHECK_FALSE(to.fits());
  CHECK(to.size() == sizeof(Point));
}
