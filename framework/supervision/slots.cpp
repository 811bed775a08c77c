#include "supervision/slots.hpp"

#include <algorithm>
#include <memory>
#include <utility>

namespace troupe::supervision {

bool has_slot(const identity& of) noexcept { return !of.free_slots.empty() || of.next_slot < wire::max_slots; }

in_lane* open_lane(identity& to, const life& from, const wire::connect& wanted) {
  const bool used_before = !to.free_slots.empty();
  const std::uint32_t slot = used_before ? to.free_slots.back() : to.next_slot;
  const std::uint64_t head = to.slot(slot).head.load(std::memory_order_seq_cst);
  if (head % 8 != 0 || head > wire::last_start) return nullptr;
  used_before ? to.free_slots.pop_back() : static_cast<void>(++to.next_slot);
  auto lane = std::make_unique<in_lane>();
  lane->slot = slot;
  lane->sender = from.of->id;
  lane->memory = from.memory;
  lane->memory_fd = from.out;
  lane->segments = from.segments;
  lane->doorbell = from.of->doorbell;
  lane->offset = wanted.offset;
  lane->ring_bytes = wanted.ring_bytes;
  const auto letters = to.letters.find(slot);
  lane->start = std::max(head, letters == to.letters.end() ? 0 : wire::align8(letters->second));
  lane->asks = wanted.asks != 0;
  to.lanes.push_back(std::move(lane));
  return to.lanes.back().get();
}

void close_lane(identity& of, in_lane& lane) {
  const std::uint32_t slot = lane.slot;
  of.flights.erase(slot);
  std::erase_if(of.lanes, [&](const auto& each) { return each.get() == &lane; });
  of.free_slots.push_back(slot);
}

}  // namespace troupe::supervision
