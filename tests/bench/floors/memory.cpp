/// What 1 MiB costs without any framework; four buffers, in use in turn.
///   memcpy     from one to another that also begins a page, by one process
///   handover   written by a process on one core and read by another process on another core

#include <cstring>
#include <span>

#include "support/bench.hpp"

namespace {

constexpr std::size_t size = 1 << 20, buffers = 4;

struct memory {
  alignas(64) std::atomic<std::uint64_t> written;  // buffers so far
  alignas(64) std::atomic<std::uint64_t> read;
  alignas(4096) std::byte from[buffers][size];
  alignas(4096) std::byte to[buffers][size];
};

double gb_per_s(std::uint64_t count, std::uint64_t ns) {
  return static_cast<double>(count * size) / static_cast<double>(ns);
}

void measure_memcpy(memory& in, std::uint64_t copies) {
  bench::pin(1);
  std::memset(in.from, 1, sizeof in.from);
  const auto copy = [&](std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      std::memcpy(in.to[i % buffers], in.from[i % buffers], size);
      asm volatile("" : : "r"(in.to) : "memory");
    }
  };
  copy(2 * buffers);
  const std::uint64_t began = bench::now_ns();
  copy(copies);
  bench::report("bandwidth", size, gb_per_s(copies, bench::now_ns() - began), "GB/s");
}

void write(memory& in, std::uint64_t count) {
  bench::spinner unread;
  for (std::uint64_t i = 0; i < count; ++i) {
    while (i >= in.read.load(std::memory_order_acquire) + buffers) unread.wait();
    std::memset(in.from[i % buffers], static_cast<int>(i % buffers), size);
    in.written.store(i + 1, std::memory_order_release);
  }
}

void read(memory& in, std::uint64_t warm, std::uint64_t count) {
  std::uint64_t began = 0;
  bench::spinner unwritten;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (i == warm) began = bench::now_ns();
    while (in.written.load(std::memory_order_acquire) <= i) unwritten.wait();
    const std::uint64_t sum = bench::sum_of(in.from[i % buffers], size);
    bench::require(sum == 0x0101010101010101 * (i % buffers) * (size / sizeof sum), "the buffer holds other bytes");
    in.read.store(i + 1, std::memory_order_release);
  }
  bench::report("bandwidth", size, gb_per_s(count - warm, bench::now_ns() - began), "GB/s");
}

}  // namespace

int main(int argc, char** argv) {
  const auto mode = bench::mode_argument(argc, argv, {"memcpy", "handover"});
  const std::uint64_t count = bench::number_argument(argc, argv, 2, 2000), warm = 2 * buffers;
  auto& shared = bench::shared_object<memory>();
  if (mode == "memcpy") {
    measure_memcpy(shared, count);
  } else {
    bench::in_two_processes([&] { write(shared, count + warm); }, [&] { read(shared, warm, count + warm); });
  }
}
