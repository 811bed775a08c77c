#pragma once

/// What every fuzz target is made of: libFuzzer's entry, seeds from which a corpus is written, and a way to take numbers
/// from the input. A target ends the process by a fault, a sanitizer's report or require().

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace fuzz {

using bytes = std::vector<std::byte>;

/// Inputs that get far into the code, so that a fuzzer need not find them.
std::vector<bytes> seeds();

[[noreturn]] inline void broken(const char* what, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: must hold, and does not: %s\n", file, line, what);
  std::abort();
}
#define FUZZ_REQUIRE(condition)                                        \
  do {                                                                 \
    if (!(condition)) ::fuzz::broken(#condition, __FILE__, __LINE__);  \
  } while (false)

/// The input, from its start; zeros beyond its end.
class input {
 public:
  input(const std::uint8_t* data, std::size_t size) noexcept : left_(reinterpret_cast<const std::byte*>(data), size) {}

  template <class T>
  T take() noexcept {
    T value{};
    const auto from = take(sizeof value);
    std::memcpy(&value, from.data(), from.size());
    return value;
  }
  /// At most so many bytes.
  std::span<const std::byte> take(std::size_t most) noexcept {
    const auto from = left_.first(std::min(most, left_.size()));
    left_ = left_.subspan(from.size());
    return from;
  }
  bool empty() const noexcept { return left_.empty(); }

 private:
  std::span<const std::byte> left_;
};

/// Seeds are written as inputs are taken.
class output {
 public:
  template <class T>
  output& put(const T& value) {
    const auto* from = reinterpret_cast<const std::byte*>(&value);
    to_.insert(to_.end(), from, from + sizeof value);
    return *this;
  }
  output& put(std::span<const std::byte> what) {
    to_.insert(to_.end(), what.begin(), what.end());
    return *this;
  }
  bytes done() const { return to_; }

 private:
  bytes to_;
};

}  // namespace fuzz
