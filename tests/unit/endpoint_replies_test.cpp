#include <doctest/doctest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "unit/endpoint_fixture.hpp"

// How requests end: by a reply that comes through the pipe, by a verdict, or by the callee's end.

using namespace endpoint_fixture;

namespace {

using bytes = std::vector<std::byte>;
constexpr std::uint64_t reply_type = 77;

/// Somebody who is asked: one process of it after the other, with their pipes and out-memories.
class callee {
 public:
  callee(supervised& from, std::uint64_t number, std::uint32_t slot = 0) : to(from, number, slot), from_(from) {
    to.connect(true);
    CHECK(to.wanted.asks == 1);
  }
  /// Its process of this number is joined with the asker.
  void runs(wire::incarnation_id incarnation) {
    os::mapping ignored;
    const os::fd memory = sealed_memory("test-out", wire::out_memory_bytes, out_);
    auto [reading, writing] = os::make_pipe();
    pipe = std::move(writing);
    from_.says(wire::frame::link, wire::link{to.identity, incarnation}, "", {reading.get(), memory.get()});
    from_.serve();
  }
  /// The request's correlation.
  std::uint64_t asked() {
    const auto made = from_.its->ask(to.link(), letter(1), reply_type, os::clock::now() + std::chrono::hours(1), false);
    REQUIRE(made);
    return *made;
  }
  /// Where the last request ends.
  std::uint64_t end() const { return to.lane().tail; }
  void writes(std::span<const std::byte> what) {
    REQUIRE(os::write_some(pipe, what).bytes == what.size());
    from_.serve();
  }
  void dies(wire::incarnation_id incarnation, std::uint64_t head, std::uint64_t cleared) {
    from_.says(wire::frame::verdict, wire::verdict{to.identity, incarnation, head, cleared}, "died");
    from_.serve();
  }
  /// Something in its outbox.
  wire::block keeps(const bytes& what, std::uint64_t at = 0) {
    const wire::block where{wire::out_lanes_end + at, what.size()};
    std::copy(what.begin(), what.end(), out_.data() + where.offset);
    return where;
  }
  std::uint32_t large_taken(wire::incarnation_id by) const { return to.reader->replies_taken(by); }

  receiver to;
  os::fd pipe;

 private:
  supervised& from_;
  os::mapping out_;
};

bytes body_of(std::size_t size, unsigned seed) {
  bytes made(size);
  for (std::size_t i = 0; i < size; ++i) made[i] = static_cast<std::byte>(i * seed + 1);
  return made;
}

bytes frame(std::uint64_t correlation, std::span<const std::byte> body, std::uint8_t flags = 0,
            std::uint64_t type = reply_type, wire::reply_kind kind = wire::reply_kind::value) {
  wire::reply_header header{};
  header.bytes = static_cast<std::uint32_t>(sizeof header + body.size());
  header.kind = kind;
  header.flags = flags;
  header.correlation = correlation;
  header.reply_type = type;
  bytes all(header.bytes);
  std::memcpy(all.data(), &header, sizeof header);
  std::copy(body.begin(), body.end(), all.begin() + sizeof header);
  return all;
}

bytes large(std::uint64_t correlation, const wire::block& where) {
  return frame(correlation, std::as_bytes(std::span(&where, 1)), wire::reply_flag_in_outbox);
}

bool under_way(supervised& of, std::uint64_t correlation) {
  const std::uint64_t one[] = {correlation};
  const auto settled = of.its->await_any(one, os::clock::now());
  REQUIRE(settled);
  return !settled->has_value();
}

/// The body of the reply; nothing: an error, or none so far.
std::optional<bytes> reply_to(supervised& of, std::uint64_t correlation) {
  if (under_way(of, correlation)) return std::nullopt;
  auto got = of.its->await_reply(correlation);
  if (!got) return std::nullopt;
  return bytes(got->body.begin(), got->body.end());
}

errc error_of(supervised& of, std::uint64_t correlation) {
  if (under_way(of, correlation)) return errc{};
  const auto got = of.its->await_reply(correlation);
  return got ? errc{} : got.error().code();
}

}  // namespace

TEST_CASE("the first request asks for the reply pipe, once") {
  supervised of;
  receiver to(of, 1);
  to.connect();
  const auto ask = [&] { return of.its->ask(to.link(), letter(1), reply_type, os::clock::now(), false).has_value(); };
  CHECK(ask());
  CHECK(of.hears<wire::subject>(wire::frame::ask_link).identity == to.identity);
  CHECK(ask());
  CHECK(of.hears_nothing());
}

