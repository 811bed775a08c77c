#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace troupe::wire {

/// 64 bits over `size` bytes, to tell a whole checkpoint from a broken one; no defence against forgery.
/// Multiply and fold, eight bytes a step, in the manner of wyhash's inner loop.
inline std::uint64_t checksum(const std::byte* data, std::size_t size) noexcept {
  constexpr std::uint64_t key = 0x9e3779b97f4a7c15;
  auto fold = [](std::uint64_t a, std::uint64_t b) {
    __extension__ using wide = unsigned __int128;
    const wide product = static_cast<wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  };
  std::uint64_t sum = fold(size ^ key, 0xd6e8feb86659fd93);
  while (size > 0) {
    std::uint64_t word = 0;
    const std::size_t step = size < 8 ? size : 8;
    std::memcpy(&word, data, step);
    sum = fold(sum ^ word, key) + step;
    data += step;
    size -= step;
  }
  return sum;
}

}  // namespace troupe::wire
