#include "support/bench.hpp"

#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace bench {

namespace {

std::vector<int> allowed_cores() {
  cpu_set_t allowed;
  std::vector<int> cores;
  require(::sched_getaffinity(0, sizeof allowed, &allowed) == 0, "sched_getaffinity");
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(static_cast<unsigned>(core), &allowed)) cores.push_back(core);
  }
  return cores;
}

// Taken before anything is pinned; the processes that are forked later have it too.
const std::vector<int> cores = allowed_cores();

pid_t run_in_child(const std::function<void()>& body, int core) {
  const pid_t child = ::fork();
  require(child >= 0, "fork");
  if (child > 0) return child;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  pin(core);
  body();
  std::fflush(nullptr);
  ::_exit(0);
}

bool succeeded(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) require(errno == EINTR, "waitpid");
  return status == 0;
}

}  // namespace

void fail(std::string_view what) noexcept {
  std::fprintf(stderr, "%s: %.*s: %s\n", program_invocation_short_name, static_cast<int>(what.size()), what.data(),
               std::strerror(errno));
  std::_Exit(1);
}

void pin(int core) noexcept {
  if (core == any_core) return;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<unsigned>(cores[static_cast<std::size_t>(core) % cores.size()]), &one);
  require(::sched_setaffinity(0, sizeof one, &one) == 0, "sched_setaffinity");
}

void spinner::wait() noexcept {
  // The other side may share this core, or have lost its own to somebody: then spinning would only keep it away.
  if (++turns_ % 256 == 0) {
    ::sched_yield();
  } else {
    __builtin_ia32_pause();
  }
}

void pause_us(std::uint64_t microseconds) noexcept {
  timespec length{};
  length.tv_sec = static_cast<time_t>(microseconds / 1'000'000);
  length.tv_nsec = static_cast<long>(microseconds % 1'000'000 * 1000);
  ::ppoll(nullptr, 0, &length, nullptr);
}

std::uint64_t number_argument(int argc, char** argv, int index, std::uint64_t otherwise) {
  return index < argc ? std::strtoull(argv[index], nullptr, 10) : otherwise;
}

std::string mode_argument(int argc, char** argv, const std::vector<std::string>& modes) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (std::find(modes.begin(), modes.end(), mode) != modes.end()) return mode;
  std::fprintf(stderr, "%s: the first argument says what to measure; it is one of", program_invocation_short_name);
  for (const auto& each : modes) std::fprintf(stderr, " %s", each.c_str());
  std::fputc('\n', stderr);
  std::exit(2);
}

void report(std::string_view what, std::size_t size_bytes, double value, std::string_view unit) {
  std::printf("%.*s\t%zu\t%.6g\t%.*s\n", static_cast<int>(what.size()), what.data(), size_bytes, value,
              static_cast<int>(unit.size()), unit.data());
  std::fflush(stdout);
}

void report_rate(std::string_view what, std::size_t size_bytes, std::uint64_t messages, std::uint64_t ns) {
  const double seconds = static_cast<double>(ns) / static_cast<double>(second_ns);
  report(what, size_bytes, static_cast<double>(messages) / seconds, "1/s");
}

void report_latencies(std::string_view what, std::size_t size_bytes, std::vector<std::uint32_t> ns) {
  require(!ns.empty(), "nothing was measured");
  std::sort(ns.begin(), ns.end());
  const std::string name = what.empty() ? "" : std::string(what) + ", ";
  report(name + "p50", size_bytes, ns[ns.size() / 2] / 1000.0, "us");
  report(name + "p99", size_bytes, ns[ns.size() * 99 / 100] / 1000.0, "us");
}

void* shared_zeros(std::size_t bytes) {
  void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  require(at != MAP_FAILED, "mmap");
  return at;
}

void in_two_processes(const std::function<void()>& on_first_core, const std::function<void()>& on_second_core,
                      bool on_one_core) {
  const pid_t first = run_in_child(on_first_core, 0);
  const pid_t second = run_in_child(on_second_core, on_one_core ? 0 : 1);
  // The other one may wait for ever for one that has failed; it dies with this process.
  if (!succeeded(first) || !succeeded(second)) std::_Exit(1);
}

}  // namespace bench
