#include "channel/queue_end.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <utility>
#include <vector>

#include "unit/endpoint_fixture.hpp"

// A queue's consumer, frame by frame: the lanes of its producers come, end and break.

using namespace endpoint_fixture;

namespace {

constexpr wire::identity_id the_queue = wire::make_identity(200, wire::min_ring_log2);
constexpr std::uint64_t item_type = 7;

struct consumer {
  consumer()
      : cursor_fd(sealed_memory("test-cursor", wire::cursor_bytes, cursor)),
        hint_fd(sealed_memory("test-hints", wire::hint_bytes, hints)),
        bell(os::make_doorbell()),
        end(of.its->queue_of(the_queue, true)) {}

  /// The supervisor's answer is there before it is asked for.
  void will_be_told(wire::status what) {
    const wire::answer answer{of.its->new_number() + 1, the_queue, 0, what, 0};
    if (what == wire::status::ok) {
      taken = static_cast<std::uint32_t>(answer.tag);
      of.says(wire::frame::queue_taken, answer, "", {cursor_fd.get(), hint_fd.get(), bell.get()});
    } else {
      of.says(wire::frame::queue_taken, answer);
    }
  }
  /// The message of the next item; nothing: none has come.
  std::optional<std::size_t> get() {
    std::optional<std::size_t> size;
    end->get(item_type, os::clock::now(), [&](detail::reader& from) {
      size = from.left();
      if (while_in_hand) while_in_hand();
    });
    return size;
  }
  wire::cursor_slot& words(std::uint32_t slot) const {
    return cursor.at<wire::cursor_slot>(wire::cursor_slots_offset)[slot];
  }

  supervised of;
  os::mapping cursor, hints;
  os::fd cursor_fd, hint_fd, bell;
  std::shared_ptr<channel::queue_end> end;
  std::function<void()> while_in_hand;
  std::uint32_t taken = 0;  // low bits of the tag with which it took the queue
};

/// A process that puts, with its lane.
struct producer {
  producer(consumer& to, std::uint32_t slot, wire::identity_id id, wire::incarnation_id incarnation,
           std::uint64_t start = 0)
      : to(to),
        slot(slot),
        out(incarnation, small_ring, out_memory::extent::whole),
        bell(os::make_doorbell()),
        writer(out.writer(start, to.words(slot))) {
    os::seal_memory(out.memory, os::seal::size_only);
    to.of.says(wire::frame::lane, wire::lane{the_queue, id, incarnation, lane_at, start, small_ring, slot, 0, to.taken}, "",
               {out.memory.get(), bell.get()});
    to.of.serve();
  }
  /// An item of so many bytes.
  void put(std::uint32_t bytes) { REQUIRE(lane_fixture::put(writer, {item_type, bytes})); }
  void final(wire::incarnation_id of) const {
    to.of.says(wire::frame::lane_final, wire::slot{slot, 0, the_queue, of});
    to.of.serve();
  }
  consumer& to;
  std::uint32_t slot;
  out_memory out;
  os::fd bell;
  lane_writer writer;
};

}  // namespace

TEST_CASE("who is refused as a consumer may try again, and is told which lanes there are") {
  consumer by;
  by.will_be_told(wire::status::refused);
  CHECK_THROWS_AS(by.get(), const error&);
  CHECK(by.of.hears<wire::call>(wire::frame::queue_take).identity == the_queue);
  by.will_be_told(wire::status::ok);
  CHECK_FALSE(by.get());
  producer from(by, 0, 10, 1);
  from.put(3);
  CHECK(by.get() == 3);
  CHECK_FALSE(by.get());
}

TEST_CASE("an item in hand is marked as begun, and done with when it has been decoded") {
  consumer by;
  by.will_be_told(wire::status::ok);
  CHECK_FALSE(by.get());
  by.words(2).head = 800;
  producer from(by, 2, 10, 1, 800);
  from.put(3);
  by.while_in_hand = [&] {
    CHECK(by.words(2).mark == wire::mark_of(800, 1));
    CHECK(by.words(2).head == 800);
  };
  CHECK(by.get() == 3);
  CHECK(by.words(2).head == 840);
}

