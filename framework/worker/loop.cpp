#include "worker/loop.hpp"

#include <algorithm>
#include <iostream>

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
    bool busy = turn_of_timers();
    if (endpoint_.callbacks_pending() && !stop_) {
      if (type_.works_in == detail::turns::none) {
        busy = endpoint_.run_callbacks([this] { aside_ended(); }) || busy;
      } else if (endpoint_.callback_due()) {
        in_turn([&] { endpoint_.run_callbacks([this] { aside_ended(); }); });
        busy = true;
      }
    }
    if (watches_.any_due() && !stop_) {
      watches_.run([this](const auto& handler) { in_turn(handler); });
      busy = true;
    }
    if (!stop_) busy = turn_of_messages() || busy;
    if (!downs_.empty() && !stop_) tell_downs();
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
  if (lane != open_) close_turn();
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
  if (timers_.empty()) return false;
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

// ----------------------------------------------------------------------------------------------------------- messages

/// What came beside the record in hand.
class loop::received final : public detail::attachments {
 public:
  received(const channel::inbound& lane, const channel::record& record)
      : lane_(lane), record_(record), while_it_is_read_(lane.memory->hold(record)) {}
  std::uint32_t attach(channel::block_ptr) override { return 0; }
  std::span<const std::byte> attached(std::uint32_t index) override {
    if (index >= record_.block_count()) throw error(errc::corrupt, "a payload that the message does not hold");
    const wire::block where = record_.block(index);
    const auto bytes = lane_.memory->outbox(where);
    if (bytes.size() != where.bytes) throw error(errc::corrupt, "a payload that lies outside its sender's outbox");
    return bytes;
  }

 private:
  const channel::inbound& lane_;
  const channel::record& record_;
  const std::vector<std::shared_ptr<const void>> while_it_is_read_;
};

void loop::handle(channel::inbound& lane, const channel::record& record) {
  const bool request = record.header.kind == wire::record_kind::request;
  if (open_ != nullptr && (open_ != &lane || goes_alone(lane, record))) close_turn();
  if (request && skip(lane, record)) return mailbox_.finish(lane, record);
  attempt_ = mailbox_.start(lane, record, open_ == nullptr);
  current_ = request ? detail::deferral{lane.incarnation, record.request.correlation, lane.slot} : detail::deferral{};
  asked_until_ = request ? record.request.deadline_ns : 0;
  if (type_.works_in == detail::turns::none) {
    invoke(lane, record);
    mailbox_.finish(lane, record);
  } else {
    handle_in_turn(lane, record);
  }
  current_ = {};
  auto& handled = mailbox_.page().handled;
  handled.store(handled.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

bool loop::skip(const channel::inbound& lane, const channel::record& record) {
  const auto policy = type_.judge(record.header.message, true);
  const bool keep = policy.declared && policy.policy.how == delivery::kind::redeliver;
  const bool expired = os::to_ns(os::clock::now()) >= record.request.deadline_ns;
  if (lane.memory->dead ? keep : !expired) return false;
  auto& count = mailbox_.page().expired;
  count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  return true;
}

void loop::invoke(channel::inbound& lane, const channel::record& record) {
  const detail::handler_entry* entry = type_.find(record.header.message);
  if (entry == nullptr) return unhandled(lane, record);
  bool decoded = false;
  try {
    received along(lane, record);
    detail::reader from(record.body.data(), record.body.size(), &along);
    entry->invoke(*actor_, from, decoded);
  } catch (const error& e) {
    if (decoded || e.code() != errc::corrupt) throw;
    undecodable(lane, record, e.text());
  }
}

/// For an answer. A request that is handled although its asker is dead ends as what was told does.
bool loop::somebody_waits(const channel::inbound& lane) const noexcept {
  return current_.incarnation != 0 && !lane.memory->dead;
}

void loop::unhandled(channel::inbound& lane, const channel::record& record) {
  if (somebody_waits(lane)) return replies_.text(current_, wire::reply_kind::unhandled, "");
  letter(lane, record, wire::letter_reason::unhandled, std::string(type_.name) + " has no handler for this message");
}

void loop::undecodable(channel::inbound& lane, const channel::record& record, const std::string& why) {
  if (somebody_waits(lane)) return replies_.text(current_, wire::reply_kind::corrupt, why);
  letter(lane, record, wire::letter_reason::undecodable, "it could not be decoded: " + why);
}

void loop::letter(const channel::inbound& lane, const channel::record& record, wire::letter_reason reason,
                  const std::string& why) {
  kept_.reset();
  endpoint_.send(wire::frame::letter,
                 wire::letter{record.position, record.header.message, mailbox_.owner(), lane.slot, reason}, why);
  // The head moves only when the supervisor has the letter: killed here, the record is judged like any other.
  // What comes may be about another letter, of a broken lane.
  const auto is_kept = [&] { return kept_ && kept_->position == record.position && kept_->slot == lane.slot; };
  for (apply_frames(); !is_kept(); apply_frames()) {
    endpoint_.serve_once(std::nullopt, [&] { return has_noted_.load(); });
  }
}

void loop::broken_lane(std::uint32_t slot) {
  const channel::inbound* lane = mailbox_.find(slot);
  if (lane == nullptr) return;
  endpoint_.send(wire::frame::letter,
                 wire::letter{lane->reader.head(), 0, mailbox_.owner(), slot, wire::letter_reason::lane_broken});
}

// -------------------------------------------------------------------------------------------------------------- turns

void loop::commit(std::uint32_t slot, std::uint64_t head) { turn_.commit(*actor_, slot, head); }

void loop::handle_in_turn(channel::inbound& lane, const channel::record& record) {
  if (open_ == nullptr) {
    turn_.begin();
    replies_.hold();
  }
  invoke(lane, record);
  mailbox_.pass(lane, record);
  open_ = &lane;
  if (++covered_ >= type_.commit_every || goes_alone(lane, record) || endpoint_.turn_is_large()) close_turn();
}

/// Whether this record's turn covers no other: a request, since its verdict rests on the head; what is handled once at
/// most, since nothing before it may be handled again with it; and what an earlier incarnation may have died of.
bool loop::goes_alone(const channel::inbound& lane, const channel::record& record) const {
  return record.header.kind == wire::record_kind::request || record.position <= lane.careful_until ||
         type_.judge(record.header.message, false).policy.how == delivery::kind::drop;
}

/// Commits what the open turn covers, if there is one.
void loop::close_turn() {
  if (open_ == nullptr) return;
  channel::inbound& lane = *std::exchange(open_, nullptr);
  covered_ = 0;
  commit(lane.slot, lane.reader.head());
  mailbox_.finish_passed(lane);
  announce();
}

/// Progress, to whoever looks from outside.
void loop::aside_ended() noexcept {
  auto& count = mailbox_.page().asides;
  count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

void loop::announce() {
  endpoint_.announce_turn();
  replies_.release();
}

// ------------------------------------------------------------------------------------------------------------ context

void loop::reply(std::uint64_t reply_type, const void* body, replies::encoder encode) {
  replies_.value(std::exchange(current_, {}), reply_type, body, encode);
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
  if (!actor_ || !replies_.settle(to)) return;
  replies_.text(to, wire::reply_kind::failure, name_ + " has deferred the answer and dropped it");
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
