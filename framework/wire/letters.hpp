#pragma once

/// The memory of the dead letters: a header page, then a ring of letters in the order in which they were kept. Only
/// writer: the supervisor's control thread. Sealed SHRINK | GROW | FUTURE_WRITE | SEAL; read in place by any process.
///
/// All of it is written and read as 64-bit words, each stored with release and loaded with acquire. So whoever has read
/// one word of what was written over a letter finds in `version` that the letter was put out before.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "wire/memory.hpp"

namespace troupe::wire {

inline constexpr std::uint64_t letters_header_bytes = 4096;
inline constexpr std::uint64_t min_letters_ring = std::uint64_t{64} << 10;
inline constexpr std::uint64_t max_letters_ring = std::uint64_t{1} << 30;

/// Positions count bytes and never wrap; the letter at position p lies at ring offset p % ring_bytes.
struct alignas(64) letters_state {
  std::atomic<std::uint64_t> first;    ///< position of the oldest letter; `end` if there is none
  std::atomic<std::uint64_t> end;      ///< position behind the newest one
  std::atomic<std::uint64_t> total;    ///< letters there ever were: the number of the newest
  std::atomic<std::uint64_t> evicted;  ///< those of them that had to make room, and those that never had any
};

struct letters_header {
  std::uint32_t layout;
  std::uint32_t reserved;
  std::uint64_t ring_bytes;
  /// states[version & 1] is true. The other one is written before this is stored, which makes it true.
  alignas(64) std::atomic<std::uint64_t> version;
  letters_state states[2];
};
static_assert(sizeof(letters_header) == 256 && offsetof(letters_header, version) == 64 &&
              offsetof(letters_header, states) == 128);

enum class letter_kind : std::uint32_t { pad = 1, letter = 2 };
enum class letter_reason : std::uint32_t {
  quarantined = 1,
  dropped,
  receiver_closed,
  unhandled,
  undecodable,
  lane_broken,
  cleared,
};

/// A letter never crosses the ring's end: what is left there is filled by a pad, of which only the first word counts.
/// Behind the record: `deaths` of letter_death, the size of each payload as 64 bits, the texts (receiver, sender,
/// message, why, then one for each death) padded to 8; this far `prefix_bytes`. Then the body padded to 8, then, if
/// `payloads_kept`, each payload padded to 8.
struct letter_record {
  std::uint32_t bytes;  ///< of the whole letter, a multiple of 8
  letter_kind kind;
  std::uint64_t erased;  ///< 1: purged; the only word of a letter that changes
  std::uint64_t number;
  std::uint64_t time_ns;  ///< since 1970
  identity_id receiver;
  identity_id sender;
  incarnation_id sender_incarnation;
  std::uint64_t message;
  std::uint64_t position;    ///< in the lane; with receiver and slot the letter's key
  std::uint64_t body_bytes;  ///< of the message; for a broken lane what lies in it
  std::uint32_t slot;
  std::uint32_t attempts;
  std::uint32_t prefix_bytes;
  std::uint32_t body_kept;
  letter_reason reason;
  std::uint16_t payloads;
  std::uint8_t payloads_kept;
  std::uint8_t request;
  std::uint8_t enclosed;  ///< 1: a descriptor or a queue went with the message, which is gone
  std::uint8_t reserved;
  std::uint16_t deaths;
  std::uint16_t receiver_text, sender_text, message_text, why_text;  ///< bytes of each
  std::uint32_t reserved_too;
};
static_assert(sizeof(letter_record) == 120 && offsetof(letter_record, erased) == 8);

/// A death that the message was in flight in.
struct letter_death {
  incarnation_id incarnation;
  std::uint64_t time_ns;  ///< since 1970
  std::int32_t code;      ///< exit code, or -1
  std::int32_t signal;    ///< 0: it exited
  std::uint32_t text_bytes;
  std::uint32_t reserved;
};
static_assert(sizeof(letter_death) == 32);

static_assert(std::is_standard_layout_v<letters_header> && std::is_trivially_copyable_v<letter_record> &&
              std::is_trivially_copyable_v<letter_death>);

}  // namespace troupe::wire
