#pragma once

#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "os/socket.hpp"
#include "wire/control.hpp"

namespace troupe::channel {

/// A control frame as bytes. The text is cut at wire::max_text.
template <class Body>
std::vector<std::byte> pack(wire::frame type, const Body& body, std::string_view text = {}) {
  static_assert(std::is_trivially_copyable_v<Body>);
  text = text.substr(0, wire::max_text);
  const wire::frame_header header{type, static_cast<std::uint16_t>(text.size()), 0};
  const std::size_t body_bytes = std::is_empty_v<Body> ? 0 : sizeof(Body);
  std::vector<std::byte> packed(sizeof header + body_bytes + text.size());
  std::memcpy(packed.data(), &header, sizeof header);
  if (body_bytes > 0) std::memcpy(packed.data() + sizeof header, &body, body_bytes);
  if (!text.empty()) std::memcpy(packed.data() + sizeof header + body_bytes, text.data(), text.size());
  return packed;
}

/// A control frame that came in. Nothing of it is trusted: take() says whether it has the shape that its type asks for.
struct incoming {
  wire::frame type{};
  std::vector<std::byte> bytes;  ///< body and text
  std::size_t text_bytes = 0;
  std::vector<os::fd> fds;
  bool lost_fds = false;  ///< more came with it, and this process had no descriptor left for them

  /// False: the frame is not as long as this body.
  template <class Body>
  bool take(Body& into) const noexcept {
    const std::size_t body_bytes = std::is_empty_v<Body> ? 0 : sizeof(Body);
    if (bytes.size() - text_bytes != body_bytes) return false;
    if (body_bytes > 0) std::memcpy(&into, bytes.data(), body_bytes);
    return true;
  }
  std::string text() const {
    return {reinterpret_cast<const char*>(bytes.data() + bytes.size() - text_bytes), text_bytes};
  }
};

/// A packet that is one body and nothing else, as the spawner's are.
template <class Body>
std::optional<Body> only_body(std::span<const std::byte> packet) noexcept {
  if (packet.size() != sizeof(Body)) return std::nullopt;
  Body body;
  std::memcpy(&body, packet.data(), sizeof body);
  return body;
}

/// Receives one frame, also if some of its descriptors are lost; refused: a packet that is none.
inline os::io receive_frame(const os::fd& socket, std::span<std::byte> buffer, incoming& into) {
  os::packet packet;
  const os::io how = os::receive_packet(socket, buffer, packet);
  if (how != os::io::done && how != os::io::lost_fds) return how;
  wire::frame_header header{};
  if (packet.size < sizeof header) return os::io::refused;
  std::memcpy(&header, buffer.data(), sizeof header);
  if (header.text_bytes > packet.size - sizeof header) return os::io::refused;
  into.type = header.type;
  into.bytes.assign(buffer.begin() + sizeof header, buffer.begin() + static_cast<std::ptrdiff_t>(packet.size));
  into.text_bytes = header.text_bytes;
  into.fds = std::move(packet.fds);
  into.lost_fds = how == os::io::lost_fds;
  return how;
}

}  // namespace troupe::channel
