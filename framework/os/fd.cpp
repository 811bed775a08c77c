#include "os/fd.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include <troupe/error.hpp>

namespace troupe::os {

void fail(const char* op) { throw error(errc::os, op, errno); }

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

void raise_descriptor_limit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

namespace {

void close_between(unsigned first, unsigned last) {
  if (first > last) return;
  if (::close_range(first, last, 0) == 0) return;
  // Some containers refuse close_range; walk the table instead.
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  for (unsigned n = first; n <= last && n < limit.rlim_cur; ++n) ::close(static_cast<int>(n));
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

std::size_t count_open() {
  DIR* table = ::opendir("/proc/self/fd");
  if (table == nullptr) fail("list the open descriptors");
  std::size_t count = 0;
  while (::readdir(table) != nullptr) ++count;
  ::closedir(table);
  return count - 3;  // ".", ".." and the listing's own
}

}  // namespace troupe::os
