#pragma once

/// A mailbox with two lanes into it, in memory that a stranger has filled: what a receiver, the judge and the sweep see of
/// a sender that writes whatever it likes.

#include <sys/mman.h>

#include <memory>

#include <troupe/detail/actor_type.hpp>

#include "channel/mailbox.hpp"
#include "fuzz/targets/target.hpp"
#include "supervision/judge.hpp"

namespace fuzz {

namespace channel = troupe::channel;
namespace os = troupe::os;
namespace supervision = troupe::supervision;
namespace wire = troupe::wire;

/// What the supervisor knows of the receiving actor: a message that is handled again, and one that is dropped.
inline constexpr std::uint64_t again_message = 11, dropped_message = 12;
inline constexpr troupe::detail::handler_entry reader_entries[] = {
    {again_message, 0, "Again", troupe::delivery{troupe::delivery::kind::redeliver, 3}, nullptr},
    {dropped_message, 0, "Dropped", troupe::delivery{troupe::delivery::kind::drop, 1}, nullptr}};
inline constexpr troupe::detail::actor_type reader_type{
    "Reader", reader_entries, {}, troupe::detail::turns::checkpointed, 1, nullptr, nullptr};

inline constexpr std::uint32_t ring_bytes = 1U << wire::min_ring_log2;
inline constexpr std::uint64_t checkpoint_limit = 1 << 16;
inline constexpr std::size_t page = 4096;

/// One sender's out-memory. Its lane is the last thing before the outbox, and the page behind it cannot be read: what
/// reads beyond the ring's end, faults.
class sender_memory {
 public:
  sender_memory()
      : memory_(os::make_memory("fuzz-out", wire::out_memory_bytes)),
        own_(memory_, wire::out_memory_bytes, os::access::read_write),
        peer_(std::make_shared<channel::peer_memory>()) {
    peer_->map = os::mapping(memory_, wire::out_memory_bytes, os::access::read_only);
    ::mprotect(peer_->map.data() + wire::out_lanes_end, page, PROT_NONE);
  }
  static constexpr std::uint64_t lane_at = wire::out_lanes_end - wire::lane_bytes(ring_bytes);

  wire::out_header& header() const { return *own_.at<wire::out_header>(); }
  wire::lane_header& lane() const { return *own_.at<wire::lane_header>(lane_at); }
  std::span<std::byte> ring() const { return {own_.data() + lane_at + sizeof(wire::lane_header), ring_bytes}; }
  const std::shared_ptr<channel::peer_memory>& peer() const { return peer_; }

  /// As a stranger left it: the words, then the ring from the head on.
  void fill(input& from, std::uint64_t head) const {
    const auto words = from.take<words_of_sender>();
    header().turn = words.turn;
    std::memcpy(&header().commits, words.commits, sizeof words.commits);
    lane().layout = words.layout;
    lane().ring_bytes = words.ring_bytes;
    lane().tail = words.tail_is_absolute != 0 ? words.tail : head + words.tail % (2 * ring_bytes);
    lane().wants_room = words.wants_room;
    lane().replies_taken = words.replies_taken;
    std::memset(ring().data(), words.filling, ring_bytes);
    for (std::size_t i = 0; const std::byte each : from.take(words.bytes % (ring_bytes + 1))) {
      ring()[(head + i++) & (ring_bytes - 1)] = each;
    }
  }

  struct words_of_sender {
    std::uint64_t turn, tail, replies_taken;
    std::byte commits[2 * sizeof(wire::commit_record)];
    std::uint32_t layout, ring_bytes, wants_room;
    std::uint16_t bytes;
    std::uint8_t filling, tail_is_absolute;
  };

