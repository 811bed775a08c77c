// Sending: from a message to a record that another process can see.

#include <algorithm>
#include <cstring>

#include "channel/endpoint.hpp"

namespace troupe::channel {

namespace {

constexpr std::uint32_t smallest_try = 256;  // less contiguous space than this is not worth an attempt to encode

}  // namespace

/// What one message takes along.
class endpoint::gathered final : public detail::attachments {
 public:
  std::uint32_t attach(block_ptr block) override {
    blocks.push_back(std::move(block));
    return static_cast<std::uint32_t>(blocks.size() - 1);
  }
  std::span<const std::byte> attached(std::uint32_t) override { return {}; }
  bool may_copy() override {
    to_copy = true;
    return false;
  }
  void enclose(detail::enclosure what) override {
    for (const auto& each : enclosed) {
      if (each.number == what.number || (what.queue != 0 && each.queue == what.queue)) return;
    }
    enclosed.push_back(std::move(what));
  }
  std::vector<block_ptr> blocks;
  std::vector<detail::enclosure> enclosed;
  bool to_copy = false;  // a payload is left out
};

namespace {

/// Only makes payloads of others the sender's own.
class copies final : public detail::attachments {
 public:
  explicit copies(os::time_point until) : until_(until) {}
  os::time_point copy_until() override { return until_; }
  std::uint32_t attach(block_ptr) override { return 0; }
  std::span<const std::byte> attached(std::uint32_t) override { return {}; }
  void enclose(detail::enclosure) override {}

