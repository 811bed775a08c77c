#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <troupe/dead_letters.hpp>

#include "os/memory.hpp"
#include "wire/letters.hpp"

namespace troupe::supervision {

/// What a message was: the lane's slot in its receiver's mailbox, and the position there.
struct letter_key {
  wire::identity_id receiver = 0;
  std::uint32_t slot = 0;
  std::uint64_t position = 0;
  friend auto operator<=>(const letter_key&, const letter_key&) = default;
};

/// A death with a message in flight.
struct noted_death {
  wire::incarnation_id incarnation = 0;
  std::uint64_t time_ns = 0;  ///< since 1970
  std::int32_t code = -1;
  std::int32_t signal = 0;
  std::string text;
};

/// A message that is to be kept. What the spans and views point to is read once, during append().
struct letter {
  letter_key key;
  std::uint64_t time_ns = 0;  ///< since 1970
  std::string_view receiver_name;
  wire::identity_id sender = 0;
  wire::incarnation_id sender_incarnation = 0;
  std::string_view sender_name;
  std::uint64_t message = 0;
  std::string_view message_name;
  bool request = false;
  bool enclosed = false;
  wire::letter_reason reason = wire::letter_reason::quarantined;
  std::string_view why;
  unsigned attempts = 0;
  std::span<const noted_death> deaths;  ///< the oldest first; the last letters::most_deaths are kept
  std::span<const std::byte> body;
  bool body_in_lane = true;      ///< false: in an outbox, of which at most letters::most_outbox are kept
  std::uint64_t unreadable = 0;  ///< bytes that lie there and are no message; then `body` is empty
  std::span<const std::span<const std::byte>> payloads;
};

/// The dead letters' memory, as its only writer sees it: bounded, the oldest out first. One thread.
///
/// A change becomes true by one store. Killed at any instruction, the memory holds what it held before or what it is to
/// hold, except that an append which makes room does that first. Whoever makes a `letters` of the same memory again
/// goes on with what is there.
///
/// Invariants: first <= end <= first + ring; total = kept + evicted + purged; at most `most` letters are kept.
class letters {
 public:
  static constexpr std::uint64_t most_outbox = 64 * 1024;
  static constexpr std::size_t most_deaths = 8;
  /// Bytes of memory for these limits.
  static std::uint64_t memory_bytes(const dead_letter_limits& limits) noexcept;

  /// `memory`: of memory_bytes(), writable; zeros, or a store already. `most`: letters, at least 1.
  /// Throws error(errc::corrupt) if it is neither.
  letters(os::mapping memory, std::uint32_t most);

  enum class result : std::uint8_t {
    kept,
    known,    ///< a letter of this key is there, or was purged a moment ago: nothing was done
    no_room,  ///< the machine has no memory for it: it counts as evicted
  };
  result append(const letter& what);
  /// Numbers of the letters that are kept, the oldest first.
  std::vector<std::uint64_t> list() const;
  /// The number of the letter of this key; 0: none is kept.
  std::uint64_t find(const letter_key& key) const;
  /// Purges one; false: there is none.
  bool erase(std::uint64_t number);
  /// Purges all to one receiver (0: to all); returns how many.
  std::uint64_t erase_all(wire::identity_id receiver);

  dead_letter_counts count() const noexcept;

 private:
  struct entry {
    std::uint64_t position;
    letter_key key;
    bool erased;
  };
  /// What is published together.
  struct extent {
    std::uint64_t first = 0, end = 0, total = 0, evicted = 0;
  };
  using entries = std::map<std::uint64_t, entry>;  // by number, so in the order of positions

  wire::letters_header& header() const noexcept { return *memory_.at<wire::letters_header>(); }
  std::uint64_t offset_of(std::uint64_t position) const noexcept { return position & (ring_bytes_ - 1); }
  void load();
  void publish(const extent& next) noexcept;
  void write(std::uint64_t position, std::span<const std::byte> bytes) noexcept;
  void make_room(std::uint64_t bytes);
  std::uint64_t place_for(std::uint64_t bytes);
  void drop_oldest(extent& next);
  void trim();
  std::vector<std::byte> pack(const letter& what) const;

  os::mapping memory_;
  std::uint64_t ring_bytes_;
  std::uint32_t most_;
  extent now_;
  entries entries_;  // those in the ring, purged ones too
  std::map<letter_key, std::uint64_t> numbers_;
  std::uint64_t erased_ = 0;  // of entries_
};

}  // namespace troupe::supervision
