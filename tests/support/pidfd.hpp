#pragma once

#include <sys/types.h>

#include <utility>

namespace tests {

/// A process that cannot be taken for another, whatever becomes of its number.
class pidfd {
 public:
  pidfd() noexcept = default;
  /// Of nobody, if there is no such process.
  explicit pidfd(pid_t pid) noexcept;
  ~pidfd();
  pidfd(pidfd&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  pidfd& operator=(pidfd&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }

  explicit operator bool() const noexcept { return number_ >= 0; }
  bool ended() const noexcept;
  /// False: it is gone.
  bool signal(int number) const noexcept;

 private:
  int number_ = -1;
};

}  // namespace tests
