#pragma once

/// Messages that end as dead letters, and who dies of them.

#include "process/common.hpp"

namespace letters_fixture {

using namespace tests;
using reason = troupe::dead_letter::reason;

inline constexpr std::size_t armed = 0;  // counter: not 0, and poison kills

/// Kills its handler as long as it is armed: in another way at each attempt.
struct Poison {
  std::string text;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(text);
  }
};
/// The same, and its handler is not to try again.
struct Once {
  int value;
  static constexpr auto delivery = troupe::drop{};
};
/// The same as a request that is to be tried twice.
struct Sure {
  int value;
  static constexpr auto delivery = troupe::redeliver{2};
};
/// Writes less than it reads.
struct Lie {
  std::uint32_t value = 7;
  void troupe_encode(troupe::detail::writer& to) const { to.bytes(&value, 1); }
  void troupe_decode(troupe::detail::reader& from) { from.bytes(&value, sizeof value); }
};
struct Unknown {
  int value;
};
struct Large {
  std::vector<std::uint8_t> bytes;
  troupe::payload payload;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(bytes, payload);
  }
};
struct Enclosing {
  troupe::pipe_reader<int> reader;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(reader);
  }
};

inline void die(unsigned attempt) {
  if (attempt % 3 == 1) ::raise(SIGKILL);
  if (attempt % 3 == 2) ::_exit(3);
  throw std::runtime_error("its own words");
}

struct Patient : troupe::actor {
  void on(const Poison& m) {
    if (total(armed) != 0) die(self().attempt());
    note("healthy: " + m.text);
  }
  void on(Once m) {
    if (total(armed) != 0) die(self().attempt());
    note("once: " + std::to_string(m.value));
  }
  int on(Sure m) {
    if (total(armed) != 0) die(self().attempt());
    note("sure: " + std::to_string(m.value));
    return m.value;
  }
  void on(Lie) { note("believed"); }
  void on(const Large& m) {
    if (total(armed) != 0) die(1);
    unsigned sum = 0;
    for (const auto each : m.bytes) sum += each;
    for (const auto each : m.payload.bytes()) sum += static_cast<unsigned>(each);
    note("large: " + std::to_string(sum));
  }
  void on(const Enclosing&) { die(1); }
  void on(Number m) { note("number " + std::to_string(m.value)); }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Poison, Once, Sure, Lie, Large, Enclosing, Number, Pid>;
};
using patient = troupe::actor_ref<Patient>;

/// Tells the patient what the patient does not know; and waits for replies that do not come.
using stranger = troupe::ref<troupe::handles<Unknown, int(Sure)>>;

inline bool kept(troupe::system& sys, std::uint64_t count) {
  return eventually([&] { return sys.dead_letters().count().kept == count; });
}
inline troupe::dead_letter only(troupe::system& sys) {
  const auto all = sys.dead_letters().list();
  EXPECT_EQ(all.size(), 1UL);
  return all.front();
}
inline std::vector<int> values_of(troupe::system& sys, const std::vector<troupe::dead_letter>& all) {
  std::vector<int> values;
  for (const auto& each : all) values.push_back(sys.dead_letters().read(each.number)->as<Number>().value);
  return values;
}

}  // namespace letters_fixture
