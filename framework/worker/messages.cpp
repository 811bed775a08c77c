// What happens to a record: its handler, a turn, a letter.

#include "worker/loop.hpp"

namespace troupe::worker {

/// What came beside the record in hand.
class loop::received final : public detail::attachments {
 public:
  received(const channel::inbound& lane, const channel::record& record)
      : lane_(lane), record_(record) {
    if (!record.blocks.empty()) while_it_is_read_ = lane.memory->hold(record);
  }
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
  std::vector<std::shared_ptr<const void>> while_it_is_read_;
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
  if (lane.memory->dead ? keep : !expired || (keep && mailbox_.begun(lane, record))) return false;
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
  // Letters of a lane go by its order: what lies before this record must be done with first.
  if (open_ != nullptr) {
    close_turn();
    begin_turn();
  }
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
  if (open_ == nullptr) begin_turn();
  invoke(lane, record);
  mailbox_.pass(lane, record);
  open_ = &lane;
  if (++covered_ >= type_.commit_every || goes_alone(lane, record) || endpoint_.turn_is_full()) close_turn();
}

void loop::begin_turn() {
  turn_.begin();
  replies_.hold();
}

/// Whether this record's turn covers no other: a request, since its verdict rests on the head; what is handled once at
/// most, since nothing before it may be handled again with it; and what an earlier incarnation may have died of.
bool loop::goes_alone(const channel::inbound& lane, const channel::record& record) const {
  if (record.header.kind == wire::record_kind::request || record.position <= lane.careful_until) return true;
  const delivery policy = type_.judge(record.header.message, false).policy;
  return policy.how == delivery::kind::drop || policy.limit <= 1;
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

}  // namespace troupe::worker
