#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include <troupe/error.hpp>

#include "channel/outbox.hpp"
#include "os/memory.hpp"
#include "wire/memory.hpp"

namespace troupe::channel {

/// The further segments of this process's outbox: which there are, what lies in them, who has been handed them. Private
/// to the process, like ranges. It asks nobody itself: its owner sends what it says. Not thread-safe.
///
/// A segment: wish() -> made() or refused() -> take() and give() -> retire().
class segments {
 public:
  /// `limit`: bytes of all segments together.
  explicit segments(std::uint64_t limit) noexcept : limit_(limit / wire::segment_begin * wire::segment_begin) {}

  /// What one body can have at most, in the out-memory or in a segment.
  std::uint64_t largest() const noexcept { return std::max(limit_, wire::outbox_bytes); }
  bool empty() const noexcept { return all_.empty(); }

  /// The offset of so many bytes in one of the segments; 0: none has room. Throws error(errc::os) if memory is short,
  /// and once what refused() was given.
  std::uint64_t take(std::uint64_t bytes);
  void give(std::uint64_t offset, std::uint64_t bytes) noexcept;
  std::byte* data(std::uint64_t offset) const noexcept;

  /// How much room to ask for so that `bytes` will have it, in a segment that is under way from then on; 0: one is
  /// under way already, or the limit forbids it.
  std::uint64_t wish(std::uint64_t bytes) noexcept;
  bool under_way() const noexcept { return wished_ > 0; }
  void made(std::uint32_t number, os::mapping memory);
  void refused(error why);

  /// Whether `who` (an identity or an incarnation) has not been handed this segment; from then on it has.
  bool share(std::uint32_t number, std::uint64_t who);
  void forget(std::uint64_t who) noexcept;

  /// Takes out the segments that hold nothing: all, or only those that held nothing at the last call either.
  std::vector<std::uint32_t> retire(bool all) noexcept;

 private:
  struct segment {
    explicit segment(os::mapping its)
        : memory(std::move(its)), parts(&memory, wire::segment_begin, memory.size(), wire::segment_begin) {}
    os::mapping memory;
    ranges parts;
    std::set<std::uint64_t> shared;
    bool idle = false;
  };
  std::uint64_t limit_;
  std::uint64_t room_ = 0;    // of all segments, used or not
  std::uint64_t wished_ = 0;  // under way
  std::optional<error> refusal_;
  std::map<std::uint32_t, std::unique_ptr<segment>> all_;
};

}  // namespace troupe::channel
