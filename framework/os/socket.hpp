#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "os/fd.hpp"

namespace troupe::os {

/// A connected pair of SOCK_SEQPACKET sockets, both non-blocking. Throws error(errc::os).
std::pair<fd, fd> packet_pair();

enum class io : std::uint8_t {
  done,
  again,     ///< would block
  hung_up,   ///< the peer is gone
  refused,   ///< malformed (larger than the buffer, or with more descriptors than any may have), or an error of our own
  lost_fds,  ///< a whole packet, but this process had no descriptor left for some of those that came with it
};

struct packet {
  std::size_t size = 0;
  std::vector<fd> fds;
};

/// Sends one packet, whole or not at all. The descriptors are duplicated into it by the kernel. Never raises SIGPIPE.
io send_packet(const fd& socket, std::span<const std::byte> bytes, std::span<const int> fds) noexcept;
/// Receives one packet into `buffer`.
io receive_packet(const fd& socket, std::span<std::byte> buffer, packet& into);
/// Makes a socket blocking, for a process that does nothing but wait for the next packet.
void make_blocking(const fd& descriptor);

}  // namespace troupe::os