TEST_CASE("replies come in any order, whole or cut anywhere, each to its request") {
  supervised of;
  callee one(of, 1);
  one.runs(9);
  const auto a = one.asked(), b = one.asked(), c = one.asked();
  const bytes small = body_of(3, 5), full = body_of(wire::max_reply_frame - sizeof(wire::reply_header), 7);
  one.writes(frame(b, full));
  CHECK(reply_to(of, b) == full);
  const bytes second = frame(a, small);
  for (const std::byte& each : second) {
    CHECK(under_way(of, a));
    one.writes(std::span(&each, 1));
  }
  CHECK(reply_to(of, a) == small);
  one.writes(frame(c, {}));
  CHECK(reply_to(of, c) == bytes{});
}

TEST_CASE("who answers what another was asked is not heard") {
  supervised of;
  callee asked(of, 1), other(of, 2, 1);
  asked.runs(9);
  other.runs(10);
  const auto request = asked.asked();
  other.writes(frame(request, body_of(3, 1)));
  other.writes(large(request, other.keeps(body_of(5000, 3))));
  other.writes(frame(request, {}, 0, reply_type, wire::reply_kind::failure));
  CHECK(under_way(of, request));
  asked.writes(frame(request, body_of(3, 2)));
  CHECK(reply_to(of, request) == body_of(3, 2));
}

TEST_CASE("a reply of another type, and what is no kind of reply, is an error and no value") {
  supervised of;
  callee to(of, 1);
  to.runs(9);
  auto request = to.asked();
  to.writes(frame(request, body_of(3, 1), 0, reply_type + 1));
  CHECK(error_of(of, request) == errc::unhandled);
  request = to.asked();
  to.writes(frame(request, body_of(3, 1), 0, reply_type, wire::reply_kind{9}));
  CHECK(error_of(of, request) == errc::unhandled);
  request = to.asked();
  to.writes(frame(request, body_of(3, 1), 0, 0, wire::reply_kind::failure));
  CHECK(error_of(of, request) == errc::failed);
  request = to.asked();
  to.writes(frame(request, body_of(3, 1), 0, 0, wire::reply_kind::corrupt));
  CHECK(error_of(of, request) == errc::corrupt);
}

TEST_CASE("of two replies the first counts, and what nobody waits for any more disturbs nobody") {
  supervised of;
  callee to(of, 1);
  to.runs(9);
  const auto request = to.asked(), forgotten = to.asked();
  of.its->forget_reply(forgotten);
  to.writes(frame(forgotten, body_of(3, 1)));
  to.writes(frame(request, body_of(3, 2)));
  to.writes(frame(request, body_of(3, 3)));
  CHECK(reply_to(of, request) == body_of(3, 2));
}

