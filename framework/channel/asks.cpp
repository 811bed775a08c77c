// Requests: sending them, and every way in which they end.

#include <algorithm>
#include <cstring>

#include "channel/endpoint.hpp"
#include "wire/reply.hpp"

namespace troupe::channel {

// ------------------------------------------------------------------------------------------------------------- asking

expected<void> endpoint::refuse_deadlock(out_link& link, const detail::outgoing& what, bool waiting) {
  if (!waiting) return {};
  if (in_turn() && long_turns) {
    return tl::unexpected(error(errc::not_allowed, "the turns of this actor cover several messages (commit_every), so "
                                                   "its handlers cannot wait for the answer to " +
                                                       std::string(what.name) + ": use .then"));
  }
  if (link.to == parts_.identity) {
    return tl::unexpected(error(errc::deadlock, "an actor that waits for its own answer to " + std::string(what.name) +
                                                    " waits for ever: call the function, or use .then"));
  }
  if (in_turn() && link.told_turn == turn_) {
    return tl::unexpected(error(errc::deadlock, "this turn has already told " + link.name +
                                                    " something, which becomes visible only at its end, so waiting for " +
                                                    std::string(what.name) + " would wait for itself: use .then"));
  }
  return {};
}

expected<std::uint64_t> endpoint::ask(out_link& link, const detail::outgoing& what, std::uint64_t reply_type,
                                      os::time_point deadline, bool waiting) {
  if (auto fine = refuse_deadlock(link, what, waiting); !fine) return tl::unexpected(fine.error());
  const bool stamped = in_turn() && !waiting;
  std::optional<error> why;
  std::uint64_t correlation = 0;
  // With the endpoint's mutex held the reply cannot be taken in before the request is in the table.
  const auto again = [&] {
    const wire::request_part request{next_correlation_, os::to_ns(deadline)};
    const put how = put_record(link, what, &request, stamped, why);
    if (how != put::done) return how;
    correlation = next_correlation_++;
    asks_.emplace(correlation, asked{&link, link.lane.tail(), reply_type, what.name, deadline, {}, {}});
    return how;
  };
  for (;;) {
    put how = put::full;
    bool tried = false;
    {
      const std::lock_guard lock(mutex_);
      const std::lock_guard of_link(link.mutex);
      if (link.now == out_link::state::up && !link.asked) {
        link.asked = true;
        send(wire::frame::ask_link, wire::subject{link.to});
      }
      tried = link.now == out_link::state::up || link.now == out_link::state::closed;
      if (tried) how = again();
    }
    if (how == put::done) return correlation;
    if (how == put::to_copy) {
      copy_payloads(what, deadline);
      continue;
    }
    if (how == put::failed) return tl::unexpected(why_closed(link, *why));
    if (tried) {
      if (auto room = wait_for_room(link, what, deadline, again, why); !room) return tl::unexpected(room.error());
      return correlation;
    }
    if (auto up = connect_and_wait(link, true, deadline); !up) return tl::unexpected(up.error());
  }
}

std::uint64_t endpoint::ask_failed(error why) {
  const std::lock_guard lock(mutex_);
  asked& made = asks_[next_correlation_];
  made.result = tl::unexpected(std::move(why));
  return next_correlation_++;
}

// ------------------------------------------------------------------------------------------------------------ waiting

/// While the program stops, its actors end too: what they leave undone is not news but the stop. If it stops because its
/// supervisor gave up, a callee that died is news.
expected<detail::reply_bytes> endpoint::or_stopping(expected<detail::reply_bytes> got) const {
  const bool died = !got && got.error().code() == errc::outcome_unknown && stop_error().code() != errc::gave_up;
  const bool undone = died || (!got && got.error().code() == errc::closed);
  if (undone && interrupted_) return tl::unexpected(stop_error());
  return got;
}

/// Lets other threads in, then looks whether the pipe holds the reply. The callee's head tells without a system call
/// that there is none yet: most replies are written before the head passes their request.
bool endpoint::look_for_reply(std::unique_lock<std::mutex>& lock, const asked& ask) {
  lock.unlock();
  lock.lock();
  out_link& link = *ask.link;
  if (!link.watched || !link.cursor) return ask.result.has_value();
  const auto* words = link.cursor.at<wire::cursor_slot>(wire::cursor_slots_offset) + link.slot;
  if (words->head.load(std::memory_order_acquire) >= ask.position) drain_replies(link);
  return ask.result.has_value();
}

expected<detail::reply_bytes> endpoint::await_reply(std::uint64_t correlation) {
  std::unique_lock lock(mutex_);
  const auto found = asks_.find(correlation);
  if (found == asks_.end()) {
    return tl::unexpected(error(errc::not_allowed, "the answer to this request has been taken already"));
  }
  asked& ask = found->second;
  const auto answered = [&] { return ask.result.has_value(); };
  woke how = woke::ready;
  if (!answered() && !for_replies_.until([&] { return answered() || look_for_reply(lock, ask); })) {
    const auto began = os::clock::now();
    how = wait(lock, ask.deadline, answered);
    for_replies_.slept(os::clock::now() - began);
    // What was said before the stop may lie in the socket still.
    if (how == woke::stopping && !pumping_) serve_control();
  }
  auto node = asks_.extract(correlation);
  if (node.mapped().result) return or_stopping(std::move(*node.mapped().result));
  if (how == woke::stopping) return tl::unexpected(stop_error());
  return tl::unexpected(error(errc::timeout, ask.link->name + " has not answered " + std::string(ask.message) +
                                                 " within its deadline"));
}

/// Of requests that have their answer or are not known, or (if `late` counts) have met their deadline; their number if
/// there is none.
std::size_t endpoint::first_settled(std::span<const std::uint64_t> correlations, bool late) const {
  const auto now = os::clock::now();
  const auto found = std::find_if(correlations.begin(), correlations.end(), [&](std::uint64_t each) {
    const auto ask = asks_.find(each);
    return ask == asks_.end() || ask->second.result || (late && ask->second.deadline <= now);
  });
  return static_cast<std::size_t>(found - correlations.begin());
}

expected<std::optional<std::size_t>> endpoint::await_any(std::span<const std::uint64_t> correlations,
                                                         std::optional<os::time_point> until) {
  std::unique_lock lock(mutex_);
  for (const auto each : correlations) {
    const auto ask = asks_.find(each);
    if (ask != asks_.end() && (!until || ask->second.deadline < *until)) until = ask->second.deadline;
  }
  std::size_t first = 0;
  const woke how = wait(lock, until, [&] { return (first = first_settled(correlations, false)) < correlations.size(); });
  if (how == woke::stopping) return tl::unexpected(stop_error());
  if (how == woke::timeout) first = first_settled(correlations, true);
  if (first == correlations.size()) return std::optional<std::size_t>{};
  return first;
}

void endpoint::on_reply(std::uint64_t correlation, detail::reply_handler handler) {
  const std::lock_guard lock(mutex_);
  const auto found = asks_.find(correlation);
  if (found == asks_.end()) throw error(errc::not_allowed, "the answer to this request has been taken already");
  found->second.handler = std::move(handler);
  callbacks_.fetch_add(1, std::memory_order_relaxed);
  if (found->second.result) {
    due_.push_back(correlation);
    poke();
  } else {
    deadlines_.emplace(found->second.deadline, correlation);
  }
  if (pumping_) os::ring(parts_.doorbell);  // another thread sleeps, and knows of neither
}

void endpoint::forget_reply(std::uint64_t correlation) noexcept {
  const std::lock_guard lock(mutex_);
  asks_.erase(correlation);
}

bool endpoint::run_callback() {
  for (;;) {
    detail::reply_handler handler;
    std::optional<expected<detail::reply_bytes>> result;
    {
      const std::lock_guard lock(mutex_);
      if (due_.empty()) return false;
      auto node = asks_.extract(due_.front());
      due_.pop_front();
      callbacks_.fetch_sub(1, std::memory_order_relaxed);
      if (node.empty() || !node.mapped().handler || !node.mapped().result) continue;
      handler = std::move(node.mapped().handler);
      result = std::move(node.mapped().result);
    }
    handler(std::move(*result));
    return true;
  }
}

bool endpoint::callback_due() {
  const std::lock_guard lock(mutex_);
  return !due_.empty();
}

void endpoint::settle(std::uint64_t correlation, expected<detail::reply_bytes> result) {
  const auto found = asks_.find(correlation);
  if (found == asks_.end() || found->second.result) return;
  found->second.result = std::move(result);
  if (!found->second.handler) return;
  deadlines_.erase({found->second.deadline, correlation});
  due_.push_back(correlation);
  poke();
}

void endpoint::expire(os::time_point now) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const std::uint64_t correlation = deadlines_.begin()->second;
    const auto found = asks_.find(correlation);
    const std::string who = found == asks_.end() ? "" : found->second.link->name;
    deadlines_.erase(deadlines_.begin());
    settle(correlation, tl::unexpected(error(errc::timeout, who + " has not answered within the deadline")));
  }
}

