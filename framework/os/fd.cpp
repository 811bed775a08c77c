#include "os/fd.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <vector>

#include <troupe/error.hpp>

namespace troupe::os {

void fail(const char* op) {
  const int number = errno;
  const char* to_do = "";
  if (number == EMFILE) to_do = "this process has none left: raise limits.files, or ulimit -n";
  if (number == EFBIG) to_do = "this process may not make a file so large: raise limits.file_size, or ulimit -f";
  throw error(errc::os, op, number, to_do);
}

void fd::reset(int number) noexcept {
  // On Linux the descriptor is gone even when close reports EINTR: never again.
  if (number_ >= 0) ::close(number_);
  number_ = number;
}

fd fd::duplicate() const { return os::duplicate(number_); }

fd duplicate(int number) {
  fd copy{::fcntl(number, F_DUPFD_CLOEXEC, 3)};
  if (!copy) fail("duplicate a descriptor");
  return copy;
}

fd open_anew(const fd& what, opening how) {
  const int rights = how == opening::read ? O_RDONLY : how == opening::write ? O_WRONLY : O_RDWR;
  const std::string path = "/proc/self/fd/" + std::to_string(what.get());
  fd again{::open(path.c_str(), rights | O_CLOEXEC | O_NONBLOCK)};
  if (!again) fail("open a descriptor anew");
  return again;
}

void open_standard_descriptors() {
  for (int number = STDIN_FILENO; number <= STDERR_FILENO; ++number) {
    if (::fcntl(number, F_GETFD) >= 0) continue;
    // The lowest number that is free is this one.
    if (::open("/dev/null", O_RDWR) < 0) fail("open /dev/null in place of a closed standard descriptor");
  }
}

std::size_t descriptor_limit() noexcept {
  rlimit limit{};
  return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? static_cast<std::size_t>(limit.rlim_cur) : 1024;
}

void raise_descriptor_limit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

namespace {

bool close_range_works = true;  // a child inherits what its parent has found out

// Closing one by one up to the limit would take seconds: containers have limits of a billion.
void close_listed(unsigned first, unsigned last) {
  for (const int number : numbers_in("/proc/self/fd")) {
    const auto open = static_cast<unsigned>(number);
    if (open >= first && open <= last) ::close(number);
  }
}

void close_between(unsigned first, unsigned last) {
  if (first > last) return;
  if (close_range_works && ::close_range(first, last, 0) == 0) return;
  close_range_works = false;
  close_listed(first, last);
}

}  // namespace

void close_all_but(std::span<const int> keep) {
  std::vector<int> sorted(keep.begin(), keep.end());
  std::sort(sorted.begin(), sorted.end());
  unsigned next = 3;
  for (int kept : sorted) {
    if (kept < 3) continue;
    const auto number = static_cast<unsigned>(kept);
    if (number > next) close_between(next, number - 1);
    next = std::max(next, number + 1);
  }
  close_between(next, ~0U);
}

std::vector<int> numbers_in(const char* folder) {
  DIR* all = ::opendir(folder);
  if (all == nullptr) fail("list a folder of /proc");
  std::vector<int> numbers;
  while (const dirent* entry = ::readdir(all)) {
    if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9') numbers.push_back(std::atoi(entry->d_name));
  }
  ::closedir(all);
  return numbers;
}

std::size_t count_open() { return numbers_in("/proc/self/fd").size() - 1; }  // without the listing's own

}  // namespace troupe::os
