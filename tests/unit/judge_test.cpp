#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "supervision/judge.hpp"
#include "unit/lane_fixture.hpp"

using namespace lane_fixture;
using namespace troupe::supervision;
using troupe::delivery;
using fate = judged_record::fate;

namespace {

constexpr auto request = record_kind::request;
constexpr std::uint64_t usual = 1, once = 2, dropped = 3, for_ever = 4, often = 5, unknown = 6;
constexpr delivery at_most(std::uint32_t limit) { return {delivery::kind::redeliver, limit}; }

constexpr troupe::detail::handler_entry handlers[] = {
    {usual, 0, "usual", std::nullopt, nullptr},
    {once, 0, "once", at_most(1), nullptr},
    {dropped, 0, "dropped", delivery{delivery::kind::drop, 1}, nullptr},
    {for_ever, 0, "for_ever", at_most(troupe::unlimited), nullptr},
    {often, 0, "often", at_most(1000), nullptr},
};

/// An identity whose process has died, with one sender's lane into it.
struct scene {
  scene() {
    of.name = "judged";
    of.cursor_fd = std::make_shared<os::fd>(os::make_memory("test-cursor", wire::cursor_bytes));
    of.cursor = os::mapping(*of.cursor_fd, wire::cursor_bytes, os::access::read_write);
    of.type = &type;
    of.checkpoint_bytes = 1000;
    dead.of = &of;
    dead.memory = its_out.peer;
    dead.now = life::stage::up;
  }
  lane_writer join(std::uint32_t slot, const out_memory& from, std::uint64_t start = 0) {
    auto lane = std::make_unique<in_lane>();
    lane->slot = slot;
    lane->sender = 50 + slot;
    lane->memory = from.peer;
    lane->offset = lane_at;
    lane->ring_bytes = small_ring;
    lane->start = start;
    of.lanes.push_back(std::move(lane));
    return from.writer(start, of.slot(slot));
  }
  /// As the worker left it: started so many times, finished or not.
  void in_flight(std::uint64_t position, unsigned attempts, std::uint32_t slot = 0) const {
    of.slot(slot).head = position;
    of.slot(slot).mark = wire::mark_of(position, attempts);
  }
  void commit(const wire::commit_record& what) const {
    its_out.header().commits[what.turn & 1] = what;
    its_out.header().turn = what.turn;
  }
  std::uint64_t head(std::uint32_t slot = 0) const { return of.slot(slot).head; }
  wire::cursor_header& page() const { return *of.cursor.at<wire::cursor_header>(); }

  troupe::detail::actor_type type{"Judged", handlers, std::nullopt, troupe::detail::turns::checkpointed, 1,
                                  nullptr,  nullptr};
  troupe::supervision::identity of;
  out_memory its_out{9};
  life dead;
};

std::vector<fate> fates(const std::vector<judged_record>& of) {
  std::vector<fate> all;
  for (const auto& each : of) all.push_back(each.what);
  return all;
}
using whats = std::vector<fate>;

}  // namespace

TEST_CASE("the record in flight stays at the head while it has attempts left, then it is quarantined") {
  struct row {
    sent what;
    unsigned attempts;
    fate expected;
  };
  const row rows[] = {
      {{usual, 9}, 1, fate::redeliver},
      {{usual, 9}, 2, fate::redeliver},
      {{usual, 9}, 3, fate::quarantined},
      {{usual, 9}, 4, fate::quarantined},
      {{once, 9}, 1, fate::quarantined},
      {{dropped, 9}, 1, fate::dropped},
      {{unknown, 9}, 2, fate::redeliver},
      {{unknown, 9}, 3, fate::quarantined},
      {{for_ever, 9}, 3, fate::redeliver},
      {{for_ever, 9}, 254, fate::redeliver},
      {{for_ever, 9}, 255, fate::redeliver},
      {{often, 9}, 253, fate::redeliver},
      {{often, 9}, 254, fate::quarantined},
      {{often, 9}, 255, fate::quarantined},
      {{usual, 9, 0, request}, 1, fate::dropped},
      {{unknown, 9, 0, request}, 1, fate::dropped},
      {{for_ever, 9, 0, request}, 100, fate::redeliver},
      {{dropped, 9, 0, request}, 1, fate::dropped},
  };
  for (const auto& each : rows) {
    CAPTURE(each.what.message);
    CAPTURE(each.attempts);
    scene s;
    out_memory from;
    auto lane = s.join(0, from, 4072);
    REQUIRE((put(lane, each.what) && put(lane, {usual, 9})));
    s.in_flight(4096, each.attempts);
    const auto found = judge(s.of);
    REQUIRE(found.size() == 1);
    CHECK(found[0].what == each.expected);
    CHECK(s.head() == (each.expected == fate::redeliver ? 4096 : 4096 + each.what.bytes()));
    CHECK(s.of.slot(0).mark == wire::mark_of(4096, each.attempts));
  }
}

