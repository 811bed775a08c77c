#pragma once

/// Shared memory as two processes see it, without the processes: an incarnation's out-memory with one lane in it,
/// mapped for writing as its owner has it and read-only as a receiver has it; and the bytes of records, right or wrong.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <span>
#include <vector>

#include "channel/lane.hpp"
#include "os/memory.hpp"
#include "wire/memory.hpp"

namespace lane_fixture {

using troupe::wire::align8;
using troupe::channel::lane_reader;
using troupe::channel::lane_writer;
using troupe::channel::peer_memory;
using troupe::channel::record;
using troupe::wire::record_header;
using troupe::wire::record_kind;
using troupe::wire::request_part;
namespace os = troupe::os;
namespace wire = troupe::wire;
using state = lane_reader::state;

/// Under ThreadSanitizer, which knows memory by its address, both ends use one mapping.
#ifdef __SANITIZE_THREAD__
inline constexpr bool one_mapping = true;
#else
inline constexpr bool one_mapping = false;
#endif

/// Where the lane lies: its ring begins at a page.
inline constexpr std::uint64_t lane_at = 2 * 4096 - sizeof(wire::lane_header);
inline constexpr std::uint32_t small_ring = 1U << wire::min_ring_log2;

/// The memory ends where the ring does, while the receiver's mapping goes on: a read beyond the ring is a SIGBUS. Or it
/// is all there, with the outbox.
struct out_memory {
  enum class extent : bool { to_ring, whole };
  explicit out_memory(wire::incarnation_id id = 1, std::uint32_t ring_bytes = small_ring,
                      extent how = extent::to_ring)
      : ring_bytes(ring_bytes),
        bytes(how == extent::whole ? wire::out_memory_bytes : lane_at + wire::lane_bytes(ring_bytes)),
        memory(os::make_memory("test-out", bytes)),
        own(memory, bytes, os::access::read_write),
        peer(std::make_shared<peer_memory>()) {
    peer->map = os::mapping(memory, wire::out_memory_bytes,
                            one_mapping ? os::access::read_write : os::access::read_only);
    peer->incarnation = id;
    header().incarnation = id;
  }

  /// As its owner has it.
  std::byte* data() const { return one_mapping ? peer->map.data() : own.data(); }
  wire::out_header& header() const { return *reinterpret_cast<wire::out_header*>(data()); }
  wire::lane_header& lane() const { return *reinterpret_cast<wire::lane_header*>(data() + lane_at); }
  std::byte* ring(std::uint64_t position = 0) const {
    return data() + lane_at + sizeof(wire::lane_header) + (position & (ring_bytes - 1));
  }
  std::span<const std::byte> seen_ring() const {
    return {peer->map.data() + lane_at + sizeof(wire::lane_header), ring_bytes};
  }
  lane_writer writer(std::uint64_t start, const wire::cursor_slot& cursor) const {
    return {data() + lane_at, ring_bytes, start, &cursor};
  }
  lane_reader reader(std::uint64_t head) const { return {peer, lane_at, ring_bytes, head}; }

  std::uint32_t ring_bytes;
  std::uint64_t bytes;
  os::fd memory;
  os::mapping own;
  std::shared_ptr<peer_memory> peer;
};

inline std::byte body_byte(std::uint64_t message, std::size_t index) {
  return static_cast<std::byte>(message * 131 + index * 7 + 1);
}

struct sent {
  std::uint64_t message = 0;
  std::uint32_t body_bytes = 0;
  std::uint64_t turn = 0;
  record_kind kind = record_kind::tell;
  std::uint64_t deadline_ns = std::uint64_t{1} << 62;  // of a request: never

  std::uint32_t bytes() const {
    const std::uint64_t request = kind == record_kind::request ? sizeof(request_part) : 0;
    return static_cast<std::uint32_t>(sizeof(record_header) + request + align8(body_bytes));
  }
  void write_to(std::byte* at) const {
    const record_header header{bytes(), kind, 0, 0, turn, message, body_bytes, 0};
    std::memcpy(at, &header, sizeof header);
    at += sizeof header;
    if (kind == record_kind::request) {
      const request_part part{message + 1, deadline_ns};
      std::memcpy(at, &part, sizeof part);
      at += sizeof part;
    }
    for (std::size_t i = 0; i < body_bytes; ++i) at[i] = body_byte(message, i);
  }
  /// Whether this is what has arrived.
  bool is(const record& got) const {
    const request_part part = kind == record_kind::request ? request_part{message + 1, deadline_ns} : request_part{};
    bool same = got.header.bytes == bytes() && got.header.kind == kind && got.header.turn == turn &&
                got.header.message == message && got.body.size() == body_bytes && got.block_count() == 0 &&
                got.request.correlation == part.correlation && got.request.deadline_ns == part.deadline_ns &&
                got.end == got.position + bytes();
    for (std::size_t i = 0; same && i < body_bytes; ++i) same = got.body[i] == body_byte(message, i);
    return same;
  }
};

/// False: the lane has no room for it.
inline bool put(lane_writer& lane, const sent& what) {
  const auto space = lane.reserve(what.bytes());
  if (space.empty()) return false;
  what.write_to(space.data());
  lane.publish(what.bytes());
  return true;
}

}  // namespace lane_fixture
