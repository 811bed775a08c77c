#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "unit/mailbox_fixture.hpp"

using namespace lane_fixture;

namespace {
constexpr auto request = record_kind::request;
}  // namespace

TEST_CASE("a mailbox without lanes has nothing, and its owner may sleep") {
  box to;
  CHECK(to.take() == 0);
  CHECK(to.mail.prepare_sleep());
  CHECK(to.sleeping());
  to.mail.woke();
  CHECK_FALSE(to.sleeping());
  CHECK(to.mail.find(0) == nullptr);
}

TEST_CASE("what one sender told comes in its order, and each record moves the head to its end") {
  box to;
  peer a(to, 3, 10, 1, 4080);
  for (std::uint64_t m = 1; m <= 5; ++m) a.tell({m, 40});
  for (std::uint64_t m = 1; m <= 5; ++m) {
    CHECK(to.take() == m);
    CHECK(to.words(3).head == 4096 + m * 72);
  }
  CHECK(to.take() == 0);
}

TEST_CASE("a lane that is never empty holds up another for no longer than a batch") {
  box to;
  peer a(to, 0, 10, 1), b(to, 1, 11, 2), c(to, 2, 12, 3);
  peer* const all[] = {&a, &b, &c};
  for (std::uint64_t i = 0; i < 3; ++i) all[i]->tell({i + 1, 0}), all[i]->tell({i + 1, 0});
  unsigned waited[3] = {};
  for (unsigned taken = 0; taken < 2000; ++taken) {
    const std::uint64_t message = to.take();
    REQUIRE(message != 0);
    for (auto& each : waited) ++each;
    waited[message - 1] = 0;
    for (const unsigned each : waited) REQUIRE(each <= 2 * 64);
    // b has a single record whenever its turn comes, the others refill at once.
    if (message != 2 || taken % 3 == 0) all[message - 1]->tell({message, 0});
    if (message != 2 && b.writer.empty()) b.tell({2, 0});
  }
}

TEST_CASE("lanes with more than a batch take turns, batch by batch") {
  box to;
  peer a(to, 0, 10, 1), b(to, 1, 11, 2);
  for (int i = 0; i < 100; ++i) a.tell({1, 0}), b.tell({2, 0});
  numbers expected(64, 1);
  expected.resize(128, 2);
  expected.resize(164, 1);
  expected.resize(200, 2);
  CHECK(to.take_all() == expected);
}

TEST_CASE("taking a lane away does not end the batch of another") {
  box to;
  peer gone(to, 0, 10, 1), here(to, 1, 11, 2), flood(to, 2, 12, 3);
  gone.die();
  here.tell({1, 0});
  here.tell({2, 0});
  for (int i = 0; i < 100; ++i) flood.tell({3, 0});
  CHECK(to.take() == 1);
  REQUIRE(to.mail.drained == std::vector<std::uint32_t>{0});
  to.mail.remove(0);
  to.mail.drained.clear();
  for (int i = 0; i < 64 && to.take() != 2; ++i) REQUIRE(i < 63);
}

TEST_CASE("a lane whose hint was lost is found before the owner sleeps, and after a while also if it never does") {
  box to;
  // Of a few lanes the tails are looked at; only with more of them do hints count.
  peer silent(to, 0, 10, 1), busy(to, 1, 11, 2), third(to, 2, 12, 3), fourth(to, 3, 13, 4), fifth(to, 4, 14, 5);
  REQUIRE(to.take() == 0);
  REQUIRE(put(silent.writer, {1, 0}));
  CHECK(to.take() == 0);
  CHECK_FALSE(to.mail.prepare_sleep());
  CHECK_FALSE(to.sleeping());
  CHECK(to.take() == 1);
  CHECK(to.take() == 0);

  REQUIRE(put(silent.writer, {1, 0}));
  bool found = false;
  for (int i = 0; i < 1000 && !found; ++i) {
    busy.tell({2, 0});
    found = to.take() == 1;
  }
  CHECK(found);
}

TEST_CASE("an owner sleeps over what is not deliverable, and only over that") {
  box to;
  peer a(to, 0, 10, 1), b(to, 1, 11, 2), c(to, 2, 12, 3);
  a.tell({1, 0, 1});
  b.tell({2, 0});
  b.lane().parked = true;
  c.tell({3, 0, 0, request});
  CHECK(to.mail.prepare_sleep());
  CHECK(to.sleeping());
  to.mail.woke();

  a.out.header().turn = 1;
  CHECK_FALSE(to.mail.prepare_sleep());
  CHECK_FALSE(to.sleeping());
  CHECK(to.take() == 1);
  CHECK(to.mail.prepare_sleep());
  b.lane().parked = false;
  CHECK_FALSE(to.mail.prepare_sleep());
  CHECK(to.take() == 2);
  CHECK(to.mail.prepare_sleep());
  b.out.peer->dead = true;
  CHECK_FALSE(to.mail.prepare_sleep());
  CHECK(to.mail.drained == std::vector<std::uint32_t>{1});
}

TEST_CASE("each sleep of an owner has a number of its own, also over the lives of its owners") {
  box to;
  const auto& word = to.cursor.at<const wire::cursor_header>()->sleeping;
  std::uint64_t last = word;
  for (int i = 0; i < 4; ++i) {
    REQUIRE(to.mail.prepare_sleep());
    CHECK(word > last);
    last = word;
    to.mail.woke();
    to.mail.woke();
    CHECK(word > last);
    if (i % 2 == 1) to.mail = to.open();
  }
}