// ------------------------------------------------------------------------------------------------------------ replies

void endpoint::link_up(incoming& frame) {
  wire::link got{};
  if (!frame.take(got) || frame.fds.size() != 2) return;
  const auto found = links_.find(got.callee);
  if (found == links_.end()) return;
  out_link& link = *found->second;
  if (link.reply_pipe) drain_replies(link);
  stop_watching(link);
  link.parked.clear();
  link.reply_pipe = std::move(frame.fds[0]);
  link.partial.clear();
  link.callee_incarnation = got.incarnation;
  link.callee = memory_of(got.incarnation, std::move(frame.fds[1]));
  poller_.add(link.reply_pipe, link.to);
  link.watched = true;
  drain_replies(link);
}

namespace {

constexpr std::size_t most_drained = std::size_t{1} << 20;  // more than a pipe holds

}  // namespace

void endpoint::stop_watching(out_link& link) {
  if (link.watched) poller_.remove(link.reply_pipe);
  link.watched = false;
}

void endpoint::drain_replies(out_link& link) {
  // Frames are written whole, at most PIPE_BUF bytes each, but a read may end in the middle of one.
  std::array<std::byte, 4 * wire::max_reply_frame> bytes;
  std::size_t have = link.partial.size();
  std::copy(link.partial.begin(), link.partial.end(), bytes.begin());
  link.partial.clear();
  // A callee that writes faster than this process reads is looked at again after everything else.
  for (std::size_t drained = 0; drained < most_drained;) {
    const auto got = os::read_some(link.reply_pipe, std::span(bytes).subspan(have));
    if (got.what == os::io::again) break;
    if (got.what != os::io::done) return stop_watching(link);
    drained += got.bytes;
    have += got.bytes;
    std::size_t at = 0;
    while (have - at >= sizeof(wire::reply_header)) {
      wire::reply_header header{};
      std::memcpy(&header, bytes.data() + at, sizeof header);
      // No frame of ours: read no further.
      if (header.bytes < sizeof header || header.bytes > wire::max_reply_frame) return stop_watching(link);
      if (header.bytes > have - at) break;
      take_reply(link, std::span(bytes).subspan(at, header.bytes));
      at += header.bytes;
    }
    if (have == at && have < bytes.size()) return;  // a short read: the pipe was empty
    std::memmove(bytes.data(), bytes.data() + at, have - at);
    have -= at;
  }
  link.partial.assign(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(have));
}

