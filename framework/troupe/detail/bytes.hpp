#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <troupe/error.hpp>

namespace troupe::detail {

/// What travels beside the bytes of a message: payload blocks and descriptors. Implemented by each process's endpoint.
class attachments;

/// Throws error(errc::corrupt, why).
[[noreturn]] void corrupt(const char* why);

/// In a catch block: the exception goes on as error(errc::corrupt) with its text.
[[noreturn]] void rethrow_as_corrupt();

/// Bytes into a bounded buffer. Beyond the capacity it counts and writes nothing, so that one pass tells the size.
class writer {
 public:
  writer(std::byte* begin, std::size_t capacity, attachments* with = nullptr) noexcept
      : begin_(begin), capacity_(capacity), with_(with) {}

  void bytes(const void* from, std::size_t count) noexcept {
    if (size_ <= capacity_ && count <= capacity_ - size_ && count > 0) std::memcpy(begin_ + size_, from, count);
    size_ += count;
  }
  /// Bytes asked for so far; more than the capacity if they did not fit.
  std::size_t size() const noexcept { return size_; }
  bool fits() const noexcept { return size_ <= capacity_; }
  attachments* with() const noexcept { return with_; }

 private:
  std::byte* begin_;
  std::size_t capacity_;
  std::size_t size_ = 0;
  attachments* with_;
};

/// Bytes of another process: every read is checked, nothing that they claim is believed.
class reader {
 public:
  reader(const std::byte* begin, std::size_t size, attachments* with = nullptr) noexcept
      : at_(begin), left_(size), with_(with) {}

  /// Throws error(errc::corrupt) if fewer bytes are left.
  void bytes(void* to, std::size_t count) {
    const std::byte* from = take(count);
    if (count > 0) std::memcpy(to, from, count);
  }
  /// The next `count` bytes where they lie, to be read once; nothing is copied. Throws as bytes().
  const std::byte* take(std::size_t count) {
    if (count > left_) corrupt("the message ends before its last field");
    const std::byte* from = at_;
    at_ += count;
    left_ -= count;
    return from;
  }
  const std::byte* at() const noexcept { return at_; }
  std::size_t left() const noexcept { return left_; }
  attachments* with() const noexcept { return with_; }

 private:
  const std::byte* at_;
  std::size_t left_;
  attachments* with_;
};

}  // namespace troupe::detail
