#pragma once

/// A storm: a program whose workers send each other messages while they are attacked, and what came of it.

#include <chrono>
#include <cstdint>
#include <string>

#include "storm/audit.hpp"
#include "storm/killer.hpp"

namespace storm {

struct plan {
  std::uint64_t seed = 0;
  std::chrono::milliseconds undisturbed{};
  std::chrono::milliseconds attacked{};
  std::uint64_t kills = 0;  ///< the attack goes on until there were so many
  double per_second = 60;   ///< attacks, on average
  weapons with = {};
  bool spawner = false;
};

/// `usual`, unless the environment says otherwise: STORM_SEED (random unless given), STORM_SECONDS,
/// STORM_KILLS_PER_SECOND.
plan planned(plan usual);

struct outcome {
  findings found;
  std::uint64_t kills = 0, stops = 0, spawner_kills = 0;
  std::uint64_t deaths = 0;  ///< as the supervisor counted them
  std::uint64_t dead_letters = 0;
  std::string leaked;  ///< what the supervisor process holds more of at the end; empty: nothing
  std::size_t descriptors = 0, mappings = 0;
  std::string hung;  ///< which step did not come to its end; empty: none
  std::chrono::nanoseconds undisturbed_stall{}, attacked_stall{};
  std::string log;

  /// The line for the reader.
  std::string line(const plan& was) const;
};

/// Runs it in a process of its own; the calling thread is the killer. Fails the test case if a process is left.
outcome run(const plan& what);

}  // namespace storm
