#pragma once

/// Every byte of shared memory: who writes it, and where it lies. See docs/architecture.md for the protocols.
/// Nothing here acts; all sizes are in bytes; all positions are 64-bit, count bytes and never wrap.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace troupe::wire {

inline constexpr std::uint32_t layout_version = 1;

/// A process's life as an actor, never reused. A pid is for printing, this is for knowing.
using incarnation_id = std::uint64_t;

/// A mailbox that outlives processes. The top byte is log2 of the ring that a sender to it takes, so that a sender can
/// lay out its lane without asking; the rest is a number that is never reused.
using identity_id = std::uint64_t;
inline constexpr identity_id make_identity(std::uint64_t number, unsigned ring_log2) {
  return number | (std::uint64_t{ring_log2} << 56);
}
inline constexpr unsigned ring_log2_of(identity_id identity) { return static_cast<unsigned>(identity >> 56); }
inline constexpr unsigned min_ring_log2 = 12, max_ring_log2 = 24;

// ---------------------------------------------------------------------------------------------------------------------
// Out-memory: one memfd per incarnation; only writer: that incarnation. Made by the supervisor, which seals it
// SHRINK | GROW | FUTURE_WRITE | SEAL after the incarnation has mapped it and before it runs any of the user's code.

inline constexpr std::uint64_t out_header_bytes = 4096;
/// In the header page: what the incarnation records when it crashes; os/crash.hpp says how.
inline constexpr std::uint64_t crash_offset = 2048, crash_room = 2048;
inline constexpr std::uint64_t out_lanes_end = std::uint64_t{512} << 20;
inline constexpr std::uint64_t outbox_bytes = std::uint64_t{64} << 20;
inline constexpr std::uint64_t out_memory_bytes = out_lanes_end + outbox_bytes;

/// What a turn did beside its tells. Slot `turn & 1` is written before `turn` is stored, which makes it true.
struct commit_record {
  std::uint64_t turn;
  std::uint64_t head;      ///< of lane `slot`, after the record that the turn handled
  std::uint64_t length;    ///< of the checkpoint, 0 without one
  std::uint64_t checksum;  ///< of the checkpoint
  std::uint32_t slot;      ///< lane slot, or no_slot for a turn without an input record
  std::uint32_t buffer;    ///< checkpoint buffer, 0 or 1, or no_buffer
  std::uint64_t reserved[3];
};
static_assert(sizeof(commit_record) == 64);
inline constexpr std::uint32_t no_slot = 0xffffffff;
inline constexpr std::uint32_t no_buffer = 0xffffffff;

struct out_header {
  std::uint32_t layout;
  std::uint32_t reserved;
  incarnation_id incarnation;
  alignas(64) std::atomic<std::uint64_t> turn;  ///< the last committed turn; 0: none
  alignas(64) commit_record commits[2];
  /// Robust futexes (os/canary.hpp) that the incarnation holds if its child has spares: the kernel lets go of them at the
  /// death, before it takes the process's memory apart. A hint: a stray store looks the same.
  alignas(64) std::byte canary[128];
};
static_assert(sizeof(out_header) == 384 && offsetof(out_header, turn) == 64 && offsetof(out_header, commits) == 128 &&
              offsetof(out_header, canary) == 256);

/// A lane: this header, then `ring_bytes` of ring (a power of two). Record at position p lies at ring offset
/// p & (ring_bytes - 1) and never crosses the ring's end: what is left there is filled by a pad record.
struct lane_header {
  std::uint32_t layout;
  std::uint32_t ring_bytes;
  alignas(64) std::atomic<std::uint64_t> tail;           ///< end of what is published
  /// Odd: the sender waits for room. Each wait has a number of its own, so that a receiver rings once for each.
  alignas(64) std::atomic<std::uint32_t> wants_room;
  /// Large replies on this link that the asker has read: the low 32 bits count those of the callee incarnation whose
  /// number has the high 32 bits as its low ones, so that what was read of an earlier one never counts for a later.
  alignas(64) std::atomic<std::uint64_t> replies_taken;
};
static_assert(sizeof(lane_header) == 256 && offsetof(lane_header, tail) == 64 && offsetof(lane_header, wants_room) == 128 &&
              offsetof(lane_header, replies_taken) == 192);
inline constexpr std::uint64_t lane_bytes(std::uint32_t ring) { return sizeof(lane_header) + ring; }

enum class record_kind : std::uint8_t { pad = 1, tell = 2, request = 3 };
inline constexpr std::uint8_t flag_body_in_outbox = 1;  ///< the last block is the body; the record has no inline body

/// A record: header, request_part for requests, `body_bytes` of body padded to 8, `blocks` block descriptors.
/// A pad record has only the first 8 bytes.
struct record_header {
  std::uint32_t bytes;  ///< of the whole record, a multiple of 8
  record_kind kind;
  std::uint8_t flags;
  std::uint16_t blocks;  ///< at most max_blocks
  std::uint64_t turn;    ///< deliverable once the sender's `turn` has reached it; 0: at once
  std::uint64_t message;
  std::uint32_t body_bytes;
  std::uint32_t reserved;
};
static_assert(sizeof(record_header) == 32);
struct request_part {
  std::uint64_t correlation;
  std::uint64_t deadline_ns;  ///< CLOCK_MONOTONIC, absolute
};
static_assert(sizeof(request_part) == 16);
/// A piece of the sender's outbox; `offset` from the start of its out-memory, or in a further segment.
struct block {
  std::uint64_t offset;
  std::uint64_t bytes;
};
static_assert(sizeof(block) == 16);

