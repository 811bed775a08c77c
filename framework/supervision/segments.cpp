// Further segments of outboxes: made for a sender, sealed, handed to those who read what lies there, and taken back.

#include <algorithm>

#include "os/memory.hpp"
#include "supervision/control.hpp"

namespace troupe::supervision {

namespace {

/// A number that no segment of this incarnation has now; 0: there is none.
std::uint32_t free_number(const outbox_segments& of) {
  if (of.all.size() >= wire::max_segment) return 0;
  std::uint32_t number = of.last;
  do number = number % wire::max_segment + 1;
  while (of.all.contains(number));
  return number;
}

/// Whether one more segment keeps within the limit. Each costs this process a descriptor, so small ones are counted,
/// too.
bool within_limit(const outbox_segments& of, std::uint64_t room, std::uint64_t limit) {
  constexpr std::uint64_t small_ones = 16;
  std::uint64_t used = 0;
  for (const auto& [number, each] : of.all) used += each.room;
  const bool few = of.all.size() < limit / wire::least_segment_room + small_ones;
  return few && room > 0 && used <= limit && room <= limit - used;
}

/// Whether this incarnation may get replies from `callee`.
bool asks(const identity& callee, wire::incarnation_id asker) {
  return std::any_of(callee.lanes.begin(), callee.lanes.end(),
                     [&](const auto& lane) { return lane->asks && lane->memory->incarnation == asker; });
}

}  // namespace

void control::on_segment_make(life& who, std::uint64_t room) {
  const auto refuse = [&](const std::string& why) { send(who, wire::frame::segment_made, wire::segment{}, why); };
  const std::uint32_t number = free_number(*who.segments);
  if (number == 0 || !within_limit(*who.segments, room, who.of->spec.outbox_bytes))
    return refuse("its limit is reached");
  try {
    const std::uint64_t bytes = wire::segment_bytes(room);
    auto memory = std::make_shared<os::fd>(os::make_memory("troupe-segment", bytes));
    // Its worker runs the user's code already: it must not cut off what others will map.
    os::seal_memory(*memory, os::seal::size_first);
    who.segments->last = number;
    who.segments->all[number] = {memory, room, false, {}};
    send(who, wire::frame::segment_made, wire::segment{who.id, number, bytes, 0, 0, 0}, {}, {std::move(memory)});
  } catch (const error& e) {
    refuse(e.what());
  }
}

void control::on_segment_mapped(life& who, std::uint64_t number) {
  const auto found = who.segments->all.find(static_cast<std::uint32_t>(number));
  if (found == who.segments->all.end() || found->second.sealed) return;
  outbox_segment& its = found->second;
  os::seal_memory(*its.memory, os::seal::one_writer);
  // For judging and dead letters; only what is looked at becomes real.
  who.memory->add_segment(found->first, os::mapping(*its.memory, wire::segment_bytes(its.room), os::access::read_only));
  its.sealed = true;
}

void control::hand_segment(life& to, wire::incarnation_id from, outbox_segments& all, std::uint32_t number,
                           wire::identity_id owner, std::uint32_t slot) {
  const auto found = all.all.find(number);
  if (found == all.all.end() || !found->second.sealed) return;
  outbox_segment& its = found->second;
  its.holders.emplace(to.id, owner);
  send(to, wire::frame::segment, wire::segment{from, number, wire::segment_bytes(its.room), owner, slot, 0}, {},
       {its.memory});
}

void control::on_segment_share(life& who, const wire::share& said) {
  const auto number = static_cast<std::uint32_t>(said.number);
  const auto found = who.segments->all.find(number);
  if (found == who.segments->all.end()) return;
  if (said.to == 0) {
    life* asker = asks(*who.of, said.asker) ? find_life(said.asker) : nullptr;
    const bool has_it = found->second.holders.contains({said.asker, 0});
    if (asker != nullptr && !has_it) hand_segment(*asker, who.id, *who.segments, number, 0, 0);
    return;
  }
  identity* to = find_identity(said.to);
  if (to == nullptr) return;
  for (auto& lane : to->lanes) {
    if (lane->memory->incarnation != who.id || !lane->used_segments.insert(number).second) continue;
    if (to->consumer != nullptr && lane->announced) {
      hand_segment(*to->consumer, who.id, *who.segments, number, to->id, lane->slot);
    }
  }
}

void control::on_segment_retired(life& who, std::uint64_t value) {
  const auto number = static_cast<std::uint32_t>(value);
  const auto node = who.segments->all.extract(number);
  if (node.empty()) return;
  who.memory->drop_segment(number);
  for (auto& [id, each] : identities_) {
    for (auto& lane : each->lanes) {
      if (lane->memory->incarnation == who.id) lane->used_segments.erase(number);
    }
  }
  for (const auto& [holder, owner] : node.mapped().holders) {
    if (life* its = find_life(holder)) {
      send(*its, wire::frame::segment_gone, wire::segment{who.id, number, 0, owner, 0, 0});
    }
  }
}

}  // namespace troupe::supervision
