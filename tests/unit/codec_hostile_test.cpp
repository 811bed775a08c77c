#include <doctest/doctest.h>

#include <cstdlib>
#include <new>
#include <random>

#include "unit/codec_shapes.hpp"

using namespace codec_shapes;

namespace {

// The unit tests share one program: only what this thread allocates while it counts is counted.
thread_local bool counting = false;
thread_local std::size_t allocated = 0;

}  // namespace

// Not inlined, or g++ sees free() meet operator new.
[[gnu::noinline]] void* operator new(std::size_t size) {
  if (counting) allocated += size;
  if (void* memory = std::malloc(size > 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}
// The sanitizers' own nothrow form would not come here, and its memory must not meet our delete.
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  if (counting) allocated += size;
  return std::malloc(size > 0 ? size : 1);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

struct outcome {
  bool refused;
  std::size_t allocated;
};

/// Decodes bytes that nobody vouches for. What is accepted is encoded again, which reads every bool in it.
template <class M>
outcome attack(const bytes& from) {
  const auto copy = std::make_unique<std::byte[]>(from.size());
  std::copy(from.begin(), from.end(), copy.get());
  troupe::detail::reader in(copy.get(), from.size());
  allocated = 0;
  counting = true;
  try {
    const M m = troupe::decode<M>(in);
    counting = false;
    troupe::detail::writer measure(nullptr, 0);
    troupe::encode(m, measure);
    return {false, allocated};
  } catch (const troupe::error& e) {
    counting = false;
    if (e.code() != troupe::errc::corrupt) FAIL(std::string(e.what()));
    return {true, allocated};
  }
}

/// The error's own texts, and an empty deque's 576 bytes.
constexpr std::size_t always = 2048;

void varint(bytes& to, std::uint64_t n) {
  for (; n >= 128; n >>= 7) to.push_back(static_cast<std::byte>(n | 128));
  to.push_back(static_cast<std::byte>(n));
}

template <class M>
void every_prefix_is_refused(const M& m) {
  const bytes whole = encoded(m);
  CHECK_FALSE(attack<M>(whole).refused);
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK(attack<M>({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}).refused);
  bytes longer = whole;
  longer.push_back(std::byte{0});
  CHECK(attack<M>(longer).refused);
}

/// Every byte of a valid message, set to the values that are most likely to hurt.
template <class M>
void every_changed_byte_is_survived(const M& m) {
  const bytes whole = encoded(m);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const unsigned value : {0U, 1U, 2U, 127U, 128U, 255U}) {
      bytes changed = whole;
      changed[at] = static_cast<std::byte>(value);
      CHECK(attack<M>(changed).allocated <= always + 600 * whole.size());
    }
  }
}

struct fuzz {
  std::mt19937_64 random{20240607};

  std::size_t below(std::size_t n) { return static_cast<std::size_t>(random() % n); }

  bytes noise() {
    bytes result(below(64));
    const bool small = below(2) == 0;  // small bytes look like sizes and flags
    for (auto& b : result) b = static_cast<std::byte>(small ? below(4) : below(256));
    return result;
  }

  bytes changed(bytes from) {
    for (std::size_t n = 1 + below(3); n > 0 && !from.empty(); --n)
      from[below(from.size())] = static_cast<std::byte>(below(256));
    if (below(4) == 0) from.resize(below(from.size() + 1));
    return from;
  }

  template <class M>
  void run(const M& seed, std::size_t bytes_each) {
    const bytes valid = encoded(seed);
    std::size_t refused = 0;
    for (int round = 0; round < 17'000; ++round) {
      const bytes input = round % 2 == 0 ? noise() : changed(valid);
      const outcome got = attack<M>(input);
      refused += got.refused ? 1 : 0;
      if (got.allocated > always + bytes_each * input.size())
        FAIL("allocated " << got.allocated << " for " << input.size());
    }
    CHECK(refused > 0);
  }
};

}  // namespace

TEST_CASE("every prefix of a valid message is refused, and so is every longer one") {
  every_prefix_is_refused(greet{"somebody"});
  every_prefix_is_refused(full_sequences());
  every_prefix_is_refused(full_associations());
  every_prefix_is_refused(full_choices());
  every_prefix_is_refused(full_tree());
  every_prefix_is_refused(std::vector<nothing>(5));
}

TEST_CASE("a message with any byte changed is refused or is another message") {
  every_changed_byte_is_survived(full_sequences());
  every_changed_byte_is_survived(full_associations());
  every_changed_byte_is_survived(full_choices());
  every_changed_byte_is_survived(full_tree());
}

TEST_CASE("random bytes neither crash a decoder nor make it allocate more than they could fill") {
  fuzz bytes_of;
  bytes_of.run(greet{"somebody"}, 16);
  bytes_of.run(body{1, 2, "sixteen letters."}, 16);
  bytes_of.run(full_sequences(), 600);
  bytes_of.run(full_associations(), 300);
  bytes_of.run(full_choices(), 300);
  bytes_of.run(full_tree(), 600);
  bytes_of.run(std::vector<std::string>{"a", "bc"}, 100);
  bytes_of.run(std::vector<std::vector<std::vector<int>>>{{{1}, {2}}, {}}, 100);
  bytes_of.run(std::map<std::string, std::string>{{"a", "b"}}, 200);
  bytes_of.run(std::vector<point>{{1, true}}, 16);
  bytes_of.run(std::variant<int, std::string, std::vector<bool>>{"x"}, 32);
  bytes_of.run(std::unordered_map<int, std::list<greet>>{{1, {{"a"}}}}, 200);
}

