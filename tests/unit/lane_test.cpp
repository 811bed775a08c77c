#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <deque>
#include <vector>

#include "unit/lane_fixture.hpp"

using namespace lane_fixture;

namespace {

constexpr std::uint64_t ring = small_ring;
// The first position of a lane is wherever the slot's last one ended.
constexpr std::uint64_t starts[] = {0,
                                    8,
                                    ring - 8,
                                    ring,
                                    12344,
                                    (std::uint64_t{1} << 32) - 16,
                                    (std::uint64_t{1} << 56) - ring / 2,
                                    (std::uint64_t{1} << 56) - 8,
                                    std::uint64_t{1} << 56};

/// A lane with both of its ends.
struct both_ends {
  explicit both_ends(std::uint64_t start = 0) : writer(out.writer(start, cursor)), reader(out.reader(start)) {
    cursor.head = start;
  }
  bool put(const sent& what) { return lane_fixture::put(writer, what); }
  /// Nothing: there is no deliverable record at the head.
  bool take(const sent& what) {
    record got;
    if (reader.peek(got) != state::ready || !what.is(got)) return false;
    reader.advance(got);
    cursor.head.store(reader.head());
    return true;
  }
  state look() {
    record ignored;
    return reader.peek(ignored);
  }

  out_memory out;
  wire::cursor_slot cursor{};
  lane_writer writer;
  lane_reader reader;
};

constexpr sent of_bytes(std::uint64_t message, std::uint32_t bytes) {
  return {message, bytes - static_cast<std::uint32_t>(sizeof(record_header))};
}

}  // namespace

TEST_CASE("a record arrives as it was written, from the first byte of the ring on") {
  for (const std::uint64_t start : starts) {
    both_ends lane(start);
    CHECK(lane.look() == state::empty);
    CHECK(lane.writer.empty());
    for (const std::uint32_t body : {0U, 1U, 7U, 8U, 9U, 500U}) {
      for (const auto kind : {record_kind::tell, record_kind::request}) {
        const sent what{body + 5, body, 0, kind};
        REQUIRE(lane.put(what));
        CHECK_FALSE(lane.writer.empty());
        CHECK(lane.take(what));
        CHECK(lane.look() == state::empty);
        CHECK(lane.writer.empty());
      }
    }
  }
}

TEST_CASE("a lane is filled to its last byte, and has room again as soon as the head has moved") {
  for (const std::uint64_t start : starts) {
    both_ends lane(start);
    std::deque<sent> inside;
    for (const std::uint32_t bytes : {2048U, 512U, 32U}) {
      while (inside.size() < ring && lane.put(of_bytes(inside.size(), bytes))) {
        inside.push_back(of_bytes(inside.size(), bytes));
      }
    }
    const std::uint64_t room = ring - (lane.writer.tail() - start);
    const std::uint64_t to_end = ring - lane.writer.tail() % ring;
    CHECK(room < 32 + (to_end < 32 ? to_end : 0));
    CHECK((start % 32 != 0 || room == 0));
    CHECK(lane.writer.space(small_ring).size() == std::min(room, to_end));
    CHECK(lane.writer.reserve(32).empty());
    CHECK(lane.take(inside.front()));
    CHECK_FALSE(lane.writer.reserve(32).empty());
    inside.pop_front();
    for (const auto& each : inside) CHECK(lane.take(each));
    CHECK(lane.look() == state::empty);
  }
}

TEST_CASE("what is left before the ring's end is padded, also 8, 16 and 24 bytes of it") {
  for (const std::uint32_t left : {8U, 16U, 24U, 32U, 40U, 1000U}) {
    both_ends lane(3 * ring - left);
    const sent what = of_bytes(left, 1024);
    REQUIRE(lane.put(what));
    CHECK(lane.writer.tail() == 3 * ring + 1024);
    record_header pad{};
    std::memcpy(&pad, lane.out.ring(ring - left), wire::pad_bytes);
    CHECK(pad.kind == record_kind::pad);
    CHECK(pad.bytes == left);
    record got;
    CHECK(lane.reader.peek(got) == state::ready);
    CHECK(got.position == 3 * ring);
    CHECK(lane.take(what));
    CHECK(lane.look() == state::empty);
  }
}

TEST_CASE("a record that ends with the ring needs no pad, and one that has room only without its pad waits") {
  both_ends lane(ring - 64);
  REQUIRE(lane.put(of_bytes(1, 64)));
  CHECK(lane.writer.tail() == ring);
  CHECK(lane.take(of_bytes(1, 64)));

  // 8 bytes to the ring's end, and room for the pad and 1016 bytes more.
  both_ends full(ring - 8);
  full.cursor.head = ring - 8;
  REQUIRE((full.put(of_bytes(1, 2048)) && full.put(of_bytes(2, 1024))));
  CHECK(full.writer.reserve(1024).empty());
  CHECK(full.writer.reserve(1016).size() == 1016);
  CHECK(full.writer.end_of(1016) == 2 * ring - 8);
}