/// The outbox goes on in further segments: a memfd each, for what does not fit into the out-memory. An offset has the
/// segment's number above these bits (0: the out-memory) and the place in the segment below.
/// Only writer: the incarnation. Sealed like the out-memory before any other process gets it.
inline constexpr unsigned segment_shift = 40;
inline constexpr std::uint32_t max_segment = (std::uint32_t{1} << 23) - 1;  ///< numbers from 1
inline constexpr std::uint64_t least_segment_room = std::uint64_t{64} << 20;
inline constexpr std::uint64_t segment_begin = 4096;  ///< the first page holds nothing, so that place 0 is no place
inline constexpr std::uint64_t segment_bytes(std::uint64_t room) { return segment_begin + room; }
inline constexpr std::uint32_t segment_of(std::uint64_t offset) {
  return static_cast<std::uint32_t>(offset >> segment_shift);
}
inline constexpr std::uint64_t place_in_segment(std::uint64_t offset) {
  return offset & ((std::uint64_t{1} << segment_shift) - 1);
}
inline constexpr std::uint64_t offset_in_segment(std::uint32_t segment, std::uint64_t place) {
  return (std::uint64_t{segment} << segment_shift) | place;
}
inline constexpr std::uint16_t max_blocks = 16;
inline constexpr std::uint32_t pad_bytes = 8;
inline constexpr std::uint64_t align8(std::uint64_t bytes) { return (bytes + 7) & ~std::uint64_t{7}; }

// ---------------------------------------------------------------------------------------------------------------------
// Cursor page: one memfd per identity; only writer: the active incarnation, and between its death and the go of the
// next one the supervisor. Sealed SHRINK | GROW | SEAL: the successor must be able to map it for writing.

inline constexpr std::uint32_t max_slots = 65536;

/// mark = position << 8 | attempts. The record in flight is the one whose position equals `head` (commit_every: is not
/// below it), unless the mark is as it was at the last death. Beyond 254 the attempts alternate between 254 and 255.
struct cursor_slot {
  std::atomic<std::uint64_t> head;
  std::atomic<std::uint64_t> mark;
};
static_assert(sizeof(cursor_slot) == 16);
/// A slot's head beyond this was not counted up by messages: 2^63 bytes take 290 years at a byte a nanosecond.
inline constexpr std::uint64_t last_start = std::uint64_t{1} << 63;
inline constexpr std::uint64_t mark_of(std::uint64_t position, unsigned attempts) { return position << 8 | attempts; }
inline constexpr std::uint64_t position_of(std::uint64_t mark) { return mark >> 8; }
inline constexpr unsigned attempts_of(std::uint64_t mark) { return static_cast<unsigned>(mark & 0xff); }
/// The mark of one more start of the record at `position`, counted on from `old` if that is about the same record.
inline constexpr std::uint64_t next_mark(std::uint64_t old, std::uint64_t position) {
  if (position_of(old) != (position & (~std::uint64_t{0} >> 8)) || old == 0) return mark_of(position, 1);
  return mark_of(position, attempts_of(old) >= 255 ? 254 : attempts_of(old) + 1);
}

struct cursor_header {
  std::uint32_t layout;
  std::uint32_t reserved;
  identity_id identity;
  /// Odd: the receiver sleeps, ring the doorbell after a publish. Each sleep has a number of its own, so that a sender
  /// rings once for each; a successor goes on counting.
  alignas(64) std::atomic<std::uint64_t> sleeping;
  /// The checkpoint that the next incarnation starts from; written by the supervisor alone.
  alignas(64) std::uint64_t base_length;
  std::uint64_t base_checksum;
  std::uint32_t base_buffer;
  std::uint32_t base_present;
  /// For people who look from outside, and for the supervisor's look at what the actor is at; never read by the protocols.
  alignas(64) std::atomic<std::uint64_t> handled;
  std::atomic<std::uint64_t> expired;
  std::atomic<std::uint64_t> asides;  ///< timers, callbacks, hooks that have ended
  std::atomic<std::uint64_t> aside;   ///< message of the timer that was begun last; 0: what was begun last is none
};
static_assert(sizeof(cursor_header) == 256);
inline constexpr std::uint64_t cursor_slots_offset = 4096;
inline constexpr std::uint64_t cursor_bytes = cursor_slots_offset + sizeof(cursor_slot) * max_slots;

// ---------------------------------------------------------------------------------------------------------------------
// Hint page: one word per lane slot, the low 32 bits of that lane's tail; only writer of a word: that lane's sender.

inline constexpr std::uint64_t hint_bytes = sizeof(std::uint32_t) * max_slots;

// ---------------------------------------------------------------------------------------------------------------------
// Status page: one memfd per identity; only writer: the supervisor. Sealed SHRINK | GROW | FUTURE_WRITE | SEAL.

struct status_page {
  std::uint32_t layout;
  std::uint32_t reserved;
  identity_id identity;
  /// How often it has ended, for good or until it was started again: publish nothing more into a lane that was opened at
  /// another count.
  std::atomic<std::uint32_t> ends;
  std::atomic<std::uint32_t> pid;                ///< of the active incarnation, 0: none; for printing
  std::atomic<incarnation_id> active;            ///< 0: none
  /// Control frames sent to the active incarnation so far: a busy loop looks at its socket when this has moved.
  std::atomic<std::uint32_t> attention;
};
inline constexpr std::uint64_t status_bytes = 4096;

// ---------------------------------------------------------------------------------------------------------------------
// Checkpoint buffers: one memfd per identity of a checkpointed actor, two buffers of `checkpoint_bytes` each, sparse.

static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<std::uint32_t>::is_always_lock_free);
static_assert(std::is_standard_layout_v<out_header> && std::is_standard_layout_v<lane_header> &&
              std::is_standard_layout_v<record_header> && std::is_standard_layout_v<cursor_header> &&
              std::is_standard_layout_v<status_page>);

}  // namespace troupe::wire
