#include "supervision/judge.hpp"

#include <algorithm>

namespace troupe::supervision {

channel::lane_reader reader_of(const identity& of, const in_lane& lane) {
  const std::uint64_t head = of.slot(lane.slot).head.load(std::memory_order_seq_cst);
  return {lane.memory, lane.offset, lane.ring_bytes, std::max(head, lane.start)};
}

void recover_turn(identity& of, const life& dead) {
  const auto* out = dead.memory->map.at<wire::out_header>();
  const std::uint64_t turn = out->turn.load(std::memory_order_seq_cst);
  if (turn == 0) return;
  wire::commit_record record = out->commits[turn & 1];
  if (record.turn != turn) return;  // not what a worker of ours writes
  const auto lane = std::find_if(of.lanes.begin(), of.lanes.end(),
                                 [&](const auto& each) { return each->slot == record.slot; });
  if (record.slot != wire::no_slot && lane != of.lanes.end()) {
    const auto reader = reader_of(of, **lane);
    // A head beyond what was published is no head.
    if (record.head > reader.head() && record.head <= reader.tail()) {
      of.slot(record.slot).head.store(record.head, std::memory_order_seq_cst);
    }
  }
  if (of.checkpoint_bytes == 0 || record.buffer > 1 || record.length > of.checkpoint_bytes) return;
  auto& page = *of.cursor.at<wire::cursor_header>();
  page.base_buffer = record.buffer;
  page.base_length = record.length;
  page.base_checksum = record.checksum;
  page.base_present = 1;
}

namespace {

judged_record describe(const identity& of, const in_lane& lane, const channel::record& record, unsigned attempts) {
  judged_record found;
  found.slot = lane.slot;
  found.sender = lane.sender;
  found.position = record.position;
  found.message = record.header.message;
  found.attempts = attempts;
  found.body_bytes = record.body.size();
  found.request = record.header.kind == wire::record_kind::request;
  const detail::handler_entry* entry = of.type == nullptr ? nullptr : of.type->find(found.message);
  found.name = entry == nullptr ? "message " + std::to_string(found.message) : std::string(entry->name);
  return found;
}

judged_record::fate fate_of(const identity& of, const channel::record& record, unsigned attempts) {
  const bool request = record.header.kind == wire::record_kind::request;
  const delivery policy = of.type->judge(record.header.message, request).policy;
  if (policy.how == delivery::kind::drop) return judged_record::fate::dropped;
  // Attempts saturate at 254 and 255, which therefore exceed any finite limit that is larger.
  const bool more = policy.limit == unlimited || (attempts < policy.limit && attempts < 254);
  return more ? judged_record::fate::redeliver : judged_record::fate::quarantined;
}

}  // namespace

bool find_record(const identity& of, const in_lane& lane, std::uint64_t position, channel::record& into) {
  auto reader = reader_of(of, lane);
  // The sender may go on publishing, as fast as this reads.
  const std::uint64_t end = std::min(reader.tail(), reader.head() + lane.ring_bytes);
  while (reader.head() < end && reader.peek(into) == channel::lane_reader::state::ready) {
    if (into.position >= position) return into.position == position;
    reader.advance(into);
  }
  return false;
}

std::optional<in_hand> in_hand_of(const identity& of, const in_lane& lane) {
  const wire::cursor_slot& words = of.slot(lane.slot);
  // In this order: a head that has not passed the record was read after its start.
  const std::uint64_t mark = words.mark.load(std::memory_order_seq_cst);
  const std::uint64_t head = words.head.load(std::memory_order_seq_cst);
  const auto judged = of.judged.find(lane.slot);
  if (wire::attempts_of(mark) == 0 || (judged != of.judged.end() && judged->second == mark)) return std::nullopt;
  const std::uint64_t started = wire::position_of(mark), at_head = head & (~std::uint64_t{0} >> 8);
  if (started < at_head || (started > at_head && of.type->commit_every == 1)) return std::nullopt;  // finished
  return in_hand{head + (started - at_head), mark};
}

std::vector<judged_record> judge(identity& of, const witness& before_it_goes) {
  std::vector<judged_record> judged;
  if (of.type == nullptr) return judged;
  for (const auto& lane : of.lanes) {
    const auto started = in_hand_of(of, *lane);
    // One that is finished, too: a turn that covers several may come back to a mark from before it.
    of.judged[lane->slot] = of.slot(lane->slot).mark.load(std::memory_order_seq_cst);
    if (!started) continue;
    channel::record record;
    if (!find_record(of, *lane, started->position, record)) continue;
    judged_record found = describe(of, *lane, record, wire::attempts_of(started->mark));
    // Beyond the head the record was in hand inside a longer turn. Those before it are handled again too, each alone, so
    // it is judged when it has come to the head.
    auto& head = of.slot(lane->slot).head;
    const bool at_head = started->position == head.load(std::memory_order_seq_cst);
    found.what = at_head ? fate_of(of, record, found.attempts) : judged_record::fate::redeliver;
    if (before_it_goes) before_it_goes(found, *lane, record);
    if (found.what != judged_record::fate::redeliver) head.store(record.end, std::memory_order_seq_cst);
    judged.push_back(std::move(found));
  }
  return judged;
}

void pay_rings(const life& dead, const identity& mailbox) noexcept {
  const bool told = std::any_of(mailbox.lanes.begin(), mailbox.lanes.end(),
                                [&](const auto& lane) { return lane->memory->incarnation == dead.id; });
  if (told) os::ring(*mailbox.doorbell);
  if (mailbox.consumer != &dead) return;
  for (const auto& lane : mailbox.lanes) os::ring(*lane->doorbell);
}

policy::charge charge_for(const life& dead, const std::vector<judged_record>& records) noexcept {
  const bool starting = dead.now < life::stage::up;
  const bool recycled = dead.retired || (starting && dead.unannounced);
  if (dead.kill_asked || dead.stop_asked || recycled) return policy::charge::asked;
  const bool kept = dead.of == nullptr || dead.of->spec.mailbox == mailbox::keep;  // else no attempts are left
  const bool only_redelivered = kept && !records.empty() && std::all_of(records.begin(), records.end(), [](const auto& each) {
    return each.what == judged_record::fate::redeliver;
  });
  return !starting && only_redelivered ? policy::charge::record : policy::charge::counts;
}

}  // namespace troupe::supervision
