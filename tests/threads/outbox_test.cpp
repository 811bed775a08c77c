#include <doctest/doctest.h>

#include <cstring>

#include "threads/ends.hpp"

using namespace threads;

namespace {

constexpr std::uint64_t block_bytes = 4096;
constexpr std::uint64_t blocks = 3;

wire::block block_of(std::uint64_t number) {
  return {wire::out_lanes_end + number % blocks * block_bytes, block_bytes};
}

// Word by word: g++'s ThreadSanitizer does not see a memset that the compiler expands, and forgets single bytes.

std::uint64_t word_of(std::uint64_t number, std::uint64_t index) { return number * 1'000'003 + index; }

void fill(const out_memory& memory, std::uint64_t number) {
  auto* words = reinterpret_cast<std::uint64_t*>(memory.data() + block_of(number).offset);
  for (std::uint64_t i = 0; i < block_bytes / sizeof *words; ++i) words[i] = word_of(number, i);
}

bool is_filled(std::span<const std::byte> bytes, std::uint64_t number) {
  const auto* words = reinterpret_cast<const std::uint64_t*>(bytes.data());
  bool same = bytes.size() == block_bytes;
  for (std::uint64_t i = 0; same && i < block_bytes / sizeof *words; ++i) same = words[i] == word_of(number, i);
  return same;
}

/// False: the lane has no room for it.
bool put_block(lane_writer& lane, std::uint64_t message) {
  constexpr std::uint32_t bytes = sizeof(record_header) + sizeof(wire::block);
  const auto space = lane.reserve(bytes);
  if (space.empty()) return false;
  const record_header header{bytes, record_kind::tell, wire::flag_body_in_outbox, 1, 0, message, 0, 0};
  const wire::block where = block_of(message);
  std::memcpy(space.data(), &header, sizeof header);
  std::memcpy(space.data() + sizeof header, &where, sizeof where);
  lane.publish(bytes);
  return true;
}

}  // namespace

TEST_CASE("a block of the outbox is read in place, and is written again once the head has passed its record") {
  constexpr std::uint64_t records = rounds(10'000);
  box to;
  peer from(to, 0, 10, 1, 0, out_memory::extent::whole);
  std::uint64_t lost = 0;
  std::thread sender([&] {
    teller tells(from);
    std::uint64_t ends[blocks] = {};
    for (std::uint64_t message = 1; message <= records && !to.deserted; ++message) {
      std::uint64_t& end = ends[message % blocks];
      tells.tell_by([&] { return tells.writer().head() >= end; });
      fill(from.out, message);
      tells.tell_by([&] { return put_block(tells.writer(), message); });
      end = tells.writer().tail();
      tells.announce();
    }
    lost = tells.lost;
  });
  std::uint64_t next = 0;
  const outcome seen = receive(to, records, 0, [&](const inbound&, const record& got) {
    ++next;
    return got.header.message == next && is_filled(got.body, next);
  });
  sender.join();
  CHECK(seen.taken == records);
  CHECK(seen.wrong == 0);
  CHECK(seen.lost == 0);
  CHECK(lost == 0);
}

TEST_CASE("a large reply is read in its callee's outbox before its block is written again") {
  constexpr std::uint64_t replies = rounds(10'000);
  constexpr wire::incarnation_id callee = 7;
  box to;
  peer asker(to, 0, 10, 1);
  const out_memory answers(callee, small_ring, out_memory::extent::whole);
  std::atomic<std::uint64_t> framed = 0;  // stands for the reply pipe
  std::thread answering([&] {
    const lane_reader lane = asker.out.reader(0);
    for (std::uint64_t number = 1; number <= replies; ++number) {
      while (lane.replies_taken(callee) + blocks < number) std::this_thread::yield();
      fill(answers, number);
      framed.store(number, std::memory_order_release);
    }
  });
  std::uint64_t wrong = 0;
  for (std::uint64_t number = 1; number <= replies; ++number) {
    while (framed.load(std::memory_order_acquire) < number) std::this_thread::yield();
    wrong += is_filled(answers.peer->outbox(block_of(number)), number) ? 0 : 1;
    asker.writer.reply_taken(callee);
  }
  answering.join();
  CHECK(wrong == 0);
}
