#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <random>
#include <thread>
#include <utility>

#include "unit/mailbox_fixture.hpp"

// Both ends of a lane at once, in two threads, each with a mapping of its own as two processes have. They sleep on
// their doorbells without any limit, so a wake-up that is lost is a hang: the watchdog tells it by its condition, that
// there is something to do and nobody rings, and never by how long anything took.

using namespace lane_fixture;
using namespace std::chrono_literals;

namespace {

/// Sleeps until the doorbell rings, lightly at first. False: it does not, although `ready` has long been true.
template <class Ready>
bool doze(const os::fd& bell, unsigned light, Ready ready) {
  for (; light > 0; --light) {
    if (!os::wait_ready(bell.get(), os::poller::read, os::time_point{})) continue;
    os::hush(bell);
    return true;
  }
  for (int strikes = 0; strikes < 2;) {
    if (os::wait_ready(bell.get(), os::poller::read, os::clock::now() + 2s)) {
      os::hush(bell);
      return true;
    }
    strikes = ready() ? strikes + 1 : 0;
  }
  return false;
}

/// What an endpoint does to tell: publish, hint, ring if the receiver sleeps; wait for room if there is none.
class teller {
 public:
  explicit teller(peer& from)
      : from_(from),
        cursor_(from.to.cursor_memory, wire::cursor_bytes, os::access::read_only),
        writer_(from.out.writer(from.start, cursor_.at<wire::cursor_slot>(wire::cursor_slots_offset)[from.slot])) {}

  void tell(const sent& what) {
    if (!put(writer_, what)) wait_for([&] { return put(writer_, what); });
    from_.writer = writer_;
    if (what.turn == 0) announce();
  }
  void commit(std::uint64_t turn) {
    from_.out.header().turn.store(turn, std::memory_order_seq_cst);
    announce();
  }
  void wait_until_empty() {
    wait_for([&] { return writer_.empty(); });
  }
  /// As wait_until_empty(), awake for a moment first.
  void watch_until_empty() {
    for (int looks = 0; looks < 2000; ++looks) {
      if (writer_.empty()) return;
    }
    wait_until_empty();
  }
  std::uint64_t waits = 0, lost = 0;

 private:
  void announce() {
    from_.hint();
    const std::uint64_t sleep = cursor_.at<wire::cursor_header>()->sleeping.load(std::memory_order_seq_cst);
    if ((sleep & 1) != 0 && std::exchange(rung_, sleep) != sleep) os::ring(from_.to.mail.doorbell());
  }
  template <class Ready>
  void wait_for(Ready ready) {
    while (!from_.to.deserted) {
      writer_.want_room(true);  // each sleep is one wait, answered by one ring
      if (ready()) break;
      ++waits;
      if (doze(from_.bell, 0, [&] { return writer_.empty() || from_.to.deserted; })) continue;
      if (++lost >= 3) from_.to.deserted = true;
    }
    writer_.want_room(false);
  }

  peer& from_;
  os::mapping cursor_;
  lane_writer writer_;
  std::uint64_t rung_ = 0;  // the sleep that was ended by a ring from here
};

struct outcome {
  std::uint64_t taken = 0, wrong = 0, sleeps = 0, lost = 0;
};

/// What a worker's loop does, until so many records have come, each checked by `expected`. After a record it looks at
/// most `most_looks` times before it sleeps.
template <class Expected>
outcome receive(box& to, std::uint64_t records, unsigned most_looks, Expected expected) {
  outcome seen;
  std::minstd_rand random(9);
  std::uint64_t looks = 0;  // before it may sleep
  while (seen.taken < records && seen.lost < 3 && !to.deserted) {
    record got;
    if (inbound* lane = to.mail.next(got)) {
      to.mail.start(*lane, got);
      seen.wrong += expected(*lane, got) ? 0 : 1;
      ++seen.taken;
      to.mail.finish(*lane, got);
      looks = most_looks > 0 ? random() % most_looks : 0;
    } else if (looks > 0) {
      --looks;
    } else if (to.mail.prepare_sleep()) {
      ++seen.sleeps;
      if (!doze(to.mail.doorbell(), most_looks / 4, [&] { return to.mail.anything() || to.deserted; })) ++seen.lost;
      to.mail.woke();
    }
  }
  if (seen.taken < records) to.deserted = true;
  return seen;
}

sent numbered(std::uint64_t message) { return {message, static_cast<std::uint32_t>(message * 7 % 60)}; }

}  // namespace

TEST_CASE("a million records arrive in order while both ends fall asleep, and none sleeps through its wake") {
  constexpr std::uint64_t records = 1'000'000;
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
  constexpr std::uint64_t records = 20'000;
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
  constexpr std::uint64_t records = 100'000;
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

TEST_CASE("three senders at once keep their orders, and none is forgotten") {
  constexpr std::uint64_t each_tells = 50'000;
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
