#pragma once

/// Both ends of a lane at once, in two threads that stand for two processes: what an endpoint does to tell, and what a
/// worker's loop does to receive.
///
/// They sleep on their doorbells without any limit, so a wake-up that is lost is a hang: the watchdog tells it by its
/// condition, that there is something to do and nobody rings, and never by how long anything took.
///
/// Each thread has mappings of its own, as two processes have. ThreadSanitizer knows memory by its address, so a race
/// between two mappings of one page is invisible to it; built with it, both ends therefore use one mapping
/// (lane_fixture::one_mapping), and the memory behind it stays a memfd. It finds what is read or written without being
/// ordered: bodies, headers, blocks. It does not find release in place of seq_cst, which orders these as well: that
/// loses wake-ups and nothing else, so the models of tests/model must find it, and these tests may.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <random>
#include <thread>
#include <utility>

#include "unit/mailbox_fixture.hpp"

namespace threads {

using namespace lane_fixture;
using namespace std::chrono_literals;

/// So many rounds where time is what limits them: under ThreadSanitizer each takes several times as long.
constexpr std::uint64_t rounds(std::uint64_t plain) { return one_mapping ? plain / 4 : plain; }

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
        own_(from.to.cursor_memory, wire::cursor_bytes, os::access::read_only),
        page_(one_mapping ? from.to.mail.page() : *own_.at<wire::cursor_header>()),
        words_(one_mapping ? from.to.mail.cursor(from.slot)
                           : own_.at<wire::cursor_slot>(wire::cursor_slots_offset)[from.slot]),
        writer_(from.out.writer(from.start, words_)) {}

  void tell(const sent& what) {
    if (what.turn != 0 && std::exchange(turn_, what.turn) != what.turn) turn_began_ = writer_.tail();
    tell_by([&] { return put(writer_, what); });
    if (what.turn == 0) announce();
  }
  /// `publish` puts a record into writer(), or says by false that there is no room.
  template <class Publish>
  void tell_by(Publish publish) {
    if (!publish()) wait_for(publish);
    from_.writer = writer_;
  }
  void commit(std::uint64_t turn) {
    from_.out.header().turn.store(turn, std::memory_order_seq_cst);
    turn_ = 0;
    announce();
  }
  void announce() {
    from_.hint();
    const std::uint64_t sleep = page_.sleeping.load(std::memory_order_seq_cst);
    if ((sleep & 1) != 0 && std::exchange(rung_, sleep) != sleep) os::ring(from_.to.mail.doorbell());
  }
  lane_writer& writer() { return writer_; }
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
  /// The receiver can make no more room than there is.
  bool all_read() { return writer_.empty() || (turn_ != 0 && writer_.head() >= turn_began_); }
  template <class Ready>
  void wait_for(Ready ready) {
    while (!from_.to.deserted) {
      writer_.want_room(true);  // each sleep is one wait, answered by one ring
      if (ready()) break;
      ++waits;
      if (doze(from_.bell, 0, [&] { return all_read() || from_.to.deserted; })) continue;
      if (++lost >= 3) from_.to.deserted = true;
    }
    writer_.want_room(false);
  }

  peer& from_;
  os::mapping own_;
  const wire::cursor_header& page_;
  const wire::cursor_slot& words_;
  lane_writer writer_;
  std::uint64_t turn_ = 0, turn_began_ = 0;
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

inline sent numbered(std::uint64_t message) { return {message, static_cast<std::uint32_t>(message * 7 % 60)}; }

}  // namespace threads