TEST_CASE("a record in hand beyond the head belongs to a longer turn: it stays, whatever its policy, until it is the first") {
  scene s;
  s.type.commit_every = 8;
  out_memory from;
  auto lane = s.join(0, from);
  REQUIRE((put(lane, {usual, 0}) && put(lane, {usual, 0}) && put(lane, {once, 0}) && put(lane, {usual, 0})));
  s.of.slot(0).mark = wire::mark_of(64, 1);
  const auto found = judge(s.of);
  REQUIRE(fates(found) == whats{fate::redeliver});
  CHECK(found[0].position == 64);
  CHECK(found[0].message == once);
  CHECK(s.head() == 0);
  CHECK(judge(s.of).empty());
  // The next incarnation has passed those before it, and started it alone.
  s.in_flight(64, 2);
  CHECK(fates(judge(s.of)) == whats{fate::quarantined});
  CHECK(s.head() == 96);
  // A mark beyond what was published is none.
  s.of.slot(0).mark = wire::mark_of(4000, 1);
  CHECK(judge(s.of).empty());
  CHECK(s.head() == 96);
}

TEST_CASE("an actor's own policy is for what it is told, not for what it is asked") {
  scene s;
  s.type.policy = delivery{delivery::kind::drop, 1};
  out_memory from;
  auto lane = s.join(0, from);
  REQUIRE((put(lane, {usual, 0}) && put(lane, {for_ever, 0}) && put(lane, {usual, 0, 0, request})));
  s.in_flight(0, 1);
  CHECK(fates(judge(s.of)) == whats{fate::dropped});
  s.in_flight(32, 9);
  CHECK(fates(judge(s.of)) == whats{fate::redeliver});
  s.type.policy = at_most(5);
  s.in_flight(64, 1);
  CHECK(fates(judge(s.of)) == whats{fate::dropped});
}

TEST_CASE("a judgement says which record it is about") {
  scene s;
  out_memory a(1), b(2);
  auto lane = s.join(0, a), other = s.join(7, b, 800);
  REQUIRE((put(lane, {usual, 0}) && put(other, {unknown, 100})));
  s.in_flight(800, 2, 7);
  const auto found = judge(s.of);
  REQUIRE(found.size() == 1);
  CHECK(found[0].slot == 7);
  CHECK(found[0].sender == 57);
  CHECK(found[0].position == 800);
  CHECK(found[0].message == unknown);
  CHECK(found[0].name == "message 6");
  CHECK(found[0].attempts == 2);
  CHECK(found[0].body_bytes == 100);
  s.in_flight(0, 1);
  CHECK(judge(s.of).at(0).name == "usual");
}