TEST_CASE("an owner does not sleep over a lane that it finds broken or drained: it has to tell of it") {
  box to;
  peer a(to, 0, 10, 1), b(to, 1, 11, 2);
  a.tell({1, 0});
  const std::uint32_t bad = 7;
  std::memcpy(a.out.ring(), &bad, sizeof bad);
  CHECK_FALSE(to.mail.prepare_sleep());
  CHECK(to.mail.broken == std::vector<std::uint32_t>{0});
  to.mail.broken.clear();
  CHECK(to.mail.prepare_sleep());
  to.mail.woke();
  b.out.peer->dead = true;
  CHECK_FALSE(to.mail.prepare_sleep());
  CHECK(to.mail.drained == std::vector<std::uint32_t>{1});
}

TEST_CASE("a request waits for its reply pipe, and with it what its sender told later") {
  box to;
  peer a(to, 0, 10, 1), b(to, 1, 11, 2);
  a.tell({1, 0});
  a.tell({2, 8, 0, request});
  a.tell({3, 0});
  b.tell({4, 0});
  CHECK(to.take_all() == numbers{1, 4});
  CHECK(a.lane().waiting_for_pipe);
  a.lane().reply_pipe = os::make_pipe().second;
  to.mail.look_again(0);
  CHECK(to.take_all() == numbers{2, 3});
  CHECK_FALSE(a.lane().waiting_for_pipe);
}

TEST_CASE("a request whose deadline is over waits for no pipe, so nobody's later messages wait for it") {
  box to;
  peer a(to, 0, 10, 1);
  a.tell({1, 0, 0, request, 1});
  a.tell({2, 0});
  CHECK(to.take_all() == numbers{1, 2});
}

TEST_CASE("a request of a dead asker waits for no pipe") {
  box to;
  peer a(to, 0, 10, 1);
  a.tell({1, 0, 0, request});
  CHECK(to.take() == 0);
  a.die();
  CHECK(to.take() == 1);
}

TEST_CASE("a parked lane gives nothing until it is free again, and others go on") {
  box to;
  peer a(to, 0, 10, 1), b(to, 1, 11, 2);
  a.tell({1, 0});
  a.tell({2, 0});
  CHECK(to.take() == 1);
  a.lane().parked = true;
  b.tell({3, 0});
  CHECK(to.take_all() == numbers{3});
  a.lane().parked = false;
  to.mail.look_again(0);
  CHECK(to.take_all() == numbers{2});
}

TEST_CASE("the doorbell of a sender that wants room is rung once there is room, and not before") {
  box to;
  peer a(to, 0, 10, 1);
  for (int i = 0; i < 4; ++i) a.tell({1, 1024 - 32});
  CHECK(to.take() == 1);
  CHECK_FALSE(a.rung());
  a.tell({1, 1024 - 32});
  a.writer.want_room(true);
  CHECK(to.take() == 1);
  CHECK_FALSE(a.rung());
  CHECK(to.take() == 1);
  CHECK(a.rung());
  CHECK_FALSE(a.writer.reserve(2048).empty());
  a.writer.want_room(false);
  CHECK(to.take() == 1);
  CHECK_FALSE(a.rung());
}

TEST_CASE("the doorbell of a sender that wants room inside a turn is rung when only records of that turn are left") {
  box to;
  peer a(to, 0, 10, 1);
  a.tell({1, 1024 - 32});
  for (int i = 0; i < 5; ++i) a.tell({2, 512 - 32, 1});
  REQUIRE(a.writer.reserve(1024).empty());
  a.writer.want_room(true);
  CHECK(to.take() == 1);
  CHECK(a.rung());
  CHECK_FALSE(a.writer.reserve(1024).empty());
}

TEST_CASE("attempts are counted for one position, and begin anew at the next") {
  box to;
  peer a(to, 0, 10, 1, 4072);
  a.tell({1, 0});
  a.tell({2, 0});
  record got;
  for (unsigned attempt = 1; attempt <= 3; ++attempt) {
    inbound* lane = to.mail.next(got);
    REQUIRE(lane != nullptr);
    CHECK(to.mail.start(*lane, got) == attempt);
    // In flight is what head and mark agree on: the pad before the record counts as passed.
    CHECK(to.words(0).head == 4096);
    CHECK(to.words(0).mark == wire::mark_of(4096, attempt));
    // The owner dies here; the next one begins with the same record.
    to.mail = to.open();
    a.announce(to.mail);
  }
  inbound* lane = to.mail.next(got);
  CHECK(to.mail.start(*lane, got) == 4);
  to.mail.finish(*lane, got);
  CHECK(to.words(0).head == 4096 + 32);
  CHECK(to.words(0).mark == wire::mark_of(4096, 4));
  lane = to.mail.next(got);
  CHECK(got.header.message == 2);
  CHECK(to.mail.start(*lane, got) == 1);
  CHECK(to.words(0).mark == wire::mark_of(4096 + 32, 1));
}

TEST_CASE("attempts beyond 254 alternate, so that every start changes the mark") {
  for (const std::uint64_t start : {std::uint64_t{0}, std::uint64_t{8}, (std::uint64_t{1} << 56) - 4096}) {
    box to;
    peer a(to, 0, 10, 1, start);
    a.tell({1, 0});
    record got;
    inbound* lane = to.mail.next(got);
    REQUIRE(lane != nullptr);
    for (unsigned i = 1; i <= 254; ++i) REQUIRE(to.mail.start(*lane, got) == i);
    for (int i = 0; i < 3; ++i) {
      CHECK(to.mail.start(*lane, got) == 255);
      CHECK(to.mail.start(*lane, got) == 254);
    }
  }
}
