#pragma once

/// A lane: a ring of variable-size records that one process writes and one process reads. The whole protocol of
/// publishing and reading is in this file and its .cpp; waking and recovery build on it.
///
/// Writer: write the record, then store the tail. Reader: load the tail, read the record, later store the head.
/// A writer killed at any instruction has stored the tail or it has not, so a record is there whole or not at all.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "channel/pace.hpp"
#include "os/memory.hpp"
#include "os/poller.hpp"
#include "wire/memory.hpp"

namespace troupe::channel {

/// The sender's side. Not thread-safe: its owner has a mutex.
///
/// Invariant: head <= tail <= head + ring_bytes, where `head` is the receiver's as last seen and found plausible.
class lane_writer {
 public:
  lane_writer() = default;
  /// Whether the ring's memory is there already, or is to become real as the lane is filled for the first time.
  enum class memory : bool { real, grows };
  /// Lays the lane out at `at` (zeroed or used before) and starts at position `start`. `cursor`: the receiver's words
  /// for this lane. No other process has been told of the lane yet. The memory of the header is real.
  lane_writer(std::byte* at, std::uint32_t ring_bytes, std::uint64_t start, const wire::cursor_slot* cursor,
              memory ring = memory::real) noexcept;

  /// A record can be no larger; a larger body goes through the outbox.
  std::uint32_t largest_record() const noexcept { return ring_bytes_ / 2; }
  /// Before space() and reserve(): so many bytes can be written then, if there is room, without a SIGBUS.
  /// Throws error(errc::os) if memory is short.
  void prepare(std::uint32_t bytes) {
    if (real_end_ - tail_ < std::uint64_t{2} * bytes) grow(bytes);  // twice: with the largest pad before it
  }
  /// The space at the tail up to the ring's end or the head: to be written to, nothing of it is visible yet. The head is
  /// read anew only if fewer than `least` bytes are known to be free, since its cache line is one that the receiver
  /// writes to for each record.
  std::span<std::byte> space(std::uint32_t least) noexcept;
  /// Space for exactly this record (at most largest_record()), behind a pad if it must not cross the ring's end.
  /// Empty: there is no room now.
  std::span<std::byte> reserve(std::uint32_t bytes) noexcept;
  /// Makes the record visible that was written to the last space() or reserve(). `bytes`: a multiple of 8.
  void publish(std::uint32_t bytes) noexcept;

  std::uint64_t tail() const noexcept { return tail_; }
  /// Where the record would end that publish() of so many bytes would make visible.
  std::uint64_t end_of(std::uint32_t bytes) const noexcept { return tail_ + pad_ + bytes; }
  /// The receiver's head, read anew.
  std::uint64_t head() noexcept;
  bool empty() noexcept { return head() == tail_; }
  /// Says that this sender waits for room, or no longer. A receiver answers each wait with one ring: say it again, and
  /// read head() again, before each sleep.
  void want_room(bool wanted) noexcept;
  /// One more large reply of this callee incarnation has been read; its block is free.
  void reply_taken(wire::incarnation_id callee) noexcept;

 private:
  std::uint64_t room() noexcept { return ring_bytes_ - (tail_ - head_); }
  void grow(std::uint32_t bytes);

  wire::lane_header* shared_ = nullptr;
  std::byte* ring_ = nullptr;
  const wire::cursor_slot* cursor_ = nullptr;
  std::uint32_t ring_bytes_ = 0;
  std::uint32_t pad_ = 0;  // before the reserved record
  std::uint64_t tail_ = 0;
  std::uint64_t head_ = 0;      // as last seen
  std::uint64_t start_ = 0;
  std::uint64_t real_end_ = 0;  // memory is real for all positions below; `ever` once the whole ring is
  static constexpr std::uint64_t ever = ~std::uint64_t{0};
};

struct record;

/// Another incarnation's out-memory, mapped read-only; shared by all lanes and links from it. Also what this process has
/// been handed of the further segments of its outbox. Any thread.
struct peer_memory {
  os::mapping map;
  wire::incarnation_id incarnation = 0;
  /// Set once the supervisor has judged its death: tails and `turn` are final.
  std::atomic<bool> dead{false};

