#include "channel/lane.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include <troupe/error.hpp>

namespace troupe::channel {

using std::memory_order_acquire;
using std::memory_order_relaxed;
using std::memory_order_seq_cst;

namespace {
constexpr std::uint64_t ahead = 384;         // how far a reader fetches, in bytes
constexpr std::uint64_t growth = 64 * 1024;  // of a ring's memory, at least
}  // namespace

// ---------------------------------------------------------------------------------------------------- lane_writer

lane_writer::lane_writer(std::byte* at, std::uint32_t ring_bytes, std::uint64_t start, const wire::cursor_slot* cursor,
                         memory ring) noexcept
    : shared_(reinterpret_cast<wire::lane_header*>(at)),
      ring_(at + sizeof(wire::lane_header)),
      cursor_(cursor),
      ring_bytes_(ring_bytes),
      tail_(start),
      head_(start),
      start_(start),
      real_end_(ring == memory::real ? ever : start) {
  shared_->layout = wire::layout_version;
  shared_->ring_bytes = ring_bytes;
  shared_->wants_room.store(0, memory_order_relaxed);
  shared_->replies_taken.store(0, memory_order_relaxed);
  shared_->tail.store(start, memory_order_seq_cst);
}

std::uint64_t lane_writer::head() noexcept {
  // pairs with: mailbox::finish() and settle(). What lies below this head has been read and may be written over.
  const std::uint64_t seen = cursor_->head.load(memory_order_seq_cst);
  // The word is another process's: a head that goes back or overtakes the tail is no news.
  if (seen >= head_ && seen <= tail_) head_ = seen;
  return head_;
}

/// Only in the first lap.
void lane_writer::grow(std::uint32_t bytes) {
  const std::uint64_t whole = start_ + ring_bytes_;
  const std::uint64_t end = std::min(whole, real_end_ + std::max(2 * std::uint64_t{bytes}, growth));
  const std::uint64_t index = real_end_ & (ring_bytes_ - 1);
  const std::uint64_t to_end = std::min(ring_bytes_ - index, end - real_end_);
  os::populate(ring_ + index, to_end);
  if (const std::uint64_t rest = end - real_end_ - to_end; rest > 0) os::populate(ring_, rest);
  real_end_ = end == whole ? ever : end;
}

std::span<std::byte> lane_writer::space(std::uint32_t least) noexcept {
  pad_ = 0;
  if (room() < least) head();
  const std::uint64_t index = tail_ & (ring_bytes_ - 1);
  const std::uint64_t to_end = ring_bytes_ - index;
  return {ring_ + index, static_cast<std::size_t>(std::min({to_end, room(), real_end_ - tail_}))};
}

std::span<std::byte> lane_writer::reserve(std::uint32_t bytes) noexcept {
  const std::uint64_t index = tail_ & (ring_bytes_ - 1);
  const std::uint64_t to_end = ring_bytes_ - index;
  pad_ = to_end < bytes ? static_cast<std::uint32_t>(to_end) : 0;
  if (room() < pad_ + bytes) head();
  if (room() < pad_ + bytes) return {};
  return {ring_ + ((tail_ + pad_) & (ring_bytes_ - 1)), bytes};
}

void lane_writer::publish(std::uint32_t bytes) noexcept {
  if (pad_ > 0) {
    // A position is a multiple of 8, so the 8 bytes of a pad always fit before the ring's end.
    wire::record_header pad{};
    pad.bytes = pad_;
    pad.kind = wire::record_kind::pad;
    std::memcpy(ring_ + (tail_ & (ring_bytes_ - 1)), &pad, wire::pad_bytes);
  }
  tail_ += pad_ + bytes;
  pad_ = 0;
  // SYNC publish: record, then tail. pairs with: lane_reader::peek()
  // seq_cst and not release: the sender next reads the receiver's `sleeping`, and the store must not pass that load.
  shared_->tail.store(tail_, memory_order_seq_cst);
}

void lane_writer::want_room(bool wanted) noexcept {
  // SYNC room: wants_room, then head. pairs with: mailbox::settle(), which stores head, then reads wants_room.
  const std::uint32_t old = shared_->wants_room.load(memory_order_relaxed);
  const std::uint32_t next = wanted ? (old | 1) + (old & 1) * 2 : (old + 1) & ~1U;
  shared_->wants_room.store(next, memory_order_seq_cst);
}

void lane_writer::reply_taken(wire::incarnation_id callee) noexcept {
  const std::uint64_t old = shared_->replies_taken.load(memory_order_relaxed);
  const std::uint64_t count = (old >> 32) == (callee & 0xffffffff) ? (old & 0xffffffff) + 1 : 1;
  // pairs with: lane_reader::replies_taken(). The reply has been read, so its block may be written over.
  shared_->replies_taken.store((callee << 32) | (count & 0xffffffff), std::memory_order_release);
}

// ---------------------------------------------------------------------------------------------------- peer_memory

std::uint64_t peer_memory::turn() const noexcept {
  // pairs with: turn::commit()
  return map.at<wire::out_header>()->turn.load(memory_order_seq_cst);
}

std::span<const std::byte> peer_memory::in_segment(wire::block where) const noexcept {
  const std::uint64_t place = wire::place_in_segment(where.offset);
  const std::lock_guard lock(mutex_);
  const auto found = segments_.find(wire::segment_of(where.offset));
  if (found == segments_.end()) return {};
  const os::mapping& memory = *found->second;
  if (place < wire::segment_begin || place > memory.size() || where.bytes > memory.size() - place) return {};
  return {memory.data() + place, static_cast<std::size_t>(where.bytes)};
}

bool peer_memory::has_memory_of(wire::block where) const noexcept {
  if (wire::segment_of(where.offset) == 0) return true;
  const std::lock_guard lock(mutex_);
  return segments_.contains(wire::segment_of(where.offset));
}

void peer_memory::add_segment(std::uint32_t number, os::mapping memory) {
  auto shared = std::make_shared<const os::mapping>(std::move(memory));
  const std::lock_guard lock(mutex_);
  segments_.emplace(number, std::move(shared));
}

void peer_memory::drop_segment(std::uint32_t number) noexcept {
  std::shared_ptr<const os::mapping> dying;  // unmapped without the mutex
  const std::lock_guard lock(mutex_);
  const auto found = segments_.find(number);
  if (found == segments_.end()) return;
  dying = std::move(found->second);
  segments_.erase(found);
}

std::vector<std::shared_ptr<const void>> peer_memory::hold(const record& what) const {
  std::vector<std::shared_ptr<const void>> held;
  for (std::size_t i = 0; i < what.block_count(); ++i) {
    const std::uint32_t number = wire::segment_of(what.block(i).offset);
    if (number == 0) continue;
    const std::lock_guard lock(mutex_);
    const auto found = segments_.find(number);
    if (found == segments_.end()) throw error(errc::corrupt, "its sender has given up memory that it lies in");
    held.push_back(found->second);
  }
  return held;
}

std::span<const std::byte> peer_memory::outbox(wire::block where) const noexcept {
  if (wire::segment_of(where.offset) != 0) return in_segment(where);
  if (where.offset < wire::out_lanes_end || where.offset > wire::out_memory_bytes) return {};
  if (where.bytes > wire::out_memory_bytes - where.offset) return {};
  return {map.data() + where.offset, static_cast<std::size_t>(where.bytes)};
}

// ---------------------------------------------------------------------------------------------------- lane_reader

bool lane_reader::plausible(std::uint64_t offset, std::uint32_t ring_bytes) noexcept {
  return std::has_single_bit(ring_bytes) && ring_bytes >= (1U << wire::min_ring_log2) &&
         ring_bytes <= (1U << wire::max_ring_log2) && offset % 64 == 0 && offset >= wire::out_header_bytes &&
         offset <= wire::out_lanes_end && wire::lane_bytes(ring_bytes) <= wire::out_lanes_end - offset;
}

lane_reader::lane_reader(std::shared_ptr<const peer_memory> from, std::uint64_t offset, std::uint32_t ring_bytes,
                         std::uint64_t head) noexcept
    : from_(std::move(from)),
      shared_(from_->map.at<const wire::lane_header>(offset)),
      ring_(from_->map.data() + offset + sizeof(wire::lane_header)),
      ring_bytes_(ring_bytes),
      head_(head),
      known_tail_(head),
      fetched_(head) {}

std::uint64_t lane_reader::tail() const noexcept {
  // pairs with: lane_writer::publish()
  return shared_->tail.load(memory_order_seq_cst);
}

void lane_reader::look() noexcept {
  pace_.before_look(taken_);
  known_tail_ = tail();
}

/// Where a record begins is known only when the one before it has come; its cache lines are asked for earlier. Never
/// beyond the tail: what lies there is the writer's.
void lane_reader::fetch() noexcept {
  const std::uint64_t end = std::min(known_tail_, head_ + ahead);
  for (fetched_ = std::max(fetched_, head_); fetched_ < end; fetched_ += 64) {
    __builtin_prefetch(ring_ + (fetched_ & (ring_bytes_ - 1)));
  }
}

lane_reader::state lane_reader::peek(record& into) noexcept {
  // Twice at most: what is known already, then the truth. A tail below the head: the sender has been told where this
  // lane starts and has not stored it yet.
  for (bool truth = known_tail_ <= head_;; truth = true) {
    if (truth) look();
    fetch();
    while (known_tail_ > head_) {  // each step moves the head by 8 or more
      if (known_tail_ - head_ > ring_bytes_) {
        known_tail_ = head_;
        return state::corrupt;
      }
      const state found = parse(known_tail_ - head_, into);
      if (found != state::ready) return found;
      if (into.header.kind != wire::record_kind::pad && !void_turn(into.header.turn)) {
        if (into.header.turn != 0 && into.header.turn > from_->turn()) return state::uncommitted;
        return into.blocks.empty() || mapped(into) ? state::ready : state::unmapped;
      }
      head_ = into.end;
    }
    if (truth) return state::empty;
  }
}

bool lane_reader::void_turn(std::uint64_t turn) const noexcept {
  // A new incarnation has a turn word of its own, so what a dead one did not commit stays uncommitted for ever.
  return from_->dead && turn > from_->turn();
}

bool lane_reader::mapped(const record& what) const noexcept {
  for (std::size_t i = 0; i < what.block_count(); ++i) {
    if (!from_->has_memory_of(what.block(i))) return false;
  }
  return true;
}

lane_reader::state lane_reader::parse(std::uint64_t available, record& into) const noexcept {
  const std::uint64_t index = head_ & (ring_bytes_ - 1);
  const std::uint64_t limit = std::min<std::uint64_t>(available, ring_bytes_ - index);
  const std::byte* at = ring_ + index;
  if (limit < wire::pad_bytes) return state::corrupt;
  wire::record_header& header = into.header;
  std::memcpy(&header, at, wire::pad_bytes);
  into.position = head_;
  into.end = head_ + header.bytes;
  if (header.bytes % 8 != 0 || header.bytes < wire::pad_bytes || header.bytes > limit) return state::corrupt;
  if (header.kind == wire::record_kind::pad) return state::ready;
  if (header.bytes < sizeof header) return state::corrupt;
  constexpr std::size_t seen = wire::pad_bytes;
  std::memcpy(reinterpret_cast<std::byte*>(&header) + seen, at + seen, sizeof header - seen);
  std::uint64_t used = sizeof header;
  into.request = {};
  if (header.kind == wire::record_kind::request) {
    if (header.bytes < used + sizeof into.request) return state::corrupt;
    std::memcpy(&into.request, at + used, sizeof into.request);
    used += sizeof into.request;
  } else if (header.kind != wire::record_kind::tell) {
    return state::corrupt;
  }
  const std::uint64_t blocks = header.blocks * sizeof(wire::block);
  const bool outside = (header.flags & wire::flag_body_in_outbox) != 0;
  const std::uint64_t inside = outside ? 0 : wire::align8(header.body_bytes);
  if (header.blocks > wire::max_blocks || used + inside + blocks > header.bytes) return state::corrupt;
  into.body = {at + used, outside ? 0 : header.body_bytes};
  into.blocks = {at + used + inside, static_cast<std::size_t>(blocks)};
  if (blocks > 0) std::memcpy(into.copied.data(), into.blocks.data(), into.blocks.size());
  if (!outside) return state::ready;
  if (header.blocks == 0) return state::corrupt;
  const wire::block body = into.block(header.blocks - 1U);
  into.body = from_->outbox(body);
  if (into.body.size() == body.bytes) return state::ready;
  const bool may_come = wire::segment_of(body.offset) <= wire::max_segment && !from_->has_memory_of(body);
  return may_come ? state::ready : state::corrupt;
}

std::uint32_t lane_reader::wants_room() const noexcept {
  // pairs with: lane_writer::want_room()
  const std::uint32_t wait = shared_->wants_room.load(memory_order_seq_cst);
  return (wait & 1) != 0 ? wait : 0;
}

bool lane_reader::roomy() const noexcept { return tail() - head_ <= ring_bytes_ / 2; }

std::uint32_t lane_reader::owes_room() noexcept {
  const std::uint32_t wait = wants_room();
  record next;
  return wait != 0 && (roomy() || peek(next) != state::ready) ? wait : 0;
}

std::uint32_t lane_reader::replies_taken(wire::incarnation_id callee) const noexcept {
  const std::uint64_t word = shared_->replies_taken.load(memory_order_acquire);
  return (word >> 32) == (callee & 0xffffffff) ? static_cast<std::uint32_t>(word) : 0;
}

}  // namespace troupe::channel
