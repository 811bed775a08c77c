#include <doctest/doctest.h>

#include "threads/ends.hpp"

// Two ends that each store a word and then read the other's: one of them must see what the other has stored. Nobody
// sleeps here, so the two meet many thousand times, each time at the very moment when it matters.

using namespace threads;

namespace {

constexpr std::uint64_t meetings = rounds(400'000);

/// Where the two ends meet, each time in another step with each other.
class meeting {
 public:
  explicit meeting(unsigned seed) : random_(seed) {}
  /// Goes on when the other end has come as far.
  void at(std::atomic<std::uint64_t>& mine, const std::atomic<std::uint64_t>& others, std::uint64_t round) {
    mine.store(round, std::memory_order_seq_cst);
    wait_for(others, round);
    for (auto pause = random_() % 128; pause > 0; --pause) static_cast<void>(mine.load(std::memory_order_relaxed));
  }
  static void wait_for(const std::atomic<std::uint64_t>& others, std::uint64_t round) {
    for (unsigned looks = 0; others.load(std::memory_order_seq_cst) < round; ++looks) {
      if (looks % 512 == 511) std::this_thread::yield();
    }
  }

 private:
  std::minstd_rand random_;
};

/// Each on a cache line of its own.
struct alignas(64) word {
  std::atomic<std::uint64_t> value{0};
};

}  // namespace

TEST_CASE("whoever falls asleep sees a record that is being published, or is seen to fall asleep by its sender") {
  box to;
  peer from(to, 0, 10, 1);
  word sender_came, receiver_came, told;
  std::atomic<bool> seen_asleep = false;
  std::thread sender([&] {
    const os::mapping own(to.cursor_memory, wire::cursor_bytes, os::access::read_only);
    const auto& page = one_mapping ? to.mail.page() : *own.at<wire::cursor_header>();
    meeting where(1);
    for (std::uint64_t round = 1; round <= meetings; ++round) {
      where.at(sender_came.value, receiver_came.value, round);
      const bool put_it = put(from.writer, {round, 0});
      const bool asleep = page.sleeping.load(std::memory_order_seq_cst) % 2 != 0;
      seen_asleep.store(asleep || !put_it, std::memory_order_relaxed);
      told.value.store(round, std::memory_order_release);
    }
  });
  meeting where(2);
  std::uint64_t lost = 0, slept = 0, wrong = 0;
  for (std::uint64_t round = 1; round <= meetings; ++round) {
    where.at(receiver_came.value, sender_came.value, round);
    const bool asleep = to.mail.prepare_sleep();
    meeting::wait_for(told.value, round);
    slept += asleep ? 1 : 0;
    lost += asleep && !seen_asleep.load(std::memory_order_relaxed) ? 1 : 0;
    if (asleep) to.mail.woke();
    wrong += to.take() == round ? 0 : 1;
  }
  sender.join();
  CHECK(lost == 0);
  CHECK(wrong == 0);
  CHECK(slept > 0);
}

TEST_CASE("whoever begins to wait for room sees that some is being made, or is rung for it") {
  constexpr std::uint32_t half = small_ring / 2 - sizeof(record_header);
  box to;
  peer from(to, 0, 10, 1);
  word sender_came, receiver_came, waited, taken;
  std::atomic<bool> has_room = false;
  std::thread sender([&] {
    meeting where(1);
    for (std::uint64_t round = 1; round <= meetings; ++round) {
      while (put(from.writer, {round, half})) {
      }
      where.at(sender_came.value, receiver_came.value, round);
      from.writer.want_room(true);
      has_room.store(!from.writer.reserve(small_ring / 2).empty(), std::memory_order_relaxed);
      waited.value.store(round, std::memory_order_release);
      meeting::wait_for(taken.value, round);
      from.writer.want_room(false);
    }
  });
  meeting where(2);
  std::uint64_t lost = 0, found = 0, wrong = 0;
  for (std::uint64_t round = 1; round <= meetings; ++round) {
    meeting::wait_for(sender_came.value, round);
    record got;
    inbound* const lane = to.mail.next(got);
    wrong += lane == nullptr ? 1 : 0;
    if (lane != nullptr) to.mail.start(*lane, got);
    where.at(receiver_came.value, sender_came.value, round);
    if (lane != nullptr) to.mail.finish(*lane, got);
    to.mail.settle();
    meeting::wait_for(waited.value, round);
    const bool saw = has_room.load(std::memory_order_relaxed);
    found += saw ? 1 : 0;
    lost += !from.rung() && !saw ? 1 : 0;
    taken.value.store(round, std::memory_order_release);
  }
  sender.join();
  CHECK(lost == 0);
  CHECK(wrong == 0);
  CHECK(found > 0);
}
