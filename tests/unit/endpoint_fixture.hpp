#pragma once

/// An endpoint without a program: the test says what its supervisor says, and reads what it has told its receivers.

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "channel/endpoint.hpp"
#include "unit/mailbox_fixture.hpp"
#include "wire/reply.hpp"

namespace endpoint_fixture {

using namespace lane_fixture;
namespace channel = troupe::channel;
namespace detail = troupe::detail;
using channel::incoming;
using channel::out_link;
using troupe::errc;
using troupe::error;

inline os::fd sealed_memory(const char* label, std::uint64_t bytes, os::mapping& writable) {
  os::fd memory = os::make_memory(label, bytes);
  writable = os::mapping(memory, bytes, os::access::read_write);
  os::seal_memory(memory, os::seal::size_only);
  return memory;
}

/// A message of so many bytes, which takes these blocks and enclosures along.
struct letter {
  std::vector<std::byte> bytes;
  std::vector<channel::block_ptr> blocks;
  std::vector<detail::enclosure> enclosed;

  explicit letter(std::uint64_t number, std::size_t size = 8) : bytes(size) {
    for (std::size_t i = 0; i < size; ++i) bytes[i] = body_byte(number, i);
    id = number;
  }
  operator detail::outgoing() const {
    return {id, "Letter", this, [](const void* body, detail::writer& to) {
              const auto& its = *static_cast<const letter*>(body);
              for (const auto& each : its.blocks) to.with()->attach(each);
              for (const auto& each : its.enclosed) to.with()->enclose(each);
              to.bytes(its.bytes.data(), its.bytes.size());
            }};
  }
  bool is(const record& got) const {
    return got.header.message == id && got.body.size() == bytes.size() &&
           std::equal(bytes.begin(), bytes.end(), got.body.begin());
  }
  std::uint64_t id = 0;
};

/// The endpoint under test, and the supervisor's end of its control socket.
class supervised {
 public:
  static constexpr wire::incarnation_id own_incarnation = 5;
  static constexpr wire::identity_id own_identity = wire::make_identity(100, wire::min_ring_log2);

  explicit supervised(std::uint64_t outbox_bytes = 0)
      : memory(sealed_memory("test-out", wire::out_memory_bytes, seen_)), bell(os::make_doorbell()) {
    auto [ours, theirs] = os::packet_pair();
    control_ = std::move(ours);
    its = std::make_unique<channel::endpoint>(
        channel::endpoint::parts{own_identity, own_incarnation, std::move(theirs),
                                 os::mapping(memory, wire::out_memory_bytes, os::access::read_write), bell.duplicate(),
                                 outbox_bytes, false},
        [this](incoming&& frame) { for_the_owner.push_back(std::move(frame)); });
    peer = std::make_shared<peer_memory>();
    peer->map = os::mapping(memory, wire::out_memory_bytes, os::access::read_only);
    peer->incarnation = own_incarnation;
  }

  template <class Body>
  void says(wire::frame type, const Body& body, std::string_view text = {}, const std::vector<int>& fds = {}) {
    REQUIRE(os::send_packet(control_, channel::pack(type, body, text), fds) == os::io::done);
  }
  void serve() { its->serve_once(os::clock::now()); }
  /// The endpoint's next frame, which must be of this type; that it has taken descriptors is not told.
  template <class Body>
  Body hears(wire::frame type) {
    const incoming frame = next();
    REQUIRE(frame.type == type);
    Body body{};
    REQUIRE(frame.take(body));
    return body;
  }
  bool hears_nothing() {
    incoming frame;
    return !receive(frame);
  }

  os::mapping seen_;  // the endpoint's out-memory, writable
  os::fd memory;
  os::fd bell;
  std::unique_ptr<channel::endpoint> its;
  std::shared_ptr<peer_memory> peer;
  std::vector<incoming> for_the_owner;

 private:
  bool receive(incoming& frame) {
    for (;;) {
      if (channel::receive_frame(control_, buffer_, frame) != os::io::done) return false;
      if (frame.type != wire::frame::took) return true;
    }
  }
  incoming next() {
    incoming frame;
    REQUIRE(receive(frame));
    return frame;
  }