TEST_CASE("the lane of a dead producer is reported when it is drained, and the next one's is read after it") {
  consumer by;
  by.will_be_told(wire::status::ok);
  CHECK_FALSE(by.get());
  by.of.hears<wire::call>(wire::frame::queue_take);
  producer old(by, 0, 10, 1), young(by, 1, 10, 2);
  old.put(1);
  young.put(2);
  CHECK(by.get() == 1);
  CHECK_FALSE(by.get());
  // News of a process that had the slot before.
  old.final(99);
  CHECK_FALSE(by.get());
  CHECK(by.of.hears_nothing());
  old.put(3);
  old.final(1);
  CHECK(by.get() == 3);
  CHECK(by.get() == 2);
  const auto drained = by.of.hears<wire::slot>(wire::frame::lane_drained);
  CHECK(drained.slot == 0);
  CHECK(drained.owner == the_queue);
  CHECK(drained.sender == 1);
  CHECK(by.of.hears_nothing());
}

TEST_CASE("a producer's lane that holds no items is reported once, and other producers are heard") {
  consumer by;
  by.will_be_told(wire::status::ok);
  CHECK_FALSE(by.get());
  by.of.hears<wire::call>(wire::frame::queue_take);
  producer bad(by, 0, 10, 1), good(by, 1, 11, 2);
  bad.put(8);
  bad.put(1);
  good.put(2);
  CHECK(by.get() == 8);
  std::memset(bad.out.ring(40), 0xff, 8);
  CHECK(by.get() == 2);
  CHECK_FALSE(by.get());
  const auto said = by.of.hears<wire::letter>(wire::frame::letter);
  CHECK(said.reason == wire::letter_reason::lane_broken);
  CHECK(said.owner == the_queue);
  CHECK(said.slot == 0);
  CHECK(said.position == 40);
  for (int i = 0; i < 300; ++i) CHECK_FALSE(by.get());
  CHECK(by.of.hears_nothing());
}

TEST_CASE("a lane that lies nowhere, has no slot or was said to whom took the queue before is no lane") {
  consumer by;
  by.will_be_told(wire::status::ok);
  CHECK_FALSE(by.get());
  producer from(by, 0, 10, 1);
  const auto announce = [&](std::uint64_t offset, std::uint32_t ring, std::uint32_t slot) {
    by.of.says(wire::frame::lane, wire::lane{the_queue, 10, 1, offset, 0, ring, slot, 0, by.taken}, "",
               {from.out.memory.get(), from.bell.get()});
    by.of.serve();
    CHECK_FALSE(by.get());
  };
  announce(lane_at, small_ring, wire::max_slots);
  announce(lane_at + 8, small_ring, 1);
  announce(wire::out_lanes_end, small_ring, 1);
  announce(lane_at, small_ring + 1, 1);
  ++by.taken;  // as if it had been said before the queue was taken
  announce(lane_at, small_ring, 1);
  from.put(3);
  CHECK(by.get() == 3);
}

TEST_CASE("a producer that waits for room is rung when its items have been taken") {
  consumer by;
  by.will_be_told(wire::status::ok);
  CHECK_FALSE(by.get());
  producer from(by, 0, 10, 1);
  for (int i = 0; i < 4; ++i) from.put(1024 - 32);
  from.writer.want_room(true);
  const auto rung = [&] { return os::wait_ready(from.bell.get(), os::poller::read, os::clock::now()); };
  CHECK(by.get() == 1024 - 32);
  CHECK_FALSE(rung());
  CHECK(by.get() == 1024 - 32);
  CHECK(rung());
}

TEST_CASE("a callback that has waited in vain for an item leaves the get that it interrupted asleep as it says") {
  consumer by;
  by.will_be_told(wire::status::ok);
  CHECK_FALSE(by.get());
  producer from(by, 0, 10, 1);
  std::size_t outer = 0;
  bool poked = false, over = false;
  unsigned unsaid = 0;
  const auto get_until = [&](os::time_point until) {
    return by.end->get(item_type, until, [&](detail::reader& item) { outer = item.left(); });
  };
  by.of.its->run_between = [&] {
    CHECK_FALSE(get_until(os::clock::now() + std::chrono::milliseconds(1)));
    over = true;
  };
  by.of.its->before_sleep = [&] {
    unsaid += by.cursor.at<wire::cursor_header>()->sleeping % 2 == 0 ? 1 : 0;
    if (!over) {
      if (!std::exchange(poked, true)) by.of.its->poke();
      return os::ring(by.of.bell);
    }
    from.put(2);
    os::ring(by.bell);
  };
  CHECK(get_until(os::clock::now() + std::chrono::hours(1)));
  CHECK(outer == 2);
  CHECK(unsaid == 0);
}

TEST_CASE("the last handle of a queue says that it is gone") {
  consumer by;
  by.end.reset();
  CHECK(by.of.hears<wire::subject>(wire::frame::queue_drop).identity == the_queue);
}
