#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <troupe/dead_letters.hpp>

#include "os/memory.hpp"
#include "wire/letters.hpp"

namespace troupe::channel {

/// Reads the dead letters where they lie, while the supervisor's control thread keeps, evicts and purges. Never blocks
/// the writer and is never blocked by it: a letter is copied, then it is asked whether it was still there.
/// Any number of threads.
class letter_reader {
 public:
  /// Throws error(errc::corrupt) if this is no memory of dead letters.
  explicit letter_reader(os::mapping memory);

  /// The letters to this receiver (0: to all) that are there now, the oldest first. Those that are evicted meanwhile
  /// may be missing.
  std::vector<dead_letter> list(wire::identity_id receiver) const;
  /// Nothing: it is purged, evicted, or never was.
  std::optional<opened_letter> read(std::uint64_t number) const;
  dead_letter_counts count() const;

 private:
  /// A consistent copy of the words that say what is there.
  struct extent {
    std::uint64_t first = 0, end = 0, total = 0, evicted = 0;
  };
  extent look() const;
  std::uint64_t word(std::uint64_t position) const noexcept;
  void copy(std::uint64_t position, std::uint64_t bytes, void* to) const noexcept;
  bool head_of(std::uint64_t position, std::uint64_t end, wire::letter_record& into) const noexcept;
  template <class Visit>
  void walk(Visit visit) const;

  os::mapping memory_;
  std::uint64_t ring_bytes_;
};

}  // namespace troupe::channel
