/// memcpy of 1 MiB, between buffers that all lie at the start of a page and are in use in turn, as the blocks of an
/// outbox are.

#include <cstring>

#include "support/bench.hpp"

int main(int argc, char** argv) {
  constexpr std::size_t size = 1 << 20, buffers = 4;
  const std::uint64_t copies = bench::number_argument(argc, argv, 1, 2000);
  bench::pin(1);
  auto* from = static_cast<std::byte*>(bench::shared_zeros(size * buffers));
  auto* to = static_cast<std::byte*>(bench::shared_zeros(size * buffers));
  std::memset(from, 1, size * buffers);
  const auto copy = [&](std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      std::memcpy(to + i % buffers * size, from + i % buffers * size, size);
      asm volatile("" : : "r"(to) : "memory");
    }
  };
  copy(copies / 10);
  const std::uint64_t began = bench::now_ns();
  copy(copies);
  const double ns = static_cast<double>(bench::now_ns() - began);
  bench::report("bandwidth", size, static_cast<double>(copies * size) / ns, "GB/s");
}
