#include "worker/turn.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>

#include "unit/endpoint_fixture.hpp"
#include "wire/checksum.hpp"

// A turn's commit, and the state that the next process finds: what is written where, and what is not believed.

using namespace endpoint_fixture;
using troupe::worker::turn;

namespace {

constexpr std::uint64_t limit = 8192;

struct Keeper final : troupe::actor {
  std::string kept;
};

const troupe::detail::actor_type type{
    "Keeper",
    {},
    std::nullopt,
    troupe::detail::turns::checkpointed,
    1,
    [](troupe::actor& self, detail::writer& to) {
      const auto& kept = static_cast<Keeper&>(self).kept;
      to.bytes(kept.data(), kept.size());
    },
    [](troupe::actor& self, detail::reader& from) {
      const std::size_t size = from.left();
      static_cast<Keeper&>(self).kept.assign(reinterpret_cast<const char*>(from.take(size)), size);
    }};

struct worker {
  worker() : memory(os::make_memory("test-checkpoint", 2 * limit)), buffers(memory, 2 * limit, os::access::read_write) {}
  turn make() { return {type, *of.its, os::mapping(memory, 2 * limit, os::access::read_write), limit}; }
  /// What the commit of this turn says.
  const wire::commit_record& said(std::uint64_t number) const { return of.its->out_header().commits[number & 1]; }
  std::string state(const wire::commit_record& of) const {
    return {reinterpret_cast<const char*>(buffers.data() + of.buffer * limit), of.length};
  }
  /// What the supervisor makes of it after a death.
  wire::cursor_header& recovered(const wire::commit_record& of) {
    page.base_present = 1;
    page.base_buffer = of.buffer;
    page.base_length = of.length;
    page.base_checksum = of.checksum;
    return page;
  }

  supervised of;
  os::fd memory;
  os::mapping buffers;
  Keeper actor;
  wire::cursor_header page{};
};

}  // namespace

TEST_CASE("a commit says which record it has handled and where the state lies, and leaves the state before it alone") {
  worker by;
  turn its = by.make();
  std::string before;
  for (std::uint64_t number = 1; number <= 6; ++number) {
    by.actor.kept = std::string(number * 1000, static_cast<char>('a' + number));
    its.commit(by.actor, static_cast<std::uint32_t>(number + 10), number * 64);
    CHECK(by.of.its->out_header().turn == number);
    const auto& said = by.said(number);
    CHECK(said.turn == number);
    CHECK(said.slot == number + 10);
    CHECK(said.head == number * 64);
    CHECK(by.state(said) == by.actor.kept);
    CHECK(said.checksum == wire::checksum(by.buffers.data() + said.buffer * limit, said.length));
    if (number > 1) CHECK(by.state(by.said(number - 1)) == before);
    before = by.actor.kept;
  }
}

TEST_CASE("a state is restored as it was, and the next commit leaves it alone until it is done") {
  for (const unsigned commits : {1U, 2U}) {
    worker by;
    turn first = by.make();
    for (unsigned i = 0; i < commits; ++i) {
      by.actor.kept = "state " + std::to_string(i);
      first.commit(by.actor, wire::no_slot, 0);
    }
    const wire::commit_record last = by.said(commits);
    const auto& page = by.recovered(last);
    by.actor.kept = "nothing";
    turn second = by.make();
    REQUIRE(second.restore(by.actor, page));
    CHECK(by.actor.kept == "state " + std::to_string(commits - 1));
    by.actor.kept = "more";
    second.commit(by.actor, wire::no_slot, 0);
    CHECK(by.state(last) == "state " + std::to_string(commits - 1));
  }
}

TEST_CASE("without a state nothing is restored, and a damaged one is an error") {
  worker by;
  turn its = by.make();
  CHECK_FALSE(its.restore(by.actor, by.page));
  by.actor.kept = std::string(limit, 's');
  its.commit(by.actor, wire::no_slot, 0);
  const wire::commit_record good = by.said(1);
  CHECK(its.restore(by.actor, by.recovered(good)));
  wire::commit_record bad = good;
  for (const std::uint64_t length : {limit - 1, limit + 1, ~std::uint64_t{0}}) {
    CAPTURE(length);
    bad.length = length;
    // Bytes that lie there, with their right sum, but not all in the buffer.
    bad.checksum = length > 2 * limit ? good.checksum : wire::checksum(by.buffers.data(), length) + (length < limit);
    CHECK_THROWS_AS(its.restore(by.actor, by.recovered(bad)), const error&);
  }
  bad = good;
  ++bad.checksum;
  CHECK_THROWS_AS(its.restore(by.actor, by.recovered(bad)), const error&);
  by.buffers.data()[good.buffer * limit + 4000] = std::byte{1};
  CHECK_THROWS_AS(its.restore(by.actor, by.recovered(good)), const error&);
}

TEST_CASE("a state beyond its limit is not committed, and one at its limit is") {
  worker by;
  turn its = by.make();
  by.actor.kept = std::string(limit + 1, 's');
  CHECK_THROWS_AS(its.commit(by.actor, wire::no_slot, 0), const error&);
  CHECK(by.of.its->out_header().turn == 0);
  by.actor.kept.pop_back();
  its.commit(by.actor, wire::no_slot, 0);
  CHECK(by.of.its->out_header().turn == 1);
  CHECK(by.state(by.said(1)) == by.actor.kept);
}

TEST_CASE("an actor without state commits without one") {
  worker by;
  turn its(type, *by.of.its, {}, 0);
  its.commit(by.actor, 3, 640);
  CHECK(by.said(1).buffer == wire::no_buffer);
  CHECK(by.said(1).length == 0);
  CHECK(by.said(1).head == 640);
}