 private:
  os::fd memory_;
  os::mapping own_;
  std::shared_ptr<channel::peer_memory> peer_;
};

inline void check_record(const sender_memory& from, const channel::record& got) {
  const auto within = [&](std::span<const std::byte> what, const std::byte* begin, std::size_t size) {
    return what.empty() || (what.data() >= begin && what.data() + what.size() <= begin + size);
  };
  const std::byte* const peer = from.peer()->map.data();
  const std::byte* const ring = peer + sender_memory::lane_at + sizeof(wire::lane_header);
  const bool inside = within(got.body, ring, ring_bytes);
  FUZZ_REQUIRE(inside || within(got.body, peer + wire::out_lanes_end, wire::outbox_bytes));
  FUZZ_REQUIRE(within(got.blocks, ring, ring_bytes));
  FUZZ_REQUIRE(got.end > got.position && got.end - got.position <= ring_bytes);
  FUZZ_REQUIRE(got.block_count() <= wire::max_blocks);
  // A fault, if the span says more than there is.
  if (inside && !got.body.empty()) (void)*static_cast<const volatile std::byte*>(&got.body.back());
  for (std::size_t i = 0; i < got.block_count(); ++i) {
    const auto payload = from.peer()->outbox(got.block(i));
    FUZZ_REQUIRE(within(payload, peer + wire::out_lanes_end, wire::outbox_bytes));
  }
}

/// The mailbox's own memory, as its owner and as the supervisor have it.
class mailbox_memory {
 public:
  mailbox_memory()
      : cursor_memory_(os::make_memory("fuzz-cursor", wire::cursor_bytes)),
        hint_memory_(os::make_memory("fuzz-hints", wire::hint_bytes)),
        cursor_(map()) {}
  os::mapping map() const { return {cursor_memory_, wire::cursor_bytes, os::access::read_write}; }
  channel::mailbox open() const {
    return {1, map(), os::mapping(hint_memory_, wire::hint_bytes, os::access::read_only), os::make_doorbell()};
  }
  wire::cursor_header& page() const { return *cursor_.at<wire::cursor_header>(); }
  wire::cursor_slot* slots() const { return cursor_.at<wire::cursor_slot>(wire::cursor_slots_offset); }

 private:
  os::fd cursor_memory_, hint_memory_;
  os::mapping cursor_;
};

/// A lane as the broker has made it.
inline void add_lane(supervision::identity& to, std::uint32_t slot, const sender_memory& from, std::uint64_t start) {
  auto lane = std::make_unique<supervision::in_lane>();
  lane->slot = slot;
  lane->sender = slot + 100;
  lane->memory = from.peer();
  lane->offset = sender_memory::lane_at;
  lane->ring_bytes = ring_bytes;
  lane->start = start;
  to.lanes.push_back(std::move(lane));
}

/// Everything that a receiver does with its lanes, until nothing is deliverable or `most` records have been handled.
/// Returns how many.
template <class Senders>
std::size_t drain(channel::mailbox& mail, const Senders& senders, std::size_t most) {
  std::size_t handled = 0;
  for (unsigned idle = 0; idle < 2 && handled < most;) {
    channel::record got;
    channel::inbound* lane = mail.next(got);
    mail.broken.clear();
    for (const auto slot : std::exchange(mail.drained, {})) {
      if (lane != nullptr && lane->slot == slot) lane = nullptr;
      mail.remove(slot);
    }
    if (lane == nullptr) {
      idle += mail.prepare_sleep() ? 2 : 1;
      mail.woke();
      continue;
    }
    idle = 0;
    check_record(*senders[lane->slot % senders.size()], got);
    (void)lane->reader.replies_taken(7);
    mail.start(*lane, got);
    mail.finish(*lane, got);
    ++handled;
  }
  return handled;
}

/// What the control thread does with a mailbox: the once-a-second sweep, a death, the end of the identity. `quiet`: nobody
/// writes meanwhile.
inline void supervise(supervision::identity& its, supervision::life& dead, bool quiet) {
  for (const auto& lane : its.lanes) {
    auto reader = supervision::reader_of(its, *lane);
    channel::record record;
    const std::uint64_t tail = reader.tail();
    (void)(reader.wants_room() && reader.roomy());
    while (reader.head() < tail && reader.peek(record) == channel::lane_reader::state::ready) reader.advance(record);
  }
  supervision::recover_turn(its, dead);
  for (const auto& each : supervision::judge(its)) FUZZ_REQUIRE(each.attempts > 0 && !each.name.empty());
  supervision::recover_turn(its, dead);
  const bool again = !supervision::judge(its).empty();
  FUZZ_REQUIRE(!quiet || !again);  // twice is as good as once
  const auto& page = *its.cursor.at<wire::cursor_header>();
  FUZZ_REQUIRE(page.base_present == 0 || page.base_length <= its.checkpoint_bytes);
  FUZZ_REQUIRE(page.base_present == 0 || page.base_buffer <= 1);
}

}  // namespace fuzz
