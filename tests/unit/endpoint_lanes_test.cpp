#include <doctest/doctest.h>

#include <vector>

#include "unit/endpoint_fixture.hpp"

// How a process comes to a lane and what it writes there, frame by frame and record by record.

using namespace endpoint_fixture;

namespace {

constexpr std::uint32_t half_ring = small_ring / 2;

std::vector<letter> letters(std::uint64_t count, std::size_t size = 8) {
  std::vector<letter> all;
  for (std::uint64_t i = 1; i <= count; ++i) all.emplace_back(i, size);
  return all;
}

}  // namespace

TEST_CASE("a lane in a range that was used before shows nothing while its sender waits for the answer") {
  supervised of;
  receiver first(of, 1, 0, 5 * small_ring), second(of, 2);
  first.connect();
  for (int i = 0; i < 20; ++i) REQUIRE((first.tell(letter(3)) && first.takes(letter(3))));
  first.end();
  of.hears<wire::subject>(wire::frame::closed_seen);
  first.free_lane();
  const auto wanted = second.asks_for_lane();
  CHECK(wanted.offset == first.wanted.offset);
  // The receiver is told of the lane before the sender is: it looks at what lies there now.
  lane_reader early(of.peer, wanted.offset, wanted.ring_bytes, 5 * small_ring);
  record got;
  CHECK(early.peek(got) == state::empty);
}

TEST_CASE("the range of a lane that is refused is used for the next one") {
  supervised of;
  receiver first(of, 1), second(of, 2);
  const auto wanted = first.asks_for_lane();
  first.answer(wire::status::closed);
  CHECK(first.link().why.code() == errc::closed);
  CHECK(second.asks_for_lane().offset == wanted.offset);
  CHECK(first.asks_for_lane().offset != wanted.offset);
  first.answer(wire::status::gave_up);
  CHECK(first.link().why.code() == errc::gave_up);
}

TEST_CASE("a lane of a size that no lane can have is not asked for, and there is an end to the memory for lanes") {
  supervised of;
  const auto try_tell = [&](wire::identity_id to) {
    return of.its->tell(of.its->link_to(detail::address(to)), letter(1), std::nullopt).error().code();
  };
  for (const unsigned log2 : {0U, wire::min_ring_log2 - 1, wire::max_ring_log2 + 1, 63U, 255U}) {
    CHECK(try_tell(wire::make_identity(1000 + log2, log2)) == errc::not_found);
  }
  CHECK(of.hears_nothing());
  std::uint64_t last = 0, count = 0;
  while (try_tell(wire::make_identity(++count, wire::max_ring_log2)) == errc::connecting) {
    const auto wanted = of.hears<wire::connect>(wire::frame::connect);
    CHECK(lane_reader::plausible(wanted.offset, wanted.ring_bytes));
    CHECK(wanted.offset >= last);
    last = wanted.offset + wire::lane_bytes(wanted.ring_bytes);
  }
  CHECK(count > 30);
  CHECK(of.its->link_to(detail::address(wire::make_identity(count, wire::max_ring_log2))).why.code() == errc::full);
  CHECK(of.hears_nothing());
  // A small one still fits.
  CHECK(try_tell(wire::make_identity(500, wire::min_ring_log2)) == errc::connecting);
}

TEST_CASE("who is told that there is no room for its lane yet waits for the next answer") {
  supervised of;
  receiver to(of, 1);
  to.asks_for_lane();
  to.answer(wire::status::full);
  CHECK(to.try_tell(letter(1)) == errc::full);
  CHECK(of.hears_nothing());
  to.accept();
  CHECK(to.tell(letter(1)));
  CHECK(to.takes(letter(1)));
}

TEST_CASE("an answer that is not whole makes no lane") {
  struct row {
    const char* what;
    std::uint32_t slot;
    std::uint64_t start;
    std::vector<std::size_t> fds;
  };
  const row rows[] = {
      {"a slot out of bounds", wire::max_slots, 0, {0, 1, 2, 3}},
      {"a start that is no record's position", 0, 12, {0, 1, 2, 3}},
      {"a descriptor too few", 0, 0, {0, 1, 2}},
      {"another cursor page", 0, 0, {1, 1, 2, 3}},
      {"another hint page", 0, 0, {0, 0, 2, 3}},
      {"another status page", 0, 0, {0, 1, 1, 3}},
  };
  for (const auto& each : rows) {
    CAPTURE(each.what);
    supervised of;
    receiver to(of, 1);
    to.asks_for_lane();
    std::vector<int> fds;
    for (const auto i : each.fds) fds.push_back(to.fds()[i]);
    of.says(wire::frame::connected, wire::connected{to.identity, each.start, each.slot, wire::status::ok, 0, 0}, "", fds);
    of.serve();
    CHECK(to.link().now == out_link::state::refused);
    CHECK(to.link().why.code() == errc::corrupt);
  }
}

