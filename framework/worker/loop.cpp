#include "worker/loop.hpp"

#include <algorithm>

#include "os/process.hpp"

namespace troupe::worker {

namespace {

// Messages between two looks at the poller, while no control frame is waiting: often if replies may come.
constexpr unsigned serve_often = 64, serve_seldom = 1024;

detail::worker_context* the_context = nullptr;

channel::endpoint::parts parts_of(birth& born) {
  return {born.its.identity, born.its.incarnation, std::move(born.control), std::move(born.out),
          born.doorbell.duplicate(), born.its.outbox_bytes, born.its.spare != 0};
}

}  // namespace

loop::loop(birth&& born, const detail::actor_type& type)
    : name_(born.name),
      type_(type),
      status_(std::move(born.status)),
      arguments_(std::move(born.arguments)),
      last_word_(born.last_word),
      endpoint_(parts_of(born), [this](channel::incoming&& frame) { note(std::move(frame)); }),
      mailbox_(born.its.identity, std::move(born.cursor), std::move(born.hints), std::move(born.doorbell)),
      replies_(endpoint_, mailbox_),
      watches_(endpoint_),
      turn_(type, endpoint_, std::move(born.checkpoint), born.its.checkpoint_bytes) {
  the_context = this;
  endpoint_.long_turns = type.commit_every > 1;
  endpoint_.before_sleep = [this, loop_thread = std::this_thread::get_id()] {
    if (std::this_thread::get_id() == loop_thread) mailbox_.settle();
  };
  endpoint_.on_watched = [this](std::uint64_t key, bool, bool) {
    has_noted_ = true;
    if (watches_.found_ready(key)) return;
    writable_.push_back(static_cast<std::uint32_t>(key - channel::endpoint::owner_key));
  };
  endpoint_.on_look = [this] { has_noted_ = look_ = true; };
  endpoint_.on_lack = [this, loop_thread = std::this_thread::get_id()] {
    if (std::this_thread::get_id() == loop_thread) replies_.release_read();
  };
}

loop::~loop() { the_context = nullptr; }

void loop::run() {
  wait_until([this] { return go_ || spare_; });
  os::name_thread(name_);  // not before: who has the spawner's name has not been let go
  try {
    make_actor();
    if (spare_) stand_by();
    start_actor();
  } catch (const decline&) {
    leave(last_word_, wire::leave::declined, "");
  } catch (...) {
    leave(last_word_, wire::leave::start_failed, text_of_current_exception());
  }
  endpoint_.send(wire::frame::ready, wire::nothing{}, said_at_start_);
  try {
    serve();
  } catch (const error& e) {
    if (e.code() == errc::stopping && stopped_by_supervisor()) stop_in_handler();
    leave(last_word_, wire::leave::exception, e.what());
  } catch (...) {
    leave(last_word_, wire::leave::exception, text_of_current_exception());
  }
}

void loop::wait_until(const std::function<bool()>& done) {
  for (apply_frames(); !done(); apply_frames()) {
    endpoint_.serve_once(std::nullopt, [&] { return has_noted_.load(); });
  }
}

void loop::make_actor() {
  detail::maker make = nullptr;
  detail::reader from(arguments_.data(), arguments_.size());
  std::uintptr_t function = 0;
  from.bytes(&function, sizeof function);
  make = reinterpret_cast<detail::maker>(function);
  actor_ = make(from);
}

void loop::start_actor() {
  restored_ = turn_.restore(*actor_, mailbox_.page());
  in_turn([&] { actor_->on_start(); });
}

void loop::serve() {
  for (;;) {
    if (has_noted_) {
      close_turn();
      apply_frames();
    }
    if (retire_) retire_when_quiet();
    if (stop_) end();
    bool busy = !timers_.empty() && turn_of_timers();
    if (endpoint_.callbacks_pending() && !stop_) busy = turn_of_callbacks() || busy;
    if (watches_.any_due() && !stop_) {
      watches_.run([this](const auto& handler) { in_turn(handler); });
      busy = true;
    }
    if (!stop_) busy = turn_of_messages() || busy;
    if (!downs_.empty() && !stop_) tell_downs();
    if (!dropped_.empty()) answer_dropped();
    if (stop_) continue;
    if (!busy) {
      sleep();
    } else if (attention() || ++unserved_ >= (endpoint_.callbacks_pending() || replies_.waiting() ? serve_often : serve_seldom)) {
      unserved_ = 0;
      endpoint_.serve_once(os::clock::now());
    }
  }
}

bool loop::attention() const noexcept {
  return status_.at<wire::status_page>()->attention.load(std::memory_order_relaxed) != endpoint_.frames_taken();
}

bool loop::turn_of_messages() {
  channel::record record;
  channel::inbound* lane = mailbox_.next(record);
  if (open_ != nullptr && lane != open_) close_turn();
  if (!mailbox_.broken.empty() || !mailbox_.drained.empty()) put_away_lanes(lane);
  if (lane == nullptr) return false;
  handle(*lane, record);
  return true;
}

/// Lanes of which nothing more can come. `next`: the lane that is about to be served, unless it is one of them.
void loop::put_away_lanes(channel::inbound*& next) {
  for (const auto slot : std::exchange(mailbox_.broken, {})) broken_lane(slot);
  for (const auto slot : std::exchange(mailbox_.drained, {})) {
    if (next != nullptr && next->slot == slot) next = nullptr;
    const wire::incarnation_id from = mailbox_.find(slot)->incarnation;
    replies_.forget(slot);
    mailbox_.remove(slot);
    endpoint_.send(wire::frame::lane_drained, wire::slot{slot, 0, mailbox_.owner(), from});
  }
}

bool loop::turn_of_timers() {
  const auto due = timers_.take_due(os::clock::now());
  if (!due) return false;
  const detail::handler_entry* entry = type_.find(due->id);
  attempt_ = 1;
  in_turn([&] {
    detail::reader from(due->body.data(), due->body.size());
    bool decoded = false;
    entry->invoke(*actor_, from, decoded);
  }, due->id);
  return true;
}

/// All that are due. Each is a turn of its own: together they might tell more than a lane holds.
bool loop::turn_of_callbacks() {
  bool ran = false;
  for (; endpoint_.callback_due() && !stop_; ran = true) in_turn([this] { endpoint_.run_callback(); });
  return ran;
}

void loop::sleep() {
  if (watch_ && mailbox_.page().handled.load(std::memory_order_relaxed) != handled_at_takeover_) watch_.reset();
  if (waited_awake_.until([this] { return something_came(); })) return;
  const auto began = os::clock::now();
  std::optional<os::time_point> until = timers_.next();
  if (const auto deadline = endpoint_.next_deadline(); deadline && (!until || *deadline < *until)) until = deadline;
  // A deferred reply that is never given is waited for no longer than its asker does.
  const auto owed = retire_ ? replies_.owed_until() : std::nullopt;
  if (owed && (!until || *owed < *until)) until = owed;
  // Another thread of this process may serve the endpoint and take in the ring or the frame that was meant to wake us.
  const std::uint64_t rings = endpoint_.rings();
  if (endpoint_.callback_due() || !mailbox_.prepare_sleep()) return;
  endpoint_.serve_once(until, [&] { return has_noted_ || endpoint_.rings() != rings || endpoint_.has_due(); });
  mailbox_.woke();
  waited_awake_.slept(os::clock::now() - began);
}

/// A cheap look at everything that could wake this worker, while it waits awake.
bool loop::something_came() {
  if (mailbox_.news()) return true;
  // Replies, and pipes that have room again, show in the poller only.
  if (attention() || endpoint_.callbacks_pending() || replies_.waiting()) endpoint_.serve_once(os::clock::now());
  return has_noted_ || (endpoint_.callbacks_pending() && endpoint_.callback_due());
}

// ------------------------------------------------------------------------------------------------------------ context

void loop::reply(std::uint64_t reply_type, const void* body, replies::encoder encode) {
  if (current_.incarnation != 0) replies_.value(std::exchange(current_, {}), reply_type, body, encode);
}

void loop::reply_failure(std::string_view text) {
  replies_.text(std::exchange(current_, {}), wire::reply_kind::failure, text);
}

detail::deferral loop::defer() {
  replies_.defer(current_, asked_until_);
  return std::exchange(current_, {});
}

void loop::reply_deferred(const detail::deferral& to, std::uint64_t reply_type, const void* body,
                          replies::encoder encode) {
  replies_.settle(to);
  replies_.value(to, reply_type, body, encode);
}

void loop::fail_deferred(const detail::deferral& to, std::string_view text) {
  replies_.settle(to);
  replies_.text(to, wire::reply_kind::failure, text);
}

void loop::drop_deferred(const detail::deferral& to) noexcept {
  if (actor_) dropped_.push_back(to);
}

/// Not before the handler that has dropped them returns: if it throws, the answer is not known.
void loop::answer_dropped() {
  for (const auto& to : std::exchange(dropped_, {})) {
    if (replies_.settle(to)) {
      replies_.text(to, wire::reply_kind::failure, name_ + " has deferred the answer and dropped it");
    }
  }
}

std::uint64_t loop::add_timer(std::chrono::nanoseconds first, std::chrono::nanoseconds period,
                              const detail::outgoing& message) {
  if (type_.find(message.message) == nullptr) {
    throw error(errc::unhandled, std::string(type_.name) + " does not list the timer's message " +
                                     std::string(message.name) + " in its handles");
  }
  detail::writer probe(nullptr, 0);
  message.encode(message.body, probe);
  timers::message kept{message.message, std::vector<std::byte>(probe.size())};
  detail::writer to(kept.body.data(), kept.body.size());
  message.encode(message.body, to);
  return timers_.add(detail::deadline_in(first), period, std::move(kept));
}

}  // namespace troupe::worker

namespace troupe::detail {

worker_context& context() {
  if (worker::the_context == nullptr) {
    throw error(errc::not_allowed, "self() and timers belong to an actor that runs in its worker process");
  }
  return *worker::the_context;
}

void drop_deferred(const deferral& to) noexcept {
  if (worker::the_context != nullptr) worker::the_context->drop_deferred(to);
}

}  // namespace troupe::detail
