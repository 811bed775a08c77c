#include "channel/segments.hpp"

#include <utility>

namespace troupe::channel {

std::uint64_t segments::take(std::uint64_t bytes) {
  if (refusal_) throw error(*std::exchange(refusal_, std::nullopt));
  for (auto& [number, each] : all_) {
    const std::uint64_t place = each->parts.take(bytes);
    if (place == 0) continue;
    each->idle = false;
    return wire::offset_in_segment(number, place);
  }
  return 0;
}

void segments::give(std::uint64_t offset, std::uint64_t bytes) noexcept {
  all_.at(wire::segment_of(offset))->parts.give(wire::place_in_segment(offset), bytes);
}

std::byte* segments::data(std::uint64_t offset) const noexcept {
  return all_.at(wire::segment_of(offset))->memory.data() + wire::place_in_segment(offset);
}

std::uint64_t segments::wish(std::uint64_t bytes) noexcept {
  constexpr std::uint64_t grain = wire::segment_begin;
  const std::uint64_t left = limit_ > room_ ? limit_ - room_ : 0;
  // Small bodies share a segment; the last one may be smaller, so that the limit can be used up.
  const std::uint64_t room = std::max((bytes + grain - 1) / grain * grain, std::min(wire::least_segment_room, left));
  if (wished_ > 0 || room > left || room == 0) return 0;
  return wished_ = room;
}

void segments::made(std::uint32_t number, os::mapping memory) {
  wished_ = 0;
  room_ += memory.size() - wire::segment_begin;
  all_.emplace(number, std::make_unique<segment>(std::move(memory)));
}

void segments::refused(error why) {
  wished_ = 0;
  refusal_ = std::move(why);
}

bool segments::share(std::uint32_t number, std::uint64_t who) { return all_.at(number)->shared.insert(who).second; }

void segments::forget(std::uint64_t who) noexcept {
  for (auto& [number, each] : all_) each->shared.erase(who);
}

std::vector<std::uint32_t> segments::retire(bool all) noexcept {
  std::vector<std::uint32_t> gone;
  std::erase_if(all_, [&](const auto& each) {
    const bool nothing = each.second->parts.used() == 0;
    const bool over = nothing && (all || std::exchange(each.second->idle, true));
    if (over) gone.push_back(each.first);
    if (over) room_ -= each.second->memory.size() - wire::segment_begin;
    return over;
  });
  return gone;
}

}  // namespace troupe::channel
