#include <doctest/doctest.h>

#include <cstdint>

#include "unit/mailbox_fixture.hpp"

// A sender waits for room in its full lane: each of its waits is answered with one ring, and none is forgotten.

using namespace lane_fixture;

namespace {

constexpr std::uint32_t quarter = small_ring / 4 - sizeof(record_header);

void fill(peer& a) {
  while (put(a.writer, {1, quarter})) a.hint();
}

/// The lane is at most half full then.
void take_half(box& to) {
  for (int i = 0; i < 2; ++i) REQUIRE(to.take() == 1);
}

/// Its last record is done with: it has not seen that head, or has stored its wish after the receiver's look.
void begins_to_wait_too_late(box& to, peer& a) {
  fill(a);
  for (int i = 0; i < 4; ++i) REQUIRE(to.take() == 1);
  a.writer.want_room(true);
}

}  // namespace

TEST_CASE("a sender that has been rung for, and waits on, is rung for again") {
  box to;
  peer a(to, 0, 10, 1);
  for (int wait = 0; wait < 4; ++wait) {
    fill(a);
    a.writer.want_room(true);
    take_half(to);
    CHECK(a.rung());
  }
  CHECK(to.take_all() == numbers{1, 1});
  CHECK_FALSE(a.rung());
}

TEST_CASE("a sender whose wait is over is rung for its next one") {
  box to;
  peer a(to, 0, 10, 1);
  for (int wait = 0; wait < 4; ++wait) {
    fill(a);
    a.writer.want_room(true);
    take_half(to);
    CHECK(a.rung());
    a.writer.want_room(false);
  }
}

TEST_CASE("a sender that begins to wait when its last record is done is rung before the owner sleeps") {
  box to;
  peer a(to, 0, 10, 1);
  begins_to_wait_too_late(to, a);
  CHECK_FALSE(a.rung());
  CHECK(to.mail.prepare_sleep());
  CHECK(a.rung());
  to.mail.woke();
  CHECK(to.mail.prepare_sleep());
  CHECK_FALSE(a.rung());
}

TEST_CASE("a sender that begins to wait when its last record is done is rung before another lane is served") {
  box to;
  peer a(to, 0, 10, 1), b(to, 1, 11, 2);
  begins_to_wait_too_late(to, a);
  b.tell({2, 0});
  record got;
  REQUIRE(to.mail.next(got) == &b.lane());
  CHECK(a.rung());
}

TEST_CASE("a sender that begins to wait when its last record is done is rung before another lane is taken away") {
  box to;
  peer a(to, 0, 10, 1), gone(to, 1, 11, 2);
  begins_to_wait_too_late(to, a);
  to.mail.remove(1);
  CHECK(a.rung());
}
