#pragma once

/// Runs operations under kills and stops at every instruction, under pairs of kills, and counts.

#include <cstddef>
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
  std::vector<std::string> said;   ///< the violations, at most some of each operation
  std::vector<std::string> sizes;  ///< of each operation: how many instructions it has
};

struct choice {
  bool everything = false;    ///< all pairs, all stops, and the operations that are only_long
  bool to_the_first = false;  ///< of the violations: for mutants
  std::string only;           ///< operations whose name contains this
  std::size_t part = 0;       ///< of `parts` that share the work, this one's
  std::size_t parts = 1;
};

tally run(const std::vector<operation>& operations, const choice& what);

/// Whether this build can be stepped: a plain one on x86-64.
std::string why_not();

}  // namespace crash