TEST_CASE("space ends with the ring or at the head, and holds nothing of what is published") {
  both_ends lane(ring - 96);
  CHECK(lane.writer.space(small_ring).size() == 96);
  CHECK(lane.writer.space(small_ring).data() == lane.out.ring(ring - 96));
  const sent first = of_bytes(1, 64);
  first.write_to(lane.writer.space(small_ring).data());
  CHECK(lane.look() == state::empty);
  lane.writer.publish(64);
  CHECK(lane.writer.space(small_ring).size() == 32);
  REQUIRE(lane.put(of_bytes(2, 32)));
  CHECK(lane.writer.space(small_ring).size() == ring - 96);
  CHECK(lane.writer.space(small_ring).data() == lane.out.ring(0));
  CHECK((lane.take(first) && lane.take(of_bytes(2, 32))));
  CHECK(lane.writer.space(small_ring).size() == ring);
}

TEST_CASE("space after a reservation that was not used begins at the tail again") {
  both_ends lane(ring - 40);
  CHECK(lane.writer.reserve(64).data() == lane.out.ring(0));
  CHECK(lane.writer.end_of(64) == ring + 64);
  CHECK(lane.writer.space(small_ring).data() == lane.out.ring(ring - 40));
  CHECK(lane.writer.end_of(40) == ring);
  of_bytes(1, 40).write_to(lane.writer.space(small_ring).data());
  lane.writer.publish(40);
  CHECK(lane.take(of_bytes(1, 40)));
  CHECK(lane.look() == state::empty);
}

TEST_CASE("a head that goes back or overtakes the tail is no news to the sender") {
  both_ends lane(ring);
  REQUIRE((lane.put(of_bytes(1, 2048)) && lane.put(of_bytes(2, 1024))));
  lane.cursor.head = ring + 2048;
  CHECK(lane.writer.head() == ring + 2048);
  for (const std::uint64_t lie : {std::uint64_t{0}, ring, ring + 2047, ring + 3072 + 8, 9 * ring, ~std::uint64_t{0}}) {
    lane.cursor.head = lie;
    CHECK(lane.writer.head() == ring + 2048);
    CHECK_FALSE(lane.writer.empty());
    CHECK(lane.writer.reserve(2056).empty());
    CHECK(lane.writer.space(small_ring).size() == 1024);
  }
  lane.cursor.head = ring + 3072;
  CHECK(lane.writer.empty());
}