 private:
  os::time_point until_;
};

}  // namespace

/// No mutex is held: a place in the outbox may have to be waited for.
void endpoint::copy_payloads(const detail::outgoing& what, std::optional<os::time_point> until) {
  copies along(until.value_or(os::clock::now()));
  detail::writer nowhere(nullptr, 0, &along);
  what.encode(what.body, nowhere);
}

// ------------------------------------------------------------------------------------------------------------ records

void endpoint::finish_record(out_link& link, std::byte* at, const detail::outgoing& what,
                             const wire::request_part* request, std::size_t body_bytes, bool outside, bool stamped,
                             gathered&& along) {
  std::vector<block_ptr>& blocks = along.blocks;
  const std::size_t prefix = sizeof(wire::record_header) + (request != nullptr ? sizeof *request : 0);
  const std::size_t inside = outside ? 0 : wire::align8(body_bytes);
  // Field by field into the ring: a header made beside it and copied would be read back from the store buffer, which
  // stalls until the ring's cache lines have come over from the receiver.
  auto& header = *reinterpret_cast<wire::record_header*>(at);
  header.kind = request != nullptr ? wire::record_kind::request : wire::record_kind::tell;
  header.flags = outside ? wire::flag_body_in_outbox : std::uint8_t{0};
  header.blocks = static_cast<std::uint16_t>(blocks.size());
  header.turn = stamped ? turn_.load(std::memory_order_relaxed) : 0;
  header.message = what.message;
  header.body_bytes = outside ? 0 : static_cast<std::uint32_t>(body_bytes);
  header.reserved = 0;
  const std::uint32_t bytes = static_cast<std::uint32_t>(prefix + inside + blocks.size() * sizeof(wire::block));
  header.bytes = bytes;
  if (request != nullptr) std::memcpy(at + sizeof header, request, sizeof *request);
  std::byte* next = at + prefix + inside;
  for (const auto& block : blocks) {
    share_segment(block->offset, link.to, 0);
    const wire::block where{block->offset, block->bytes};
    std::memcpy(next, &where, sizeof where);
    next += sizeof where;
    if (stamped) turn_holds += block->bytes;
  }
  if (stamped && link.told_turn != turn_) {
    link.told_turn = turn_;
    link.turn_began = link.lane.tail();
    told_.push_back(&link);
  }
  // Before the record can be read, so that whoever reads it finds what is enclosed.
  for (const auto& each : along.enclosed) deposit(each, link.to, link.lane.end_of(bytes), 0);
  link.lane.publish(bytes);
  for (const auto& each : along.enclosed) {
    if (each.sent) each.sent();
  }
  if (!blocks.empty()) hold(link, std::move(blocks));
  if (!stamped) wake_receiver(link);
}

void endpoint::wake_receiver(out_link& link) noexcept {
  auto* hint = link.hints.at<std::atomic<std::uint32_t>>() + link.slot;
  hint->store(static_cast<std::uint32_t>(link.lane.tail()), std::memory_order_relaxed);
  // SYNC sleep: tail (or turn), then sleeping. pairs with: mailbox::prepare_sleep()
  const std::uint64_t sleep = link.cursor.at<wire::cursor_header>()->sleeping.load(std::memory_order_seq_cst);
  // One ring for each sleep is enough: whoever wakes looks at everything that was published before it sleeps again.
  if ((sleep & 1) == 0 || sleep == link.rung) return;
  link.rung = sleep;
  os::ring(link.doorbell);
}

/// One attempt. The link's mutex is held.
endpoint::put endpoint::put_record(out_link& link, const detail::outgoing& what, const wire::request_part* request,
                                   bool stamped, std::optional<error>& why) {
  const bool up = link.now == out_link::state::up;
  if (!up || link.status.at<wire::status_page>()->ends.load(std::memory_order_acquire) != link.ends) {
    why = up ? error(errc::closed, link.name + " has ended") : link.why;
    return put::failed;
  }
  const std::size_t prefix = sizeof(wire::record_header) + (request != nullptr ? sizeof *request : 0);
  link.lane.prepare(smallest_try);
  std::span<std::byte> space = link.lane.space(smallest_try);
  if (space.size() < smallest_try) space = {};
  gathered along;
  const std::size_t capacity = space.size() > prefix ? space.size() - prefix : 0;
  detail::writer body(space.data() + (capacity > 0 ? prefix : 0), capacity, &along);
  what.encode(what.body, body);
  if (along.to_copy) return put::to_copy;
  if (!along.blocks.empty() && !what.may_hold_payloads) {
    why = error(errc::not_allowed, "a payload travels in messages to actors, not in items of a queue: put its bytes");
    return put::failed;
  }
  if (along.blocks.size() >= wire::max_blocks) {
    why = error(errc::too_large, "a message may hold at most 15 payloads");
    return put::failed;
  }
  const std::size_t total = prefix + wire::align8(body.size()) + along.blocks.size() * sizeof(wire::block);
  if (total > link.lane.largest_record()) return put_in_outbox(link, what, request, stamped, body.size(), why);
  if (capacity > 0 && total <= space.size()) {
    finish_record(link, space.data(), what, request, body.size(), false, stamped, std::move(along));
    return put::done;
  }
  link.lane.prepare(static_cast<std::uint32_t>(total));
  const std::span<std::byte> exact = link.lane.reserve(static_cast<std::uint32_t>(total));
  if (exact.empty()) return put::full;
  gathered again;
  detail::writer second(exact.data() + prefix, body.size(), &again);
  what.encode(what.body, second);
  finish_record(link, exact.data(), what, request, body.size(), false, stamped, std::move(again));
  return put::done;
}

endpoint::put endpoint::put_in_outbox(out_link& link, const detail::outgoing& what, const wire::request_part* request,
                                      bool stamped, std::size_t body_bytes, std::optional<error>& why) {
  if (body_bytes > segments_.largest()) {
    why = error(errc::too_large, "a message of " + std::to_string(body_bytes) + " bytes exceeds the limit of " +
                                     std::to_string(segments_.largest()) + " bytes: raise outbox_bytes of its sender");
    return put::failed;
  }
  const std::size_t prefix = sizeof(wire::record_header) + (request != nullptr ? sizeof *request : 0);
  const std::size_t most = prefix + wire::max_blocks * sizeof(wire::block);
  link.lane.prepare(static_cast<std::uint32_t>(most));
  if (link.lane.reserve(static_cast<std::uint32_t>(most)).empty()) return put::full;
  auto block = std::make_shared<detail::outbox_block>();
  try {
    block->offset = take_outbox(body_bytes);
  } catch (const error& e) {
    why = e;
    return put::failed;
  }
  if (block->offset == 0) return put::outbox_full;
  block->bytes = body_bytes;
  block->data = outbox_data(block->offset);
  gathered along;
  detail::writer body(block->data, body_bytes, &along);
  what.encode(what.body, body);
  along.blocks.push_back(std::move(block));
  const std::size_t total = prefix + along.blocks.size() * sizeof(wire::block);
  const std::span<std::byte> space = link.lane.reserve(static_cast<std::uint32_t>(total));
  finish_record(link, space.data(), what, request, body_bytes, true, stamped, std::move(along));
  return put::done;
}

// ------------------------------------------------------------------------------------------------------------ telling

/// The closed word says that the receiver has ended; the frame that follows it says why.
error endpoint::why_closed(out_link& link, const error& known) {
  if (known.code() != errc::closed) return known;
  serve_once(os::clock::now());
  if (interrupted_) return stop_error();
  const std::lock_guard lock(link.mutex);
  return link.now == out_link::state::closed ? link.why : known;
}

bool endpoint::tell_at_once(out_link& link, const detail::outgoing& what) {
  const std::lock_guard lock(link.mutex);
  std::optional<error> why;
  return link.now == out_link::state::up && put_record(link, what, nullptr, in_turn(), why) == put::done;
}

expected<void> endpoint::tell(out_link& link, const detail::outgoing& what, std::optional<os::time_point> until) {
  const bool stamped = in_turn();
  std::optional<error> why;
  const auto again = [&] { return put_record(link, what, nullptr, stamped, why); };
  for (;;) {
    put how = put::full;
    {
      const std::lock_guard lock(link.mutex);
      if (link.now == out_link::state::up || link.now == out_link::state::closed) how = again();
    }
    if (how == put::done) return {};
    if (how == put::to_copy) {
      copy_payloads(what, until);
      continue;
    }
    if (why) return tl::unexpected(why_closed(link, *why));
    if (link.now == out_link::state::up) return wait_for_room(link, what, until, again, why);
    if (auto up = connect_and_wait(link, false, until); !up) return up;
  }
}

// -------------------------------------------------------------------------------------------------------------- turns

namespace {
thread_local bool this_thread_has_turn = false;
}

bool endpoint::in_turn() const noexcept { return this_thread_has_turn; }

void endpoint::begin_turn() {
  this_thread_has_turn = true;
  turn_ = out_header().turn.load(std::memory_order_relaxed) + 1;
  turn_holds = 0;
  turn_took = false;
}

bool endpoint::turn_is_full() const {
  if (turn_took || turn_holds >= wire::outbox_bytes / 4 + parts_.outbox_bytes / 4) return true;
  return std::any_of(told_.begin(), told_.end(), [](const out_link* link) {
    return link->lane.tail() - link->turn_began >= link->ring_bytes / 4;
  });
}

void endpoint::announce_turn() {
  this_thread_has_turn = false;
  turn_ = 0;
  for (out_link* link : told_) {
    const std::lock_guard lock(link->mutex);
    if (link->now == out_link::state::up) wake_receiver(*link);
  }
  told_.clear();
  for (const auto number : std::exchange(replayed_, {})) send(wire::frame::letters_purge, wire::purge{0, number, 0});
  // Another thread of this process may be taking in that a receiver has closed. pairs with: link_closed()
  if (!closed_unanswered_) return;
  const std::lock_guard lock(mutex_);
  closed_unanswered_ = false;
  for (const auto identity : unacknowledged_) send(wire::frame::closed_seen, wire::subject{identity});
  unacknowledged_.clear();
}

}  // namespace troupe::channel