TEST_CASE("who wants to keep a record's bytes hears of it while it still lies at the head") {
  for (const unsigned attempts : {1U, 3U}) {
    CAPTURE(attempts);
    scene s;
    out_memory from;
    auto lane = s.join(0, from);
    REQUIRE(put(lane, {usual, 9}));
    s.in_flight(0, attempts);
    unsigned heard = 0;
    const auto found = judge(s.of, [&](const judged_record& what, in_lane& of, const troupe::channel::record& record) {
      ++heard;
      CHECK(what.position == 0);
      CHECK(what.what == (attempts == 3 ? fate::quarantined : fate::redeliver));
      CHECK(of.slot == 0);
      CHECK(record.body.size() == 9);
      CHECK(s.head() == 0);
    });
    CHECK(heard == 1);
    CHECK(found.size() == 1);
    judge(s.of, [&](const auto&, auto&, const auto&) { ++heard; });
    CHECK(heard == 1);
  }
}

TEST_CASE("each start of a record is judged once, also when attempts no longer count up") {
  scene s;
  out_memory from;
  auto lane = s.join(0, from);
  REQUIRE(put(lane, {for_ever, 0}));
  CHECK(judge(s.of).empty());
  std::uint64_t mark = 0;
  for (int start = 0; start < 600; ++start) {
    mark = wire::next_mark(mark, 0);
    s.of.slot(0).mark = mark;
    REQUIRE(fates(judge(s.of)) == whats{fate::redeliver});
    REQUIRE(judge(s.of).empty());
  }
  CHECK(s.head() == 0);
}

TEST_CASE("a start in a longer turn is judged although an earlier one was, which another start has taken the mark of") {
  scene s;
  s.type.commit_every = 8;
  out_memory from;
  auto lane = s.join(0, from);
  for (int i = 0; i < 3; ++i) REQUIRE(put(lane, {usual, 0}));
  const std::uint64_t last = wire::mark_of(2 * 32, 1);
  s.of.slot(0).mark = last;
  REQUIRE(fates(judge(s.of)) == whats{fate::redeliver});
  s.of.slot(0).mark = wire::mark_of(0, 1);  // its successor dies when it has finished the first
  s.of.slot(0).head = 32;
  REQUIRE(judge(s.of).empty());
  s.of.slot(0).mark = last;
  CHECK(fates(judge(s.of)) == whats{fate::redeliver});
  CHECK(judge(s.of).empty());
}

TEST_CASE("a quarantined record is passed once: judging again does not pass the next") {
  scene s;
  out_memory from;
  auto lane = s.join(0, from);
  REQUIRE((put(lane, {once, 0}) && put(lane, {once, 0})));
  s.in_flight(0, 1);
  CHECK(fates(judge(s.of)) == whats{fate::quarantined});
  CHECK(judge(s.of).empty());
  CHECK(s.head() == 32);
}

TEST_CASE("a finished record is not in flight, nor is one that was never started") {
  scene s;
  out_memory from;
  auto lane = s.join(0, from);
  REQUIRE((put(lane, {once, 0}) && put(lane, {once, 0})));
  CHECK(judge(s.of).empty());
  s.of.slot(0).mark = wire::mark_of(0, 1);
  s.of.slot(0).head = 32;
  CHECK(judge(s.of).empty());
  s.of.slot(0).mark = wire::mark_of(32, 0);
  CHECK(judge(s.of).empty());
  CHECK(s.head() == 32);
}

TEST_CASE("an earlier lane's mark is not about a later lane in the same slot") {
  scene s;
  out_memory old(1), young(2);
  auto lane = s.join(0, old);
  REQUIRE(put(lane, {once, 0}));
  s.of.slot(0).mark = wire::mark_of(0, 1);
  s.of.slot(0).head = 32;
  s.of.lanes.clear();
  auto next = s.join(0, young, s.head());
  REQUIRE(put(next, {once, 0}));
  CHECK(judge(s.of).empty());
  CHECK(s.head() == 32);
  s.in_flight(32, 1);
  CHECK(fates(judge(s.of)) == whats{fate::quarantined});
  CHECK(s.head() == 64);
}

