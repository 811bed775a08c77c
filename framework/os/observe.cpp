#include "os/observe.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <troupe/error.hpp>

namespace troupe::os {

namespace {

constexpr std::size_t most_threads = 64;

/// The file's beginning; empty: it cannot be read.
std::string read_file(const std::string& path) {
  const fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  std::array<char, 4096> text;
  const ssize_t got = file ? ::read(file.get(), text.data(), text.size()) : -1;
  return got <= 0 ? std::string{} : std::string(text.data(), static_cast<std::size_t>(got));
}

/// "PID (name) state ...", where the name may hold anything.
char state_in(const std::string& stat) {
  const std::size_t close = stat.rfind(')');
  return close == stat.npos || close + 2 >= stat.size() ? '\0' : stat[close + 2];
}

bool add_thread(const std::string& folder, activity& to) {
  // First the state: one that sleeps now has ended its waits, so the times hold them all.
  const char state = state_in(read_file(folder + "/stat"));
  const std::string times = read_file(folder + "/schedstat");
  unsigned long long ran = 0, waited = 0;
  if (state == '\0' || std::sscanf(times.c_str(), "%llu %llu", &ran, &waited) != 2) return false;
  to.runnable = to.runnable || state == 'R';
  to.stopped = to.stopped || state == 'T' || state == 't';
  to.ran += std::chrono::nanoseconds{ran};
  to.waited += std::chrono::nanoseconds{waited};
  return true;
}

}  // namespace

std::optional<activity> activity_of(int pid) {
  const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
  activity whole;
  std::size_t seen = 0;
  try {
    for (const int each : numbers_in(tasks.c_str())) {
      // A thread that has ended meanwhile is none.
      seen += add_thread(tasks + "/" + std::to_string(each), whole) ? 1U : 0U;
      if (seen == most_threads) break;
    }
  } catch (const error&) {
    return std::nullopt;
  }
  if (seen == 0) return std::nullopt;
  return whole;
}

std::optional<std::uint64_t> private_memory_of(int pid) {
  const std::string status = read_file("/proc/" + std::to_string(pid) + "/status");
  const std::size_t at = status.find("\nRssAnon:");
  if (at == status.npos) return std::nullopt;
  return std::strtoull(status.c_str() + at + std::strlen("\nRssAnon:"), nullptr, 10) * 1024;
}

fd open_proc(int pid) noexcept {
  return fd{::open(("/proc/" + std::to_string(pid)).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
}

}  // namespace troupe::os
