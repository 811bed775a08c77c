#pragma once

#include <cstdint>

namespace troupe {

/// What becomes of a program's processes when its supervisor process is killed: how sure it is that none is left.
enum class orphan_level : std::uint8_t {
  /// Each worker dies by itself with its supervisor (parent-death signal, end of the control socket). Processes that
  /// workers have started are not known.
  best_effort,
  /// The kernel kills everything that the program's workers have started, too (cgroup.kill).
  cgroup,
};

}  // namespace troupe
