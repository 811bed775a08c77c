#include "os/pipe.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace troupe::os {

namespace {
constexpr int doorbell_bytes = 4096;
}

std::pair<fd, fd> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) fail("make a pipe");
  return {fd{ends[0]}, fd{ends[1]}};
}

std::pair<fd, fd> make_output_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) fail("make a pipe");
  std::pair<fd, fd> made{fd{ends[0]}, fd{ends[1]}};
  make_nonblocking(made.first);
  return made;
}

void make_nonblocking(const fd& end) {
  const int flags = ::fcntl(end.get(), F_GETFL);
  if (flags < 0 || ::fcntl(end.get(), F_SETFL, flags | O_NONBLOCK) != 0) fail("make a pipe non-blocking");
}

transfer read_some(const fd& from, std::span<std::byte> buffer) noexcept {
  ssize_t got = 0;
  do got = ::read(from.get(), buffer.data(), buffer.size());
  while (got < 0 && errno == EINTR);
  if (got > 0) return {io::done, static_cast<std::size_t>(got)};
  if (got == 0) return {io::hung_up, 0};
  return {errno == EAGAIN ? io::again : io::refused, 0};
}

transfer write_some(const fd& to, std::span<const std::byte> bytes) noexcept {
  ssize_t put = 0;
  do put = ::write(to.get(), bytes.data(), bytes.size());
  while (put < 0 && errno == EINTR);
  if (put >= 0) return {io::done, static_cast<std::size_t>(put)};
  if (errno == EAGAIN) return {io::again, 0};
  return {errno == EPIPE ? io::hung_up : io::refused, 0};
}

fd make_doorbell() {
  const auto [listening, ringing] = make_pipe();
  // Rings are bytes; one page of them is more than enough to be awake.
  ::fcntl(listening.get(), F_SETPIPE_SZ, doorbell_bytes);
  return open_anew(listening, opening::read_write);
}

void ring(const fd& doorbell) noexcept {
  const char one = 1;
  // EAGAIN means that it rings already: as good.
  while (::write(doorbell.get(), &one, 1) < 0 && errno == EINTR) {
  }
}

void hush(const fd& doorbell) noexcept {
  std::array<char, doorbell_bytes> rings;
  while (::read(doorbell.get(), rings.data(), rings.size()) < 0 && errno == EINTR) {
  }
}

}  // namespace troupe::os