namespace {

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

void endpoint::take_reply(out_link& link, std::span<const std::byte> frame) {
  wire::reply_header header{};
  std::memcpy(&header, frame.data(), sizeof header);
  const auto found = asks_.find(header.correlation);
  const bool awaited = found != asks_.end() && found->second.link == &link && !found->second.result;
  detail::reply_bytes reply;
  std::span<const std::byte> body = frame.subspan(sizeof header);
  wire::block where{};
  const bool outside = (header.flags & wire::reply_flag_in_outbox) != 0;
  if (outside && body.size() == sizeof where) std::memcpy(&where, body.data(), sizeof where);
  if (!link.parked.empty() || (link.callee && !link.callee->has_memory_of(where))) {
    constexpr std::size_t pipe_holds = 4096;  // and a bit: more comes from no callee of ours
    if (link.parked.size() < asks_.size() + pipe_holds) link.parked.emplace_back(frame.begin(), frame.end());
    return;
  }
  if (outside) {
    body = link.callee ? link.callee->outbox(where) : std::span<const std::byte>{};
    if (awaited && body.size() == where.bytes) reply.copy.assign(body.begin(), body.end());
    const std::lock_guard of_link(link.mutex);
    if (link.now == out_link::state::up) link.lane.reply_taken(link.callee_incarnation);
  } else if (awaited) {
    reply.copy.assign(body.begin(), body.end());
  }
  if (!awaited) return;  // too late, or a second reply
  reply.body = reply.copy;
  const std::string what(found->second.message);
  switch (header.kind) {
    case wire::reply_kind::value:
      if (header.reply_type != found->second.reply_type) break;
      return settle(header.correlation, std::move(reply));
    case wire::reply_kind::failure:
      return settle(header.correlation, tl::unexpected(error(errc::failed, text_of(reply.body))));
    case wire::reply_kind::unhandled: break;
    case wire::reply_kind::corrupt:
      return settle(header.correlation, tl::unexpected(error(errc::corrupt, link.name + " could not decode " + what +
                                                                                ": " + text_of(reply.body))));
  }
  settle(header.correlation,
         tl::unexpected(error(errc::unhandled, link.name + " does not handle " + what + " with a reply of this type")));
}

void endpoint::verdict(const wire::verdict& what, const std::string& how) {
  const auto found = links_.find(what.callee);
  if (found == links_.end()) return;
  out_link& link = *found->second;
  // The dead write no more: what the pipe holds now is all that it will ever hold.
  if (link.reply_pipe && link.callee_incarnation <= what.incarnation) drain_replies(link);
  std::vector<std::uint64_t> unknown, cleared;
  for (const auto& [correlation, ask] : asks_) {
    if (ask.link != &link || ask.result) continue;
    // ask.position is the end of the record: at or below the head means that the head has passed it.
    if (ask.position <= what.head) {
      unknown.push_back(correlation);
    } else if (ask.position <= what.cleared) {
      cleared.push_back(correlation);
    }
  }
  // It answers no more. Its memory stays as long as it is needed for lanes from it.
  if (link.callee_incarnation <= what.incarnation) {
    link.parked.clear();
    link.callee.reset();
  }
  for (const auto correlation : unknown) {
    const std::string message(asks_.at(correlation).message);
    settle(correlation,
           tl::unexpected(error(errc::outcome_unknown, link.name + " " + how + " after it had started " + message)));
  }
  for (const auto correlation : cleared) {
    const std::string message(asks_.at(correlation).message);
    settle(correlation, tl::unexpected(error(errc::closed, link.name + " " + how + " before it had started " + message +
                                                               ", and its mailbox has been cleared")));
  }
}

}  // namespace troupe::channel