TEST_CASE("each large reply is counted once it has been looked at, also one that nobody waits for or that lies nowhere") {
  supervised of;
  callee to(of, 1);
  to.runs(9);
  const auto request = to.asked(), forgotten = to.asked(), lie = to.asked();
  of.its->forget_reply(forgotten);
  const bytes body = body_of(70'000, 3);
  to.writes(large(request, to.keeps(body)));
  CHECK(reply_to(of, request) == body);
  CHECK(to.large_taken(9) == 1);
  to.writes(large(forgotten, to.keeps(body)));
  CHECK(to.large_taken(9) == 2);
  to.writes(large(lie, {wire::out_memory_bytes - 8, 64}));
  CHECK(reply_to(of, lie).value_or(bytes{}).empty());
  CHECK(to.large_taken(9) == 3);
  to.writes(frame(to.asked(), {}));
  CHECK(to.large_taken(9) == 3);
}

TEST_CASE("a large reply in a segment that has not come is taken when it has, and so is what comes behind it, in order") {
  supervised of;
  callee to(of, 1);
  to.runs(9);
  const auto first = to.asked(), second = to.asked(), third = to.asked();
  const std::uint64_t begin = wire::segment_begin;
  to.writes(large(first, {wire::offset_in_segment(4, begin), 6000}));
  const bytes near = body_of(5000, 3);
  to.writes(large(second, to.keeps(near)));
  to.writes(frame(third, body_of(3, 2)));
  for (const auto each : {first, second, third}) CHECK(under_way(of, each));
  CHECK(to.large_taken(9) == 0);
  os::mapping writable;
  const os::fd segment = sealed_memory("test-segment", wire::segment_bytes(8192), writable);
  const bytes far = body_of(6000, 5);
  std::copy(far.begin(), far.end(), writable.data() + begin);
  of.says(wire::frame::segment, wire::segment{9, 4, wire::segment_bytes(8192), 0, 0, 0}, "", {segment.get()});
  of.serve();
  CHECK(reply_to(of, first) == far);
  CHECK(reply_to(of, second) == near);
  CHECK(reply_to(of, third) == body_of(3, 2));
  CHECK(to.large_taken(9) == 2);
}

TEST_CASE("half a frame of a dead callee is no part of what the next one writes") {
  supervised of;
  callee to(of, 1);
  to.runs(9);
  const auto request = to.asked();
  const bytes whole = frame(request, body_of(100, 3));
  to.writes(std::span(whole).first(60));
  to.dies(9, 0, 0);
  // Somebody whom the dead one has left behind holds its end of the pipe.
  const os::fd before = std::move(to.pipe);
  to.runs(11);
  CHECK(under_way(of, request));
  to.writes(frame(request, body_of(3, 2)));
  CHECK(reply_to(of, request) == body_of(3, 2));
}

TEST_CASE("of replies behind one whose segment does not come so many are kept as a pipe holds, and no more") {
  supervised of;
  callee to(of, 1);
  to.runs(9);
  const auto request = to.asked();
  to.writes(large(request, {wire::offset_in_segment(4, wire::segment_begin), 6000}));
  const bytes lie = large(request + 1, to.keeps(body_of(16, 3)));
  for (int i = 0; i < 10'000; ++i) to.writes(lie);
  os::mapping writable;
  const os::fd segment = sealed_memory("test-segment", wire::segment_bytes(8192), writable);
  of.says(wire::frame::segment, wire::segment{9, 4, wire::segment_bytes(8192), 0, 0, 0}, "", {segment.get()});
  of.serve();
  CHECK(reply_to(of, request));
  CHECK(to.large_taken(9) > 4000);
  CHECK(to.large_taken(9) < 5000);
}

TEST_CASE("what is no frame ends what is read of one process's replies, and nothing of the next one's") {
  for (const std::uint32_t size : {0U, 23U, wire::max_reply_frame + 1, ~0U}) {
    CAPTURE(size);
    supervised of;
    callee to(of, 1);
    to.runs(9);
    const auto request = to.asked();
    bytes bad = frame(request, {});
    std::memcpy(bad.data(), &size, sizeof size);
    bad.resize(bad.size() + 100);
    to.writes(bad);
    CHECK(under_way(of, request));
    to.dies(9, 0, 0);
    to.runs(11);
    to.writes(frame(request, body_of(3, 2)));
    CHECK(reply_to(of, request) == body_of(3, 2));
  }
}

TEST_CASE("a verdict ends what was started and what is cleared, to the record; what lies behind goes on") {
  supervised of;
  callee to(of, 1), beside(of, 2, 1);
  to.runs(9);
  beside.runs(10);
  const auto others = beside.asked();
  const auto answered = to.asked();
  const auto started = to.asked();
  const std::uint64_t head = to.end();
  const auto first = to.asked(), last = to.asked();
  const std::uint64_t cleared = to.end();
  const auto behind = to.asked();
  // Lies in the pipe when the verdict comes.
  REQUIRE(os::write_some(to.pipe, frame(answered, body_of(3, 1))).what == os::io::done);
  to.dies(9, head, cleared);
  CHECK(reply_to(of, answered) == body_of(3, 1));
  CHECK(error_of(of, started) == errc::outcome_unknown);
  CHECK(error_of(of, first) == errc::closed);
  CHECK(error_of(of, last) == errc::closed);
  CHECK(under_way(of, behind));
  CHECK(under_way(of, others));
  to.runs(11);
  to.writes(frame(behind, body_of(3, 2)));
  CHECK(reply_to(of, behind) == body_of(3, 2));
}

TEST_CASE("the end of a callee ends its requests alone") {
  supervised of;
  callee ended(of, 1), other(of, 2, 1);
  ended.runs(9);
  other.runs(10);
  const auto request = ended.asked(), beside = other.asked();
  ended.to.end();
  CHECK(error_of(of, request) == errc::closed);
  CHECK(under_way(of, beside));
  // Whoever held the pipe open writes on; nobody listens.
  CHECK(of.hears<wire::subject>(wire::frame::closed_seen).identity == ended.to.identity);
  ended.to.free_lane();
  other.writes(frame(beside, body_of(3, 2)));
  CHECK(reply_to(of, beside) == body_of(3, 2));
}

TEST_CASE("a request in a turn is part of it unless its asker waits") {
  supervised of;
  callee to(of, 1);
  to.runs(9);
  of.its->begin_turn();
  const auto in_hour = os::clock::now() + std::chrono::hours(1);
  record got;
  REQUIRE(of.its->ask(to.to.link(), letter(1), reply_type, in_hour, true));
  REQUIRE(to.to.look(got));
  CHECK(got.header.turn == 0);
  to.to.take(got);
  REQUIRE(of.its->ask(to.to.link(), letter(2), reply_type, in_hour, false));
  CHECK(to.to.reader->peek(got) == state::uncommitted);
  const auto refused = of.its->ask(to.to.link(), letter(3), reply_type, in_hour, true);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == errc::deadlock);
  of.its->announce_turn();
}
