#pragma once

/// The messages of a storm. Everything about a message follows from the storm's seed, its stream and its number: its
/// type, its size and every byte, so each receiver can tell what it should have received.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <troupe/troupe.hpp>

namespace storm {

enum class kind : std::uint8_t { bare, plain, limited, once, question, insisting };

struct content {
  kind what = kind::bare;
  std::size_t body = 0;     ///< bytes that travel in the record, or in the outbox if they are many
  std::size_t payload = 0;  ///< bytes that are built in place
  std::size_t answer = 0;
};
content content_of(unsigned stream, std::uint64_t number);
/// How often a message may be handled at most; 0: no limit.
unsigned attempts_of(kind what);
/// A tell that no number of deaths may cost.
constexpr bool endless(kind what) { return what == kind::bare || what == kind::plain; }
constexpr bool is_tell(kind what) { return what != kind::question && what != kind::insisting; }
/// As it stands in the log.
std::string_view type_name(kind what);

std::uint64_t mixed(std::uint64_t value);
/// Stands for one message in sums that do not depend on order.
std::uint64_t sum_of(unsigned stream, std::uint64_t number);

enum class part : std::uint8_t { body, payload, answer };
void fill(std::span<std::byte> bytes, unsigned stream, std::uint64_t number, part which);
bool whole(std::span<const std::byte> bytes, unsigned stream, std::uint64_t number, part which);
std::string filled(std::size_t bytes, unsigned stream, std::uint64_t number, part which);

/// 64 bytes, copied as they are.
struct Bare {
  std::uint64_t stream = 0;
  std::uint64_t number = 0;
  std::array<std::uint64_t, 6> body{};
  static constexpr auto delivery = troupe::redeliver{troupe::unlimited};
};

struct Item {
  std::uint32_t stream = 0;
  std::uint64_t number = 0;
  std::string body;
  troupe::payload payload;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(stream, number, body, payload);
  }
};
struct Plain : Item {
  static constexpr auto delivery = troupe::redeliver{troupe::unlimited};
};
struct Limited : Item {};
struct Once : Item {
  static constexpr auto delivery = troupe::drop{};
};

struct Question : Item {};
struct Insisting : Item {
  static constexpr auto delivery = troupe::redeliver{3};
};
struct Answer {
  std::uint32_t stream = 0;
  std::uint64_t number = 0;
  std::string body;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(stream, number, body);
  }
};

using target = troupe::ref<troupe::handles<Bare, Plain, Limited, Once, Answer(Question), Answer(Insisting)>>;

bool as_sent(const Bare& got);
bool as_sent(const Item& got, kind what);
bool as_sent(const Answer& got, unsigned stream, std::uint64_t number);

/// From now on SIGUSR1 ends this process with exit code 0 at whatever instruction; by exit() where that is safe.
void exit_on_signal();

}  // namespace storm
