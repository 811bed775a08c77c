#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace tests {

/// How many descriptors of which kind a process has: "memfd:troupe-out", "pipe", "socket" ...
std::map<std::string, int> kinds_of(pid_t pid);
std::string text_of(const std::map<std::string, int>& kinds);

/// Private memory in use, in KiB.
std::size_t private_kib(pid_t pid);

/// Remembers what a process holds, and tells whether it has come to hold more. What it still lets go of is waited for.
class holdings {
 public:
  explicit holdings(pid_t pid);

  /// What there is more of now, by name; empty: nothing.
  std::string more(pid_t pid) const;
  void expect_no_more(pid_t pid) const;

  std::size_t descriptors() const noexcept;
  std::size_t mappings() const noexcept { return mappings_; }

 private:
  std::map<std::string, int> kinds_;
  std::size_t mappings_;
};

}  // namespace tests
