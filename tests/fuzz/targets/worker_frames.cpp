// What a worker's endpoint is told over its control socket, reply pipes and other processes' memory, in any order and of any
// shape; between it the worker tells, asks and serves.

#include <signal.h>

#include <array>

#include "channel/endpoint.hpp"
#include "fuzz/targets/target.hpp"
#include "os/memory.hpp"
#include "wire/reply.hpp"

namespace {

namespace channel = troupe::channel;
namespace os = troupe::os;
namespace wire = troupe::wire;
namespace detail = troupe::detail;

os::fd sealed(const char* label, std::uint64_t size, os::seal how = os::seal::size_only) {
  os::fd memory = os::make_memory(label, size);
  os::seal_memory(memory, how);
  return memory;
}

/// The rest of the world, made once: memory of every kind, of which one is too small.
struct world {
  os::fd out = sealed("fuzz-out", wire::out_memory_bytes);
  os::fd cursor = sealed("fuzz-cursor", wire::cursor_bytes);
  os::fd hints = sealed("fuzz-hints", wire::hint_bytes);
  os::fd status = sealed("fuzz-status", wire::status_bytes);
  os::fd small = sealed("fuzz-small", 64);
  os::fd bell = os::make_doorbell();
  os::mapping cursor_map{cursor, wire::cursor_bytes, os::access::read_write};
  os::mapping out_map{out, wire::out_memory_bytes, os::access::read_write};
  os::fd own_out = sealed("fuzz-own", wire::out_memory_bytes);
};
const world& the_world() {
  static const world its;
  return its;
}

constexpr wire::identity_id peers[] = {wire::make_identity(2, 12), wire::make_identity(3, 12), wire::make_identity(4, 13),
                                       wire::make_identity(5, 40)};

using troupe::error;

enum class step : std::uint8_t { frame, raw_packet, tell, ask, serve, write_reply, set_head, count };
/// Which descriptors go with a frame.
enum class with : std::uint8_t { nothing, mailbox, link, wrong, count };

/// A step of a history, as the input has it; body, text and raw bytes follow.
struct step_header {
  step what;
  with descriptors;
  std::uint16_t type;
  std::uint16_t bytes, text_bytes;
};

struct message {
  std::array<std::byte, 100> bytes{};
};
void encode_message(const void* body, detail::writer& to) { to.bytes(body, sizeof(message)); }
constexpr std::uint64_t reply_type = 77;

/// A worker's endpoint, with the fuzzer in the supervisor's place.
class worker {
 public:
  explicit worker(std::pair<os::fd, os::fd> control = os::packet_pair())
      : supervisor_(std::move(control.second)), endpoint_(parts_of(std::move(control.first)), [](auto&&) {}) {
    ::signal(SIGPIPE, SIG_IGN);
    endpoint_.run_between = [] {};  // as main's: what is no frame interrupts, and does not end the process
  }

  void go(fuzz::input& from) {
    for (unsigned steps = 0; !from.empty() && steps < 64; ++steps) {
      try {
        one_step(from);
      } catch (const error&) {
        // What a user would be told.
      }
      take_what_it_said();
    }
  }

 private:
  static channel::endpoint::parts parts_of(os::fd control) {
    return {wire::make_identity(1, 12), 1, std::move(control),
            os::mapping(the_world().own_out, wire::out_memory_bytes, os::access::read_write), os::make_doorbell()};
  }

  void one_step(fuzz::input& from) {
    const auto header = from.take<step_header>();
    const auto body = from.take(header.bytes % 512);
    const auto peer = std::size(peers);
    const detail::address to(peers[header.type % peer]);
    const message something;
    const detail::outgoing what{5, "message", &something, encode_message};
    switch (static_cast<step>(static_cast<unsigned>(header.what) % static_cast<unsigned>(step::count))) {
      case step::frame: return send(header, body);
      case step::raw_packet:
        if (!body.empty()) os::send_packet(supervisor_, body, {});  // an empty one is a hang-up, which ends a worker
        return;
      case step::tell: (void)endpoint_.tell(endpoint_.link_to(to), what, std::nullopt); return;
      case step::ask: ask(endpoint_.link_to(to), what); return;
      case step::serve: return endpoint_.serve_once(os::clock::now());
      case step::write_reply:
        if (reply_pipe_) os::write_some(reply_pipe_, body);
        return;
      case step::set_head: {
        auto* slots = the_world().cursor_map.at<wire::cursor_slot>(wire::cursor_slots_offset);
        std::uint64_t head = 0;
        std::memcpy(&head, body.data(), std::min(sizeof head, body.size()));
        slots[header.type].head = head;
        return;
      }
      case step::count: return;
    }
  }

