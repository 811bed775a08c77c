#include <doctest/doctest.h>

#include "threads/ends.hpp"

using namespace threads;

TEST_CASE("a million records arrive in order while both ends fall asleep, and none sleeps through its wake") {
  constexpr std::uint64_t records = rounds(1'000'000);
  box to;
  peer from(to, 0, 10, 1, (std::uint64_t{1} << 32) - 4096);
  std::uint64_t waits = 0, lost = 0;
  std::thread sender([&] {
    teller tells(from);
    std::minstd_rand random(1);
    for (std::uint64_t message = 1; message <= records && !to.deserted;) {
      for (auto burst = 1 + random() % 256; burst > 0 && message <= records; --burst) tells.tell(numbered(message++));
      if (random() % 2 == 0) tells.wait_until_empty();
    }
    waits = tells.waits, lost = tells.lost;
  });
  std::uint64_t next = 0;
  const outcome seen =
      receive(to, records, 0, [&](const inbound&, const record& got) { return numbered(++next).is(got); });
  sender.join();
  CHECK(seen.taken == records);
  CHECK(seen.wrong == 0);
  CHECK(seen.lost == 0);
  CHECK(lost == 0);
  CHECK(seen.sleeps > 100);
  CHECK(waits > 100);
}

TEST_CASE("a record that is published just as the receiver falls asleep is not slept through") {
  constexpr std::uint64_t records = rounds(20'000);
  box to;
  peer from(to, 0, 10, 1);
  std::uint64_t lost = 0;
  std::thread sender([&] {
    teller tells(from);
    std::minstd_rand random(1);
    for (std::uint64_t message = 1; message <= records && !to.deserted; ++message) {
      for (auto pause = random() % 256; pause > 0; --pause) static_cast<void>(to.words(0).head.load());
      tells.tell(numbered(message));
      tells.watch_until_empty();
    }
    lost = tells.lost;
  });
  std::uint64_t next = 0;
  const outcome seen =
      receive(to, records, 200, [&](const inbound&, const record& got) { return numbered(++next).is(got); });
  sender.join();
  CHECK(seen.taken == records);
  CHECK(seen.wrong == 0);
  CHECK(seen.lost == 0);
  CHECK(lost == 0);
  CHECK(seen.sleeps > 100);
}

TEST_CASE("what turns tell arrives in order after their commits, and none sleeps through a commit") {
  constexpr std::uint64_t records = rounds(100'000);
  box to;
  peer from(to, 0, 10, 1);
  std::atomic<std::uint64_t> committed = 0;
  std::uint64_t lost = 0;
  std::thread sender([&] {
    teller tells(from);
    std::minstd_rand random(2);
    for (std::uint64_t message = 1, turn = 1; message <= records && !to.deserted; ++turn) {
      for (auto told = 1 + random() % 16; told > 0 && message <= records; --told) {
        tells.tell({message++, 8, turn});
      }
      committed = message - 1;
      tells.commit(turn);
      if (random() % 4 == 0 || turn % 32 == 0) tells.wait_until_empty();
    }
    lost = tells.lost;
  });
  std::uint64_t next = 0, early = 0;
  const outcome seen = receive(to, records, 0, [&](const inbound&, const record& got) {
    early += got.header.message > committed ? 1 : 0;
    return got.header.message == ++next;
  });
  sender.join();
  CHECK(seen.taken == records);
  CHECK(seen.wrong == 0);
  CHECK(early == 0);
  CHECK(seen.lost == 0);
  CHECK(lost == 0);
}

TEST_CASE("turns that fill most of the lane wait for room, and none sleeps though there is some") {
  constexpr std::uint64_t records = rounds(50'000);
  constexpr std::uint32_t body = small_ring / 8 - sizeof(record_header);
  box to;
  peer from(to, 0, 10, 1);
  std::uint64_t waits = 0, lost = 0;
  std::thread sender([&] {
    teller tells(from);
    std::minstd_rand random(6);
    for (std::uint64_t message = 1, turn = 1; message <= records && !to.deserted; ++turn) {
      for (auto told = 1 + random() % 7; told > 0 && message <= records; --told) tells.tell({message++, body, turn});
      tells.commit(turn);
    }
    waits = tells.waits, lost = tells.lost;
  });
  std::uint64_t next = 0;
  const outcome seen = receive(to, records, 0, [&](const inbound&, const record& got) {
    return sent{++next, body, got.header.turn}.is(got);
  });
  sender.join();
  CHECK(seen.taken == records);
  CHECK(seen.wrong == 0);
  CHECK(seen.lost == 0);
  CHECK(lost == 0);
  CHECK(waits > 0);
}

TEST_CASE("three senders at once keep their orders, and none is forgotten") {
  constexpr std::uint64_t each_tells = rounds(50'000);
  box to;
  peer a(to, 0, 10, 1), b(to, 1, 11, 2, 4000), c(to, 2, 12, 3, 8);
  std::atomic<std::uint64_t> lost = 0;
  const auto run = [&](peer& from, unsigned seed) {
    teller tells(from);
    std::minstd_rand random(seed);
    for (std::uint64_t message = 1; message <= each_tells && !to.deserted; ++message) {
      tells.tell(numbered(message));
      if (random() % 200 == 0) tells.wait_until_empty();
    }
    lost += tells.lost;
  };
  std::thread first(run, std::ref(a), 3), second(run, std::ref(b), 4), third(run, std::ref(c), 5);
  std::uint64_t next[3] = {};
  const outcome seen = receive(to, 3 * each_tells, 0, [&](const inbound& lane, const record& got) {
    return numbered(++next[lane.slot]).is(got);
  });
  first.join();
  second.join();
  third.join();
  CHECK(seen.taken == 3 * each_tells);
  CHECK(seen.wrong == 0);
  CHECK(seen.lost == 0);
  CHECK(lost == 0);
}
