/// fork, kill and reap of a small process, one after the other.

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "support/bench.hpp"

int main(int argc, char** argv) {
  const std::uint64_t rounds = bench::number_argument(argc, argv, 1, 500);
  bench::pin(0);
  std::vector<std::uint32_t> latencies;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const std::uint64_t began = bench::now_ns();
    const pid_t child = ::fork();
    bench::require(child >= 0, "fork");
    if (child == 0) {
      for (;;) ::pause();
    }
    ::kill(child, SIGKILL);
    bench::require(::waitpid(child, nullptr, 0) == child, "waitpid");
    latencies.push_back(static_cast<std::uint32_t>(bench::now_ns() - began));
  }
  bench::report_latencies("", 0, latencies);
}
