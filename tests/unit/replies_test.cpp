#include "worker/replies.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "unit/endpoint_fixture.hpp"

// The callee's side: to whom a reply goes, what waits for a pipe that is full, and whose large replies are free again.

using namespace endpoint_fixture;
using troupe::worker::replies;

namespace {

using bytes = std::vector<std::byte>;

/// A callee with a mailbox, and askers with lanes into it.
struct callee {
  /// What the worker's loop does.
  callee() {
    of.its->on_watched = [this](std::uint64_t key, bool, bool) {
      writable.push_back(static_cast<std::uint32_t>(key - channel::endpoint::owner_key));
    };
  }
  void serve() {
    of.serve();
    for (const auto slot : std::exchange(writable, {})) its.flush(slot);
  }
  void reply(const peer& to, std::uint64_t correlation, std::size_t size) {
    reply_to(to.out.peer->incarnation, to.slot, correlation, size);
  }
  void reply_to(wire::incarnation_id asker, std::uint32_t slot, std::uint64_t correlation, std::size_t size) {
    const bytes body(size, std::byte{7});
    its.value({asker, correlation, slot}, 77, &body, [](const void* what, detail::writer& into) {
      const auto& all = *static_cast<const bytes*>(what);
      into.bytes(all.data(), all.size());
    });
  }
  std::uint64_t free_place(std::size_t size) { return of.its->take_block(size, os::clock::now())->offset; }

  supervised of;
  box to;
  replies its{*of.its, to.mail};
  std::vector<std::uint32_t> writable;
};

/// The asker's end of a reply pipe that has been made for this lane.
struct pipe_of {
  pipe_of(callee& by, peer& asker) {
    auto [reading, writing] = os::make_pipe();
    end = std::move(reading);
    asker.lane().reply_pipe = std::move(writing);
    by.its.pipe_arrived(asker.lane());
  }
  /// All that has come so far.
  bytes read() const {
    bytes all, part(1 << 16);
    for (auto got = os::read_some(end, part); got.what == os::io::done; got = os::read_some(end, part)) {
      all.insert(all.end(), part.begin(), part.begin() + static_cast<std::ptrdiff_t>(got.bytes));
    }
    return all;
  }
  /// The correlations of the replies that have come so far.
  numbers answered() const {
    numbers all;
    const bytes got = read();
    for (std::size_t at = 0; at < got.size();) {
      wire::reply_header header{};
      REQUIRE(got.size() - at >= sizeof header);
      std::memcpy(&header, got.data() + at, sizeof header);
      REQUIRE((header.bytes >= sizeof header && header.bytes <= wire::max_reply_frame));
      all.push_back(header.correlation);
      at += header.bytes;
    }
    return all;
  }
  os::fd end;
};

constexpr std::size_t full_frame = wire::max_reply_frame - sizeof(wire::reply_header), large = 5000;

}  // namespace

TEST_CASE("a reply is for the process that asked, not for whoever has its lane or its slot now") {
  callee by;
  peer first(by.to, 0, 10, 1);
  pipe_of before(by, first);
  by.reply(first, 5, 8);
  CHECK(before.answered() == numbers{5});
  by.to.mail.remove(0);
  peer second(by.to, 0, 11, 2);
  pipe_of after(by, second);
  by.reply_to(1, 0, 6, 8);
  by.reply_to(1, 0, 7, large);
  by.its.text({1, 8, 0}, wire::reply_kind::failure, "no");
  CHECK(after.answered().empty());
  CHECK(before.answered().empty());
  by.reply(second, 9, 8);
  CHECK(after.answered() == numbers{9});
}

TEST_CASE("nothing is answered to who was told, to the dead, and where there is no lane or no pipe") {
  callee by;
  peer asker(by.to, 0, 10, 1), silent(by.to, 1, 11, 2);
  pipe_of pipe(by, asker);
  by.reply_to(0, 0, 5, 8);
  by.reply_to(1, 3, 5, 8);
  by.reply(silent, 5, 8);
  asker.die();
  by.reply(asker, 6, 8);
  by.reply(asker, 7, large);
  CHECK(pipe.read().empty());
}

TEST_CASE("the longest reply that fits into a frame is one; what is longer lies in the outbox") {
  callee by;
  peer asker(by.to, 0, 10, 1);
  pipe_of pipe(by, asker);
  by.reply(asker, 5, full_frame);
  CHECK(pipe.read().size() == wire::max_reply_frame);
  by.reply(asker, 6, full_frame + 1);
  const bytes got = pipe.read();
  REQUIRE(got.size() == sizeof(wire::reply_header) + sizeof(wire::block));
  wire::block where{};
  std::memcpy(&where, got.data() + sizeof(wire::reply_header), sizeof where);
  CHECK(where.bytes == full_frame + 1);
  const auto body = by.of.peer->outbox(where);
  REQUIRE(body.size() == where.bytes);
  CHECK(std::count(body.begin(), body.end(), std::byte{7}) == static_cast<std::ptrdiff_t>(where.bytes));
}

