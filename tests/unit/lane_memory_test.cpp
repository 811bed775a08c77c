// The memory of a lane's ring: taken as it is filled for the first time.

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <algorithm>
#include <vector>

#include "unit/lane_fixture.hpp"

using namespace lane_fixture;

namespace {

constexpr std::uint32_t page = 4096, ring = 256 * 1024, step = 64 * 1024;

/// Which pages of the ring are real.
std::vector<bool> real_pages(const out_memory& out) {
  std::vector<unsigned char> found(ring / page);
  REQUIRE(::mincore(out.ring(), ring, found.data()) == 0);
  std::vector<bool> real(found.size());
  std::transform(found.begin(), found.end(), real.begin(), [](unsigned char each) { return (each & 1) != 0; });
  return real;
}

auto count(const std::vector<bool>& real) { return std::count(real.begin(), real.end(), true); }

struct growing_lane {
  explicit growing_lane(std::uint64_t start)
      : writer(out.data() + lane_at, ring, start, &cursor, lane_writer::memory::grows), reader(out.reader(start)) {
    cursor.head = start;
  }
  /// One record there and back.
  void pass(std::uint32_t bytes) {
    writer.prepare(bytes);
    const auto space = writer.reserve(bytes);
    REQUIRE(space.size() == bytes);
    const record_header header{bytes, record_kind::tell, 0, 0, 0, 1, bytes - std::uint32_t{sizeof(record_header)}, 0};
    std::memcpy(space.data(), &header, sizeof header);
    writer.publish(bytes);
    record got;
    REQUIRE(reader.peek(got) == state::ready);
    REQUIRE(got.header.bytes == bytes);
    reader.advance(got);
    cursor.head = reader.head();
  }

  out_memory out{1, ring};
  wire::cursor_slot cursor{};
  lane_writer writer;
  lane_reader reader;
};

}  // namespace

TEST_CASE("a ring's memory becomes real as the lane is filled for the first time, and ahead of what is written") {
  growing_lane lane(0);
  CHECK(count(real_pages(lane.out)) == 0);
  lane.writer.prepare(256);
  CHECK(count(real_pages(lane.out)) == step / page);
  for (std::uint64_t sent = 0; sent < step / 2; sent += 1024) lane.pass(1024);
  CHECK(count(real_pages(lane.out)) == step / page);
  for (std::uint64_t sent = 0; sent < 3 * ring; sent += 1024) lane.pass(1024);
  CHECK(count(real_pages(lane.out)) == ring / page);
}

TEST_CASE("a lane that starts in the middle of its ring grows from there and around the ring's end") {
  growing_lane lane(3 * std::uint64_t{ring} - step / 2);
  lane.writer.prepare(256);
  const auto real = real_pages(lane.out);
  CHECK(count(real) == step / page);
  CHECK((real.back() && real.front()));
  for (std::uint64_t sent = 0; sent < 2 * ring; sent += 1000) lane.pass(1000);
  CHECK(count(real_pages(lane.out)) == ring / page);
}

TEST_CASE("space ends where the memory does that has been prepared; a record as large as may be gets what it needs") {
  growing_lane lane(0);
  CHECK(lane.writer.space(256).empty());
  lane.writer.prepare(256);
  CHECK(lane.writer.space(256).size() == step);
  lane.pass(ring / 2);
  CHECK(count(real_pages(lane.out)) == ring / page);
}

TEST_CASE("the head is read anew only when less is known to be free than is wanted") {
  const out_memory out(1, small_ring);
  wire::cursor_slot cursor{};
  lane_writer writer = out.writer(0, cursor);
  REQUIRE(writer.reserve(1024).size() == 1024);
  writer.publish(1024);
  cursor.head = 1024;
  CHECK(writer.space(256).size() == small_ring - 1024);
  REQUIRE(writer.reserve(small_ring / 2).size() == small_ring / 2);
  writer.publish(small_ring / 2);
  REQUIRE(writer.reserve(1024).size() == 1024);
  writer.publish(1024);  // the ring is full, as far as is known
  CHECK(writer.space(256).size() == 1024);
}
