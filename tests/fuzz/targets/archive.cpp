// Every shape of message that the unit tests know, decoded from a stranger's bytes by the bounded archive: no read beyond
// the bytes, no allocation beyond what they could fill, no bool, enum or variant that does not exist.

#define DOCTEST_CONFIG_DISABLE
#include "fuzz/targets/target.hpp"
#include "unit/codec_shapes.hpp"

// Of the address sanitizer; g++ does not ship the header that declares it.
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void*, std::size_t),
                                                         void (*on_free)(const volatile void*));

namespace {

thread_local bool counting = false;
thread_local std::size_t allocated = 0;

void on_malloc(const volatile void*, std::size_t size) {
  if (counting) allocated += size;
}
void on_free(const volatile void*) {}
const int hooks = __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);

using namespace codec_shapes;

/// Nothing but what the codec must tell right from wrong.
struct flags {
  bool one = false;
  std::vector<bool> many;
  std::array<bool, 3> three{};
  std::optional<bool> maybe;
  std::variant<bool, colour, std::string> one_of;
  std::map<bool, colour> map;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(one, many, three, maybe, one_of, map);
  }
};

// The error's own texts, an empty deque's block; and for each byte the largest thing that one byte may stand for.
constexpr std::size_t always = 4096, for_each_byte = 600;

template <class M>
void attack(std::span<const std::byte> body) {
  troupe::detail::reader from(body.data(), body.size());
  allocated = 0;
  counting = true;
  try {
    const M m = troupe::decode<M>(from);
    counting = false;
    // Reads every bool and enum of it; what is accepted can be sent on, and arrives the same.
    bytes again = encoded(m);
    FUZZ_REQUIRE(!refused<M>(again));
  } catch (const troupe::error& e) {
    counting = false;
    FUZZ_REQUIRE(e.code() == troupe::errc::corrupt);
  }
  FUZZ_REQUIRE(allocated <= always + for_each_byte * body.size());
}

using attacker = void (*)(std::span<const std::byte>);
constexpr attacker attackers[] = {attack<greet>,     attack<body>,         attack<point>,   attack<nothing>,
                                  attack<sequences>, attack<associations>, attack<choices>, attack<tree>,
                                  attack<flags>,     attack<std::string>};

}  // namespace

namespace fuzz {

std::vector<bytes> seeds() {
  std::vector<bytes> all;
  const auto add = [&](unsigned which, const auto& message) {
    bytes one{static_cast<std::byte>(which)};
    const auto its = encoded(message);
    one.insert(one.end(), its.begin(), its.end());
    all.push_back(std::move(one));
  };
  flags some;
  some.many = {true, false};
  some.maybe = true;
  some.one_of = colour::green;
  some.map[true] = colour::red;
  add(0, greet{"who"});
  add(1, codec_shapes::body{7, 0.5, "sixteen chars...."});
  add(2, point{1, true});
  add(3, codec_shapes::nothing{});
  add(4, full_sequences());
  add(5, full_associations());
  add(6, full_choices());
  add(7, full_tree());
  add(8, some);
  add(9, std::string("text"));
  bytes deep(400, std::byte{1});  // a chain of trees, each one's first child
  deep[0] = std::byte{7};
  all.push_back(deep);
  return all;
}

}  // namespace fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FUZZ_REQUIRE(hooks > 0);
  if (size == 0) return 0;
  const auto body = std::as_bytes(std::span(data, size)).subspan(1);
  attackers[data[0] % std::size(attackers)](body);
  return 0;
}
