#pragma once

/// Runs operations under kills and stops at every instruction, under pairs of kills, and counts.
///
/// What is done whatever the time: each operation is killed and stopped on both sides of every instruction that changes
/// what others can see, so are the recoveries of some of its deaths, and some pairs of deaths. All other points follow in
/// a fixed pseudo-random order while there is time.

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crash/kstep/scene.hpp"

namespace crash {

struct tally {
  std::size_t kill_points = 0;  ///< real kills of one process
  std::size_t stops = 0;        ///< stopped instead of killed, and resumed
  std::size_t pairs = 0;        ///< kills of two processes, one after the other
  std::size_t violations = 0;
  std::vector<std::string> said;  ///< the violations, at most some of each operation
};

struct choice {
  std::optional<std::chrono::seconds> time = std::chrono::seconds(40);  ///< for all together; none: to the end
  bool to_the_first = false;  ///< of the violations: for mutants
  std::string only;           ///< operations whose name contains this
  std::size_t part = 0;       ///< of `parts` that share the work, this one's
  std::size_t parts = 1;
  std::function<void(const std::string&)> report;  ///< hears of each operation that is done: its size, how much was done
};

tally run(const std::vector<operation>& operations, const choice& what);

/// Whether this build can be stepped: a plain one on x86-64.
std::string why_not();

}  // namespace crash
