#include "worker/replies.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

namespace troupe::worker {

namespace {

std::vector<std::byte> make_frame(wire::reply_kind kind, std::uint8_t flags, const detail::deferral& to,
                                  std::uint64_t reply_type, std::span<const std::byte> body) {
  wire::reply_header header{};
  header.bytes = static_cast<std::uint32_t>(sizeof header + body.size());
  header.kind = kind;
  header.flags = flags;
  header.correlation = to.correlation;
  header.reply_type = reply_type;
  std::vector<std::byte> bytes(header.bytes);
  std::memcpy(bytes.data(), &header, sizeof header);
  if (!body.empty()) std::memcpy(bytes.data() + sizeof header, body.data(), body.size());
  return bytes;
}

// A handler that waits would find it writable again and again: nothing is written before it returns.
constexpr std::uint8_t when_writable = os::poller::write | os::poller::once;
constexpr std::size_t max_body = wire::max_reply_frame - sizeof(wire::reply_header);

}  // namespace

channel::inbound* replies::lane_of(const detail::deferral& to) {
  channel::inbound* lane = mailbox_.find(to.slot);
  return lane != nullptr && lane->incarnation == to.incarnation && !lane->memory->dead ? lane : nullptr;
}

void replies::value(const detail::deferral& to, std::uint64_t reply_type, const void* body, encoder encode) {
  if (to.incarnation == 0 || lane_of(to) == nullptr) return;  // told, or the asker is dead
  std::array<std::byte, max_body> small;
  detail::writer first(small.data(), small.size());
  encode(body, first);
  if (first.fits()) {
    submit({to, make_frame(wire::reply_kind::value, 0, to, reply_type, {small.data(), first.size()}), nullptr});
    return;
  }
  std::shared_ptr<detail::outbox_block> block;
  release_read();  // what has been read by now makes room
  try {
    block = endpoint_.take_block(first.size(), os::clock::now());
  } catch (const error& e) {
    return text(to, wire::reply_kind::failure, e.what());
  }
  if (endpoint_.in_turn()) endpoint_.turn_holds += block->bytes;
  detail::writer second(block->data, block->bytes);
  encode(body, second);
  endpoint_.share_segment(block->offset, 0, to.incarnation);
  const wire::block where{block->offset, block->bytes};
  submit({to,
          make_frame(wire::reply_kind::value, wire::reply_flag_in_outbox, to, reply_type,
                     std::as_bytes(std::span(&where, 1))),
          std::move(block)});
}

void replies::text(const detail::deferral& to, wire::reply_kind kind, std::string_view text) {
  if (to.incarnation == 0 || lane_of(to) == nullptr) return;
  submit({to, make_frame(kind, 0, to, 0, std::as_bytes(std::span(text.substr(0, max_body)))), nullptr});
}

void replies::defer(const detail::deferral& to, std::uint64_t deadline_ns) {
  if (to.incarnation == 0) return;
  if (deferred_.size() >= promises_to_check_) {
    drop_void_promises();
    promises_to_check_ = std::max<std::size_t>(64, 2 * deferred_.size());
  }
  deferred_.try_emplace({to.incarnation, to.correlation}, promise{to, deadline_ns});
}

/// A handler may have dropped its `deferred`, and an asker may have died.
void replies::drop_void_promises() {
  const std::uint64_t now = os::to_ns(os::clock::now());
  std::erase_if(deferred_, [&](const auto& each) {
    return each.second.deadline_ns <= now || lane_of(each.second.to) == nullptr;
  });
}

std::optional<os::time_point> replies::owed_until() {
  if (deferred_.empty()) return std::nullopt;
  drop_void_promises();
  std::uint64_t first = std::numeric_limits<std::int64_t>::max();
  for (const auto& [key, each] : deferred_) first = std::min(first, each.deadline_ns);
  return deferred_.empty() ? std::nullopt : std::optional(os::from_ns(first));
}

void replies::release() {
  holding_ = false;
  std::vector<frame> now;
  now.swap(held_);
  for (auto& reply : now) submit(std::move(reply));
}

void replies::submit(frame&& reply) {
  if (holding_) return held_.push_back(std::move(reply));
  channel::inbound* lane = lane_of(reply.to);
  if (lane == nullptr || !lane->reply_pipe) return;
  outgoing_replies& link = links_[reply.to.slot];
  link.asker = lane->incarnation;
  if (!link.waiting.empty() || !write(*lane, link, reply)) {
    // The record counts as done all the same; only this lane gives nothing more until the pipe has room.
    link.waiting.push_back(std::move(reply));
    lane->parked = true;
    watch(*lane, link);
  }
}

void replies::watch(channel::inbound& lane, outgoing_replies& link) {
  if (std::exchange(link.watching, true)) return;
  endpoint_.watch(lane.reply_pipe, lane.slot, when_writable);
  ++watched_;
}

void replies::unwatch(channel::inbound& lane, outgoing_replies& link) {
  if (!std::exchange(link.watching, false)) return;
  endpoint_.unwatch(lane.reply_pipe);
  --watched_;
}

bool replies::write(channel::inbound& lane, outgoing_replies& link, const frame& reply) {
  release_read(lane, link);
  const auto put = os::write_some(lane.reply_pipe, reply.bytes);
  if (put.what == os::io::again) return false;
  // Hung up: the asker is dead or dying, nobody waits for this answer.
  if (put.what == os::io::done && reply.body) link.unread.emplace_back(++link.large, reply.body);
  return true;
}

void replies::release_read(channel::inbound& lane, outgoing_replies& link) {
  const std::uint32_t taken = lane.reader.replies_taken(endpoint_.incarnation());
  while (!link.unread.empty() && link.unread.front().first <= taken) link.unread.pop_front();
}

void replies::release_read() {
  for (auto& [slot, link] : links_) {
    if (channel::inbound* lane = mailbox_.find(slot); lane != nullptr) release_read(*lane, link);
  }
}

void replies::pipe_arrived(channel::inbound& lane) {
  const auto known = links_.find(lane.slot);
  if (known != links_.end() && known->second.asker != lane.incarnation) forget(lane.slot);
  lane.parked = false;
}

void replies::flush(std::uint32_t slot) {
  const auto found = links_.find(slot);
  channel::inbound* lane = mailbox_.find(slot);
  if (found == links_.end() || lane == nullptr) return;
  outgoing_replies& link = found->second;
  while (!link.waiting.empty() && write(*lane, link, link.waiting.front())) link.waiting.pop_front();
  if (!link.waiting.empty()) return endpoint_.watch_again(lane->reply_pipe, slot, when_writable);
  unwatch(*lane, link);
  lane->parked = false;
  mailbox_.look_again(slot);
}

void replies::forget(std::uint32_t slot) {
  const auto found = links_.find(slot);
  if (found == links_.end()) return;
  if (channel::inbound* lane = mailbox_.find(slot); lane != nullptr) unwatch(*lane, found->second);
  links_.erase(found);
}

}  // namespace troupe::worker
