#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>

#include "unit/lane_fixture.hpp"

// What a sender that was overwritten, or means harm, may leave in its lane. Reading beyond the ring is a SIGBUS here.

using namespace lane_fixture;

namespace {

constexpr std::uint64_t ring = small_ring;

struct lie {
  const char* what;
  record_header header;
  wire::block last_block = {};  ///< at the record's end
};

constexpr auto tell = record_kind::tell, request = record_kind::request;
constexpr std::uint8_t outside = wire::flag_body_in_outbox;
constexpr std::uint64_t all_ones = ~std::uint64_t{0};

// Each would lie in a record of 64 bytes, with 512 bytes published.
constexpr lie lies[] = {
    {"no bytes at all", {0, tell, 0, 0, 0, 1, 0, 0}},
    {"one byte", {1, tell, 0, 0, 0, 1, 0, 0}},
    {"fewer bytes than a header", {24, tell, 0, 0, 0, 1, 0, 0}},
    {"as many bytes as a pad", {8, tell, 0, 0, 0, 1, 0, 0}},
    {"bytes that are no multiple of 8", {60, tell, 0, 0, 0, 1, 0, 0}},
    {"more bytes than are published", {520, tell, 0, 0, 0, 1, 0, 0}},
    {"more bytes than the ring has", {8192, tell, 0, 0, 0, 1, 0, 0}},
    {"bytes with the highest bit", {0x80000000, tell, 0, 0, 0, 1, 0, 0}},
    {"the most bytes", {0xfffffff8, tell, 0, 0, 0, 1, 0, 0}},
    {"a pad without bytes", {0, record_kind::pad, 0, 0, 0, 1, 0, 0}},
    {"a pad of 12 bytes", {12, record_kind::pad, 0, 0, 0, 1, 0, 0}},
    {"a pad beyond what is published", {520, record_kind::pad, 0, 0, 0, 1, 0, 0}},
    {"kind 0", {64, record_kind{0}, 0, 0, 0, 1, 0, 0}},
    {"kind 4", {64, record_kind{4}, 0, 0, 0, 1, 0, 0}},
    {"kind 255", {64, record_kind{255}, 0, 0, 0, 1, 0, 0}},
    {"a request without its part", {40, request, 0, 0, 0, 1, 0, 0}},
    {"a request whose body is where its part is", {64, request, 0, 0, 0, 1, 17, 0}},
    {"a body of one byte too much", {64, tell, 0, 0, 0, 1, 33, 0}},
    {"a body whose padded size wraps", {64, tell, 0, 0, 0, 1, 0xfffffff9, 0}},
    {"the largest body", {64, tell, 0, 0, 0, 1, 0xffffffff, 0}},
    {"a block more than there is room for", {64, tell, 0, 3, 0, 1, 0, 0}},
    {"a block where the body is", {64, tell, 0, 1, 0, 1, 17, 0}},
    {"17 blocks, with room", {512, tell, 0, 17, 0, 1, 0, 0}},
    {"the most blocks", {64, tell, 0, 0xffff, 0, 1, 0, 0}},
    {"a body outside, without a block", {64, tell, outside, 0, 0, 1, 0, 0}},
    {"a body outside, at offset 0", {48, tell, outside, 1, 0, 1, 8, 0}, {0, 8}},
    {"a body among the lanes", {48, tell, outside, 1, 0, 1, 8, 0}, {wire::out_lanes_end - 8, 8}},
    {"a body at the outbox's end", {48, tell, outside, 1, 0, 1, 8, 0}, {wire::out_memory_bytes, 1}},
    {"a body beyond the outbox", {48, tell, outside, 1, 0, 1, 8, 0}, {wire::out_memory_bytes + 4096, 1}},
    {"a body at the last offset", {48, tell, outside, 1, 0, 1, 8, 0}, {all_ones, 1}},
    {"a body larger than the outbox",
     {48, tell, outside, 1, 0, 1, 8, 0},
     {wire::out_lanes_end, wire::outbox_bytes + 1}},
    {"a body over the outbox's end", {48, tell, outside, 1, 0, 1, 8, 0}, {wire::out_memory_bytes - 8, 9}},
    {"a body that wraps", {48, tell, outside, 1, 0, 1, 8, 0}, {wire::out_lanes_end + 8, all_ones}},
    {"a body of a size that wraps", {48, tell, outside, 1, 0, 1, 8, 0}, {wire::out_lanes_end + 64, all_ones - 63}},
};

/// Writes the header and its last block as far as the ring goes.
void place(const out_memory& out, std::uint64_t position, const lie& what) {
  const std::uint64_t left = ring - position % ring;
  std::memcpy(out.ring(position), &what.header, std::min<std::uint64_t>(sizeof what.header, left));
  if (what.header.bytes <= left && what.header.bytes >= 48) {
    std::memcpy(out.ring(position) + what.header.bytes - sizeof(wire::block), &what.last_block, sizeof(wire::block));
  }
}

bool within(std::span<const std::byte> part, std::span<const std::byte> whole) {
  return part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
}

/// Walks to the lane's end as a receiver does. False: something that came out is not where it may be.
bool walk(const out_memory& out, lane_reader& reader, std::uint64_t& records, std::uint64_t& bytes) {
  const std::span<const std::byte> seen = out.seen_ring();
  const std::span<const std::byte> outbox{out.peer->map.data() + wire::out_lanes_end, wire::outbox_bytes};
  record got;
  for (std::uint64_t steps = 0; reader.peek(got) == state::ready; ++steps) {
    if (steps > ring / sizeof(record_header)) return false;
    if (got.end <= got.position || got.end - got.position < sizeof(record_header)) return false;
    const auto whole = seen.subspan(got.position % ring, got.end - got.position);
    if (!within(got.blocks, whole) || got.block_count() > wire::max_blocks) return false;
    const bool in_ring = (got.header.flags & wire::flag_body_in_outbox) == 0;
    if (!got.body.empty() && !within(got.body, in_ring ? whole : outbox)) return false;
    if (in_ring) {
      for (const std::byte each : got.body) bytes += static_cast<std::uint64_t>(each);
    }
    for (std::size_t i = 0; i < got.block_count(); ++i) {
      const auto block = got.block(i);
      const auto there = out.peer->outbox(block);
      if (!there.empty() && (!within(there, outbox) || there.size() != block.bytes)) return false;
    }
    ++records;
    reader.advance(got);
  }
  return true;
}

/// Bytes that are a little like records, so that the reader gets beyond the first one.
class scribbler {
 public:
  explicit scribbler(unsigned seed) : next_(seed) {}
  std::uint32_t draw(std::uint32_t below) { return static_cast<std::uint32_t>(next_()) % below; }
  void noise(std::byte* at, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; i += 4) {
      const auto word = static_cast<std::uint32_t>(next_());
      std::memcpy(at + i, &word, 4);
    }
  }
  record_header header() {
    record_header made{};
    noise(reinterpret_cast<std::byte*>(&made), sizeof made);
    if (draw(16) != 0) made.bytes = draw(16) == 0 ? draw(40) * 8 : (4 + draw(36)) * 8;
    if (draw(32) != 0) made.kind = record_kind{static_cast<std::uint8_t>(draw(8) == 0 ? draw(6) : 2 + draw(2))};
    if (draw(32) != 0) made.blocks = static_cast<std::uint16_t>(draw(8) == 0 ? draw(20) : 0);
    if (draw(32) != 0) made.body_bytes = draw(3) != 0 ? 0 : draw(320);
    if (draw(32) != 0) made.flags = draw(8) == 0 ? outside : 0;
    if (draw(32) != 0) made.turn = draw(4);
    return made;
  }
  /// A row of headers, each where the one before it ends.
  void row(std::byte* ring_at, std::uint64_t position) {
    for (int i = 0; i < 6; ++i) {
      const record_header made = header();
      const std::uint64_t index = position % ring;
      std::memcpy(ring_at + index, &made, std::min<std::uint64_t>(sizeof made, ring - index));
      position += std::min<std::uint64_t>(std::max<std::uint32_t>(made.bytes / 8 * 8, 8), ring);
    }
  }

