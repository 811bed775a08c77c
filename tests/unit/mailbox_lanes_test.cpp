#include <doctest/doctest.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "unit/mailbox_fixture.hpp"

// Lanes come and go with their senders' incarnations; the order of what one sender told outlives both.

using namespace lane_fixture;

namespace {

using slots = std::vector<std::uint32_t>;

/// What an owner does with the lanes of which nothing more can come.
slots put_away(box& to) {
  slots gone = std::exchange(to.mail.drained, {});
  for (const auto slot : gone) to.mail.remove(slot);
  return gone;
}

}  // namespace

TEST_CASE("a successor's lane is read after its predecessor's is drained and away") {
  box to;
  peer old(to, 0, 10, 1), young(to, 1, 10, 2), other(to, 2, 11, 3);
  old.tell({1, 0});
  old.tell({2, 0});
  young.tell({3, 0});
  CHECK(young.lane().predecessors == 1);
  CHECK(to.take_all() == numbers{1, 2});
  CHECK(to.mail.prepare_sleep());
  CHECK(to.mail.drained.empty());
  old.tell({4, 0});
  other.tell({5, 0});
  old.die();
  const numbers rest = to.take_all();
  CHECK((rest == numbers{4, 5} || rest == numbers{5, 4}));
  CHECK(put_away(to) == slots{0});
  CHECK(young.lane().predecessors == 0);
  CHECK(to.take_all() == numbers{3});
  CHECK(to.mail.lanes() == 2);
}

TEST_CASE("three incarnations of a sender are read in their order, whichever dies first") {
  box to;
  peer a(to, 5, 10, 1), b(to, 2, 10, 2), c(to, 4, 10, 3);
  c.tell({3, 0});
  b.tell({2, 0});
  a.tell({1, 0});
  b.die();
  CHECK(to.take_all() == numbers{1});
  CHECK(put_away(to).empty());
  a.die();
  CHECK(to.take_all().empty());
  CHECK(put_away(to) == slots{5});
  CHECK(to.take_all() == numbers{2});
  CHECK(put_away(to) == slots{2});
  CHECK(to.take_all() == numbers{3});
}

TEST_CASE("a lane is drained once, when its sender is dead and nothing is left") {
  box to;
  peer a(to, 0, 10, 1), b(to, 1, 11, 2);
  a.tell({1, 0});
  a.tell({2, 0});
  CHECK(to.take() == 1);
  a.die();
  CHECK(to.mail.drained.empty());
  CHECK(to.mail.expects_from(1));
  CHECK(to.take() == 2);
  for (int i = 0; i < 600; ++i) {
    CHECK(to.take() == 0);
    CHECK_FALSE(to.mail.prepare_sleep());
    to.mail.look_again(0);
  }
  CHECK(put_away(to) == slots{0});
  CHECK_FALSE(to.mail.expects_from(1));
  CHECK(to.mail.expects_from(2));
  CHECK(to.mail.prepare_sleep());
  CHECK(to.mail.find(0) == nullptr);
}

TEST_CASE("what a dead sender's last turn told is drained with its lane") {
  box to;
  peer a(to, 0, 10, 1);
  a.tell({1, 0, 1});
  a.tell({2, 0});
  CHECK(to.take() == 0);
  a.die();
  CHECK(to.take_all() == numbers{2});
  CHECK(put_away(to) == slots{0});
}

TEST_CASE("a lane with bytes that are no record is told of once, and never read again") {
  box to;
  peer a(to, 0, 10, 1), b(to, 1, 11, 2);
  a.tell({1, 0});
  a.tell({2, 0});
  b.tell({3, 0});
  const sent good{2, 0};
  const std::uint32_t bad = 7;
  std::memcpy(a.out.ring(32), &bad, sizeof bad);
  CHECK(to.take_all() == numbers{1, 3});
  CHECK(to.mail.broken == slots{0});
  CHECK_FALSE(to.mail.expects_from(1));
  CHECK(to.words(0).head == 32);
  // However well it looks now.
  good.write_to(a.out.ring(32));
  a.tell({4, 0});
  for (int i = 0; i < 600; ++i) {
    to.mail.look_again(0);
    CHECK(to.take() == 0);
  }
  CHECK(to.mail.broken == slots{0});
  to.mail.broken.clear();
  CHECK(to.mail.prepare_sleep());
}

