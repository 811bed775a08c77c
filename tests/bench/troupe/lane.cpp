/// A lane between two processes without the actors around it: 64-byte bodies, published one by one. The ring's size in
/// KiB is the third argument.
///   lane     lane_writer and lane_reader alone
///   checked  the sender also writes its hint and looks whether the receiver sleeps
///   mailbox  as checked, and the receiver takes the records from a mailbox: next, start (mark), finish (head)

#include <cstring>
#include <optional>

#include "channel/mailbox.hpp"
#include "os/memory.hpp"
#include "os/pipe.hpp"
#include "support/bench.hpp"
#include "wire/memory.hpp"

namespace {

namespace channel = troupe::channel;
namespace os = troupe::os;
namespace wire = troupe::wire;

constexpr std::uint64_t lane_at = wire::out_header_bytes;
constexpr std::uint32_t record_bytes = sizeof(wire::record_header) + sizeof(bench::cargo);

/// The memory of the sending incarnation and of the receiving identity.
struct memory {
  std::uint32_t ring_bytes;
  os::fd out = os::make_memory("bench-out", wire::out_memory_bytes);
  os::fd cursor = os::make_memory("bench-cursor", wire::cursor_bytes);
  os::fd hints = os::make_memory("bench-hints", wire::hint_bytes);
};

void write(const memory& in, bool checked, std::uint64_t messages) {
  const os::mapping out(in.out, wire::out_memory_bytes, os::access::read_write);
  const os::mapping cursor(in.cursor, wire::cursor_bytes, os::access::read_only);
  const os::mapping hints(in.hints, wire::hint_bytes, os::access::read_write);
  out.populate(lane_at, wire::lane_bytes(in.ring_bytes));
  channel::lane_writer lane(out.data() + lane_at, in.ring_bytes, 0,
                            cursor.at<const wire::cursor_slot>(wire::cursor_slots_offset));
  auto& hint = *hints.at<std::atomic<std::uint32_t>>();
  const auto& sleeping = cursor.at<const wire::cursor_header>()->sleeping;
  bench::spinner full;
  std::uint64_t wakes = 0;
  for (std::uint64_t number = 0; number < messages; ++number) {
    std::span<std::byte> space = lane.reserve(record_bytes);
    for (; space.empty(); space = lane.reserve(record_bytes)) full.wait();
    const wire::record_header header{record_bytes, wire::record_kind::tell, 0, 0, 0, 1, sizeof(bench::cargo), 0};
    const bench::cargo what = bench::make_cargo(number);
    std::memcpy(space.data(), &header, sizeof header);
    std::memcpy(space.data() + sizeof header, &what, sizeof what);
    lane.publish(record_bytes);
    if (!checked) continue;
    hint.store(static_cast<std::uint32_t>(lane.tail()), std::memory_order_relaxed);
    if (sleeping.load(std::memory_order_seq_cst) != 0) ++wakes;
  }
  bench::require(wakes == 0, "the receiver never sleeps here");
}

std::shared_ptr<channel::peer_memory> peer(const memory& in) {
  auto from = std::make_shared<channel::peer_memory>();
  from->map = os::mapping(in.out, wire::out_memory_bytes, os::access::read_only);
  from->incarnation = 1;
  return from;
}

/// Takes each record with `take`, which hands its body to a function; false: nothing is there. Returns how long the
/// messages behind the first `warm` took.
template <class Take>
std::uint64_t read(std::uint64_t warm, std::uint64_t messages, Take take) {
  std::uint64_t began = 0, sum = 0;
  bench::spinner empty;
  const auto body = [&](std::span<const std::byte> bytes) {
    bench::cargo got;
    bench::require(bytes.size() == sizeof got, "the lane delivered a body of another size");
    std::memcpy(&got, bytes.data(), sizeof got);
    sum += got.sum();
  };
  for (std::uint64_t number = 0; number < messages; ++number) {
    if (number == warm) began = bench::now_ns();
    while (!take(body)) empty.wait();
  }
  bench::require(sum == 8 * (messages * (messages - 1) / 2) + 28 * messages, "the lane delivered other bytes");
  return bench::now_ns() - began;
}

std::uint64_t read_lane(const memory& in, std::uint64_t warm, std::uint64_t messages) {
  const os::mapping cursor(in.cursor, wire::cursor_bytes, os::access::read_write);
  auto& head = cursor.at<wire::cursor_slot>(wire::cursor_slots_offset)->head;
  channel::lane_reader lane(peer(in), lane_at, in.ring_bytes, 0);
  channel::record record;
  return read(warm, messages, [&](auto body) {
    const auto found = lane.peek(record);
    if (found != channel::lane_reader::state::ready) {
      bench::require(found == channel::lane_reader::state::empty, "the lane holds no record");
      return false;
    }
    body(record.body);
    lane.advance(record);
    head.store(record.end, std::memory_order_release);
    return true;
  });
}

std::uint64_t read_mailbox(const memory& in, std::uint64_t warm, std::uint64_t messages) {
  channel::mailbox mail(1, os::mapping(in.cursor, wire::cursor_bytes, os::access::read_write),
                        os::mapping(in.hints, wire::hint_bytes, os::access::read_only), os::make_doorbell());
  wire::lane announced{};
  announced.sender = 2;
  announced.incarnation = 1;
  announced.offset = lane_at;
  announced.ring_bytes = in.ring_bytes;
  mail.add(announced, peer(in), os::make_doorbell());
  channel::record record;
  return read(warm, messages, [&](auto body) {
    channel::inbound* lane = mail.next(record);
    if (lane == nullptr) return false;
    mail.start(*lane, record);
    body(record.body);
    mail.finish(*lane, record);
    return true;
  });
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = bench::mode_argument(argc, argv, {"lane", "checked", "mailbox"});
  const std::uint64_t warm = 100'000, messages = bench::number_argument(argc, argv, 2, 8'000'000) + warm;
  const memory in{static_cast<std::uint32_t>(bench::number_argument(argc, argv, 3, 64) * 1024)};
  bench::in_two_processes([&] { write(in, mode != "lane", messages); },
                          [&] {
                            const auto took =
                                mode == "mailbox" ? read_mailbox(in, warm, messages) : read_lane(in, warm, messages);
                            bench::report_rate("throughput", sizeof(bench::cargo), messages - warm, took);
                          });
}
