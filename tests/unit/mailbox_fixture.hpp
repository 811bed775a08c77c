#pragma once

/// A mailbox on its own shared memory, and senders with a lane into it.

#include <doctest/doctest.h>

#include <atomic>
#include <cstdint>
#include <vector>

#include "channel/mailbox.hpp"
#include "os/memory.hpp"
#include "os/pipe.hpp"
#include "os/poller.hpp"
#include "unit/lane_fixture.hpp"

namespace lane_fixture {

using troupe::channel::inbound;
using troupe::channel::mailbox;

struct box {
  box()
      : cursor_memory(os::make_memory("test-cursor", wire::cursor_bytes)),
        hint_memory(os::make_memory("test-hints", wire::hint_bytes)),
        cursor(cursor_memory, wire::cursor_bytes, os::access::read_only),
        hints(hint_memory, wire::hint_bytes, os::access::read_write),
        mail(open()) {}
  /// The same mailbox as its next owner finds it.
  mailbox open() const {
    return {1, os::mapping(cursor_memory, wire::cursor_bytes, os::access::read_write),
            os::mapping(hint_memory, wire::hint_bytes, os::access::read_only), os::make_doorbell()};
  }
  const wire::cursor_slot& words(std::uint32_t slot) const {
    return cursor.at<const wire::cursor_slot>(wire::cursor_slots_offset)[slot];
  }
  bool sleeping() const { return cursor.at<const wire::cursor_header>()->sleeping % 2 != 0; }
  /// The message in the next deliverable record, which is handled; 0: none.
  std::uint64_t take() {
    record got;
    inbound* lane = mail.next(got);
    if (lane == nullptr) return 0;
    mail.start(*lane, got);
    mail.finish(*lane, got);
    return got.header.message;
  }
  std::vector<std::uint64_t> take_all() {
    std::vector<std::uint64_t> all;
    while (const auto message = take()) all.push_back(message);
    return all;
  }

  os::fd cursor_memory, hint_memory;
  os::mapping cursor, hints;
  mailbox mail;
  std::atomic<bool> deserted = false;  ///< one end has given up
};
using numbers = std::vector<std::uint64_t>;

/// A sending incarnation with its lane into one slot of a box.
struct peer {
  peer(box& to, std::uint32_t slot, wire::identity_id sender, wire::incarnation_id id, std::uint64_t start = 0,
       out_memory::extent how = out_memory::extent::to_ring)
      : to(to),
        slot(slot),
        sender(sender),
        out(id, small_ring, how),
        bell(os::make_doorbell()),
        start(start),
        writer(out.writer(start, to.words(slot))) {
    announce(to.mail);
  }
  void announce(mailbox& mail) const {
    mail.add({1, sender, out.peer->incarnation, lane_at, start, small_ring, slot, 0, 0}, out.peer, bell.duplicate());
  }
  void tell(const sent& what) {
    REQUIRE(put(writer, what));
    hint();
  }
  void hint() { to.hints.at<std::atomic<std::uint32_t>>()[slot] = static_cast<std::uint32_t>(writer.tail()); }
  void die() {
    out.peer->dead = true;
    to.mail.look_again(slot);
  }
  bool rung() const {
    const bool was = os::wait_ready(bell.get(), os::poller::read, os::clock::now());
    os::hush(bell);
    return was;
  }
  inbound& lane() { return *to.mail.find(slot); }

  box& to;
  std::uint32_t slot;
  wire::identity_id sender;
  out_memory out;
  os::fd bell;
  std::uint64_t start;
  lane_writer writer;
};

}  // namespace lane_fixture