  /// The last committed turn.
  std::uint64_t turn() const noexcept;
  /// The bytes of a block, or nothing if it does not lie in the outbox, or in a segment that is not here.
  std::span<const std::byte> outbox(wire::block where) const noexcept;
  /// Whether the block's memory has been handed to this process.
  bool has_memory_of(wire::block where) const noexcept;
  void add_segment(std::uint32_t number, os::mapping memory);
  void drop_segment(std::uint32_t number) noexcept;
  /// Keeps the segments mapped that a record lies in, while it is being read. Throws error(errc::corrupt) if its sender
  /// has retired one.
  std::vector<std::shared_ptr<const void>> hold(const record& what) const;

 private:
  std::span<const std::byte> in_segment(wire::block where) const noexcept;
  mutable std::mutex mutex_;
  std::map<std::uint32_t, std::shared_ptr<const os::mapping>> segments_;
};

/// A record as found in a lane. Header and block descriptors are private copies; the body lies in shared memory.
struct record {
  wire::record_header header;
  wire::request_part request;  ///< zeros for a tell
  std::uint64_t position = 0;
  std::uint64_t end = 0;
  std::span<const std::byte> body;    ///< in the ring or in the outbox
  std::span<const std::byte> blocks;  ///< the descriptors' place: wire::block each, unaligned
  std::array<wire::block, wire::max_blocks> copied;
  wire::block block(std::size_t index) const noexcept { return copied[index]; }
  std::size_t block_count() const noexcept { return blocks.size() / sizeof(wire::block); }
};

/// The receiver's side (and, read-only, the judge's). Trusts nothing that it reads: geometry is a private copy,
/// positions are checked, every header is copied before it is looked at.
class lane_reader {
 public:
  enum class state : std::uint8_t {
    empty,        ///< nothing published beyond the head
    uncommitted,  ///< the record at the head belongs to a turn that is still going on
    unmapped,     ///< the record at the head lies in a segment that this process has not been handed yet
    ready,        ///< `into` is filled
    corrupt,      ///< what lies there is no record: read nothing from this lane again
  };

  /// False: the geometry does not lie within a sender's lanes.
  static bool plausible(std::uint64_t offset, std::uint32_t ring_bytes) noexcept;
  /// Geometry must be plausible(). `head`: the position to go on from.
  lane_reader(std::shared_ptr<const peer_memory> from, std::uint64_t offset, std::uint32_t ring_bytes,
              std::uint64_t head) noexcept;

  /// Looks at the record at the head. Steps over pads, and over records of turns that a dead sender never committed.
  state peek(record& into) noexcept;
  /// The record at the head is done with.
  void advance(const record& done) noexcept {
    head_ = done.end;
    ++taken_;
  }
  std::uint64_t head() const noexcept { return head_; }
  /// The number of the sender's wait for room, 0: it does not wait.
  std::uint32_t wants_room() const noexcept;
  /// Whether at least half of the ring is free, so that any record fits soon.
  bool roomy() const noexcept;
  /// The number of the sender's wait if it is to be rung: there is room, or none will be added before its next commit,
  /// since all that is left belongs to a turn that is still going on. 0: not now.
  std::uint32_t owes_room() noexcept;
  /// How many large replies of this callee incarnation the asker has read.
  std::uint32_t replies_taken(wire::incarnation_id callee) const noexcept;
  std::uint64_t tail() const noexcept;
  const peer_memory& from() const noexcept { return *from_; }

 private:
  state parse(std::uint64_t available, record& into) const noexcept;
  void look() noexcept;
  void fetch() noexcept;
  bool void_turn(std::uint64_t turn) const noexcept;
  bool mapped(const record& what) const noexcept;

  std::shared_ptr<const peer_memory> from_;
  const wire::lane_header* shared_;
  const std::byte* ring_;
  std::uint32_t ring_bytes_;
  std::uint64_t head_;
  std::uint64_t known_tail_;  // as last loaded: the sender's cache line is left alone until the head is there
  std::uint64_t fetched_;     // cache lines have been asked for up to here
  std::uint64_t taken_ = 0;   // records
  pace pace_;
};

}  // namespace troupe::channel
