/// How long after SIGKILL the pidfd of a process becomes readable that has so many MiB of private memory.

#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "support/bench.hpp"

namespace {

[[noreturn]] void fill_and_wait(std::size_t bytes, int ready) {
  const std::string memory(bytes, 'x');
  bench::require(::write(ready, memory.data(), 1) == 1, "write");
  for (;;) ::pause();
}

std::uint32_t measure(std::size_t bytes) {
  int ends[2];
  bench::require(::pipe(ends) == 0, "pipe");
  const pid_t child = ::fork();
  bench::require(child >= 0, "fork");
  if (child == 0) fill_and_wait(bytes, ends[1]);
  char ready = 0;
  bench::require(::read(ends[0], &ready, 1) == 1, "read");
  pollfd death{static_cast<int>(::syscall(SYS_pidfd_open, child, 0)), POLLIN, 0};
  const std::uint64_t began = bench::now_ns();
  ::kill(child, SIGKILL);
  bench::require(::poll(&death, 1, -1) == 1, "poll");
  const std::uint64_t took = bench::now_ns() - began;
  ::waitpid(child, nullptr, 0);
  for (const int each : {ends[0], ends[1], death.fd}) ::close(each);
  return static_cast<std::uint32_t>(took);
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t rounds = bench::number_argument(argc, argv, 1, 10);
  const std::uint64_t mib = bench::number_argument(argc, argv, 2, 512);
  std::vector<std::uint32_t> latencies;
  for (std::uint64_t round = 0; round < rounds; ++round) latencies.push_back(measure((mib << 20) + 1));
  bench::report_latencies("", 0, latencies);
}
