/// A plain ring in shared memory with one writer and one reader: what a lane is measured against. 64-byte records,
/// nothing else in it; both sides keep the other's position and read it again only when they have to. Its size in KiB is
/// the third argument: how fast it is depends on how far the reader can lag.
///   plain    publishes each record with a release store
///   checked  with a sequentially consistent one, and then looks whether the reader sleeps, as Troupe's senders must

#include <bit>
#include <cstring>

#include "support/bench.hpp"

namespace {

constexpr std::uint64_t most_bytes = 256 * 1024;

struct ring {
  alignas(64) std::atomic<std::uint64_t> tail;
  alignas(64) std::atomic<std::uint64_t> head;
  alignas(64) std::atomic<std::uint32_t> sleeping;
  alignas(64) std::uint64_t wakes;  // only so that the look at `sleeping` has a consequence
  alignas(4096) std::byte bytes[most_bytes];
};

template <bool Checked>
void write(ring& to, std::uint64_t ring_bytes, std::uint64_t messages) {
  std::uint64_t tail = 0, head = 0;
  bench::spinner full;
  for (std::uint64_t number = 0; number < messages; ++number) {
    while (tail - head > ring_bytes - sizeof(bench::cargo)) {
      head = to.head.load(std::memory_order_acquire);
      if (tail - head > ring_bytes - sizeof(bench::cargo)) full.wait();
    }
    const bench::cargo what = bench::make_cargo(number);
    std::memcpy(to.bytes + (tail & (ring_bytes - 1)), &what, sizeof what);
    tail += sizeof what;
    to.tail.store(tail, Checked ? std::memory_order_seq_cst : std::memory_order_release);
    if (Checked && to.sleeping.load(std::memory_order_seq_cst) != 0) ++to.wakes;
  }
}

/// Returns how long the messages behind the first `warm` took.
std::uint64_t read(ring& from, std::uint64_t ring_bytes, std::uint64_t warm, std::uint64_t messages) {
  std::uint64_t head = 0, tail = 0, began = 0, sum = 0;
  bench::spinner empty;
  for (std::uint64_t number = 0; number < messages; ++number) {
    if (number == warm) began = bench::now_ns();
    while (head == tail) {
      tail = from.tail.load(std::memory_order_acquire);
      if (head == tail) empty.wait();
    }
    bench::cargo got;
    std::memcpy(&got, from.bytes + (head & (ring_bytes - 1)), sizeof got);
    sum += got.sum();
    head += sizeof got;
    from.head.store(head, std::memory_order_release);
  }
  bench::require(sum == 8 * (messages * (messages - 1) / 2) + 28 * messages, "the ring delivered other bytes");
  return bench::now_ns() - began;
}

}  // namespace

int main(int argc, char** argv) {
  const bool checked = bench::mode_argument(argc, argv, {"plain", "checked"}) == "checked";
  const std::uint64_t warm = 100'000, messages = bench::number_argument(argc, argv, 2, 8'000'000) + warm;
  const std::uint64_t bytes = bench::number_argument(argc, argv, 3, 64) * 1024;
  bench::require(std::has_single_bit(bytes) && bytes <= most_bytes, "the ring has 1, 2, 4, ... 256 KiB");
  auto& shared = bench::shared_object<ring>();
  bench::in_two_processes([&] { checked ? write<true>(shared, bytes, messages) : write<false>(shared, bytes, messages); },
                          [&] {
                            const std::uint64_t took = read(shared, bytes, warm, messages);
                            bench::report_rate("throughput", sizeof(bench::cargo), messages - warm, took);
                          });
}