  void send(const step_header& header, std::span<const std::byte> body) {
    const wire::frame_header frame{static_cast<wire::frame>(header.type), header.text_bytes, 0};
    const auto packet = fuzz::output().put(frame).put(body).done();
    const world& its = the_world();
    std::vector<int> fds;
    switch (static_cast<with>(static_cast<unsigned>(header.descriptors) % static_cast<unsigned>(with::count))) {
      case with::nothing: break;
      case with::mailbox: fds = {its.cursor.get(), its.hints.get(), its.status.get(), its.bell.get()}; break;
      case with::link: {
        auto [reading, writing] = os::make_pipe();
        reply_pipe_ = std::move(writing);
        const int both[] = {reading.get(), its.out.get()};
        os::send_packet(supervisor_, packet, both);
        return;
      }
      case with::wrong: fds = {its.small.get(), its.small.get(), its.small.get(), its.small.get()}; break;
      case with::count: break;
    }
    os::send_packet(supervisor_, packet, fds);
  }

  void ask(channel::out_link& link, const detail::outgoing& what) {
    const auto asked = endpoint_.ask(link, what, reply_type, os::clock::now(), false);
    if (asked) endpoint_.on_reply(*asked, [](const auto&) {});
  }

  void take_what_it_said() {
    std::vector<std::byte> buffer(wire::max_frame);
    os::packet packet;
    while (os::receive_packet(supervisor_, buffer, packet) == os::io::done) {
    }
    while (endpoint_.run_callback()) {
    }
  }

  os::fd supervisor_;
  os::fd reply_pipe_;
  channel::endpoint endpoint_;
};

// --------------------------------------------------------------------------------------------------------------- seeds

class history {
 public:
  history& does(step what, std::uint16_t peer = 0, std::span<const std::byte> body = {}) {
    to_.put(step_header{what, with::nothing, peer, static_cast<std::uint16_t>(body.size()), 0}).put(body);
    return *this;
  }
  template <class Body>
  history& hears(wire::frame type, const Body& body, with descriptors = with::nothing, std::string_view text = {}) {
    const auto packed = channel::pack(type, body, text);
    const auto rest = std::span(packed).subspan(sizeof(wire::frame_header));
    to_.put(step_header{step::frame, descriptors, static_cast<std::uint16_t>(type), static_cast<std::uint16_t>(rest.size()),
                        static_cast<std::uint16_t>(text.size())});
    to_.put(rest);
    return does(step::serve);
  }
  history& connects() {
    does(step::tell);
    return hears(wire::frame::connected, wire::connected{peers[0], 64, 3, wire::status::ok, 0, 0}, with::mailbox, "peer");
  }
  template <class Body>
  history& replies(wire::reply_kind kind, std::uint8_t flags, std::uint64_t correlation, const Body& body) {
    wire::reply_header header{};
    header.bytes = sizeof header + sizeof body;
    header.kind = kind;
    header.flags = flags;
    header.correlation = correlation;
    header.reply_type = reply_type;
    return does(step::write_reply, 0, fuzz::output().put(header).put(body).done()).does(step::serve);
  }
  fuzz::bytes done() const { return to_.done(); }

 private:
  fuzz::output to_;
};

}  // namespace

namespace fuzz {

std::vector<bytes> seeds() {
  const auto linked = [] {
    return history().connects().does(step::ask).hears(wire::frame::link, wire::link{peers[0], 9}, with::link);
  };
  const wire::block outside{wire::out_lanes_end + 4096, 100}, nowhere{wire::out_memory_bytes - 8, 100};
  return {
      history().connects().does(step::tell).does(step::set_head, 3, output().put(std::uint64_t{200}).done()).does(step::tell).done(),
      linked().replies(wire::reply_kind::value, 0, 1, std::uint64_t{5}).done(),
      linked().replies(wire::reply_kind::value, wire::reply_flag_in_outbox, 1, outside).done(),
      linked().replies(wire::reply_kind::value, wire::reply_flag_in_outbox, 1, nowhere).done(),
      linked().replies(wire::reply_kind::failure, 0, 1, std::uint64_t{5}).done(),
      linked().hears(wire::frame::verdict, wire::verdict{peers[0], 9, 4096, 8192}, with::nothing, "was killed").done(),
      linked()
          .hears(wire::frame::closed, wire::answer{0, peers[0], 0, wire::status::closed, 0}, with::nothing, "ended")
          .hears(wire::frame::lane_freed, wire::slot{3, 0, peers[0], 1})
          .connects()
          .done(),
      history().hears(wire::frame::process_ended, wire::exit{7, 0, 9}).hears(wire::frame::lane, wire::lane{}).done(),
      history().connects().does(step::raw_packet, 0, bytes(3, std::byte{1})).does(step::serve).done()};
}

}  // namespace fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::input from(data, size);
  worker().go(from);
  return 0;
}
