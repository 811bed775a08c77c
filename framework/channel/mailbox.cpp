#include "channel/mailbox.hpp"

#include <algorithm>
#include <utility>

namespace troupe::channel {

namespace {
constexpr unsigned batch_limit = 64;       // records taken from one lane before the next lane gets its turn
// Records between two looks at every lane's truth: at least these, and so many for each lane.
constexpr std::size_t full_look_every = 256, full_look_every_of_lane = 16;
// So few lanes are asked for their tails at once: a hint would be one more cache line that sender and receiver pass to
// and fro for each record.
constexpr std::size_t few_lanes = 4;
}  // namespace

mailbox::mailbox(wire::identity_id owner, os::mapping cursor, os::mapping hints, os::fd doorbell) noexcept
    : owner_(owner), cursor_(std::move(cursor)), hints_(std::move(hints)), doorbell_(std::move(doorbell)) {}

void mailbox::add(const wire::lane& announced, std::shared_ptr<peer_memory> memory, os::fd doorbell) {
  if (find(announced.slot) != nullptr) remove(announced.slot);
  const std::uint64_t stored = cursor(announced.slot).head.load(std::memory_order_relaxed);
  auto lane = std::make_unique<inbound>(inbound{
      .reader = lane_reader(memory, announced.offset, announced.ring_bytes, std::max(stored, announced.start)),
      .sender = announced.sender,
      .incarnation = announced.incarnation,
      .slot = announced.slot,
      .memory = std::move(memory),
      .doorbell = std::move(doorbell),
      .reply_pipe = {}});
  const std::uint64_t mark = cursor(announced.slot).mark.load(std::memory_order_relaxed);
  lane->inherited_mark = mark;
  if (wire::attempts_of(mark) > 0) lane->careful_until = wire::position_of(mark);
  for (const auto& other : lanes_) lane->predecessors += other.lane->sender == announced.sender ? 1U : 0U;
  lanes_.push_back({announced.slot, hint(announced.slot), 0, true, std::move(lane)});
}

inbound* mailbox::find(std::uint32_t slot) noexcept {
  for (auto& each : lanes_) {
    if (each.slot == slot) return each.lane.get();
  }
  return nullptr;
}

void mailbox::remove(std::uint32_t slot) {
  const auto gone = std::find_if(lanes_.begin(), lanes_.end(), [&](const watched& each) { return each.slot == slot; });
  if (gone == lanes_.end()) return;
  settle();
  if (in_batch_ > 0) lanes_[current_].more = true;
  for (auto later = gone + 1; later != lanes_.end(); ++later) {
    if (later->lane->sender != gone->lane->sender) continue;
    --later->lane->predecessors;
    later->more = true;
  }
  lanes_.erase(gone);
  current_ = 0;
  in_batch_ = 0;
}

void mailbox::look_again(std::uint32_t slot) noexcept {
  for (auto& each : lanes_) each.more = each.more || each.slot == slot;
}

bool mailbox::expects_from(wire::incarnation_id sender) const noexcept {
  return std::any_of(lanes_.begin(), lanes_.end(),
                     [&](const watched& each) { return each.lane->incarnation == sender && !each.lane->broken; });
}

std::uint32_t mailbox::hint(std::uint32_t slot) const noexcept {
  return hints_.at<const std::atomic<std::uint32_t>>()[slot].load(std::memory_order_relaxed);
}

bool mailbox::deliverable(inbound& lane, record& into) {
  if (lane.predecessors > 0 || lane.parked || lane.finished) return false;
  // Looked at before the tail: another thread of this process may learn of the death meanwhile.
  const bool final = lane.memory->dead;
  lane.uncommitted = false;
  switch (lane.broken ? lane_reader::state::empty : lane.reader.peek(into)) {
    case lane_reader::state::ready:
      lane.waiting_for_pipe = into.header.kind == wire::record_kind::request && !lane.reply_pipe && !lane.memory->dead &&
                              os::to_ns(os::clock::now()) < into.request.deadline_ns;
      return !lane.waiting_for_pipe;
    case lane_reader::state::empty:
      lane.finished = final;
      if (lane.finished) drained.push_back(lane.slot);
      return false;
    case lane_reader::state::corrupt:
      lane.broken = true;
      broken.push_back(lane.slot);
      return false;
    case lane_reader::state::uncommitted: lane.uncommitted = true; return false;
    case lane_reader::state::unmapped: return false;
  }
  return false;
}

inbound* mailbox::next(record& into) {
  const std::size_t count = lanes_.size();
  if (++since_full_look_ >= std::max(full_look_every, full_look_every_of_lane * count)) {
    since_full_look_ = 0;
    for (auto& each : lanes_) each.more = true;
  }
  if (in_batch_ >= batch_limit) {
    lanes_[current_].more = true;
    leave_lane();
  }
  for (std::size_t step = 0; step < count; ++step) {
    watched& each = lanes_[current_];
    if (in_batch_ > 0 || count <= few_lanes || told_more(each)) {
      each.more = false;
      if (deliverable(*each.lane, into)) {
        ++in_batch_;
        return each.lane.get();
      }
    }
    leave_lane();
  }
  return nullptr;
}

void mailbox::leave_lane() noexcept {
  settle();
  in_batch_ = 0;
  current_ = current_ + 1 < lanes_.size() ? current_ + 1 : 0;
}

bool mailbox::told_more(watched& lane) const noexcept {
  const std::uint32_t told = hint(lane.slot);
  return std::exchange(lane.seen_hint, told) != told || lane.more;
}

bool mailbox::news() noexcept {
  bool found = false;
  for (auto& each : lanes_) {
    // A commit does not move the tail of the lane that waits for it, but it moves the hint.
    if (lanes_.size() <= few_lanes && !each.lane->uncommitted) {
      const std::uint64_t tail = each.lane->reader.tail();
      found = std::exchange(each.seen_tail, tail) != tail || each.more || found;
    } else {
      each.more = told_more(each);
      found = each.more || found;
    }
  }
  return found;
}

bool mailbox::anything() {
  record ignored;
  bool found = false;
  for (auto& each : lanes_) {
    each.more = deliverable(*each.lane, ignored);
    found = found || each.more;
  }
  return found;
}

unsigned mailbox::start(const inbound& lane, const record& started, bool first) noexcept {
  wire::cursor_slot& words = cursor(lane.slot);
  // In flight is the record whose position equals head and mark: step the head over pads and void records first.
  if (first && words.head.load(std::memory_order_relaxed) != started.position) {
    words.head.store(started.position, std::memory_order_release);
  }
  const std::uint64_t last = words.mark.load(std::memory_order_relaxed);
  // What was tried within a longer turn comes again after those before it, whose marks take the place of its own.
  const bool known = wire::attempts_of(wire::next_mark(last, started.position)) > 1;
  const std::uint64_t mark = wire::next_mark(known ? last : lane.inherited_mark, started.position);
  words.mark.store(mark, std::memory_order_release);
  return wire::attempts_of(mark);
}

bool mailbox::begun(const inbound& lane, const record& which) const noexcept {
  const std::uint64_t mark = cursor(lane.slot).mark.load(std::memory_order_relaxed);
  return wire::next_mark(mark, which.position) != wire::mark_of(which.position, 1);
}

void mailbox::finish(inbound& lane, const record& done) noexcept {
  lane.reader.advance(done);
  finish_passed(lane);
}

void mailbox::finish_passed(inbound& lane) noexcept {
  // release: the record has been read before its bytes may be written over. pairs with: lane_writer::head()
  cursor(lane.slot).head.store(lane.reader.head(), std::memory_order_release);
  unsettled_ = &lane;
  if (const auto wait = lane.reader.wants_room(); wait != 0 && wait != lane.room_told) settle();
}

void mailbox::settle() noexcept {
  inbound* lane = std::exchange(unsettled_, nullptr);
  if (lane == nullptr) return;
  // SYNC room: head, then wants_room. pairs with: lane_writer::want_room(), which stores wants_room, then reads head.
  // finish() has stored this head already, but its store may still be behind its load of wants_room.
  auto& head = cursor(lane->slot).head;
  head.store(head.load(std::memory_order_relaxed), std::memory_order_seq_cst);
  const std::uint32_t wait = lane->reader.owes_room();
  if (wait == 0 || wait == lane->room_told || !lane->doorbell) return;
  lane->room_told = wait;
  os::ring(lane->doorbell);
}

bool mailbox::prepare_sleep() {
  // SYNC sleep: sleeping, then every lane's truth. pairs with: outgoing lanes, which store the tail (or the turn), then
  // read sleeping.
  settle();
  auto& word = page().sleeping;
  word.store(word.load(std::memory_order_relaxed) | 1, std::memory_order_seq_cst);
  if (!anything() && drained.empty() && broken.empty()) return true;
  woke();
  return false;
}

void mailbox::woke() noexcept {
  auto& word = page().sleeping;
  const std::uint64_t now = word.load(std::memory_order_relaxed);
  word.store(now + (now & 1), std::memory_order_relaxed);
}

}  // namespace troupe::channel
