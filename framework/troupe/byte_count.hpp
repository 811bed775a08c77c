#pragma once

#include <cstdint>

namespace troupe {

/// A number of bytes in an actor's config: in a tree file it has a unit, as in "64KiB".
struct byte_count {
  std::uint64_t bytes = 0;
  friend constexpr bool operator==(byte_count, byte_count) = default;
};

}  // namespace troupe
