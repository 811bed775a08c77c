// Waiting for room: in a receiver's lane, or in this process's outbox.

#include "channel/endpoint.hpp"
#include "os/scheduling.hpp"

namespace troupe::channel {

/// The lanes whose receivers are to ring when they have made room, as long as this lives. The endpoint's mutex is held.
class endpoint::wanted_room {
 public:
  explicit wanted_room(endpoint& of) : of_(of) {}
  wanted_room(const wanted_room&) = delete;
  wanted_room& operator=(const wanted_room&) = delete;
  ~wanted_room() {
    for (out_link* link : links_) of_.want_room(*link, false);
  }
  void in(out_link& link) {
    if (links_.insert(&link).second) of_.want_room(link, true);
  }
  /// In the lanes of all that hold blocks of the outbox.
  void in_outbox() {
    for (out_link* link : of_.holders()) in(*link);
  }
  /// Before one looks once more and then sleeps: the last wait may have had its ring.
  void again() {
    for (out_link* link : links_) {
      const std::lock_guard of_link(link->mutex);
      if (link->now == out_link::state::up) link->lane.want_room(true);
    }
  }

 private:
  endpoint& of_;
  std::set<out_link*> links_;
};

void endpoint::want_room(out_link& link, bool wanted) noexcept {
  const std::lock_guard of_link(link.mutex);
  link.want_room += wanted ? 1U : ~0U;
  if (link.now == out_link::state::up) link.lane.want_room(link.want_room > 0);
}

// -------------------------------------------------------------------------------------------------------------- lanes

bool endpoint::only_own(out_link& link) const {
  if (link.to == parts_.identity) return true;
  return in_turn() && link.told_turn == turn_ && link.now == out_link::state::up && link.lane.head() >= link.turn_began;
}

error endpoint::full_error(const out_link& link, const detail::outgoing& what, put why, bool waited) const {
  const std::string who = link.name.empty() ? "the receiver" : link.name;
  const std::string whose = why == put::outbox_full ? "the outbox" : "the mailbox of " + who;
  std::string text = whose + " has no room for " + std::string(what.name);
  if (waited && why == put::outbox_full) text += " within the limit: receivers have not read earlier messages yet";
  if (waited && why == put::full) {
    text += " within the limit: it handles messages too slowly, is stopped, or waits for this actor";
  }
  return error(errc::full, std::move(text));
}

error endpoint::own_error(const out_link& link) const {
  if (link.to == parts_.identity) {
    return error(errc::full, "the lane to oneself is full: nobody but this actor could make room");
  }
  return error(errc::too_large, "what this turn has told " + link.name + " exceeds its lane of " +
                                    std::to_string(link.ring_bytes) + " bytes: tell less, or put bodies in payloads");
}

/// Whether half of the lane is free, so that any record fits soon. Lets other threads in.
bool endpoint::room_now(std::unique_lock<std::mutex>& lock, out_link& link) {
  lock.unlock();
  lock.lock();
  const std::lock_guard of_link(link.mutex);
  return link.now != out_link::state::up || link.lane.tail() - link.lane.head() <= link.ring_bytes / 2;
}

expected<void> endpoint::wait_for_room(out_link& link, const detail::outgoing& what,
                                       std::optional<os::time_point> until, const std::function<put()>& again,
                                       std::optional<error>& why) {
  std::unique_lock lock(mutex_);
  put last = put::full;
  wanted_room wanted(*this);
  const auto settled = [&] {
    wanted.again();
    const std::lock_guard of_link(link.mutex);
    // In this order: when nothing but one's own lies there, nobody makes more room than again() finds.
    const bool own = only_own(link);
    last = again();
    return last == put::done || last == put::failed || (last == put::full && own);
  };
  woke how = settled() ? woke::ready : woke::timeout;
  if (how == woke::timeout && until) {
    wanted.in(link);
    how = wait_awake_or_asleep(lock, link, *until, [&] {
      if (last == put::outbox_full) wanted.in_outbox();
      return settled();
    });
  }
  const std::lock_guard of_link(link.mutex);
  if (how == woke::stopping) return tl::unexpected(stop_error());
  if (how == woke::timeout) return tl::unexpected(full_error(link, what, last, until.has_value()));
  if (last == put::failed) return tl::unexpected(*why);
  if (last == put::full) return tl::unexpected(own_error(link));
  return {};
}

endpoint::woke endpoint::wait_awake_or_asleep(std::unique_lock<std::mutex>& lock, out_link& link, os::time_point until,
                                              const std::function<bool()>& settled) {
  if (for_room_.until([&] { return room_now(lock, link) && settled(); })) return woke::ready;
  const auto began = os::clock::now();
  std::optional<os::modest_wakeup> modest;
  if (!run_between) modest.emplace();  // else the user's code may run meanwhile, and start threads that would inherit it
  const woke how = wait(lock, until, settled);
  for_room_.slept(os::clock::now() - began);
  return how;
}

// ------------------------------------------------------------------------------------------------------------- outbox

void endpoint::hold(out_link& link, std::vector<block_ptr>&& blocks) {
  const auto* words = link.cursor.at<wire::cursor_slot>(wire::cursor_slots_offset) + link.slot;
  const std::lock_guard ranges(ranges_mutex_);
  held_.push_back({&link, &words->head, link.lane.tail(), std::move(blocks)});
}

void endpoint::release_of(const out_link& link) {
  std::vector<block_ptr> dying;  // outlives the lock: a block's destructor takes it
  const std::lock_guard ranges(ranges_mutex_);
  std::erase_if(held_, [&](held& each) {
    if (each.link != &link) return false;
    std::move(each.blocks.begin(), each.blocks.end(), std::back_inserter(dying));
    return true;
  });
}

std::set<out_link*> endpoint::holders() {
  std::set<out_link*> found;
  const std::lock_guard ranges(ranges_mutex_);
  for (const auto& each : held_) found.insert(each.link);
  return found;
}

std::shared_ptr<detail::outbox_block> endpoint::take_block(std::size_t bytes, std::optional<os::time_point> until) {
  if (bytes > segments_.largest()) {
    throw error(errc::too_large, "a payload of " + std::to_string(bytes) + " bytes exceeds the limit of " +
                                     std::to_string(segments_.largest()) + " bytes: raise outbox_bytes of its sender");
  }
  auto block = std::make_shared<detail::outbox_block>();
  std::unique_lock lock(mutex_);
  block->offset = take_outbox(bytes);
  // The supervisor answers at once, so this wait is not limited by the one for room.
  while (block->offset == 0 && segment_under_way()) {
    pump(lock, std::nullopt);
    block->offset = take_outbox(bytes);
  }
  wanted_room wanted(*this);
  std::optional<error> why;
  std::optional<os::modest_wakeup> modest;
  wait(lock, until, [&] {
    if (block->offset != 0) return true;
    if (!modest && !run_between) modest.emplace();
    wanted.in_outbox();
    wanted.again();
    try {
      block->offset = take_outbox(bytes);
    } catch (const error& e) {
      why = e;
    }
    return block->offset != 0 || why;
  });
  if (why) throw error(*why);
  if (block->offset == 0) {
    if (interrupted_) throw stop_error();
    throw error(errc::full, "the outbox has no room for a payload of " + std::to_string(bytes) +
                                " bytes: receivers have not read earlier ones yet");
  }
  block->bytes = bytes;
  block->data = outbox_data(block->offset);
  return block;
}

void endpoint::give_block(std::uint64_t offset, std::uint64_t bytes) noexcept {
  const std::lock_guard ranges(ranges_mutex_);
  wire::segment_of(offset) == 0 ? outbox_.give(offset, bytes) : segments_.give(offset, bytes);
}

}  // namespace troupe::channel