TEST_CASE("a broken lane does not outlive its sender, whose successor is heard") {
  box to;
  peer old(to, 0, 10, 1), young(to, 1, 10, 2);
  old.tell({1, 0});
  young.tell({2, 0});
  std::memset(old.out.ring(), 0, sizeof(record_header));
  CHECK(to.take() == 0);
  CHECK(std::exchange(to.mail.broken, {}) == slots{0});
  old.die();
  for (int i = 0; i < 3; ++i) CHECK(to.take() == 0);
  CHECK(put_away(to) == slots{0});
  CHECK(to.take_all() == numbers{2});
  CHECK(to.mail.broken.empty());
}

TEST_CASE("a lane goes on where the slot's head stands, or where it is announced to start if that is further") {
  box to;
  peer a(to, 0, 10, 1);
  a.tell({1, 0});
  a.tell({2, 0});
  CHECK(to.take() == 1);
  to.mail = to.open();
  a.announce(to.mail);
  CHECK(to.take() == 2);

  // The slot's next lane lies in other memory, and its positions go on.
  a.die();
  CHECK(to.take() == 0);
  CHECK(put_away(to) == slots{0});
  peer b(to, 0, 11, 2, to.words(0).head);
  b.tell({3, 0});
  CHECK(to.take() == 3);
  CHECK(to.words(0).head == 96);
  CHECK(to.words(0).mark == wire::mark_of(64, 1));

  peer ahead(to, 9, 12, 3, 4096);
  ahead.tell({4, 0});
  CHECK(to.take() == 4);
}

TEST_CASE("a lane that is announced twice is there once") {
  box to;
  peer a(to, 0, 10, 1);
  a.tell({1, 0});
  a.tell({2, 0});
  CHECK(to.take() == 1);
  a.announce(to.mail);
  CHECK(to.mail.lanes() == 1);
  CHECK(a.lane().predecessors == 0);
  CHECK(to.take_all() == numbers{2});
}

TEST_CASE("a lane that was filled before it was announced is read without any hint") {
  box to;
  out_memory out(7);
  auto writer = out.writer(0, to.words(3));
  REQUIRE(put(writer, {1, 0}));
  to.mail.add({1, 10, 7, lane_at, 0, small_ring, 3, 1, 0}, out.peer, os::make_doorbell());
  CHECK(to.take() == 1);
}

// Another thread of the owner's process may learn of the death while this one looks at the lane: a long look, over
// pads.
TEST_CASE("a lane is not called drained while what its sender told last has not been taken") {
  constexpr std::uint32_t ring = 1 << 20, rounds = 30;
  constexpr std::uint64_t told_before = ring - 4096;
  box to;
  out_memory from(1, ring);
  const record_header pad{8, record_kind::pad, 0, 0, 0, 0, 0, 0};
  for (std::uint64_t at = 0; at < ring; at += 8) std::memcpy(from.ring(at), &pad, wire::pad_bytes);
  const sent last{1, 0};
  last.write_to(from.ring(told_before));

  std::atomic<unsigned> announced = 0;
  std::thread other([&] {
    for (unsigned round = 1; round <= rounds; ++round) {
      while (announced != round) std::this_thread::yield();
      for (int i = 0; i < 20; ++i) std::this_thread::yield();
      from.lane().tail = told_before + last.bytes();
      from.peer->dead = true;
    }
  });
  unsigned lost = 0;
  for (unsigned round = 1; round <= rounds; ++round) {
    from.peer->dead = false;
    from.lane().tail = told_before;
    to.mail.add({1, 10, 1, lane_at, 0, ring, round, 0, 0}, from.peer, os::make_doorbell());
    announced = round;
    std::uint64_t got = 0;
    for (; to.mail.drained.empty(); to.mail.look_again(round)) got += to.take();
    CHECK(put_away(to) == slots{round});
    lost += got == 1 ? 0 : 1;
  }
  other.join();
  CHECK(lost == 0);
}
