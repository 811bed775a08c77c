// Messages that will not be handled: what the control thread keeps of them, and what others may do with that.

#include <algorithm>
#include <chrono>
#include <utility>

#include "supervision/control.hpp"
#include "supervision/log.hpp"

namespace troupe::supervision {

namespace {

constexpr std::uint64_t most_letters_logged = 1000;  // between two sweeps

std::string plain_name(std::uint64_t message) { return "message " + std::to_string(message); }

/// A death is remembered as long as the same record stays at the head.
void note_death(identity& of, std::uint32_t slot, std::uint64_t position, const noted_death& death) {
  flight& of_slot = of.flights[slot];
  if (of_slot.position != position) of_slot = {position, {}};
  if (of_slot.deaths.size() >= letters::most_deaths) of_slot.deaths.erase(of_slot.deaths.begin());
  of_slot.deaths.push_back(death);
}

std::span<const noted_death> deaths_with(const identity& of, std::uint32_t slot, std::uint64_t position) {
  const auto found = of.flights.find(slot);
  if (found == of.flights.end() || found->second.position != position) return {};
  return found->second.deaths;
}

unsigned attempts_at(const identity& of, std::uint32_t slot, std::uint64_t position) {
  const std::uint64_t mark = of.slot(slot).mark.load(std::memory_order_seq_cst);
  return wire::position_of(mark) == (position & (~std::uint64_t{0} >> 8)) ? wire::attempts_of(mark) : 0;
}

bool body_outside(const channel::record& record) { return (record.header.flags & wire::flag_body_in_outbox) != 0; }

/// A body in the outbox is the last block; the blocks before it are payloads.
std::vector<std::span<const std::byte>> payloads_of(const in_lane& lane, const channel::record& record) {
  const std::size_t bodies = body_outside(record) ? 1 : 0;
  std::vector<std::span<const std::byte>> payloads;
  for (std::size_t i = 0; i + bodies < record.block_count(); ++i) {
    payloads.push_back(lane.memory->outbox(record.block(i)));
  }
  return payloads;
}

/// What the record itself and the cursor page say.
letter about(const identity& of, const in_lane& lane, const channel::record& record) {
  letter what;
  what.key = {of.id, lane.slot, record.position};
  what.sender = lane.sender;
  what.sender_incarnation = lane.memory->incarnation;
  what.message = record.header.message;
  what.request = record.header.kind == wire::record_kind::request;
  what.attempts = attempts_at(of, lane.slot, record.position);
  what.deaths = deaths_with(of, lane.slot, record.position);
  what.body = record.body;
  what.body_in_lane = !body_outside(record);
  return what;
}

}  // namespace

std::uint64_t control::ns_since_1970() {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count());
}

// ------------------------------------------------------------------------------------------------------------ keeping

/// What becomes of the record that was in flight; its bytes are still there.
void control::after_flight(identity& of, in_lane& lane, const channel::record& record, const judged_record& what,
                           const noted_death& death) {
  note_death(of, lane.slot, record.position, death);
  const std::string attempt = ", attempt " + std::to_string(what.attempts);
  if (what.what == judged_record::fate::redeliver) {
    log_line(of.name + " " + death.text + " while it handled " + what.name + " from " + name_of(what.sender) + attempt +
             (of.spec.mailbox == mailbox::clear ? "" : "; it will be handled again"));
  } else if (what.what == judged_record::fate::dropped && what.request) {
    // Its asker has the reply already or is told; so nothing is lost unseen.
    log_line(of.name + " " + death.text + " while it handled the request " + what.name + " from " +
             name_of(what.sender));
  } else {
    const bool dropped = what.what == judged_record::fate::dropped;
    keep_letter(of, lane, record, dropped ? wire::letter_reason::dropped : wire::letter_reason::quarantined,
                of.name + " " + death.text + " while it handled it" + attempt);
  }
}

void control::on_letter(life& who, const wire::letter& said, const std::string& why) {
  identity* owner = find_identity(said.owner);
  if (owner != nullptr && owner->consumer == &who) {
    const auto lane = std::find_if(owner->lanes.begin(), owner->lanes.end(),
                                   [&](const auto& each) { return each->slot == said.slot; });
    if (lane != owner->lanes.end()) keep_reported(*owner, **lane, said, why);
  }
  send(who, wire::frame::letter_kept, wire::slot_position{said.slot, 0, said.position, said.owner});
}

/// A worker speaks of a record that it has not finished; nothing else is believed.
void control::keep_reported(identity& of, const in_lane& lane, const wire::letter& said, const std::string& why) {
  if (said.reason == wire::letter_reason::lane_broken) return keep_broken_lane(of, lane);
  channel::record record;
  if (!find_record(of, lane, said.position, record)) return;
  const bool undecodable = said.reason == wire::letter_reason::undecodable;
  keep_letter(of, lane, record, undecodable ? wire::letter_reason::undecodable : wire::letter_reason::unhandled, why);
}

