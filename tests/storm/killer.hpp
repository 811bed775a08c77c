#pragma once

/// Attacks the workers of a program from outside of it, at random moments, in bursts.

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "support/pidfd.hpp"

namespace storm {

/// What is done to a victim, and how often in comparison.
struct weapons {
  unsigned kill = 60, segv = 8, abort = 8, exit = 8, stop = 16;
};
inline constexpr weapons only_stops{0, 0, 0, 0, 1};

class killer {
 public:
  using clock = std::chrono::steady_clock;

  /// `program`: whose children named so are attacked. `per_second`: attacks, on average.
  killer(pid_t program, std::vector<std::string> victims, weapons with, double per_second, std::uint64_t seed);

  /// Attacks for so long, and until there were so many kills, but not beyond `most`.
  void rage(std::chrono::milliseconds length, std::uint64_t kills, std::chrono::milliseconds most);
  /// From now on: also kills the spawner or its twin every now and then, never one before the other is replaced.
  void include_spawner() { with_spawner_ = true; }

  std::uint64_t kills() const { return kills_; }
  std::uint64_t stops() const { return stops_; }
  std::uint64_t spawner_kills() const { return spawner_kills_; }

 private:
  struct worker {
    pid_t pid = 0;
    std::string name;
  };
  std::vector<worker> workers() const;
  void attack();
  void attack_spawner();
  void strike(const worker& whom, int signal);
  void pause_until(clock::time_point until);
  void resume(bool all);
  void forget_the_dead();
  clock::duration next_pause();

  pid_t program_;
  std::vector<std::string> victims_;
  weapons with_;
  double per_second_;
  std::mt19937_64 random_;
  bool with_spawner_ = false;
  std::map<pid_t, tests::pidfd> doomed_;  // killed, and not gone yet
  std::vector<std::pair<clock::time_point, tests::pidfd>> stopped_;
  std::map<pid_t, clock::time_point> spawners_;  // since when they have been asleep
  unsigned burst_ = 0;                           // attacks that follow without a pause
  std::uint64_t kills_ = 0, stops_ = 0, spawner_kills_ = 0;
};

/// For a program's main: runs `work` again and again while the killer attacks until there were so many kills, for ten
/// minutes at most. What `work` throws is thrown when that is over.
void while_attacked(killer&& attacker, std::uint64_t kills, const std::function<void()>& work);

/// Before a program is started of which thousands will be killed.
void forbid_core_dumps();

}  // namespace storm
