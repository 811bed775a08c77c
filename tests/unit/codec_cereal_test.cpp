#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <cereal/types/bitset.hpp>
#include <cereal/types/complex.hpp>
#include <cereal/types/valarray.hpp>
#include <limits>
#include <stdexcept>

#include "unit/codec_shapes.hpp"

using namespace codec_shapes;
using troupe::errc;
using troupe::error;
using troupe::is_message;
using troupe::detail::in_archive;
using troupe::detail::out_archive;
using troupe::detail::reader;
using troupe::detail::writer;

TEST_CASE("a message with a serialize function comes back as it was") {
  CHECK(round_trip(greet{"world"}) == greet{"world"});
  CHECK(round_trip(greet{}) == greet{});
  CHECK(round_trip(greet{std::string(3000, 'x')}) == greet{std::string(3000, 'x')});
  CHECK(round_trip(body{7, 0.5, "sixteen letters."}) == body{7, 0.5, "sixteen letters."});
}

TEST_CASE("names are not written, and a short size takes one byte") {
  CHECK(encoded(greet{"world"}).size() == 6);
  CHECK(encoded(body{7, 0.5, "sixteen letters."}).size() == 33);
  CHECK(encoded(greet{std::string(127, 'x')}).size() == 128);
  CHECK(encoded(greet{std::string(128, 'x')}).size() == 130);
}

TEST_CASE("every container comes back as it was, full and empty") {
  CHECK(round_trip(full_sequences()) == full_sequences());
  CHECK(round_trip(full_associations()) == full_associations());
  CHECK(round_trip(full_choices()) == full_choices());
  CHECK(round_trip(full_tree()) == full_tree());
  CHECK(round_trip(sequences{}) == sequences{});
  CHECK(round_trip(associations{}) == associations{});
  CHECK(round_trip(choices{}) == choices{});
  CHECK(round_trip(tree{}) == tree{});
}

TEST_CASE("containers are messages, or replies, by themselves") {
  const auto same = [](const auto& m) { return round_trip(m) == m; };
  CHECK(same(std::string("reply")));
  CHECK(same(std::vector<std::string>{"a", "b"}));
  CHECK(same(std::vector<double>{0.5, -1}));
  CHECK(same(std::map<std::string, long>{{"a", 1}}));
  CHECK(same(std::optional<int>{}));
  CHECK(same(std::optional<int>{5}));
  CHECK(same(std::tuple<int, std::string>{1, "x"}));
  CHECK(same(std::variant<int, std::string>{"x"}));
  CHECK(same(std::pair<int, bool>{1, true}));
  CHECK(same(std::chrono::milliseconds(5)));
  CHECK(same(std::vector<std::optional<std::monostate>>(3)));
}

TEST_CASE("elements that write nothing are counted all the same") {
  CHECK(round_trip(std::vector<nothing>(1000)).size() == 1000);
  CHECK(round_trip(std::list<std::tuple<>>(3)).size() == 3);
  CHECK(round_trip(std::vector<std::array<std::string, 0>>(9)).size() == 9);
  CHECK(encoded(std::vector<nothing>(10)).size() == 11);
}

TEST_CASE("random strings and numbers come back as they were") {
  CHECK(rc::check("vector of strings", [](const std::vector<std::string>& m) { RC_ASSERT(round_trip(m) == m); }));
  CHECK(rc::check("map of vectors",
                  [](const std::map<std::string, std::vector<int>>& m) { RC_ASSERT(round_trip(m) == m); }));
  CHECK(rc::check("set of numbers", [](const std::set<std::uint64_t>& m) { RC_ASSERT(round_trip(m) == m); }));
  CHECK(rc::check(
      "tuple", [](const std::tuple<std::int64_t, bool, std::list<std::string>>& m) { RC_ASSERT(round_trip(m) == m); }));
}

namespace theirs {

struct split {
  int value = 0;
  bool loaded = false;
  template <class Ar>
  void save(Ar& ar) const {
    ar(value);
  }
  template <class Ar>
  void load(Ar& ar) {
    ar(value);
    loaded = true;
  }
};

struct minimal {
  int value = 0;
  template <class Ar>
  std::string save_minimal(const Ar&) const {
    return std::to_string(value);
  }
  template <class Ar>
  void load_minimal(const Ar&, const std::string& text) {
    value = std::stoi(text);
  }
};

struct free_one {
  std::string text;
};
template <class Ar>
void serialize(Ar& ar, free_one& m) {
  ar(m.text);
}

struct free_two {
  std::string text;
};
template <class Ar>
void save(Ar& ar, const free_two& m) {
  ar << m.text;
}
template <class Ar>
void load(Ar& ar, free_two& m) {
  ar >> m.text;
}

struct free_minimal {
  std::string text;
};
template <class Ar>
std::string save_minimal(const Ar&, const free_minimal& m) {
  return m.text;
}
template <class Ar>
void load_minimal(const Ar&, free_minimal& m, const std::string& text) {
  m.text = text;
}

struct in_cereal {
  std::string text;
};

struct derived : greet {
  int more = 0;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(cereal::base_class<greet>(this), CEREAL_NVP(more));
  }
};

class befriended {
 public:
  int value() const { return value_; }
  void value(int value) { value_ = value; }

 private:
  friend class cereal::access;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(value_, text_);
  }
  int value_ = 0;
  std::string text_;
};

