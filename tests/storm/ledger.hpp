#pragma once

/// What happens in a storm, in memory that outlives every victim: shared by all processes forked after it was made, and
/// only added to. Each word has one writer: those of a stream its sender, those of a book its receiver. Every entry is
/// one store of one word, so a victim killed at any instruction has made it or has not.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace storm {

// -------------------------------------------------------------------------------------------------------- who is there

inline constexpr unsigned senders = 4, targets = 4, books = 6;
inline constexpr unsigned streams = senders * targets;
inline constexpr std::array<std::string_view, senders> sender_names{"main", "source-1", "source-2", "source-3"};
/// The first `targets` are told by the senders; chain-1 tells chain-2, which tells chain-3.
inline constexpr std::array<std::string_view, books> book_names{"plain-1", "plain-2", "chain-1",
                                                                "keeper",  "chain-2", "chain-3"};
inline constexpr unsigned chain_1 = 2, keeper = 3, chain_2 = 4, chain_3 = 5;
/// source-3 counts in its checkpoint and sends in turns.
inline constexpr unsigned turn_sender = 3;

constexpr unsigned stream_of(unsigned sender, unsigned target) { return sender * targets + target; }
constexpr unsigned sender_of(unsigned stream) { return stream / targets; }
constexpr unsigned target_of(unsigned stream) { return stream % targets; }

// -------------------------------------------------------------------------------------------------------------- phases

enum class phase : std::uint32_t {
  setting_up,
  undisturbed,  ///< everybody works, nobody is attacked
  attacked,
  quiet,      ///< no sender begins anything new
  settled,    ///< it is known what the sender in turns has committed
  collected,  ///< the checkpointed receivers' states are known
  over
};

// --------------------------------------------------------------------------------------------------------------
// entries

/// What a sender knows of one of its messages.
enum class fate : std::uint8_t {
  none,
  intended,  ///< it was about to be sent; whether it was is not known
  accepted,  ///< tell has returned
  refused,   ///< tell said that nothing was sent
  answered   ///< the reply is there
};

/// One message handled once. Numbers of a stream begin with 1.
struct entry {
  unsigned stream = 0;
  std::uint64_t number = 0;
  unsigned attempt = 0;
  bool torn = false;

  constexpr std::uint64_t word() const {
    return 1ULL << 63 | (torn ? 1ULL << 62 : 0) | std::uint64_t{attempt} << 48 | std::uint64_t{stream} << 40 | number;
  }
  static constexpr entry of(std::uint64_t word) {
    return {static_cast<unsigned>(word >> 40) & 0xff, word & ((1ULL << 40) - 1),
            static_cast<unsigned>(word >> 48) & 0xff, (word >> 62 & 1) != 0};
  }
};

inline constexpr std::size_t most_numbers = 1 << 20, most_entries = 1 << 22;

/// Messages of one sender to one target.
struct stream_log {
  std::atomic<std::uint64_t> next;  ///< numbers below it are used
  std::array<std::atomic<fate>, most_numbers> fates;
};

/// What one receiver has handled, in order.
struct book {
  std::atomic<std::uint64_t> size;
  std::atomic<std::uint64_t> lives;  ///< incarnations that have started
  std::array<std::atomic<std::uint64_t>, most_entries> entries;

  /// Receiver only. False: the book is full.
  bool add(const entry& what);
};

/// What a checkpointed receiver's state says of one stream's tells that have no limit.
struct effect {
  std::atomic<std::uint64_t> count, sum, backward;
};

struct ledger {
  std::uint64_t seed;
  std::atomic<phase> now;
  std::array<stream_log, streams> sent;
  std::array<book, books> handled;
  std::array<std::array<effect, streams>, 2> effects;  ///< of keeper, of chain-3
  struct by_sender {
    std::atomic<std::uint64_t> wrong_answers;
    std::array<std::atomic<std::uint64_t>, 32> errors;  ///< by troupe::errc
  };
  std::array<by_sender, senders> trouble;
  /// The longest time between two messages of the bystanders, by phase, in nanoseconds.
  std::array<std::array<std::atomic<std::uint64_t>, 8>, 2> stalls;
  std::atomic<std::uint64_t> deaths, dead_letters;  ///< as the supervisor counts them, at the end
};

/// The ledger of this storm. Made by new_ledger before the program starts; all its processes see it.
ledger& the_ledger();
ledger& new_ledger(std::uint64_t seed);

}  // namespace storm
