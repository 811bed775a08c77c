#include "channel/queue_end.hpp"

#include <algorithm>
#include <bit>

#include <troupe/queue.hpp>

namespace troupe::channel {

queue_end::~queue_end() {
  if (!endpoint::exists() || &endpoint::current() != &at_) return;
  try {
    at_.send(wire::frame::queue_drop, wire::subject{identity()});
  } catch (const error&) {
    // Without a supervisor there are no queues.
  }
}

// ------------------------------------------------------------------------------------------------------------ putting

expected<void> queue_end::put(const detail::outgoing& what, std::optional<os::time_point> until) {
  out_link& link = at_.link_to(address_);
  auto done = at_.tell(link, what, std::nullopt);
  if (done) return done;
  if (done.error().code() == errc::connecting) {
    // The supervisor answers at once, so this wait is not limited by the one for room.
    std::unique_lock lock(at_.mutex());
    const auto answered = [&] { return link.now != out_link::state::connecting || link.why.code() == errc::full; };
    const auto how = at_.wait(lock, std::nullopt, answered);
    if (how == endpoint::woke::stopping) return tl::unexpected(at_.stop_error());
  } else if (done.error().code() != errc::full || !until) {
    return done;
  }
  return at_.tell(link, what, until);
}

// ---------------------------------------------------------------------------------------------------------- consuming

bool queue_end::get(std::uint64_t item_type, std::optional<os::time_point> until,
                    const std::function<void(detail::reader&)>& take) {
  std::unique_lock lock(getting_, std::defer_lock);
  if (until ? !lock.try_lock_until(*until) : (lock.lock(), false)) return false;
  ++gets_;
  if (!mailbox_) become_consumer();
  for (bool served = false;;) {
    apply_frames();
    record item;
    if (inbound* lane = next(item)) {
      deliver(*lane, item, item_type, take);
      return true;
    }
    if (!until || os::clock::now() < *until) {
      sleep(until);
    } else if (std::exchange(served, true)) {
      return false;
    } else {
      at_.serve_once(os::clock::now());
    }
  }
}

void queue_end::become_consumer() {
  const std::uint64_t tag = at_.new_tag();
  taken_ = static_cast<std::uint32_t>(tag);
  at_.send(wire::frame::queue_take, wire::call{tag, identity()});
  incoming got = at_.await_prompt_answer(tag);
  wire::answer answer{};
  got.take(answer);
  if (answer.what == wire::status::refused) {
    throw error(
        errc::not_allowed,
        "another process gets from this queue; the next one can when that one has ended or dropped its handles");
  }
  if (answer.what != wire::status::ok || got.fds.size() != 3) throw error(errc::closed, "the queue has ended");
  mailbox_.emplace(identity(), os::mapping(got.fds[0], wire::cursor_bytes, os::access::read_write),
                   os::mapping(got.fds[1], wire::hint_bytes, os::access::read_only), std::move(got.fds[2]));
}

inbound* queue_end::next(record& into) {
  inbound* lane = mailbox_->next(into);
  for (const auto slot : std::exchange(mailbox_->broken, {})) {
    at_.send(wire::frame::letter, wire::letter{mailbox_->find(slot)->reader.head(), 0, identity(), slot,
                                               wire::letter_reason::lane_broken});
  }
  for (const auto slot : std::exchange(mailbox_->drained, {})) {
    const wire::incarnation_id from = mailbox_->find(slot)->incarnation;
    mailbox_->remove(slot);
    at_.send(wire::frame::lane_drained, wire::slot{slot, 0, identity(), from});
  }
  return lane;
}

void queue_end::deliver(inbound& lane, const record& item, std::uint64_t item_type,
                        const std::function<void(detail::reader&)>& take) {
  struct finisher {
    ~finisher() {
      its.finish(lane, item);
      its.settle();  // the next get may be long in coming
    }
    mailbox& its;
    inbound& lane;
    const record& item;
  } const whatever_it_is{*mailbox_, lane, item};
  mailbox_->start(lane, item);
  if (at_.in_turn()) at_.turn_took = true;
  if (item.header.message != item_type) throw error(errc::corrupt, "an item of another type was put into the queue");
  const auto while_it_is_read = lane.memory->hold(item);
  detail::reader from(item.body.data(), item.body.size());
  take(from);
}

void queue_end::sleep(std::optional<os::time_point> until) {
  if (!mailbox_->prepare_sleep()) return;
  struct waker {
    ~waker() {
      its.woke();
      os::hush(its.doorbell());
    }
    mailbox& its;
  } const whatever_happens{*mailbox_};
  // A callback that ran in this wait may have taken from the queue, and has then declared it awake.
  const std::uint64_t mine = gets_;
  const endpoint::awaited_fd doorbell[] = {{mailbox_->doorbell().get(), false}};
  at_.wait_fds(doorbell, until, [&] { return !noted_.empty() || gets_ != mine; });
}

// -------------------------------------------------------------------------------------------------------------- lanes

void queue_end::apply_frames() {
  std::deque<incoming> frames;
  {
    const std::lock_guard lock(at_.mutex());
    frames.swap(noted_);
  }
  for (auto& frame : frames) apply(frame);
}

void queue_end::apply(incoming& frame) {
  wire::slot slot{};
  if (frame.type == wire::frame::lane) return add_lane(frame);
  if (frame.type == wire::frame::segment || frame.type == wire::frame::segment_gone) return segment_news(frame);
  if (frame.type != wire::frame::lane_final || !frame.take(slot)) return;
  if (inbound* lane = mailbox_->find(slot.slot); lane != nullptr && lane->incarnation == slot.sender) {
    lane->memory->dead = true;
    mailbox_->look_again(slot.slot);
  }
}

void queue_end::segment_news(incoming& frame) {
  wire::segment what{};
  if (!frame.take(what)) return;
  {
    const std::lock_guard lock(at_.mutex());
    at_.segment_news(frame);
  }
  mailbox_->look_again(what.slot);
}

void queue_end::add_lane(incoming& frame) {
  wire::lane lane{};
  if (!frame.take(lane) || frame.fds.size() != 2 || lane.slot >= wire::max_slots) return;
  // Said before this process had dropped its last handle and taken the queue again: the lane may be gone.
  if (lane.taken != taken_) return;
  if (!lane_reader::plausible(lane.offset, lane.ring_bytes)) return;
  std::shared_ptr<peer_memory> memory;
  {
    const std::lock_guard lock(at_.mutex());
    memory = at_.memory_of(lane.incarnation, std::move(frame.fds[0]));
  }
  if (!memory) return;
  if (lane.dead != 0) memory->dead = true;
  mailbox_->add(lane, std::move(memory), std::move(frame.fds[1]));
}

// ------------------------------------------------------------------------------------------------- the endpoint's part

std::shared_ptr<queue_end> endpoint::queue_of(wire::identity_id queue, bool made) {
  std::shared_ptr<queue_end> its;
  {
    const std::lock_guard lock(mutex_);
    its = queues_[queue].lock();
    if (its) return its;
    std::erase_if(queues_, [](const auto& each) { return each.second.expired(); });
    its = std::make_shared<queue_end>(*this, queue);
    queues_[queue] = its;
  }
  if (!made) send(wire::frame::queue_hold, wire::subject{queue});
  return its;
}

/// What is about somebody else's mailbox than the owner's is about a queue that this process consumes.
bool endpoint::for_a_queue(incoming& frame) {
  wire::lane lane{};
  wire::slot slot{};
  wire::slot_position kept{};
  wire::segment segment{};
  wire::identity_id owner = identity();
  if (frame.type == wire::frame::segment && frame.take(segment)) owner = segment.owner;
  if (frame.type == wire::frame::segment_gone && frame.take(segment)) owner = segment.owner;
  if (frame.type == wire::frame::lane && frame.take(lane)) owner = lane.owner;
  if (frame.type == wire::frame::lane_final && frame.take(slot)) owner = slot.owner;
  if (frame.type == wire::frame::letter_kept && frame.take(kept)) owner = kept.owner;
  if (owner == identity()) return false;
  const auto found = queues_.find(owner);
  if (found == queues_.end() || frame.type == wire::frame::letter_kept) return true;
  if (const auto its = found->second.lock()) its->note(std::move(frame));
  return true;
}

}  // namespace troupe::channel

