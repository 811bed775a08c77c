#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace troupe::os {

/// Owns a descriptor; closes it once. Every descriptor of ours is close-on-exec from birth.
class fd {
 public:
  fd() noexcept = default;
  explicit fd(int number) noexcept : number_(number) {}
  fd(fd&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  fd& operator=(fd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.number_, -1));
    return *this;
  }
  ~fd() { reset(); }

  int get() const noexcept { return number_; }
  explicit operator bool() const noexcept { return number_ >= 0; }
  int release() noexcept { return std::exchange(number_, -1); }
  void reset(int number = -1) noexcept;
  /// Another descriptor of the same open file. Throws error(errc::os).
  fd duplicate() const;

 private:
  int number_ = -1;
};

/// Another descriptor of the same open file. Throws error(errc::os).
fd duplicate(int number);

enum class opening : std::uint8_t { read, write, read_write };
/// The same file (memory, a pipe) opened anew: with these rights, and with flags of its own, which no holder of the other
/// descriptor can change. Needs /proc. Throws error(errc::os).
fd open_anew(const fd& what, opening how);

/// Throws error(errc::os) with the present errno and this operation.
[[noreturn]] void fail(const char* op);

/// Opens /dev/null on each of 0, 1 and 2 that is closed: what else would be opened there, everything that prints or
/// redirects would write into. Inherited through exec. Call it while no other thread opens anything. Throws
/// error(errc::os).
void open_standard_descriptors();

/// Raises the soft limit of descriptors to the hard one; best effort.
void raise_descriptor_limit() noexcept;

/// How many descriptors this process may have.
std::size_t descriptor_limit() noexcept;

/// Closes every descriptor above 2 that is not in `keep`.
void close_all_but(std::span<const int> keep);

/// The entries of a folder of /proc that are numbers. Throws error(errc::os).
std::vector<int> numbers_in(const char* folder);

/// Number of open descriptors of this process.
std::size_t count_open();

}  // namespace troupe::os