  os::fd control_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(wire::max_frame);
};

/// Whom the endpoint tells: its pages, and the lane as it sees it.
class receiver {
 public:
  receiver(supervised& from, std::uint64_t number, std::uint32_t slot = 0, std::uint64_t start = 0)
      : identity(wire::make_identity(number, wire::min_ring_log2)),
        address(identity),
        bell(os::make_doorbell()),
        from_(from),
        slot_(slot),
        start_(start),
        cursor_fd_(sealed_memory("test-cursor", wire::cursor_bytes, cursor_)),
        hint_fd_(sealed_memory("test-hints", wire::hint_bytes, hints_)),
        status_fd_(sealed_memory("test-status", wire::status_bytes, status_)) {
    words().head = start;
  }

  out_link& link() { return from_.its->link_to(address); }
  /// Nothing: told.
  errc try_tell(const letter& what) {
    const auto told = from_.its->tell(link(), what, std::nullopt);
    return told ? errc{} : told.error().code();
  }
  bool tell(const letter& what) { return from_.its->tell(link(), what, std::nullopt).has_value(); }
  /// The endpoint asks its supervisor for a lane; where it is to lie.
  wire::connect asks_for_lane(bool for_requests = false) {
    if (for_requests) {
      static_cast<void>(from_.its->ask(link(), letter(1), 0, os::clock::now(), false));
    } else {
      REQUIRE(try_tell(letter(1)) == errc::connecting);
    }
    wanted = from_.hears<wire::connect>(wire::frame::connect);
    REQUIRE(wanted.to == identity);
    REQUIRE(lane_reader::plausible(wanted.offset, wanted.ring_bytes));
    return wanted;
  }
  void answer(wire::status what) {
    from_.says(wire::frame::connected, wire::connected{identity, 0, 0, what, 0, 0}, "why");
    from_.serve();
  }
  void accept() {
    from_.says(wire::frame::connected, wire::connected{identity, start_, slot_, wire::status::ok, 0, 0}, "receiver",
               {cursor_fd_.get(), hint_fd_.get(), status_fd_.get(), bell.get()});
    from_.serve();
    reader = std::make_unique<lane_reader>(from_.peer, wanted.offset, wanted.ring_bytes, start_);
  }
  void connect(bool for_requests = false) {
    asks_for_lane(for_requests);
    accept();
    REQUIRE(link().now == out_link::state::up);
  }
  /// It has ended, and its supervisor has swept the lane.
  void end() {
    from_.says(wire::frame::closed, wire::answer{0, identity, 0, wire::status::closed, 0}, "receiver has ended");
    from_.serve();
  }
  void free_lane() {
    from_.says(wire::frame::lane_freed, wire::slot{slot_, 0, identity, supervised::own_incarnation});
    from_.serve();
  }
  /// What lies at the lane's head; nothing: not ready.
  bool look(record& into) { return reader->peek(into) == state::ready; }
  void take(const record& what) {
    reader->advance(what);
    words().head = reader->head();
  }
  bool takes(const letter& what) {
    record got;
    if (!look(got) || !what.is(got)) return false;
    take(got);
    return true;
  }
  bool rung() const {
    const bool was = os::wait_ready(bell.get(), os::poller::read, os::clock::now());
    os::hush(bell);
    return was;
  }
  void ended(std::uint32_t times) const { status_.at<wire::status_page>()->ends = times; }
  void sleeps(std::uint64_t number) const { cursor_.at<wire::cursor_header>()->sleeping = number; }
  wire::cursor_slot& words() const { return cursor_.at<wire::cursor_slot>(wire::cursor_slots_offset)[slot_]; }
  std::uint32_t hint() const { return hints_.at<std::atomic<std::uint32_t>>()[slot_]; }
  wire::lane_header& lane() const { return *from_.seen_.at<wire::lane_header>(wanted.offset); }

  const wire::identity_id identity;
  const detail::address address;
  os::fd bell;
  wire::connect wanted{};
  std::unique_ptr<lane_reader> reader;
  std::vector<int> fds() const { return {cursor_fd_.get(), hint_fd_.get(), status_fd_.get(), bell.get()}; }

 private:
  supervised& from_;
  std::uint32_t slot_;
  std::uint64_t start_;
  os::mapping cursor_, hints_, status_;
  os::fd cursor_fd_, hint_fd_, status_fd_;
};

}  // namespace endpoint_fixture