TEST_CASE("in random histories a lane is a queue with room for just its ring") {
  std::size_t done = 0, wraps = 0, full = 0;
  const auto number = rc::gen::resize(rc::kNominalSize, rc::gen::arbitrary<std::uint32_t>());
  const auto numbers = rc::gen::resize(2500, rc::gen::container<std::vector<std::uint32_t>>(number));
  CHECK(rc::check("lane and deque agree", [&] {
    const auto ops = *numbers;
    both_ends lane(starts[*number % std::size(starts)] + *number % 1000 * 8);
    std::deque<sent> model;
    std::uint64_t tail = lane.writer.tail(), message = 0;
    for (const std::uint32_t op : ops) {
      ++done;
      const std::uint32_t size = op >> 4;
      if (op % 16 < 9) {
        const auto kind = size % 5 == 0 ? record_kind::request : record_kind::tell;
        const sent what{++message, size % (op % 16 < 7 ? 150 : 2000), 0, kind};
        const std::uint64_t to_end = ring - tail % ring;
        const std::uint64_t takes = what.bytes() + (to_end < what.bytes() ? to_end : 0);
        const bool room = tail + takes - lane.cursor.head.load() <= ring;
        RC_ASSERT(lane.put(what) == room);
        if (!room) {
          ++full;
          continue;
        }
        wraps += takes > what.bytes() ? 1 : 0;
        tail += takes;
        model.push_back(what);
        RC_ASSERT(lane.writer.tail() == tail);
      } else if (op % 16 < 15) {
        for (std::uint32_t i = size % 7; i > 0 && !model.empty(); --i) {
          RC_ASSERT(lane.take(model.front()));
          model.pop_front();
        }
        if (model.empty()) RC_ASSERT(lane.look() == state::empty);
        RC_ASSERT(lane.writer.empty() == model.empty());
      } else {
        const std::uint64_t truth = lane.cursor.head.exchange(size % 2 == 0 ? 0 : tail + 8 + size);
        static_cast<void>(lane.writer.reserve(64));
        lane.cursor.head = truth;
      }
    }
  }));
  CHECK(done >= 100'000);
  CHECK(wraps >= 1000);
  CHECK(full >= 1000);
}

TEST_CASE("a lane that its sender has not laid out yet is empty, and a tail beyond the ring is a lie") {
  both_ends lane(5 * ring);
  for (const std::uint64_t tail : {std::uint64_t{0}, std::uint64_t{8}, 5 * ring - 1, 5 * ring}) {
    lane.out.lane().tail = tail;
    CHECK(lane.look() == state::empty);
  }
  of_bytes(1, 64).write_to(lane.out.ring());
  for (const std::uint64_t tail : {6 * ring + 1, 6 * ring + 8, 9 * ring, ~std::uint64_t{0}}) {
    lane.out.lane().tail = tail;
    CHECK(lane.look() == state::corrupt);
  }
  lane.out.lane().tail = 6 * ring;
  CHECK(lane.take(of_bytes(1, 64)));
}

TEST_CASE("a record of a turn is deliverable once that turn is committed, and holds up what follows it") {
  both_ends lane;
  const sent in_turn{1, 10, 7}, after{2, 10, 0};
  REQUIRE((lane.put(in_turn) && lane.put(after)));
  for (const std::uint64_t turn : {0U, 1U, 6U}) {
    lane.out.header().turn = turn;
    CHECK(lane.look() == state::uncommitted);
    CHECK(lane.reader.head() == 0);
  }
  lane.out.header().turn = 7;
  CHECK(lane.take(in_turn));
  CHECK(lane.take(after));
  CHECK(lane.look() == state::empty);
}

TEST_CASE("what a dead sender's last turn told is stepped over, also amid what was told at once") {
  both_ends lane(ring - 200);
  lane.out.header().turn = 3;
  const sent all[] = {{1, 10, 3}, {2, 10, 4}, {3, 10, 0}, {4, 50, 4}, {5, 10, 5}, {6, 10, 2}, {7, 900, 4}};
  for (const auto& each : all) REQUIRE(lane.put(each));
  CHECK(lane.take(all[0]));
  CHECK(lane.look() == state::uncommitted);
  lane.out.peer->dead = true;
  CHECK(lane.take(all[2]));
  CHECK(lane.take(all[5]));
  CHECK(lane.look() == state::empty);
  CHECK(lane.reader.head() == lane.writer.tail());
}

TEST_CASE("a turn that a dying sender still committed is delivered after the news of its death") {
  both_ends lane;
  REQUIRE(lane.put({1, 10, 1}));
  CHECK(lane.look() == state::uncommitted);
  lane.out.header().turn = 1;
  lane.out.peer->dead = true;
  CHECK(lane.take({1, 10, 1}));
}

TEST_CASE("whether the sender wants room, and the receiver has some, is seen from the other side") {
  both_ends lane;
  CHECK_FALSE(lane.reader.wants_room());
  lane.writer.want_room(true);
  CHECK(lane.reader.wants_room());
  lane.writer.want_room(false);
  CHECK_FALSE(lane.reader.wants_room());
  CHECK(lane.reader.roomy());
  REQUIRE((lane.put(of_bytes(1, 2048)) && lane.reader.roomy() && lane.put(of_bytes(2, 32))));
  CHECK_FALSE(lane.reader.roomy());
  REQUIRE(lane.take(of_bytes(1, 2048)));
  CHECK(lane.reader.roomy());
}

TEST_CASE("large replies that were read count for the callee that wrote them alone") {
  both_ends lane;
  const std::uint64_t first = 7, second = (std::uint64_t{5} << 32) | 8;
  CHECK(lane.reader.replies_taken(first) == 0);
  for (int i = 0; i < 3; ++i) lane.writer.reply_taken(first);
  CHECK(lane.reader.replies_taken(first) == 3);
  CHECK(lane.reader.replies_taken(second) == 0);
  lane.writer.reply_taken(second);
  CHECK(lane.reader.replies_taken(first) == 0);
  CHECK(lane.reader.replies_taken(second) == 1);
}

TEST_CASE("a lane laid out in a range that was used before shows nothing of the earlier one") {
  both_ends lane;
  for (int i = 0; i < 20; ++i) REQUIRE((lane.put(of_bytes(1, 512)) && lane.take(of_bytes(1, 512))));
  REQUIRE(lane.put(of_bytes(2, 512)));
  lane.writer.want_room(true);
  lane.writer.reply_taken(1);
  wire::cursor_slot other{};
  other.head = 800;
  auto writer = lane.out.writer(800, other);
  auto reader = lane.out.reader(800);
  record got;
  CHECK(reader.peek(got) == state::empty);
  CHECK_FALSE(reader.wants_room());
  CHECK(reader.replies_taken(1) == 0);
  REQUIRE(put(writer, of_bytes(3, 64)));
  CHECK(reader.peek(got) == state::ready);
  CHECK(of_bytes(3, 64).is(got));
}
