// A packet from a stranger, through a real socket, into what takes control frames and the spawner's packets apart.

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "channel/frames.hpp"
#include "fuzz/targets/target.hpp"
#include "os/socket.hpp"

namespace {

namespace channel = troupe::channel;
namespace os = troupe::os;
namespace wire = troupe::wire;

/// A frame is taken as a body of one length, or of none.
template <class... Bodies>
void take_as(const channel::incoming& frame) {
  const std::size_t length = frame.bytes.size() - frame.text_bytes;
  const auto one = [&]<class Body>(Body body) {
    const bool taken = frame.take(body);
    FUZZ_REQUIRE(taken == (length == (std::is_empty_v<Body> ? 0 : sizeof(Body))));
  };
  (one(Bodies{}), ...);
}

void receive_control_frame(const os::fd& socket, std::span<std::byte> buffer, std::size_t sent) {
  channel::incoming frame;
  if (channel::receive_frame(socket, buffer, frame) != os::io::done) return;
  FUZZ_REQUIRE(sent == sizeof(wire::frame_header) + frame.bytes.size() && frame.text_bytes <= frame.bytes.size());
  FUZZ_REQUIRE(frame.text().size() == frame.text_bytes && frame.fds.size() <= wire::max_fds);
  using namespace wire;
  take_as<nothing, number, subject, call, answer, order, slot, slot_position, token, deposit, queue, leaving, wire::connect,
          connected, boot, lane, reply_end, wire::link, verdict, letter, wire::exit, down, process>(frame);
}

template <class Body>
void receive_spawner_packet(const os::fd& socket, std::span<std::byte> buffer, std::size_t sent) {
  os::packet packet;
  if (os::receive_packet(socket, buffer, packet) != os::io::done) return;
  const auto body = channel::only_body<Body>(buffer.first(packet.size));
  FUZZ_REQUIRE(body.has_value() == (sent == sizeof(Body)));
}

std::size_t open_descriptors() {
  const int next = ::dup(0);
  ::close(next);
  return static_cast<std::size_t>(next);
}

}  // namespace

namespace fuzz {

std::vector<bytes> seeds() {
  std::vector<bytes> all;
  const auto add = [&](std::uint8_t as, std::uint8_t fds, std::span<const std::byte> packet) {
    all.push_back(output().put(as).put(fds).put(packet).done());
  };
  using wire::frame;
  add(0, 0, channel::pack(frame::attached, wire::nothing{}));
  add(0, 0, channel::pack(frame::connect, wire::connect{wire::make_identity(3, 16), 4096, 1 << 16, 1}));
  add(0, 0, channel::pack(frame::find, wire::call{1, 0}, "an actor"));
  add(0, 1, channel::pack(frame::deposit, wire::deposit{1, 2, 64, 0, 0}));
  add(0, 0, channel::pack(frame::letter, wire::letter{64, 5, 2, 1, wire::letter_reason::unhandled}, "why"));
  add(0, 2, channel::pack(frame::lane, wire::lane{2, 3, 4, 4096, 0, 1 << 16, 1, 0, 0}));
  add(0, 7, channel::pack(frame::boot, wire::boot{}, "name"));
  add(0, 0, channel::pack(frame::down, wire::down{}, "name\nhow"));
  const wire::spawn_request request{7};
  const wire::spawn_reply reply{7, 1234, 0};
  add(1, 1, std::as_bytes(std::span(&request, 1)));
  add(2, 0, std::as_bytes(std::span(&reply, 1)));
  return all;
}

}  // namespace fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::input from(data, size);
  const auto as = from.take<std::uint8_t>();
  const auto fds = static_cast<std::size_t>(from.take<std::uint8_t>() % (wire::max_fds + 1));
  const auto packet = from.take(2 * wire::max_frame);
  const std::size_t before = open_descriptors();
  {
    const auto [ours, theirs] = os::packet_pair();
    const std::array<int, wire::max_fds> copies{};
    if (os::send_packet(theirs, packet, std::span(copies).first(fds)) != os::io::done) return 0;
    std::vector<std::byte> buffer(as % 3 == 0 ? wire::max_frame : sizeof(wire::spawn_reply));
    if (as % 3 == 0) receive_control_frame(ours, buffer, packet.size());
    if (as % 3 == 1) receive_spawner_packet<wire::spawn_request>(ours, buffer, packet.size());
    if (as % 3 == 2) receive_spawner_packet<wire::spawn_reply>(ours, buffer, packet.size());
  }
  FUZZ_REQUIRE(open_descriptors() == before);  // what came with a packet is closed, whatever it was
  return 0;
}
