// Links: how this process comes to know a receiver, and how it forgets it.

#include "channel/endpoint.hpp"

namespace troupe::channel {

out_link& endpoint::link_to(const detail::address& to) {
  if (void* cached = to.route.load(std::memory_order_acquire); cached != nullptr) {
    return *static_cast<out_link*>(cached);
  }
  if (to.identity == 0) throw error(errc::not_found, "this ref names no actor: take it from spawn, find or a message");
  const std::lock_guard lock(mutex_);
  auto& link = links_[to.identity];
  if (!link) link = std::make_unique<out_link>(to.identity);
  to.route.store(link.get(), std::memory_order_release);
  return *link;
}

std::string endpoint::name_of(wire::identity_id identity) {
  const std::lock_guard lock(mutex_);
  const auto link = links_.find(identity);
  return link == links_.end() ? std::string{} : link->second->name;
}

// --------------------------------------------------------------------------------------------------------- connecting

void endpoint::connect(out_link& link, bool asks) {
  if (link.offered) return take_up(link);
  const unsigned log2 = wire::ring_log2_of(link.to);
  if (log2 < wire::min_ring_log2 || log2 > wire::max_ring_log2) {
    link.now = out_link::state::refused;
    link.why = error(errc::not_found, "no actor has this number: the ref was not made by Troupe");
    return;
  }
  link.ring_bytes = std::uint32_t{1} << log2;
  {
    const std::lock_guard ranges(ranges_mutex_);
    link.offset = lanes_.take(wire::lane_bytes(link.ring_bytes));
  }
  if (link.offset == 0) {
    link.now = out_link::state::refused;
    link.why = error(errc::full, "this process has no memory left for a lane to one more actor: give receivers smaller lane_bytes");
    return;
  }
  try {
    parts_.out.populate(link.offset, sizeof(wire::lane_header));
  } catch (const error& e) {
    link.now = out_link::state::refused;
    link.why = e;
    const std::lock_guard ranges(ranges_mutex_);
    return lanes_.give(link.offset, wire::lane_bytes(link.ring_bytes));
  }
  // The receiver may look before this side has its answer. A tail of an earlier lane in this range would be taken for
  // news; one below the start is not.
  auto* header = reinterpret_cast<wire::lane_header*>(parts_.out.data() + link.offset);
  header->tail.store(0, std::memory_order_seq_cst);
  link.now = out_link::state::connecting;
  link.why = error(errc::timeout, "the supervisor has not answered in time");
  link.asked = asks;
  send(wire::frame::connect, wire::connect{link.to, link.offset, link.ring_bytes, asks ? 1U : 0U});
}

namespace {

errc refusal(wire::status what) {
  return what == wire::status::gave_up ? errc::gave_up : errc::closed;
}

}  // namespace

void endpoint::connected(incoming& frame) {
  wire::connected got{};
  if (!frame.take(got)) return;
  const auto found = links_.find(got.to);
  if (found == links_.end()) return;
  out_link& link = *found->second;
  const std::lock_guard lock(link.mutex);
  if (link.now != out_link::state::connecting) return;
  if (got.what == wire::status::full) {
    link.why = error(errc::full, frame.text());
    return;
  }
  if (got.what != wire::status::ok) {
    link.now = out_link::state::refused;
    link.why = error(refusal(got.what), frame.text());
    const std::lock_guard ranges(ranges_mutex_);
    return lanes_.give(link.offset, wire::lane_bytes(link.ring_bytes));
  }
  // From here on the receiver reads there, so the range is in use whatever else goes wrong.
  link.offered = std::move(frame);
  take_up(link);
}

/// The link's mutex is held.
void endpoint::take_up(out_link& link) {
  wire::connected got{};
  const auto& fds = link.offered->fds;
  const bool whole = link.offered->take(got) && fds.size() == 4 && got.slot < wire::max_slots && got.start % 8 == 0 &&
                     os::has_fixed_size(fds[0], wire::cursor_bytes) && os::has_fixed_size(fds[1], wire::hint_bytes) &&
                     os::has_fixed_size(fds[2], wire::status_bytes);
  link.now = out_link::state::refused;
  link.why = error(errc::corrupt, "the supervisor's answer is not whole");
  if (!whole) return;
  try {
    link.cursor = os::mapping(fds[0], wire::cursor_bytes, os::access::read_only);
    link.hints = os::mapping(fds[1], wire::hint_bytes, os::access::read_write);
    link.status = os::mapping(fds[2], wire::status_bytes, os::access::read_only);
  } catch (const error& e) {
    link.why = e;
    return;
  }
  link.name = link.offered->text();
  link.doorbell = std::move(link.offered->fds[3]);
  link.slot = got.slot;
  link.ends = got.ends;
  const auto* cursor = link.cursor.at<wire::cursor_slot>(wire::cursor_slots_offset) + got.slot;
  link.lane = lane_writer(parts_.out.data() + link.offset, link.ring_bytes, got.start, cursor,
                          lane_writer::memory::grows);
  link.now = out_link::state::up;
  link.offered.reset();
}

expected<void> endpoint::connect_and_wait(out_link& link, bool asks, std::optional<os::time_point> until) {
  std::unique_lock lock(mutex_);
  if (parts_.spare) {
    return tl::unexpected(error(errc::not_allowed, "a spare process can neither tell nor ask before it has taken over: "
                                                   "do that in on_start"));
  }
  {
    const std::lock_guard of_link(link.mutex);
    if (link.now == out_link::state::fresh || link.now == out_link::state::refused) connect(link, asks);
  }
  if (!until && link.now == out_link::state::connecting) pump(lock, os::clock::now());
  if (!until && link.now == out_link::state::connecting) {
    if (link.why.code() == errc::full) return tl::unexpected(link.why);
    return tl::unexpected(error(errc::connecting, "the first message to this actor waits for the supervisor: try again"));
  }
  const woke how = wait(lock, until, [&] { return link.now != out_link::state::connecting; });
  if (how == woke::stopping) return tl::unexpected(stop_error());
  if (link.now == out_link::state::up) return {};
  return tl::unexpected(interrupted_ ? stop_error() : link.why);
}

void endpoint::link_closed(const wire::answer& what, const std::string& why) {
  const wire::identity_id to = what.subject;
  const auto found = links_.find(to);
  if (found == links_.end()) return;
  out_link& link = *found->second;
  {
    const std::lock_guard lock(link.mutex);
    link.now = out_link::state::closed;
    link.why = error(what.what == wire::status::gave_up ? errc::gave_up : errc::closed, why);
  }
  stop_watching(link);
  std::vector<std::uint64_t> pending;
  for (const auto& [correlation, ask] : asks_) {
    if (ask.link == &link && !ask.result) pending.push_back(correlation);
  }
  for (const auto correlation : pending) settle(correlation, tl::unexpected(link.why));
  // Inside a turn something may have been told already that only the commit makes visible: answer after it.
  // The flag, then turn_. pairs with: announce_turn(), which stores turn_, then reads the flag; both seq_cst.
  closed_unanswered_ = true;
  if (turn_ != 0) {
    unacknowledged_.push_back(to);
  } else {
    send(wire::frame::closed_seen, wire::subject{to});
  }
}

void endpoint::lane_freed(wire::identity_id to) {
  const auto found = links_.find(to);
  if (found == links_.end()) return;
  out_link& link = *found->second;
  const std::lock_guard lock(link.mutex);
  if (link.now != out_link::state::closed || link.ring_bytes == 0) return;
  release_of(link);
  {
    const std::lock_guard ranges(ranges_mutex_);
    segments_.forget(link.to);
  }
  link.cursor.reset();
  link.hints.reset();
  link.status.reset();
  link.doorbell.reset();
  link.reply_pipe.reset();
  link.callee.reset();
  link.offered.reset();
  const std::lock_guard ranges(ranges_mutex_);
  lanes_.give(link.offset, wire::lane_bytes(link.ring_bytes));
  link.ring_bytes = 0;
  link.now = out_link::state::refused;  // should the actor be started again, the next message finds out
}

}  // namespace troupe::channel