 private:
  std::minstd_rand next_;
};

}  // namespace

TEST_CASE("bytes that are no record are told from records, wherever in the ring they lie") {
  for (const std::uint64_t position : {std::uint64_t{0}, ring - 512, 7 * ring + 1000}) {
    out_memory out;
    auto& tail = out.lane().tail;
    for (const auto& each : lies) {
      CAPTURE(each.what);
      place(out, position, each);
      tail = position + 512;
      record got;
      auto reader = out.reader(position);
      CHECK(reader.peek(got) == state::corrupt);
      CHECK(reader.peek(got) == state::corrupt);
      CHECK(reader.head() == position);
    }
  }
}

TEST_CASE("the largest things that a record may hold are no lies") {
  out_memory out;
  const lie truths[] = {
      {"a full body", {64, tell, 0, 0, 0, 1, 32, 0}},
      {"a request with a full body", {64, request, 0, 0, 0, 1, 16, 0}},
      {"16 blocks", {288, tell, 0, 16, 0, 1, 0, 0}},
      {"nothing but a request", {48, request, 0, 0, 0, 1, 0, 0}},
      {"nothing but a header", {32, tell, 0, 0, 0, 1, 0, 0}},
      {"room to spare", {512, tell, 0, 1, 0, 1, 9, 0}},
      {"the whole outbox", {48, tell, outside, 1, 0, 1, 0, 0}, {wire::out_lanes_end, wire::outbox_bytes}},
      {"the outbox's last byte", {48, tell, outside, 1, 0, 1, 0, 0}, {wire::out_memory_bytes - 1, 1}},
  };
  for (const auto& each : truths) {
    CAPTURE(each.what);
    place(out, 0, each);
    out.lane().tail = each.header.bytes;
    record got;
    auto reader = out.reader(0);
    REQUIRE(reader.peek(got) == state::ready);
    CHECK(got.end == each.header.bytes);
    CHECK(got.block_count() == each.header.blocks);
    if ((each.header.flags & outside) != 0) {
      CHECK(got.body.data() == out.peer->map.data() + each.last_block.offset);
      CHECK(got.body.size() == each.last_block.bytes);
    } else {
      CHECK(got.body.size() == each.header.body_bytes);
      CHECK(within(got.body, out.seen_ring().first(each.header.bytes)));
      CHECK(within(got.blocks, out.seen_ring().first(each.header.bytes)));
    }
  }
}