/// Nothing more is read from this lane, so nothing in it is a message any more.
void control::keep_broken_lane(identity& of, const in_lane& lane) {
  auto reader = reader_of(of, lane);
  channel::record ignored;
  reader.peek(ignored);
  channel::record none{};
  none.position = reader.head();
  keep_letter(of, lane, none, wire::letter_reason::lane_broken,
              "the lane holds bytes that are no record; nothing more is read from it");
}

/// A letter about the same position again, after a crash, is the same letter; positions in a slot only grow.
void control::keep_letter(identity& of, const in_lane& lane, const channel::record& record, wire::letter_reason reason,
                          const std::string& why) {
  std::uint64_t& behind = of.letters[lane.slot];
  if (record.position < behind) return;
  behind = record.position + 1;
  const bool broken = reason == wire::letter_reason::lane_broken;
  const std::string name = broken ? "what is no message" : message_name(of, record);
  const std::string sender = name_of(lane.sender);
  const auto payloads = payloads_of(lane, record);
  letter what = about(of, lane, record);
  what.time_ns = ns_since_1970();
  what.receiver_name = of.name;
  what.sender_name = sender;
  what.message_name = name;
  what.enclosed = encloses(of, lane, record);
  what.reason = reason;
  what.why = why;
  what.payloads = payloads;
  if (broken) what.unreadable = std::min<std::uint64_t>(reader_of(of, lane).tail() - record.position, lane.ring_bytes);
  const auto how = letters_.append(what);
  dead_letters_.store(letters_.count().total, std::memory_order_relaxed);
  const bool no_room = how == letters::result::no_room;
  say_letter("dead letter: " + name + " from " + sender + " to " + of.name + ": " + why +
             (no_room ? "; there is no memory left to keep it" : ""));
}

/// An actor that ends with a full mailbox leaves thousands: the log has some of them, and how many the others are.
void control::say_letter(const std::string& line) {
  if (++letters_since_sweep_ <= most_letters_logged) log_line(line);
}

void control::say_unlogged_letters() {
  const std::uint64_t all = std::exchange(letters_since_sweep_, 0);
  if (all <= most_letters_logged) return;
  log_line(std::to_string(all - most_letters_logged) + " more dead letters within a second: dead_letters() lists them");
}

/// A queue has no list of what it takes, and an actor may be sent what it does not handle: others may know the message.
std::string control::message_name(const identity& of, const channel::record& record) const {
  const std::uint64_t message = record.header.message;
  const detail::handler_entry* entry = of.type == nullptr ? nullptr : of.type->find(message);
  for (std::size_t i = 0; entry == nullptr && i < types_.size(); ++i) entry = types_[i]->find(message);
  return entry == nullptr ? plain_name(message) : std::string(entry->name);
}

bool control::encloses(const identity& of, const in_lane& lane, const channel::record& record) const {
  return std::any_of(deposits_.begin(), deposits_.end(), [&](const auto& each) {
    return each.first.first == lane.memory->incarnation && each.second.to == of.id && each.second.position > 0 &&
           each.second.position == record.end;
  });
}

/// With the run end the mailboxes and the letters: nobody is left to read them, so the log says how many there are.
void control::say_what_is_left() {
  say_unlogged_letters();
  for (const auto& [id, each] : identities_) {
    std::size_t left = 0;
    for (const auto& lane : each->lanes) {
      auto reader = reader_of(*each, *lane);
      channel::record record;
      while (reader.peek(record) == channel::lane_reader::state::ready) {
        left += record.header.kind == wire::record_kind::tell ? 1U : 0U;
        reader.advance(record);
      }
    }
    if (left == 0) continue;
    log_line(std::to_string(left) + " of the messages to " + each->name + " were not handled: the program ends");
  }
}

// ------------------------------------------------------------------------------------------------- what others may do

void control::on_letters_open(life& who, std::uint64_t tag) {
  send(who, wire::frame::letters_opened, wire::answer{tag, 0, letters_bytes_, wire::status::ok, 0}, {}, {letters_fd_});
}

void control::on_letters_purge(life& who, const wire::purge& wanted) {
  std::uint64_t purged = 0;
  if (wanted.number != 0) {
    purged = letters_.erase(wanted.number) ? 1 : 0;
  } else {
    purged = letters_.erase_all(wanted.receiver);
  }
  send(who, wire::frame::letters_purged, wire::answer{wanted.tag, wanted.receiver, purged, wire::status::ok, 0});
}

}  // namespace troupe::supervision