TEST_CASE("what is no deliverable record is not judged, whatever the mark says") {
  scene s;
  out_memory empty(1), uncommitted(2), corrupt(3), padded(4);
  s.join(0, empty);
  auto lane = s.join(1, uncommitted);
  REQUIRE(put(lane, {once, 0, 1}));
  auto bad = s.join(2, corrupt);
  REQUIRE(put(bad, {once, 0}));
  std::memset(corrupt.ring(), 0xff, 8);
  auto pad = s.join(3, padded, 4072);
  REQUIRE(put(pad, {once, 0}));
  for (const std::uint32_t slot : {0U, 1U, 2U}) s.in_flight(0, 1, slot);
  s.in_flight(4072, 1, 3);
  CHECK(judge(s.of).empty());
  for (const std::uint32_t slot : {0U, 1U, 2U}) CHECK(s.head(slot) == 0);
  CHECK(s.head(3) == 4072);

  scene without_type;
  auto known = without_type.join(0, empty);
  REQUIRE(put(known, {once, 0}));
  without_type.in_flight(0, 1);
  without_type.of.type = nullptr;
  CHECK(judge(without_type.of).empty());
}

TEST_CASE("the supervisor reads a lane from the slot's head on, or from the lane's start if that is further") {
  scene s;
  out_memory from;
  s.join(0, from, 800);
  CHECK(reader_of(s.of, *s.of.lanes[0]).head() == 800);
  s.of.slot(0).head = 864;
  CHECK(reader_of(s.of, *s.of.lanes[0]).head() == 864);
}

// ------------------------------------------------------------------------------------------------------------ recovery

namespace {
constexpr std::uint32_t no_slot = wire::no_slot, no_buffer = wire::no_buffer;

/// What the supervisor's page says of the checkpoint to start from; nothing if there is none.
std::optional<std::vector<std::uint64_t>> base(const scene& s) {
  if (s.page().base_present == 0) return std::nullopt;
  return std::vector<std::uint64_t>{s.page().base_buffer, s.page().base_length, s.page().base_checksum};
}
using base_of = std::vector<std::uint64_t>;
}  // namespace

TEST_CASE("a process that committed no turn leaves head and checkpoint as they are") {
  scene s;
  out_memory from;
  auto lane = s.join(0, from);
  REQUIRE(put(lane, {usual, 0}));
  s.page().base_present = 1;
  s.page().base_length = 5;
  // Of a turn that was begun and not committed.
  for (const std::uint64_t turn : {0U, 1U}) s.its_out.header().commits[turn] = {turn, 32, 77, 78, 0, turn == 0, {}};
  recover_turn(s.of, s.dead);
  CHECK(s.head() == 0);
  CHECK(base(s) == base_of{0, 5, 0});
}

TEST_CASE("the last committed turn's head and checkpoint become true, once and for all") {
  scene s;
  out_memory from, other(2);
  auto lane = s.join(0, from), beside = s.join(3, other, 800);
  for (int i = 0; i < 3; ++i) REQUIRE((put(lane, {usual, 0}) && put(beside, {usual, 0})));
  s.its_out.header().commits[0] = {4, 96, 400, 401, 0, 1, {}};
  s.commit({3, 832, 300, 301, 3, 0, {}});
  for (int again = 0; again < 3; ++again) {
    recover_turn(s.of, s.dead);
    CHECK(s.head(3) == 832);
    CHECK(s.head(0) == 0);
    CHECK(base(s) == base_of{0, 300, 301});
  }
  s.its_out.header().turn = 4;
  for (int again = 0; again < 3; ++again) {
    recover_turn(s.of, s.dead);
    CHECK(s.head(3) == 832);
    CHECK(s.head(0) == 96);
    CHECK(base(s) == base_of{1, 400, 401});
  }
}

TEST_CASE("a head that the worker had stored itself is not taken back") {
  scene s;
  out_memory from;
  auto lane = s.join(0, from);
  for (int i = 0; i < 3; ++i) REQUIRE(put(lane, {usual, 0}));
  s.of.slot(0).head = 64;
  s.commit({7, 32, 0, 0, 0, no_buffer, {}});
  recover_turn(s.of, s.dead);
  CHECK(s.head() == 64);
}

