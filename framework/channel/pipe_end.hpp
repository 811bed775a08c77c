#pragma once

/// One process's end of a pipe<T> without its type: a stream of frames (8 bytes of length, then so many bytes) over one
/// or two Unix pipes.
///
/// One thread may send while another receives. Waits serve the endpoint. What has been read from the pipe and not been
/// taken yet belongs to the end and goes with it when it is passed.

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include <troupe/pipe.hpp>

#include "channel/endpoint.hpp"

namespace troupe::channel {

class pipe_end : public std::enable_shared_from_this<pipe_end> {
 public:
  pipe_end(endpoint& at, os::fd reading, os::fd writing);

  void send(std::span<const std::byte> frame);
  detail::arrival wait(std::optional<os::time_point> until) { return receive(until, {}); }
  detail::arrival receive(std::optional<os::time_point> until, const std::function<void(detail::reader&)>& take);

  void encode(detail::writer& to);
  static std::shared_ptr<pipe_end> decode(detail::reader& from);

 private:
  /// What travels for one end: two tokens (zeros: not this direction), then what has been read and not been taken.
  struct passed_form {
    detail::fd_token reading, writing;
    std::uint64_t kept_bytes;
  };
  void require_here(const os::fd& which, const char* what) const;
  void enclose(const os::fd& which, std::uint64_t number, detail::writer& to);
  void pass() noexcept;
  void wait_to_send();
  bool take_in();
  std::optional<std::size_t> whole_frame() const noexcept;
  void consume(std::size_t bytes);

  endpoint& at_;
  os::fd reading_, writing_;
  const std::uint64_t reading_number_, writing_number_;
  bool passed_ = false;

  std::mutex receiving_;  // guards these; never held while waiting
  std::vector<std::byte> buffer_;
  std::size_t taken_ = 0;  // of the buffer
  bool ended_ = false;
  unsigned waiting_ = 0;                   // threads that wait for something to arrive
  std::atomic<std::uint64_t> arrived_{0};  // counts what a waiting sender has taken in

  std::recursive_mutex sending_;
  bool in_frame_ = false;
};

}  // namespace troupe::channel
