#pragma once

#include <cstdint>
#include <map>
#include <span>

#include "os/memory.hpp"
#include "wire/memory.hpp"

namespace troupe::channel {

/// The lanes' area and the outbox of this process's out-memory: who has which range. The bookkeeping is private to the
/// process, since only it writes there; nothing of it needs repair when it dies. Not thread-safe.
class ranges {
 public:
  /// Hands out parts of [begin, end), in multiples of `grain`. `memory`: where their pages are made real before; none:
  /// whoever takes a range does that.
  ranges(const os::mapping* memory, std::uint64_t begin, std::uint64_t end, std::uint64_t grain);

  /// The offset of a range; 0: no space. Throws error(errc::os) if memory is short.
  std::uint64_t take(std::uint64_t bytes);
  /// Gives back what take() returned, with the same size.
  void give(std::uint64_t offset, std::uint64_t bytes);
  /// Bytes handed out now.
  std::uint64_t used() const noexcept { return used_; }

 private:
  std::uint64_t rounded(std::uint64_t bytes) const noexcept { return (bytes + grain_ - 1) / grain_ * grain_; }
  void populate(std::uint64_t offset, std::uint64_t bytes);

  const os::mapping* memory_;
  std::uint64_t grain_;
  std::uint64_t real_end_;  // pages below are real
  std::uint64_t used_ = 0;
  std::map<std::uint64_t, std::uint64_t> free_;  // offset -> bytes, never adjacent
};

}  // namespace troupe::channel