TEST_CASE("what does not fit into half of the ring goes through the outbox, and just that") {
  supervised of;
  receiver to(of, 1);
  to.connect();
  const std::size_t largest = half_ring - sizeof(record_header);
  for (const std::size_t size : {largest - 8, largest, largest + 1, std::size_t{small_ring}, std::size_t{100'000}}) {
    CAPTURE(size);
    const letter what(7, size);
    REQUIRE(to.tell(what));
    record got;
    REQUIRE(to.look(got));
    CHECK(got.block_count() == (size > largest ? 1 : 0));
    CHECK(to.takes(what));
  }
}

TEST_CASE("a lane that has no room for a description of a body in the outbox is full") {
  supervised of;
  receiver to(of, 1);
  to.connect();
  // What is left is enough for the shortest description, and not for the longest.
  while (to.lane().tail < small_ring - 64) REQUIRE(to.tell(letter(1, 32)));
  CHECK(to.try_tell(letter(2, 100'000)) == errc::full);
  std::uint64_t taken = 0;
  while (to.takes(letter(1, 32))) ++taken;
  CHECK(taken == (small_ring - 64) / 64);
  REQUIRE(to.tell(letter(2, 100'000)));
  CHECK(to.takes(letter(2, 100'000)));
}

TEST_CASE("where a body in the outbox and fifteen payloads would not fit into the lane it is full, to the byte") {
  const std::size_t needed = sizeof(record_header) + 16 * sizeof(wire::block);
  for (std::size_t left = 64; left <= needed; left += 32) {
    CAPTURE(left);
    supervised of;
    receiver to(of, 1);
    to.connect();
    while (small_ring - to.lane().tail > left + 32) REQUIRE(to.tell(letter(1, 32)));
    if (small_ring - to.lane().tail > left) REQUIRE(to.tell(letter(1, 0)));
    REQUIRE(small_ring - to.lane().tail == left);
    letter what(1, 10'000);
    for (int i = 0; i < 15; ++i) what.blocks.push_back(of.its->take_block(16, os::clock::now()));
    CHECK(to.try_tell(what) == (left < needed ? errc::full : errc{}));
  }
}

TEST_CASE("a message holds fifteen payloads at most, with its body in the lane or outside") {
  supervised of;
  receiver to(of, 1);
  to.connect();
  for (const std::size_t size : {std::size_t{8}, std::size_t{10'000}}) {
    letter what(1, size);
    for (int i = 0; i < 15; ++i) what.blocks.push_back(of.its->take_block(16, os::clock::now()));
    REQUIRE(to.tell(what));
    record got;
    REQUIRE(to.look(got));
    CHECK(got.block_count() == (size > 8 ? 16 : 15));
    CHECK(to.takes(what));
    what.blocks.push_back(of.its->take_block(16, os::clock::now()));
    CHECK(to.try_tell(what) == errc::too_large);
    CHECK_FALSE(to.look(got));
  }
}

TEST_CASE("a block is used again when the head has passed its message, and not before") {
  supervised of;
  receiver to(of, 1);
  to.connect();
  const auto place = [&] { return of.its->take_block(50'000, os::clock::now())->offset; };
  const std::uint64_t first = place();
  CHECK(place() == first);
  REQUIRE(to.tell(letter(1, 50'000)));
  CHECK(place() != first);
  record got;
  REQUIRE(to.look(got));
  to.words().head = got.end - 8;
  CHECK(place() != first);
  to.words().head = got.end;
  CHECK(place() == first);
}

TEST_CASE("blocks of a lane that is swept and freed can be used again") {
  supervised of;
  receiver to(of, 1);
  to.connect();
  REQUIRE(to.tell(letter(1, 50'000)));
  const auto place = [&] { return of.its->take_block(50'000, os::clock::now())->offset; };
  const std::uint64_t behind = place();
  to.end();
  CHECK(place() == behind);
  to.free_lane();
  CHECK(place() < behind);
}

TEST_CASE("what is enclosed is deposited before its message can be read, for the place where that ends") {
  supervised of;
  receiver to(of, 1, 3, 800);
  to.connect();
  REQUIRE(to.tell(letter(1)));
  unsigned sent = 0, looked_at = 0;
  letter what(2, 20);
  what.enclosed.push_back({77,
                           [&] {
                             ++looked_at;
                             CHECK(to.lane().tail == 840);
                             CHECK(sent == 0);
                             return to.bell.get();
                           },
                           0,
                           [&] {
                             ++sent;
                             CHECK(to.lane().tail == 896);
                           }});
  REQUIRE(to.tell(what));
  CHECK(looked_at == 1);
  CHECK(sent == 1);
  const auto said = of.hears<wire::deposit>(wire::frame::deposit);
  CHECK(said.number == 77);
  CHECK(said.to == to.identity);
  CHECK(said.position == 896);
  // The same end twice in one message is one end.
  letter twice(3);
  for (int i = 0; i < 2; ++i) twice.enclosed.push_back({78, [&] { return to.bell.get(); }, 0, {}});
  REQUIRE(to.tell(twice));
  CHECK(of.hears<wire::deposit>(wire::frame::deposit).number == 78);
  CHECK(of.hears_nothing());
}

TEST_CASE("nothing is published to a receiver that has ended since the lane was opened, also when it runs again") {
  supervised of;
  receiver to(of, 1);
  to.connect();
  REQUIRE(to.tell(letter(1)));
  for (const std::uint32_t times : {1U, 2U}) {
    to.ended(times);
    CHECK(to.try_tell(letter(2)) == errc::closed);
    CHECK_FALSE(of.its->tell_at_once(to.link(), letter(2)));
  }
  CHECK(to.takes(letter(1)));
  record got;
  CHECK_FALSE(to.look(got));
}

TEST_CASE("a sleeping receiver is rung once for each of its sleeps, and its hint is the tail") {
  supervised of;
  receiver to(of, 1, 9, (std::uint64_t{1} << 32) - 40);
  to.connect();
  CHECK(to.tell(letter(1)));
  CHECK(to.hint() == 0);
  CHECK_FALSE(to.rung());
  to.sleeps(7);
  CHECK(to.tell(letter(1)));
  CHECK(to.hint() == 40);
  CHECK(to.rung());
  CHECK(to.tell(letter(1)));
  CHECK_FALSE(to.rung());
  to.sleeps(8);
  CHECK(to.tell(letter(1)));
  CHECK_FALSE(to.rung());
  to.sleeps(9);
  CHECK(to.tell(letter(1)));
  CHECK(to.rung());
}

TEST_CASE("what a turn tells carries its number; hints and rings come with its end, once for each who was told") {
  supervised of;
  receiver one(of, 1), other(of, 2, 1);
  one.connect();
  other.connect();
  for (auto* each : {&one, &other}) each->sleeps(1);
  of.its->out_header().turn = 4;
  of.its->begin_turn();
  for (int i = 0; i < 3; ++i) REQUIRE(one.tell(letter(1)));
  CHECK(one.hint() == 0);
  CHECK_FALSE(one.rung());
  record got;
  CHECK(one.reader->peek(got) == state::uncommitted);
  CHECK(got.header.turn == 5);
  of.its->out_header().turn = 5;
  of.its->announce_turn();
  CHECK(one.hint() == one.lane().tail.load());
  CHECK(one.rung());
  CHECK_FALSE(other.rung());
  for (int i = 0; i < 3; ++i) CHECK(one.takes(letter(1)));
  REQUIRE(one.tell(letter(2)));
  REQUIRE(one.look(got));
  CHECK(got.header.turn == 0);
}

TEST_CASE("a turn is large when it has filled a quarter of a lane, whatever lay there before") {
  supervised of;
  receiver to(of, 1);
  to.connect();
  for (const auto& each : letters(20, 32)) REQUIRE(to.tell(each));
  of.its->begin_turn();
  for (const auto& each : letters(15, 32)) REQUIRE(to.tell(each));
  CHECK_FALSE(of.its->turn_is_full());
  REQUIRE(to.tell(letter(16, 32)));
  CHECK(of.its->turn_is_full());
  of.its->announce_turn();
  of.its->begin_turn();
  CHECK_FALSE(of.its->turn_is_full());
  of.its->announce_turn();
}

TEST_CASE("a turn whose own records fill the lane hears that at once, and one behind others' waits for room") {
  for (const bool others : {false, true}) {
    CAPTURE(others);
    supervised of;
    receiver to(of, 1);
    to.connect();
    if (others) REQUIRE(to.tell(letter(1, 32)));
    of.its->begin_turn();
    while (to.lane().tail < small_ring) REQUIRE(to.tell(letter(2, 32)));
    CHECK(to.try_tell(letter(2, 32)) == (others ? errc::full : errc::too_large));
    to.words().head = others ? 64 : 0;
    if (others) {
      CHECK(to.tell(letter(2, 32)));
      CHECK(to.try_tell(letter(2, 32)) == errc::too_large);
    }
    of.its->announce_turn();
  }
}

TEST_CASE("an end that comes during a turn is acknowledged when the turn is over") {
  supervised of;
  receiver to(of, 1);
  to.connect();
  of.its->begin_turn();
  REQUIRE(to.tell(letter(1)));
  to.end();
  CHECK(of.hears_nothing());
  of.its->announce_turn();
  CHECK(of.hears<wire::subject>(wire::frame::closed_seen).identity == to.identity);
  CHECK(of.hears_nothing());
  to.end();
  CHECK(of.hears<wire::subject>(wire::frame::closed_seen).identity == to.identity);
}

TEST_CASE("who waits for outbox says so again before each sleep, to everybody who holds some of it") {
  supervised of;
  receiver one(of, 1), other(of, 2, 1), third(of, 3, 2);
  receiver* const all[] = {&one, &other};
  for (auto* each : all) each->connect();
  third.connect();
  constexpr std::size_t half = wire::outbox_bytes / 2;
  for (auto* each : all) {
    letter piece(1);
    piece.blocks.push_back(of.its->take_block(half, os::clock::now()));
    REQUIRE(each->tell(piece));
  }
  // Each time that the sender is about to sleep one of them reads, and rings if the sender waits as it has not before.
  std::uint32_t heard[2] = {};
  std::size_t sleeps = 0, silent = 0;
  of.its->before_sleep = [&] {
    for (std::size_t i = 0; i < 2; ++i) {
      const std::uint32_t wait = all[i]->reader->wants_room();
      silent += wait == 0 || wait == heard[i] ? 1 : 0;
      heard[i] = wait;
    }
    if (sleeps > 0 && sleeps < 3) REQUIRE(all[sleeps - 1]->takes(letter(1)));
    ++sleeps;
    os::ring(of.bell);
  };
  CHECK(of.its->tell(third.link(), letter(2, wire::outbox_bytes), os::clock::now() + std::chrono::hours(1)));
  CHECK(sleeps == 3);
  CHECK(silent == 0);
  for (auto* each : all) CHECK(each->reader->wants_room() == 0);
}

TEST_CASE("empty segments that are too small for a body go, so that one that is large enough keeps within the limit") {
  constexpr std::uint64_t mib = 1 << 20;
  supervised of(100 * mib);
  receiver to(of, 1);
  to.connect();
  const auto all = of.its->take_block(wire::outbox_bytes, os::clock::now());
  CHECK(to.try_tell(letter(1, 5000)) == errc::full);
  const auto room = of.hears<wire::number>(wire::frame::segment_make).value;
  os::mapping writable;
  const os::fd segment = sealed_memory("test-segment", wire::segment_bytes(room), writable);
  of.says(wire::frame::segment_made, wire::segment{5, 3, wire::segment_bytes(room), 0, 0, 0}, "", {segment.get()});
  of.serve();
  of.hears<wire::number>(wire::frame::segment_mapped);
  REQUIRE(to.tell(letter(1, 5000)));
  of.hears<wire::share>(wire::frame::segment_share);
  const letter larger(2, 70 * mib);
  CHECK(to.try_tell(larger) == errc::full);
  CHECK(of.hears_nothing());
  to.words().head = to.lane().tail.load();
  CHECK(to.try_tell(larger) == errc::full);
  CHECK(of.hears<wire::number>(wire::frame::segment_retired).value == 3);
  CHECK(of.hears<wire::number>(wire::frame::segment_make).value >= 70 * mib);
}

TEST_CASE("whoever ends and is started again gets a lane of its own, and is handed the segments again") {
  constexpr std::uint64_t mib = 1 << 20;
  supervised of(64 * mib);
  receiver before(of, 1), after(of, 1, 1, 4096);
  before.connect();
  // The outbox itself has no room for a body.
  const auto all = of.its->take_block(wire::outbox_bytes, os::clock::now());
  CHECK(before.try_tell(letter(1, 5000)) == errc::full);
  const auto room = of.hears<wire::number>(wire::frame::segment_make).value;
  os::mapping writable;
  const os::fd segment = sealed_memory("test-segment", wire::segment_bytes(room), writable);
  of.says(wire::frame::segment_made, wire::segment{5, 3, wire::segment_bytes(room), 0, 0, 0}, "", {segment.get()});
  of.serve();
  CHECK(of.hears<wire::number>(wire::frame::segment_mapped).value == 3);
  for (int i = 0; i < 2; ++i) {
    REQUIRE(before.tell(letter(1, 5000)));
    if (i > 0) continue;
    const auto share = of.hears<wire::share>(wire::frame::segment_share);
    CHECK(share.number == 3);
    CHECK(share.to == before.identity);
  }
  CHECK(of.hears_nothing());
  before.end();
  of.hears<wire::subject>(wire::frame::closed_seen);
  before.free_lane();
  after.connect();
  REQUIRE(after.tell(letter(1, 5000)));
  CHECK(of.hears<wire::share>(wire::frame::segment_share).number == 3);
}
