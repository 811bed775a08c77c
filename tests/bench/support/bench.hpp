#pragma once

/// What the measuring programs share. Each program measures once, prints one line for each figure (see report()) and
/// ends; tests/bench/run repeats and interleaves them.

#include <time.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

inline constexpr std::uint64_t second_ns = 1'000'000'000;

/// CLOCK_MONOTONIC: the same in all processes, on all cores.
inline std::uint64_t now_ns() noexcept {
  timespec at{};
  ::clock_gettime(CLOCK_MONOTONIC, &at);
  return static_cast<std::uint64_t>(at.tv_sec) * second_ns + static_cast<std::uint64_t>(at.tv_nsec);
}
/// What this process, all its threads, has used of the processors.
inline std::uint64_t cpu_ns() noexcept {
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<std::uint64_t>(used.tv_sec) * second_ns + static_cast<std::uint64_t>(used.tv_nsec);
}

/// The first or the second (0, 1) of the cores that this program may use; on a machine with one core it is always that.
/// any_core: those that the driver gave.
inline constexpr int any_core = -1;
void pin(int core) noexcept;

/// Waits without sleeping, as the writer of a full ring and the reader of an empty one do.
class spinner {
 public:
  void wait() noexcept;

 private:
  unsigned turns_ = 0;
};

/// Sleeps: so long that whoever waits meanwhile sleeps too.
void pause_us(std::uint64_t microseconds) noexcept;

/// The number after the program's name and mode, or `otherwise`.
std::uint64_t number_argument(int argc, char** argv, int index, std::uint64_t otherwise);
/// The program's mode; ends it with a list of them if there is no such.
std::string mode_argument(int argc, char** argv, const std::vector<std::string>& modes);

/// Prints `what <tab> size_bytes <tab> value <tab> unit` on standard output. Size 0: it does not apply. What is
/// measured at all, the driver knows: `what` tells the figures of one program apart.
void report(std::string_view what, std::size_t size_bytes, double value, std::string_view unit);
/// Messages per second.
void report_rate(std::string_view what, std::size_t size_bytes, std::uint64_t messages, std::uint64_t ns);
/// `p50` and `p99` in µs, with `what` before them unless it is empty.
void report_latencies(std::string_view what, std::size_t size_bytes, std::vector<std::uint32_t> ns);

/// An object of zeros that this process and those that it forks share.
void* shared_zeros(std::size_t bytes);
template <class T>
T& shared_object() {
  return *static_cast<T*>(shared_zeros(sizeof(T)));
}

/// Runs both at the same time, each in a process of its own on a core of its own; returns when both have ended. Ends
/// the program if one of them fails.
void in_two_processes(const std::function<void()>& on_first_core, const std::function<void()>& on_second_core,
                      bool on_one_core = false);

/// Says on standard error what failed, with errno's text, and ends the program.
[[noreturn]] void fail(std::string_view what) noexcept;
inline void require(bool held, std::string_view what) noexcept {
  if (!held) fail(what);
}

/// Of the 64-bit words; `bytes` is a multiple of 64. In eight sums at a time: one would take longer to add than to read.
inline std::uint64_t sum_of(const std::byte* at, std::size_t bytes) noexcept {
  const auto* words = reinterpret_cast<const std::uint64_t*>(at);
  std::uint64_t sums[8] = {};
  for (const auto* end = words + bytes / sizeof *words; words != end; words += 8) {
    for (int i = 0; i < 8; ++i) sums[i] += words[i];
  }
  return sums[0] + sums[1] + sums[2] + sums[3] + sums[4] + sums[5] + sums[6] + sums[7];
}

/// 64 bytes, the message that most tests send.
struct cargo {
  std::uint64_t words[8];
  std::uint64_t sum() const noexcept {
    std::uint64_t total = 0;
    for (const auto word : words) total += word;
    return total;
  }
};
static_assert(sizeof(cargo) == 64);
inline cargo make_cargo(std::uint64_t number) noexcept {
  return {{number, number + 1, number + 2, number + 3, number + 4, number + 5, number + 6, number + 7}};
}

}  // namespace bench