TEST_CASE("a turn without an input record moves no head, and one without state no checkpoint") {
  scene s;
  out_memory from;
  auto lane = s.join(0, from);
  REQUIRE((put(lane, {usual, 0}) && put(lane, {usual, 0})));
  s.commit({1, 32, 10, 11, no_slot, 1, {}});
  recover_turn(s.of, s.dead);
  CHECK(s.head() == 0);
  CHECK(base(s) == base_of{1, 10, 11});
  s.commit({2, 64, 20, 21, 0, no_buffer, {}});
  recover_turn(s.of, s.dead);
  CHECK(s.head() == 64);
  CHECK(base(s) == base_of{1, 10, 11});
}

TEST_CASE("a commit record that cannot be one changes nothing") {
  struct row {
    const char* what;
    wire::commit_record record;
    std::uint64_t turn;
    bool head_moves = false;
    bool base_moves = false;
  };
  const row rows[] = {
      {"another turn's", {3, 32, 10, 11, 0, 0, {}}, 5},
      {"of the next turn", {6, 32, 10, 11, 0, 0, {}}, 4},
      {"of turn 0", {0, 32, 10, 11, 0, 0, {}}, 2},
      {"a head beyond the tail", {1, 72, 10, 11, 0, 0, {}}, 1, false, true},
      {"the highest head", {1, ~std::uint64_t{0}, 10, 11, 0, 0, {}}, 1, false, true},
      {"an unknown slot", {1, 32, 10, 11, 9, 0, {}}, 1, false, true},
      {"a slot out of bounds", {1, 32, 10, 11, wire::max_slots + 5, 0, {}}, 1, false, true},
      {"buffer 2", {1, 32, 10, 11, 0, 2, {}}, 1, true, false},
      {"a checkpoint beyond the limit", {1, 32, 1001, 11, 0, 0, {}}, 1, true, false},
      {"a checkpoint at the limit", {1, 64, 1000, 11, 0, 1, {}}, 1, true, true},
  };
  for (const auto& each : rows) {
    CAPTURE(each.what);
    scene s;
    out_memory from;
    auto lane = s.join(0, from);
    REQUIRE((put(lane, {usual, 0}) && put(lane, {usual, 0})));
    s.its_out.header().commits[each.turn & 1] = each.record;
    s.its_out.header().turn = each.turn;
    recover_turn(s.of, s.dead);
    CHECK(s.head() == (each.head_moves ? each.record.head : 0));
    CHECK(base(s).has_value() == each.base_moves);
  }

  scene stateless;
  stateless.of.checkpoint_bytes = 0;
  stateless.commit({1, 0, 0, 0, no_slot, 0, {}});
  recover_turn(stateless.of, stateless.dead);
  CHECK_FALSE(base(stateless));
}

TEST_CASE("a message whose turn was committed is not in flight, and would be if it were judged first") {
  for (const bool judged_first : {false, true}) {
    scene s;
    out_memory from;
    auto lane = s.join(0, from);
    REQUIRE((put(lane, {usual, 0}) && put(lane, {usual, 0})));
    // Killed between the store of the turn and that of the head, at the record's last attempt.
    s.in_flight(0, 3);
    s.commit({1, 32, 10, 11, 0, 0, {}});
    if (judged_first) {
      CHECK(fates(judge(s.of)) == whats{fate::quarantined});
    } else {
      recover_turn(s.of, s.dead);
      CHECK(judge(s.of).empty());
    }
    CHECK(s.head() == 32);
  }
}

TEST_CASE("a record that was started after the last commit is in flight") {
  scene s;
  out_memory from;
  auto lane = s.join(0, from);
  REQUIRE((put(lane, {usual, 0}) && put(lane, {once, 0})));
  s.in_flight(32, 1);
  s.commit({1, 32, 10, 11, 0, 0, {}});
  recover_turn(s.of, s.dead);
  CHECK(fates(judge(s.of)) == whats{fate::quarantined});
  CHECK(s.head() == 64);
  // The step that a second run of the supervisor's work would take again.
  recover_turn(s.of, s.dead);
  CHECK(judge(s.of).empty());
  CHECK(s.head() == 64);
}
