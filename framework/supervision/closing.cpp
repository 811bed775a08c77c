// Identities that end, for good or until they are started again, and mailboxes that are cleared: nobody waits, and
// nothing is dropped in silence.

#include <algorithm>

#include "supervision/control.hpp"
#include "supervision/slots.hpp"

namespace troupe::supervision {

namespace {

/// A request that is to be handled although nobody waits for its reply any more.
bool outlives_its_asker(const identity& of, const in_lane& lane, const channel::record& record) {
  if (of.type == nullptr || !lane.memory->dead) return false;
  const auto policy = of.type->judge(record.header.message, true);
  return policy.declared && policy.policy.how == delivery::kind::redeliver;
}

}  // namespace

void control::close(identity& which, const std::string& why) {
  stop_spares(which);
  if (!which.closed) {
    which.closed = true;
    which.closed_because = why;
    // pairs with: the sender's look at `ends` before it publishes. What it publishes before it has seen this, or before
    // it has acknowledged, is swept later.
    which.page().ends.fetch_add(1, std::memory_order_seq_cst);
    std::vector<in_lane*> lanes;
    for (auto& lane : which.lanes) lanes.push_back(lane.get());
    for (in_lane* lane : lanes) {
      lane->closing = true;
      life* sender = find_life(lane->memory->incarnation);
      if (sender == nullptr || lane->memory->dead) {
        sweep_lane(which, *lane);
      } else {
        send(*sender, wire::frame::closed,
             wire::answer{0, which.id, 0, gave_up_ ? wire::status::gave_up : wire::status::closed, 0},
             gave_up_ ? *gave_up_ : which.name + " has ended: " + why);
      }
    }
    connect_waiting(which);
  }
  remove_if_done(which);
}

void control::on_closed_seen(life& who, wire::identity_id closed) {
  identity* its = find_identity(closed);
  if (its == nullptr) return;
  for (auto& lane : its->lanes) {
    if (lane->memory->incarnation == who.id && lane->closing) {
      sweep_lane(*its, *lane);
      break;
    }
  }
  remove_if_done(*its);
}

/// What the lane holds now will not be handled. Who asked is told; who told finds a letter. What is published all the
/// same, while this goes on, is not looked at. `from` ends behind the last record.
channel::lane_reader::state control::sweep_records(identity& of, const in_lane& lane, channel::lane_reader& from,
                                                   wire::letter_reason reason, const std::string& why) {
  channel::record record;
  const std::uint64_t end = from.tail();
  auto found = from.peek(record);
  for (; found == channel::lane_reader::state::ready && record.position < end; found = from.peek(record)) {
    if (record.header.kind == wire::record_kind::tell || outlives_its_asker(of, lane, record)) {
      keep_letter(of, lane, record, reason, why);
    }
    from.advance(record);
  }
  return found;
}

/// The sender publishes nothing more here.
void control::sweep_lane(identity& of, in_lane& lane) {
  auto reader = reader_of(of, lane);
  const auto found = sweep_records(of, lane, reader, wire::letter_reason::receiver_closed,
                                   "its receiver has ended: " + of.last_down_text);
  // First the head, since what lies behind it is what is broken.
  of.slot(lane.slot).head.store(reader.head(), std::memory_order_seq_cst);
  if (found == channel::lane_reader::state::corrupt) keep_broken_lane(of, lane);
  if (life* sender = find_life(lane.memory->incarnation); sender != nullptr && !lane.memory->dead) {
    send(*sender, wire::frame::lane_freed, wire::slot{lane.slot, 0, of.id, lane.memory->incarnation});
  }
  free_lane(of, lane);
}

/// Between a death, which has been judged, and the next start: nobody reads the lanes. Their senders may go on writing.
void control::clear_mailbox(identity& of) {
  if (of.spec.mailbox != mailbox::clear || !of.has_run) return;
  for (auto& lane : of.lanes) clear_lane(of, *lane);
}

/// Up to the tail as it is now, or to the first record of a turn that has not been committed: that one, and what comes
/// behind it, is not there yet.
void control::clear_lane(identity& of, const in_lane& lane) {
  auto reader = reader_of(of, lane);
  channel::record record;
  const auto flight = of.flights.find(lane.slot);
  // A request that was in hand and would have been handled again: its asker cannot know what it has done.
  const bool in_hand = reader.peek(record) == channel::lane_reader::state::ready && flight != of.flights.end() &&
                       flight->second.position == record.position;
  const std::uint64_t started = in_hand ? record.end : reader.head();
  sweep_records(of, lane, reader, wire::letter_reason::cleared,
                "its receiver " + of.last_down_text + ", and its mailbox is cleared when it is started again");
  if (reader.head() == started && !in_hand) return;
  // SYNC room: head, then wants_room, in place of the receiver. pairs with: lane_writer::want_room()
  of.slot(lane.slot).head.store(reader.head(), std::memory_order_seq_cst);
  if (reader.owes_room() != 0 && lane.doorbell) os::ring(*lane.doorbell);
  life* asker = lane.asks && !lane.memory->dead ? find_life(lane.memory->incarnation) : nullptr;
  if (asker == nullptr) return;
  const wire::incarnation_id all_so_far = next_number_ - 1;
  send(*asker, wire::frame::verdict, wire::verdict{of.id, all_so_far, started, reader.head()}, of.last_down_text);
}

void control::free_lane(identity& of, in_lane& lane) {
  close_lane(of, lane);
  // Later: whoever frees a lane may be going through the lanes.
  if (of.waiting.empty()) return;
  post([this, id = of.id] {
    if (identity* to = find_identity(id)) connect_waiting(*to);
  });
}

void control::send_down(identity& of, bool for_good) {
  wire::down what = *of.last_down;
  what.ended = for_good ? 1 : 0;
  for (const auto watcher : of.watchers) {
    if (life* who = find_life(watcher)) send(*who, wire::frame::down, what, of.name + "\n" + of.last_down_text);
  }
}

void control::tell_watchers(identity& of, bool for_good) {
  if (!of.last_down) return;
  const bool told = std::exchange(of.told_of_wait, false);
  if (for_good || !told) send_down(of, for_good);
  of.last_down.reset();
  if (for_good) of.watchers.clear();
}

/// It is down, and will be started again, but not yet. Should it come to nothing its watchers are told once more.
void control::tell_of_wait(policy::child_id id) {
  identity* of = find_identity(id);
  if (of != nullptr && of->last_down && !std::exchange(of->told_of_wait, true)) send_down(*of, false);
}

void control::remove_if_done(identity& which) {
  if (!which.forgotten || which.active != nullptr || which.lives > 0 || !which.lanes.empty()) return;
  identities_.erase(which.id);
}

}  // namespace troupe::supervision
