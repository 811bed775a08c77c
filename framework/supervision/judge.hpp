#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "supervision/policy.hpp"
#include "supervision/world.hpp"

namespace troupe::supervision {

/// First step after a death: what the dead incarnation had committed becomes true in the cursor page. Does nothing if it
/// worked in no turn. Twice is as good as once.
void recover_turn(identity& of, const life& dead);

/// A message that was in flight when its handler died.
struct judged_record {
  std::uint32_t slot = 0;
  wire::identity_id sender = 0;
  std::uint64_t position = 0;
  std::uint64_t message = 0;
  std::string name;
  unsigned attempts = 0;
  std::size_t body_bytes = 0;
  bool request = false;
  enum class fate : std::uint8_t {
    redeliver,    ///< stays at the head
    dropped,      ///< its policy is to be handled once at most: the head has passed it
    quarantined,  ///< its attempts are used up: the head has passed it, a dead letter is due
  } what = fate::redeliver;
};
/// Hears of each judged record while it still lies at the head: behind that its sender may write over it.
using witness = std::function<void(const judged_record& what, in_lane& lane, const channel::record& record)>;
/// Second step: decides on the record in flight, on the recovered head, and moves the head past what is not handled
/// again. A record in hand beyond the head was not the first of its turn: it is left where it is, for the successor
/// handles each record up to it alone. Judges each mark once, so twice is as good as once.
std::vector<judged_record> judge(identity& of, const witness& before_it_goes = {});

/// The record in hand in this lane: begun, not finished, and no death with it judged yet. Of a living worker as it was a
/// moment ago.
struct in_hand {
  std::uint64_t position = 0;
  std::uint64_t mark = 0;
};
std::optional<in_hand> in_hand_of(const identity& of, const in_lane& lane);

/// Last step, for each mailbox: the dead one may have published in it without ringing its owner, or made room there
/// without ringing its senders. Needs the owner of the mailbox as it was when the process died.
void pay_rings(const life& dead, const identity& mailbox) noexcept;

/// Who pays for the death, by the budget rule.
policy::charge charge_for(const life& dead, const std::vector<judged_record>& records) noexcept;

/// The deliverable record that begins at this position, at the lane's head or beyond it. False: there is none.
bool find_record(const identity& of, const in_lane& lane, std::uint64_t position, channel::record& into);

/// The lane as the supervisor reads it, from the receiver's head on.
channel::lane_reader reader_of(const identity& of, const in_lane& lane);

}  // namespace troupe::supervision
