#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

#include "wire/checksum.hpp"

using troupe::wire::checksum;

namespace {

std::vector<std::byte> bytes_of(std::size_t size, unsigned seed) {
  std::vector<std::byte> made(size);
  for (auto& each : made) each = static_cast<std::byte>((seed = seed * 1103515245 + 12345) >> 16);
  return made;
}

}  // namespace

TEST_CASE("a checksum is the same for the same bytes, wherever they lie") {
  const auto bytes = bytes_of(100, 1);
  std::vector<std::byte> shifted(bytes.size() + 8);
  for (std::size_t at = 0; at < 8; ++at) {
    std::copy(bytes.begin(), bytes.end(), shifted.begin() + static_cast<std::ptrdiff_t>(at));
    CHECK(checksum(shifted.data() + at, bytes.size()) == checksum(bytes.data(), bytes.size()));
  }
}

TEST_CASE("a checksum differs for one flipped bit, anywhere in a buffer of any length") {
  for (std::size_t size = 0; size <= 40; ++size) {
    for (auto bytes :
         {std::vector<std::byte>(size), std::vector<std::byte>(size, std::byte{0xff}), bytes_of(size, 7)}) {
      std::set<std::uint64_t> sums{checksum(bytes.data(), size)};
      for (std::size_t bit = 0; bit < 8 * size; ++bit) {
        bytes[bit / 8] ^= std::byte{1} << (bit % 8);
        sums.insert(checksum(bytes.data(), size));
        bytes[bit / 8] ^= std::byte{1} << (bit % 8);
      }
      CHECK(sums.size() == 8 * size + 1);
    }
  }
}

TEST_CASE("a checksum differs for a buffer that is longer or shorter, also by zeros alone") {
  const std::vector<std::byte> zeros(300);
  const auto bytes = bytes_of(300, 3);
  std::set<std::uint64_t> sums;
  for (std::size_t size = 0; size <= 300; ++size) sums.insert(checksum(zeros.data(), size));
  for (std::size_t size = 1; size <= 300; ++size) sums.insert(checksum(bytes.data(), size));
  CHECK(sums.size() == 601);
}

TEST_CASE("a checksum differs when words change places, and when the end was not written") {
  for (const std::size_t size : {16U, 24U, 40U, 4096U}) {
    auto bytes = bytes_of(size, 11);
    const auto whole = checksum(bytes.data(), size);
    auto swapped = bytes;
    std::swap_ranges(swapped.begin(), swapped.begin() + 8, swapped.end() - 8);
    CHECK(checksum(swapped.data(), size) != whole);
    std::set<std::uint64_t> torn;
    for (std::size_t written = size; written-- > 0;) {
      const bool changes = bytes[written] != std::byte{};
      bytes[written] = {};
      if (changes) torn.insert(checksum(bytes.data(), size));
    }
    CHECK_FALSE(torn.contains(whole));
    CHECK(torn.size() > size / 2);
  }
}
