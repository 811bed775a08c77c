#include <doctest/doctest.h>

#include <memory>
#include <vector>

#include "supervision/judge.hpp"
#include "unit/lane_fixture.hpp"

// Rings that a dead process may have owed: to those whom it told, and to those who told it and wait for room.

using namespace lane_fixture;
using namespace troupe::supervision;

namespace {

std::shared_ptr<os::fd> doorbell() { return std::make_shared<os::fd>(os::make_doorbell()); }

bool rung(const os::fd& bell) {
  const bool was = os::wait_ready(bell.get(), os::poller::read, os::clock::now());
  os::hush(bell);
  return was;
}

/// A mailbox with a lane from each of these incarnations.
struct mailbox_of {
  explicit mailbox_of(const std::vector<wire::incarnation_id>& senders) {
    its.doorbell = doorbell();
    for (const auto id : senders) {
      auto lane = std::make_unique<in_lane>();
      lane->memory = std::make_shared<peer_memory>();
      lane->memory->incarnation = id;
      lane->doorbell = doorbell();
      its.lanes.push_back(std::move(lane));
    }
  }
  /// Which lanes' senders are rung by it.
  std::vector<bool> senders_rung() const {
    std::vector<bool> all;
    for (const auto& lane : its.lanes) all.push_back(rung(*lane->doorbell));
    return all;
  }
  identity its;
};
using flags = std::vector<bool>;

}  // namespace

TEST_CASE("after a death the owner of each mailbox that the dead could tell is rung, and nobody else") {
  life dead, other;
  dead.id = 2;
  mailbox_of told({1, 2, 3}), untold({1, 3}), empty({});
  told.its.consumer = untold.its.consumer = empty.its.consumer = &other;
  for (const auto* each : {&told, &untold, &empty}) pay_rings(dead, each->its);
  CHECK(rung(*told.its.doorbell));
  CHECK_FALSE(rung(*untold.its.doorbell));
  CHECK_FALSE(rung(*empty.its.doorbell));
  CHECK(told.senders_rung() == flags{false, false, false});
}

TEST_CASE("after a death all who have a lane into the mailbox that the dead read are rung") {
  life dead;
  dead.id = 9;
  mailbox_of read({1, 2, 3});
  read.its.consumer = &dead;
  pay_rings(dead, read.its);
  CHECK(read.senders_rung() == flags{true, true, true});
  CHECK_FALSE(rung(*read.its.doorbell));
}