TEST_CASE("a record never crosses the ring's end, whatever it says") {
  for (const std::uint32_t left : {8U, 16U, 24U, 32U, 64U}) {
    for (const std::uint32_t bytes : {left + 8, left + 32, 2048U}) {
      for (const auto kind : {record_kind::pad, tell, request}) {
        out_memory out;
        const std::uint64_t position = 4 * ring - left;
        place(out, position, {"", {bytes, kind, 0, 0, 0, 1, 0, 0}});
        out.lane().tail = position + 3000;
        record got;
        auto reader = out.reader(position);
        CHECK(reader.peek(got) == state::corrupt);
      }
    }
  }
}

TEST_CASE("a head that is no record's position is read as bytes like any others") {
  out_memory out;
  out.lane().tail = 3 * ring;
  for (std::uint64_t head = 2 * ring; head <= 3 * ring; ++head) {
    auto reader = out.reader(head);
    record got;
    CHECK(reader.peek(got) == (head == 3 * ring ? state::empty : state::corrupt));
  }
}

TEST_CASE("a pad after another is stepped over until the tail, and then the lane is empty") {
  out_memory out;
  const record_header pad{8, record_kind::pad, 0, 0, 0, 0, 0, 0};
  for (std::uint64_t at = 0; at < ring; at += 8) std::memcpy(out.ring(at), &pad, wire::pad_bytes);
  out.lane().tail = 5 * ring + 800;
  auto reader = out.reader(4 * ring + 800);
  record got;
  CHECK(reader.peek(got) == state::empty);
  CHECK(reader.head() == 5 * ring + 800);
}

TEST_CASE("random bytes are read to an end and within bounds") {
  out_memory out;
  scribbler random(20);
  std::uint64_t records = 0, bytes = 0;
  bool good = true;
  for (unsigned round = 0; good && round < 200'000; ++round) {
    if (round % 256 == 0) random.noise(out.ring(), ring);
    const std::uint64_t head = std::uint64_t{random.draw(100'000)} * 8;
    random.row(out.ring(), head);
    out.lane().tail = head + (random.draw(8) == 0 ? random.draw(ring + 16) : random.draw(ring / 8 + 1) * 8);
    out.header().turn = random.draw(3);
    out.peer->dead = random.draw(2) == 0;
    auto reader = out.reader(head);
    good = walk(out, reader, records, bytes);
  }
  CHECK(good);
  CHECK(records > 40'000);
  CHECK(bytes > 0);
}

TEST_CASE("bytes that change while they are read are read to an end and within bounds") {
  out_memory out;
  std::atomic<bool> done = false;
  std::atomic<unsigned> changes = 0;
  std::thread writer([&] {
    for (scribbler random(21); !done.load(std::memory_order_relaxed); ++changes) {
      random.row(out.ring(), 0);
      out.lane().tail.store(random.draw(ring / 8 + 4) * 8, std::memory_order_relaxed);
      out.header().turn.store(random.draw(3), std::memory_order_relaxed);
    }
  });
  std::uint64_t records = 0, bytes = 0;
  bool good = true;
  while (good && (records < 20'000 || changes < 20'000)) {
    auto reader = out.reader(0);
    good = walk(out, reader, records, bytes);
  }
  done = true;
  writer.join();
  CHECK(good);
}

TEST_CASE("a lane lies among its sender's lanes, or it is refused") {
  constexpr std::uint64_t first = wire::out_header_bytes, end = wire::out_lanes_end;
  const auto plausible = [](std::uint64_t offset, std::uint32_t bytes) {
    return lane_reader::plausible(offset, bytes);
  };
  CHECK(plausible(first, small_ring));
  CHECK(plausible(lane_at, small_ring));
  CHECK(plausible(first, 1U << wire::max_ring_log2));
  CHECK(plausible(end - wire::lane_bytes(small_ring), small_ring));
  for (const std::uint32_t bytes : {0U, 1U, 2048U, 4095U, 4097U, 6144U, 1U << 25, 1U << 31, 0xffffffffU}) {
    CAPTURE(bytes);
    CHECK_FALSE(plausible(first, bytes));
  }
  for (const std::uint64_t offset : {std::uint64_t{0}, first - 64, first + 8, end - wire::lane_bytes(small_ring) + 64,
                                     end - 64, end, end + 64, wire::out_memory_bytes, all_ones - 63}) {
    CAPTURE(offset);
    CHECK_FALSE(plausible(offset, small_ring));
  }
}