struct one_way {
  int value = 0;
  int loads = 0;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(value);
    if constexpr (Ar::is_loading::value) ++loads;
  }
};

struct with_extras {
  std::complex<double> complex;
  std::bitset<70> bits;
  std::valarray<int> numbers;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(complex, bits, numbers);
  }
};

}  // namespace theirs

namespace cereal {
template <class Ar>
void serialize(Ar& ar, theirs::in_cereal& m) {
  ar(m.text);
}
}  // namespace cereal

TEST_CASE("every way of cereal to write a type works") {
  CHECK(round_trip(theirs::split{5, false}).value == 5);
  CHECK(round_trip(theirs::split{5, false}).loaded);
  CHECK(round_trip(theirs::minimal{6}).value == 6);
  CHECK(round_trip(theirs::free_one{"a"}).text == "a");
  CHECK(round_trip(theirs::free_two{"b"}).text == "b");
  CHECK(round_trip(theirs::free_minimal{"c"}).text == "c");
  CHECK(round_trip(theirs::in_cereal{"d"}).text == "d");
  CHECK(round_trip(std::vector<theirs::free_one>{{"x"}, {"y"}})[1].text == "y");
}

TEST_CASE("base classes, private functions and is_loading work as in cereal") {
  theirs::derived derived;
  derived.who = "base";
  derived.more = 4;
  CHECK(round_trip(derived).who == "base");
  CHECK(round_trip(derived).more == 4);
  theirs::befriended hidden;
  hidden.value(3);
  CHECK(round_trip(hidden).value() == 3);
  CHECK(round_trip(theirs::one_way{2, 0}).value == 2);
  CHECK(round_trip(theirs::one_way{2, 0}).loads == 1);
}

TEST_CASE("types that cereal's own headers write work through them") {
  theirs::with_extras all;
  all.complex = {1, -2};
  all.bits[69] = true;
  all.numbers = {1, 2, 3};
  const auto got = round_trip(all);
  CHECK(got.complex == all.complex);
  CHECK(got.bits == all.bits);
  CHECK((got.numbers == all.numbers).min());
}

TEST_CASE("a type is a message if everything in it is") {
  static_assert(is_message<greet> && is_message<tree> && is_message<std::vector<std::map<int, greet>>>);
  static_assert(is_message<theirs::free_two> && is_message<theirs::befriended>);
  static_assert(is_message<std::unique_ptr<greet>>);
  static_assert(!is_message<std::vector<int*>> && !is_message<std::vector<std::string_view>>);
  static_assert(!is_message<std::shared_ptr<int>> && !is_message<std::map<int, std::shared_ptr<greet>>>);
  static_assert(!is_message<std::vector<long double>> && !is_message<std::optional<std::unique_ptr<std::exception>>>);
  struct no_function {
    std::string text;
  };
  static_assert(!is_message<no_function> && !is_message<std::vector<no_function>>);
}

namespace {

/// Takes its bytes from what travels beside the message; works with any archive, and without cereal.
struct ticket {
  const void* beside = nullptr;
  void troupe_encode(writer& to) const { to.bytes("t", 1); }
  void troupe_decode(reader& from) {
    if (*from.take(1) != std::byte{'t'}) throw std::invalid_argument("not a ticket");
    beside = from.with();
  }
};

struct carrier {
  std::vector<ticket> tickets;
  const void* beside = nullptr;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(tickets);
    beside = ar.with();
  }
};

}  // namespace

TEST_CASE("a type that writes itself does so in containers and in messages, and sees what travels beside them") {
  int anything = 0;
  auto* with = reinterpret_cast<troupe::detail::attachments*>(&anything);
  std::byte memory[16];
  writer to(memory, sizeof memory, with);
  troupe::encode(carrier{{{}, {}}, nullptr}, to);
  CHECK(to.size() == 3);
  reader from(memory, to.size(), with);
  const auto got = troupe::decode<carrier>(from);
  CHECK(got.tickets.size() == 2);
  CHECK(got.tickets[1].beside == &anything);
  CHECK(got.beside == &anything);
}

TEST_CASE("whatever a user's function throws while decoding becomes errc::corrupt") {
  CHECK(refused<theirs::minimal>(encoded(std::string("not a number"))));
  CHECK(refused<std::vector<ticket>>({std::byte{1}, std::byte{'x'}}));
}

TEST_CASE("objects nest as deep as the limit and no deeper, for the sender too") {
  const auto chain = [](unsigned deep) {
    tree root;
    tree* at = &root;
    for (unsigned i = 1; i < deep; ++i) at = (at->next = std::make_unique<tree>()).get();
    return root;
  };
  const tree deepest = chain(troupe::detail::max_depth);
  CHECK(round_trip(deepest) == deepest);
  try {
    (void)encoded(chain(troupe::detail::max_depth + 1));
    FAIL("encoded what cannot be decoded");
  } catch (const error& e) {
    CHECK(e.code() == errc::too_large);
  }
}

TEST_CASE("wide messages are no deep ones") {
  tree root;
  root.children.resize(1000);
  CHECK(round_trip(root) == root);
}

TEST_CASE("encoding counts what does not fit") {
  std::byte small[8];
  writer to(small, sizeof small);
  troupe::encode(body{1, 2, "text"}, to);
  CHECK_FALSE(to.fits());
  CHECK(to.size() == 21);
}