namespace {

template <class M>
void claims_are_not_believed() {
  for (int bits = 4; bits < 64; ++bits) {
    bytes bomb;
    varint(bomb, std::uint64_t{1} << bits);
    bomb.resize(bomb.size() + 8);
    const outcome got = attack<M>(bomb);
    CHECK(got.refused);
    CHECK(got.allocated <= always);
  }
  bytes most;
  varint(most, ~std::uint64_t{0});
  CHECK(attack<M>(most).refused);
  CHECK(attack<M>(bytes(11, std::byte{0xff})).refused);
  bytes beyond_64_bits(9, std::byte{0x80});
  CHECK(attack<M>(beyond_64_bits).refused);
  beyond_64_bits.push_back(std::byte{2});  // 2 << 63 must not pass for 0
  CHECK(attack<M>(beyond_64_bits).refused);
}

}  // namespace

TEST_CASE("a size beyond what the bytes could hold is refused before anything is allocated for it") {
  claims_are_not_believed<std::string>();
  claims_are_not_believed<std::u32string>();
  claims_are_not_believed<std::vector<double>>();
  claims_are_not_believed<std::vector<bool>>();
  claims_are_not_believed<std::vector<point>>();
  claims_are_not_believed<std::vector<nothing>>();
  claims_are_not_believed<std::vector<std::string>>();
  claims_are_not_believed<std::vector<std::array<std::string, 64>>>();
  claims_are_not_believed<std::deque<int>>();
  claims_are_not_believed<std::list<std::string>>();
  claims_are_not_believed<std::set<int>>();
  claims_are_not_believed<std::multiset<std::string>>();
  claims_are_not_believed<std::unordered_set<int>>();
  claims_are_not_believed<std::unordered_multiset<std::string>>();
  claims_are_not_believed<std::map<int, std::string>>();
  claims_are_not_believed<std::multimap<int, nothing>>();
  claims_are_not_believed<std::unordered_map<std::string, int>>();
  claims_are_not_believed<std::unordered_multimap<int, nothing>>();
}

TEST_CASE("a size that the bytes could just hold costs no more than those bytes until they prove it") {
  bytes lie;
  varint(lie, 100'000);
  lie.resize(lie.size() + 100'000, std::byte{0x7f});  // the first string claims 127 bytes, and so on
  const outcome got = attack<std::vector<std::array<std::string, 64>>>(lie);
  CHECK(got.refused);
  CHECK(got.allocated <= 4 * lie.size());
}

TEST_CASE("a deep chain of objects is refused before the stack is") {
  bytes by_pointer;
  for (int i = 0; i < 100'000; ++i) {
    by_pointer.insert(by_pointer.end(), 5, std::byte{0});  // value, no children
    by_pointer.push_back(std::byte{1});                    // a next one
  }
  CHECK(attack<tree>(by_pointer).refused);

  bytes by_vector;
  for (int i = 0; i < 100'000; ++i) {
    by_vector.insert(by_vector.end(), 4, std::byte{0});
    by_vector.push_back(std::byte{1});  // one child
  }
  CHECK(attack<tree>(by_vector).refused);
}

TEST_CASE("flags, bools and indices that do not exist are refused") {
  const auto wrong = [](std::initializer_list<unsigned> values) {
    bytes result;
    for (const unsigned value : values) result.push_back(static_cast<std::byte>(value));
    return result;
  };
  CHECK(refused<std::optional<nothing>>(wrong({2})));
  CHECK_FALSE(refused<std::optional<nothing>>(wrong({1})));
  CHECK(refused<std::vector<bool>>(wrong({1, 2})));
  CHECK(refused<std::tuple<bool>>(wrong({255})));
  CHECK(refused<std::vector<point>>(wrong({1, 0, 0, 0, 0, 2, 0, 0, 0})));
  CHECK_FALSE(refused<std::vector<point>>(wrong({1, 0, 0, 0, 0, 1, 9, 9, 9})));
  CHECK(refused<std::variant<nothing, bool>>(wrong({2})));
  CHECK(refused<std::variant<nothing, bool>>(wrong({1, 2})));
  CHECK(refused<std::variant<nothing, bool>>(wrong({255, 255, 255, 255, 255, 255, 255, 255, 255, 1})));
  CHECK_FALSE(refused<std::variant<nothing, bool>>(wrong({0})));
  CHECK(refused<std::unique_ptr<greet>>(wrong({2, 0})));
  CHECK(refused<std::vector<nothing>>(wrong({1, 1})));
  CHECK(refused<std::map<int, bool>>(wrong({1, 0, 0, 0, 0, 2})));
}

TEST_CASE("an enum may have any value of its underlying type, named or not") {
  const auto got = decoded<std::tuple<colour>>({std::byte{200}});
  CHECK(static_cast<unsigned>(std::get<0>(got)) == 200);
}

TEST_CASE("encoding allocates nothing") {
  const body m{1, 2.5, "sixteen letters."};
  const auto many = full_sequences();
  std::vector<std::byte> memory(4096);
  troupe::detail::writer to(memory.data(), memory.size());
  allocated = 0;
  counting = true;
  troupe::encode(m, to);
  troupe::encode(many, to);
  counting = false;
  CHECK(allocated == 0);
  CHECK(to.fits());
}
