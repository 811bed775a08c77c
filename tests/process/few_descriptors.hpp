#pragma once

#include <fcntl.h>
#include <sys/resource.h>

#include <cstddef>

namespace tests {

/// While it lives, this process can open only so many descriptors more.
class few_descriptors {
 public:
  explicit few_descriptors(std::size_t more) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    rlimit now = before_;
    std::size_t unused = 0;
    for (now.rlim_cur = 0; unused < more || used(now.rlim_cur); ++now.rlim_cur) unused += used(now.rlim_cur) ? 0 : 1;
    ::setrlimit(RLIMIT_NOFILE, &now);
  }
  ~few_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

  few_descriptors(const few_descriptors&) = delete;
  few_descriptors& operator=(const few_descriptors&) = delete;

 private:
  static bool used(rlim_t number) { return ::fcntl(static_cast<int>(number), F_GETFD) != -1; }
  rlimit before_{};
};

/// While it lives, this process can open none, also in the place of one that it has closed meanwhile.
class no_descriptors {
 public:
  no_descriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit standard_ones{3, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &standard_ones);
  }
  ~no_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  no_descriptors(const no_descriptors&) = delete;
  no_descriptors& operator=(const no_descriptors&) = delete;

 private:
  rlimit before_{};
};

}  // namespace tests
