#include "channel/outbox.hpp"

#include <algorithm>

namespace troupe::channel {

ranges::ranges(const os::mapping* memory, std::uint64_t begin, std::uint64_t end, std::uint64_t grain)
    : memory_(memory), grain_(grain), real_end_(begin), free_{{begin, end - begin}} {}

std::uint64_t ranges::take(std::uint64_t bytes) {
  bytes = rounded(std::max<std::uint64_t>(bytes, 1));
  // First fit: low addresses are reused, so that few pages ever become real.
  const auto hole = std::find_if(free_.begin(), free_.end(), [&](const auto& each) { return each.second >= bytes; });
  if (hole == free_.end()) return 0;
  const auto [offset, size] = *hole;
  populate(offset, bytes);
  free_.erase(hole);
  if (size > bytes) free_.emplace(offset + bytes, size - bytes);
  used_ += bytes;
  return offset;
}

void ranges::populate(std::uint64_t offset, std::uint64_t bytes) {
  if (memory_ == nullptr || offset + bytes <= real_end_) return;
  const std::uint64_t from = std::max(offset, real_end_);
  memory_->populate(from, offset + bytes - from);
  real_end_ = offset + bytes;
}

void ranges::give(std::uint64_t offset, std::uint64_t bytes) {
  bytes = rounded(std::max<std::uint64_t>(bytes, 1));
  used_ -= bytes;
  auto next = free_.lower_bound(offset);
  if (next != free_.end() && offset + bytes == next->first) {
    bytes += next->second;
    next = free_.erase(next);
  }
  if (next != free_.begin()) {
    const auto before = std::prev(next);
    if (before->first + before->second == offset) {
      before->second += bytes;
      return;
    }
  }
  free_.emplace(offset, bytes);
}

}  // namespace troupe::channel
