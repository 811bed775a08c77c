#pragma once

/// What a ledger proves. Pure: it reads the ledger and the log, and can be shown to find each kind of wrong.

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "storm/ledger.hpp"

namespace storm {

struct findings {
  std::uint64_t accepted = 0;  ///< tells that returned
  std::uint64_t handled = 0;   ///< messages, each counted once
  std::uint64_t repeated = 0;  ///< handled again after a death
  std::uint64_t letters = 0;   ///< accepted, not handled, and a dead letter says so

  // What must not be.
  std::uint64_t lost = 0;        ///< accepted or answered, and neither handled nor a dead letter
  std::uint64_t beyond = 0;      ///< handled more often than there were attempts, or again after it was done
  std::uint64_t reordered = 0;   ///< handled after a later one of its stream
  std::uint64_t torn = 0;        ///< other bytes than were sent
  std::uint64_t invented = 0;    ///< handled, and never sent: refused, or of a turn that was not committed
  std::uint64_t effects = 0;     ///< streams whose effects in a checkpointed state are not each message's exactly once
  std::uint64_t unexpected = 0;  ///< wrong answers, and errors that no kill explains

  /// The first of them, a line each.
  std::string text;

  bool clean() const { return lost + beyond + reordered + torn + invented + effects + unexpected == 0; }
};

/// How often the log has "dead letter: TYPE from SENDER to RECEIVER:", by "TYPE from SENDER to RECEIVER".
using letter_counts = std::map<std::string, std::uint64_t>;
letter_counts letters_in(const std::string& log);

/// Of a ledger that nobody writes any more. `effects`: whether the states of the checkpointed receivers are there.
findings audit(const ledger& of, const letter_counts& letters, bool effects);
/// Accepted tells that had to arrive and have not arrived yet.
std::uint64_t missing(const ledger& of);

}  // namespace storm