namespace troupe::detail {

namespace {

/// A copy: a callback that runs in a wait may drop the handle itself.
std::shared_ptr<channel::queue_end> use(const queue_ptr& end) {
  if (!end) throw error(errc::not_allowed, "this handle names no queue");
  return end;
}

}  // namespace

queue_ptr make_queue(std::size_t bytes_per_producer) {
  auto& here = channel::endpoint::current();
  const std::size_t most = std::size_t{1} << wire::max_ring_log2;
  const auto log2 = static_cast<unsigned>(std::countr_zero(std::bit_ceil(std::min(bytes_per_producer, most))));
  const std::uint64_t tag = here.new_tag();
  here.send(wire::frame::queue_make, wire::queue{tag, log2});
  const channel::incoming got = here.await_prompt_answer(tag);
  wire::answer answer{};
  got.take(answer);
  if (answer.what != wire::status::ok) throw error(errc::os, "make a queue", 0, got.text());
  return here.queue_of(answer.subject, true);
}

queue_ptr hold_queue(std::uint64_t identity) { return channel::endpoint::current().queue_of(identity, false); }

std::uint64_t queue_identity(const queue_ptr& of) { return use(of)->identity(); }

void queue_encode(const queue_ptr& which, writer& to) {
  const std::uint64_t identity = which ? which->identity() : 0;
  to.bytes(&identity, sizeof identity);
  if (identity != 0 && to.with() != nullptr) to.with()->enclose({new_enclosure(), {}, identity, {}});
}

expected<void> queue_put(const queue_ptr& on, const outgoing& what, std::optional<time_point> until) {
  try {
    return use(on)->put(what, until);
  } catch (const error& e) {
    return tl::unexpected(e);
  }
}

bool queue_get(const queue_ptr& from, std::uint64_t item_type, std::optional<time_point> until,
               const std::function<void(reader&)>& take) {
  return use(from)->get(item_type, until, take);
}

}  // namespace troupe::detail
