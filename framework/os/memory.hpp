#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "os/fd.hpp"

namespace troupe::os {

enum class access : bool { read_only, read_write };

/// Makes the pages of this range of a writable mapping real, so that lack of memory is an error here and not a SIGBUS
/// later. Throws error(errc::os).
void populate(std::byte* at, std::uint64_t size);

/// A mapped range of a memfd; unmapped with the object. Never inherited by a child that a worker forks.
class mapping {
 public:
  mapping() noexcept = default;
  /// Maps `size` bytes from `offset`. Throws error(errc::os).
  mapping(const fd& memory, std::uint64_t size, access how, std::uint64_t offset = 0);
  mapping(mapping&& other) noexcept : at_(std::exchange(other.at_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  mapping& operator=(mapping&& other) noexcept {
    if (this != &other) {
      reset();
      at_ = std::exchange(other.at_, nullptr);
      size_ = std::exchange(other.size_, 0);
    }
    return *this;
  }
  ~mapping() { reset(); }

  std::byte* data() const noexcept { return at_; }
  std::uint64_t size() const noexcept { return size_; }
  explicit operator bool() const noexcept { return at_ != nullptr; }
  void reset() noexcept;
  /// The object of type T that lies at `offset`.
  template <class T>
  T* at(std::uint64_t offset = 0) const noexcept {
    return reinterpret_cast<T*>(at_ + offset);
  }
  void populate(std::uint64_t offset, std::uint64_t size) const { os::populate(at_ + offset, size); }

 private:
  std::byte* at_ = nullptr;
  std::uint64_t size_ = 0;
};

enum class seal : std::uint8_t {
  size_only,      ///< SHRINK | GROW | SEAL: new writable mappings remain possible
  one_writer,     ///< SHRINK | GROW | FUTURE_WRITE | SEAL: only the existing writable mappings can write
  size_first,     ///< SHRINK | GROW: another kind may follow
};

/// Anonymous shared memory of this size, all zeros, sparse. Throws error(errc::os), also if a file of this process
/// must not be so large (RLIMIT_FSIZE).
fd make_memory(const char* label, std::uint64_t size);
/// Throws error(errc::os).
void seal_memory(const fd& memory, seal how);
/// Whether this descriptor is memory of exactly this size that nobody can shrink or grow.
bool has_fixed_size(const fd& memory, std::uint64_t size) noexcept;

}  // namespace troupe::os
