#include "supervision/slots.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "unit/lane_fixture.hpp"

// Where the next lane into a mailbox begins.

using namespace lane_fixture;
using namespace troupe::supervision;

namespace {

struct scene {
  scene() {
    to.cursor_fd = std::make_shared<os::fd>(os::make_memory("test-cursor", wire::cursor_bytes));
    to.cursor = os::mapping(*to.cursor_fd, wire::cursor_bytes, os::access::read_write);
    sender.id = 70;
    sender.doorbell = std::make_shared<os::fd>(os::make_doorbell());
    from.id = 7;
    from.of = &sender;
    from.memory = std::make_shared<peer_memory>();
  }
  in_lane* open() { return open_lane(to, from, {1, lane_at, small_ring, 1}); }

  troupe::supervision::identity to, sender;
  life from;
};

}  // namespace

TEST_CASE("lanes get slots that nobody uses, those of lanes that are done with first") {
  scene s;
  std::vector<in_lane*> lanes;
  for (std::uint32_t slot = 0; slot < 4; ++slot) {
    lanes.push_back(s.open());
    REQUIRE(lanes.back() != nullptr);
    CHECK(lanes.back()->slot == slot);
    CHECK(lanes.back()->sender == 70);
    CHECK(lanes.back()->memory == s.from.memory);
    CHECK(lanes.back()->offset == lane_at);
    CHECK(lanes.back()->ring_bytes == small_ring);
    CHECK(lanes.back()->asks);
  }
  close_lane(s.to, *lanes[1]);
  CHECK(s.to.lanes.size() == 3);
  CHECK(s.open()->slot == 1);
  CHECK(s.open()->slot == 4);
}

TEST_CASE("there are as many slots as the cursor page has words for, and no more") {
  scene s;
  s.to.next_slot = wire::max_slots - 1;
  CHECK(has_slot(s.to));
  in_lane* const last = s.open();
  CHECK(last->slot == wire::max_slots - 1);
  CHECK_FALSE(has_slot(s.to));
  close_lane(s.to, *last);
  CHECK(has_slot(s.to));
  CHECK(s.open()->slot == wire::max_slots - 1);
  CHECK_FALSE(has_slot(s.to));
}

TEST_CASE("a lane begins where the slot's head stands, or behind the last letter of the slot if that is further") {
  scene s;
  s.to.slot(0).head = 640;
  CHECK(s.open()->start == 640);
  s.to.slot(1).head = 640;
  s.to.letters[1] = 601;
  CHECK(s.open()->start == 640);
  s.to.slot(2).head = 640;
  s.to.letters[2] = 640 + 1;
  CHECK(s.open()->start == 648);
}

TEST_CASE("a head that no message has made is no place to begin at, and its slot stays free") {
  for (const std::uint64_t head : {std::uint64_t{1}, std::uint64_t{12}, wire::last_start + 8, ~std::uint64_t{7}}) {
    CAPTURE(head);
    scene s;
    s.to.slot(0).head = head;
    CHECK(s.open() == nullptr);
    CHECK(s.to.lanes.empty());
    s.to.slot(0).head = wire::last_start;
    REQUIRE(s.open() != nullptr);
    CHECK(s.to.lanes.front()->slot == 0);
    CHECK(s.to.lanes.front()->start == wire::last_start);
  }
}