TEST_CASE("a reply's text is cut to what a frame holds") {
  callee by;
  peer asker(by.to, 0, 10, 1);
  pipe_of pipe(by, asker);
  by.its.text({1, 5, 0}, wire::reply_kind::failure, std::string(10'000, 'x'));
  CHECK(pipe.read().size() == wire::max_reply_frame);
}

TEST_CASE("what a full pipe does not hold comes later, all of it; the lane is parked meanwhile, and then looked at") {
  callee by;
  peer asker(by.to, 0, 10, 1), a(by.to, 10, 110, 110), b(by.to, 11, 111, 111), c(by.to, 12, 112, 112),
      d(by.to, 13, 113, 113);
  pipe_of pipe(by, asker);
  CHECK(by.to.take() == 0);
  std::uint64_t given = 0;
  while (!asker.lane().parked) by.reply(asker, ++given, full_frame);
  for (int i = 0; i < 3; ++i) by.reply(asker, ++given, full_frame);
  CHECK(by.its.waiting());
  asker.tell({1, 0});
  CHECK(by.to.take() == 0);
  numbers all = pipe.answered();
  CHECK(all.size() == given - 4);
  by.serve();
  const numbers rest = pipe.answered();
  all.insert(all.end(), rest.begin(), rest.end());
  for (std::uint64_t i = 1; i <= given; ++i) CHECK(all.at(i - 1) == i);
  CHECK_FALSE(asker.lane().parked);
  CHECK_FALSE(by.its.waiting());
  CHECK(by.to.take() == 1);
}

TEST_CASE("the pipe of a successor takes nothing of what waited for its predecessor's") {
  callee by;
  peer first(by.to, 0, 10, 1);
  pipe_of before(by, first);
  std::uint64_t given = 0;
  while (!first.lane().parked) by.reply(first, ++given, full_frame);
  // The slot is another's without the lane having been put away.
  peer second(by.to, 0, 10, 2);
  second.lane().parked = true;
  pipe_of after(by, second);
  CHECK_FALSE(second.lane().parked);
  by.reply(second, 500, 8);
  by.serve();
  CHECK(after.answered() == numbers{500});
  CHECK_FALSE(by.its.waiting());
}

TEST_CASE("a large reply is free when its asker has counted it, and not before") {
  callee by;
  peer asker(by.to, 0, 10, 1);
  pipe_of pipe(by, asker);
  const std::uint64_t first = by.free_place(large);
  by.reply(asker, 1, large);
  by.reply(asker, 2, large);
  by.its.release_read();
  CHECK(by.free_place(large) > first);
  asker.writer.reply_taken(supervised::own_incarnation + 1);
  by.its.release_read();
  CHECK(by.free_place(large) > first);
  asker.writer.reply_taken(supervised::own_incarnation);
  by.its.release_read();
  CHECK(by.free_place(large) == first);
  CHECK(by.free_place(2 * large) > first);
  asker.writer.reply_taken(supervised::own_incarnation);
  by.its.release_read();
  CHECK(by.free_place(2 * large) == first);
}

TEST_CASE("large replies to a dead asker are free, whatever it had counted") {
  callee by;
  peer asker(by.to, 0, 10, 1);
  pipe_of pipe(by, asker);
  const std::uint64_t first = by.free_place(large);
  by.reply(asker, 1, large);
  CHECK(by.free_place(large) > first);
  asker.die();
  by.its.forget(0);
  CHECK(by.free_place(large) == first);
}

TEST_CASE("a reply in a turn is given at its end") {
  callee by;
  peer asker(by.to, 0, 10, 1);
  pipe_of pipe(by, asker);
  by.its.hold();
  by.reply(asker, 1, 8);
  by.reply(asker, 2, 8);
  CHECK(pipe.answered().empty());
  by.its.release();
  CHECK(pipe.answered() == numbers{1, 2});
  by.reply(asker, 3, 8);
  CHECK(pipe.answered() == numbers{3});
}

TEST_CASE("a deferred reply is owed until it is given, or its asker waits no more, or is dead") {
  callee by;
  peer asker(by.to, 0, 10, 1);
  const auto now = os::to_ns(os::clock::now());
  const std::uint64_t hour = 3'600'000'000'000;
  CHECK_FALSE(by.its.owed_until());
  by.its.defer({0, 1, 0}, now + hour);
  CHECK_FALSE(by.its.owed_until());
  by.its.defer({1, 1, 0}, now + 2 * hour);
  by.its.defer({1, 2, 0}, now + hour);
  by.its.defer({1, 3, 0}, now);
  REQUIRE(by.its.owed_until());
  CHECK(os::to_ns(*by.its.owed_until()) == now + hour);
  CHECK_FALSE(by.its.settle({1, 3, 0}));
  CHECK(by.its.settle({1, 2, 0}));
  CHECK_FALSE(by.its.settle({1, 2, 0}));
  CHECK(os::to_ns(*by.its.owed_until()) == now + 2 * hour);
  asker.die();
  CHECK_FALSE(by.its.owed_until());
}

TEST_CASE("large replies of a turn fill it as what it tells does, since their room is free only after its commit") {
  callee by;
  peer asker(by.to, 0, 10, 1);
  pipe_of pipe(by, asker);
  by.of.its->begin_turn();
  by.its.hold();
  for (std::uint64_t i = 0; i < 3; ++i) {
    CHECK_FALSE(by.of.its->turn_is_full());
    by.reply(asker, i, std::size_t{6} << 20);
  }
  CHECK(by.of.its->turn_is_full());
  by.of.its->announce_turn();
  by.its.release();
  CHECK(pipe.answered() == numbers{0, 1, 2});
  by.of.its->begin_turn();
  CHECK_FALSE(by.of.its->turn_is_full());
  by.of.its->announce_turn();
}
