// Further segments of the outbox: this process's own, and those of the senders and callees that it hears from.

#include "channel/endpoint.hpp"
#include "wire/reply.hpp"

namespace troupe::channel {

namespace {
// How often a process that has segments looks whether they are still needed. Processes without any do not tick.
constexpr std::chrono::seconds look_every{1};
}  // namespace

// ---------------------------------------------------------------------------------------------------------- its own

/// Blocks of messages that their receivers have done with.
void endpoint::release_passed() {
  std::vector<block_ptr> dying;  // outlives the lock: a block's destructor takes it
  const std::lock_guard ranges(ranges_mutex_);
  std::erase_if(held_, [&](held& each) {
    // SYNC room: wants_room, then head. pairs with: mailbox::settle()
    if (each.head->load(std::memory_order_seq_cst) < each.end) return false;
    std::move(each.blocks.begin(), each.blocks.end(), std::back_inserter(dying));
    return true;
  });
}

/// Of what is there; 0: no room.
std::uint64_t endpoint::take_free(std::size_t bytes) {
  const std::lock_guard ranges(ranges_mutex_);
  const std::uint64_t offset = bytes <= wire::outbox_bytes ? outbox_.take(bytes) : 0;
  return offset != 0 ? offset : segments_.take(bytes);
}

/// The offset of so many bytes of outbox; 0: no room now. Then a segment may be under way.
std::uint64_t endpoint::take_outbox(std::size_t bytes) {
  release_passed();
  if (const std::uint64_t offset = take_free(bytes); offset != 0) return offset;
  if (on_lack) on_lack();
  if (const std::uint64_t offset = take_free(bytes); offset != 0) return offset;
  std::uint64_t wish = 0;
  std::vector<std::uint32_t> gone;
  {
    const std::lock_guard ranges(ranges_mutex_);
    wish = segments_.wish(bytes);
    if (wish == 0 && !segments_.under_way()) {
      // Empty segments that are too small for this body use up the limit.
      gone = segments_.retire(true);
      wish = segments_.wish(bytes);
    }
  }
  retired(gone);
  if (wish > 0) send(wire::frame::segment_make, wire::number{wish});
  return 0;
}

std::byte* endpoint::outbox_data(std::uint64_t offset) {
  if (wire::segment_of(offset) == 0) return parts_.out.data() + offset;
  const std::lock_guard ranges(ranges_mutex_);
  return segments_.data(offset);
}

bool endpoint::segment_under_way() {
  const std::lock_guard ranges(ranges_mutex_);
  return segments_.under_way();
}

void endpoint::segment_made(incoming& frame) {
  wire::segment got{};
  if (!frame.take(got)) return;
  try {
    if (frame.fds.size() != 1) throw error(errc::os, "make the outbox larger", 0, frame.text());
    os::mapping memory(frame.fds[0], got.bytes, os::access::read_write);
    send(wire::frame::segment_mapped, wire::number{got.number});
    const std::lock_guard ranges(ranges_mutex_);
    segments_.made(static_cast<std::uint32_t>(got.number), std::move(memory));
  } catch (const error& e) {
    if (!frame.fds.empty()) retired({static_cast<std::uint32_t>(got.number)});
    const std::lock_guard ranges(ranges_mutex_);
    segments_.refused(e);
  }
  if (!next_look_) next_look_ = os::clock::now() + look_every;
}

void endpoint::share_segment(std::uint64_t offset, wire::identity_id to, wire::incarnation_id asker) {
  const std::uint32_t number = wire::segment_of(offset);
  if (number == 0) return;
  {
    const std::lock_guard ranges(ranges_mutex_);
    if (!segments_.share(number, to != 0 ? to : asker)) return;
  }
  send(wire::frame::segment_share, wire::share{number, to, asker});
}

void endpoint::retired(const std::vector<std::uint32_t>& numbers) {
  for (const auto number : numbers) send(wire::frame::segment_retired, wire::number{number});
}

void endpoint::look_after_segments() {
  const auto now = os::clock::now();
  if (now < *next_look_) return;
  release_passed();
  std::vector<std::uint32_t> gone;
  {
    const std::lock_guard ranges(ranges_mutex_);
    gone = segments_.retire(false);
    next_look_ = now + look_every;
    if (segments_.empty()) next_look_.reset();
  }
  retired(gone);
  if (on_look) on_look();
}

// ----------------------------------------------------------------------------------------------------------- others'

bool endpoint::for_a_reply(const incoming& frame) const {
  wire::segment what{};
  return frame.take(what) && what.owner == 0;
}

void endpoint::segment_news(incoming& frame) {
  wire::segment what{};
  if (!frame.take(what)) return;
  const auto known = memories_.find(what.from);
  const auto memory = known == memories_.end() ? nullptr : known->second.lock();
  if (!memory) return;  // nothing of that sender is left to be read here
  const auto number = static_cast<std::uint32_t>(what.number);
  if (frame.type == wire::frame::segment_gone) return memory->drop_segment(number);
  if (frame.fds.size() != 1 || !os::has_fixed_size(frame.fds[0], what.bytes)) return;
  memory->add_segment(number, os::mapping(frame.fds[0], what.bytes, os::access::read_only));
  for (auto& [id, link] : links_) {
    if (link->callee == memory) retake_parked(*link);
  }
}

/// In their order, since the asker counts large replies.
void endpoint::retake_parked(out_link& link) {
  for (const auto& frame : std::exchange(link.parked, {})) take_reply(link, frame);
}

}  // namespace troupe::channel
