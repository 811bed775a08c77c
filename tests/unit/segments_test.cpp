// The bookkeeping of an outbox's further segments, and how a receiver sees them.

#include <doctest/doctest.h>

#include <cstring>

#include "channel/segments.hpp"
#include "unit/mailbox_fixture.hpp"

using namespace troupe;

namespace {

constexpr std::uint64_t mib = 1 << 20;

os::mapping memory_of(std::uint64_t room) {
  const std::uint64_t bytes = wire::segment_bytes(room);
  return {os::make_memory("test-segment", bytes), bytes, os::access::read_write};
}

/// Asks for room and gets it; the number is the next one.
std::uint64_t grow(channel::segments& all, std::uint32_t number, std::uint64_t bytes) {
  const std::uint64_t room = all.wish(bytes);
  if (room > 0) all.made(number, memory_of(room));
  return room;
}

TEST_CASE("a segment is asked for once, in the size that is needed") {
  channel::segments all(1024 * mib);
  CHECK(all.take(1) == 0);
  CHECK(all.wish(100) == 64 * mib);
  CHECK(all.under_way());
  CHECK(all.wish(200 * mib) == 0);
  all.made(1, memory_of(64 * mib));
  CHECK_FALSE(all.under_way());
  CHECK(grow(all, 2, 200 * mib + 1) == 200 * mib + 4096);
}

TEST_CASE("blocks of a segment carry its number, and are written where it is mapped") {
  channel::segments all(1024 * mib);
  grow(all, 7, 1);
  const std::uint64_t one = all.take(5000);
  const std::uint64_t other = all.take(1);
  CHECK(wire::segment_of(one) == 7);
  CHECK(wire::place_in_segment(one) == wire::segment_begin);
  CHECK(other > one);
  CHECK(all.data(other) - all.data(one) == 8192);
  std::memset(all.data(one), 1, 5000);
  all.give(one, 5000);
  CHECK(all.take(8192) == one);
}

TEST_CASE("the limit holds for all segments together, and can be used up") {
  channel::segments all(150 * mib);
  CHECK(all.largest() == 150 * mib);
  CHECK(grow(all, 1, 1) == 64 * mib);
  CHECK(all.wish(100 * mib) == 0);
  CHECK(grow(all, 2, 70 * mib) == 70 * mib);
  CHECK(grow(all, 3, 1) == 16 * mib);
  CHECK(all.wish(1) == 0);
  CHECK(channel::segments(0).wish(1) == 0);
  CHECK(channel::segments(0).largest() == wire::outbox_bytes);
}

TEST_CASE("a segment is retired when it has held nothing at two looks; its room can be asked for again") {
  channel::segments all(64 * mib);
  grow(all, 1, 1);
  const std::uint64_t block = all.take(100);
  CHECK(all.retire(false).empty());
  CHECK(all.retire(true).empty());
  all.give(block, 100);
  CHECK(all.retire(false).empty());
  const std::uint64_t again = all.take(100);  // used between two looks
  all.give(again, 100);
  CHECK(all.retire(false).empty());
  CHECK(all.retire(false) == std::vector<std::uint32_t>{1});
  CHECK(all.empty());
  CHECK(grow(all, 2, 1) == 64 * mib);
  CHECK(all.retire(true) == std::vector<std::uint32_t>{2});
}

TEST_CASE("whoever gets a segment gets it once, until it is forgotten") {
  channel::segments all(1024 * mib);
  grow(all, 1, 1);
  grow(all, 2, 100 * mib);
  CHECK(all.share(1, 50));
  CHECK_FALSE(all.share(1, 50));
  CHECK(all.share(2, 50));
  CHECK(all.share(1, 51));
  all.forget(50);
  CHECK(all.share(1, 50));
  CHECK_FALSE(all.share(1, 51));
}

TEST_CASE("what was refused is said once") {
  channel::segments all(1024 * mib);
  CHECK(all.wish(1) > 0);
  all.refused(error(errc::os, "make the outbox larger", ENOMEM));
  CHECK_THROWS_AS(all.take(1), error);
  CHECK(all.take(1) == 0);
  CHECK(all.wish(1) > 0);
}

TEST_CASE("a receiver sees a segment's blocks when it has been handed it, and nothing outside") {
  channel::peer_memory peer;
  const std::uint64_t begin = wire::offset_in_segment(3, wire::segment_begin);
  CHECK_FALSE(peer.has_memory_of({begin, 8}));
  CHECK(peer.outbox({begin, 8}).empty());
  os::fd memory = os::make_memory("test-segment", wire::segment_bytes(8192));
  os::mapping writable(memory, wire::segment_bytes(8192), os::access::read_write);
  writable.data()[wire::segment_begin] = std::byte{42};
  peer.add_segment(3, os::mapping(memory, wire::segment_bytes(8192), os::access::read_only));
  CHECK(peer.has_memory_of({begin, 8}));
  REQUIRE(peer.outbox({begin, 8192}).size() == 8192);
  CHECK(peer.outbox({begin, 8192})[0] == std::byte{42});
  CHECK(peer.outbox({begin - 1, 8}).empty());
  CHECK(peer.outbox({begin, 8193}).empty());
  CHECK(peer.outbox({begin + 8192, 1}).empty());
  CHECK(peer.outbox({begin + 1, ~std::uint64_t{0}}).empty());
  CHECK(peer.outbox({wire::offset_in_segment(3, (std::uint64_t{1} << 40) - 1), 1}).empty());
  peer.drop_segment(3);
  CHECK_FALSE(peer.has_memory_of({begin, 8}));
}

/// A message whose body lies outside, at this block.
void publish_outside(channel::lane_writer& lane, wire::block where, std::uint64_t turn) {
  const wire::record_header header{48, wire::record_kind::tell, wire::flag_body_in_outbox, 1, turn, 5, 0, 0};
  const auto at = lane.reserve(header.bytes);
  REQUIRE(at.size() == header.bytes);
  std::memcpy(at.data(), &header, sizeof header);
  std::memcpy(at.data() + sizeof header, &where, sizeof where);
  lane.publish(header.bytes);
}

TEST_CASE("a record in a segment waits until its receiver has been handed it; records before it do not") {
  const lane_fixture::out_memory out;
  wire::cursor_slot cursor{};
  auto lane = out.writer(0, cursor);
  auto reader = out.reader(0);
  REQUIRE(lane_fixture::put(lane, {1, 100}));
  publish_outside(lane, {wire::offset_in_segment(2, wire::segment_begin), 64}, 0);
  channel::record got;
  REQUIRE(reader.peek(got) == channel::lane_reader::state::ready);
  reader.advance(got);
  CHECK(reader.peek(got) == channel::lane_reader::state::unmapped);
  CHECK(reader.peek(got) == channel::lane_reader::state::unmapped);
  out.peer->add_segment(2, memory_of(4096));
  REQUIRE(reader.peek(got) == channel::lane_reader::state::ready);
  CHECK(got.body.size() == 64);
  const auto held = out.peer->hold(got);
  out.peer->drop_segment(2);
  CHECK(held.size() == 1);
  CHECK(got.body[63] == std::byte{0});  // still mapped
  CHECK_THROWS_AS(out.peer->hold(got), error);
}

TEST_CASE("a record with payloads in several segments waits until all of them have come, and keeps all of them mapped") {
  const lane_fixture::out_memory out;
  wire::cursor_slot cursor{};
  auto lane = out.writer(0, cursor);
  auto reader = out.reader(0);
  const wire::block blocks[] = {{wire::out_lanes_end, 8},
                                {wire::offset_in_segment(2, wire::segment_begin), 64},
                                {wire::offset_in_segment(3, wire::segment_begin), 64},
                                {wire::out_lanes_end, 8}};
  const wire::record_header header{32 + sizeof blocks, wire::record_kind::tell, 0, 4, 0, 5, 0, 0};
  const auto at = lane.reserve(header.bytes);
  std::memcpy(at.data(), &header, sizeof header);
  std::memcpy(at.data() + sizeof header, blocks, sizeof blocks);
  lane.publish(header.bytes);
  for (const std::uint32_t first : {2U, 3U}) {
    CAPTURE(first);
    channel::record got;
    CHECK(reader.peek(got) == channel::lane_reader::state::unmapped);
    out.peer->add_segment(first, memory_of(4096));
    CHECK(reader.peek(got) == channel::lane_reader::state::unmapped);
    out.peer->add_segment(5 - first, memory_of(4096));
    REQUIRE(reader.peek(got) == channel::lane_reader::state::ready);
    const auto held = out.peer->hold(got);
    const auto one = out.peer->outbox(got.block(1)), other = out.peer->outbox(got.block(2));
    for (const std::uint32_t number : {2U, 3U}) out.peer->drop_segment(number);
    CHECK(held.size() == 2);
    CHECK((one[63] == std::byte{0} && other[63] == std::byte{0}));  // still mapped
    CHECK_THROWS_AS(out.peer->hold(got), error);
  }
}

TEST_CASE("a body beyond its segment is no record, and one of a turn that died is passed over without it") {
  const lane_fixture::out_memory out;
  wire::cursor_slot cursor{};
  auto lane = out.writer(0, cursor);
  auto reader = out.reader(0);
  publish_outside(lane, {wire::offset_in_segment(9, wire::segment_begin), 64}, 1);
  channel::record got;
  CHECK(reader.peek(got) == channel::lane_reader::state::uncommitted);
  out.peer->dead = true;
  CHECK(reader.peek(got) == channel::lane_reader::state::empty);
  publish_outside(lane, {wire::offset_in_segment(2, wire::segment_begin), 4097}, 0);
  out.peer->add_segment(2, memory_of(4096));
  CHECK(reader.peek(got) == channel::lane_reader::state::corrupt);
}

TEST_CASE("a record whose segment has not come holds up its own lane only, and lets its receiver sleep") {
  lane_fixture::box box;
  lane_fixture::peer one(box, 0, 10, 1), other(box, 1, 20, 2);
  one.tell({1});
  publish_outside(one.writer, {wire::offset_in_segment(1, wire::segment_begin), 8}, 0);
  one.hint();
  one.tell({2});
  other.tell({3});
  other.tell({4});
  CHECK(box.take_all() == lane_fixture::numbers{1, 3, 4});
  CHECK(box.mail.prepare_sleep());
  box.mail.woke();
  one.out.peer->add_segment(1, memory_of(4096));
  box.mail.look_again(0);
  CHECK(box.take_all() == lane_fixture::numbers{5, 2});
}

}  // namespace
