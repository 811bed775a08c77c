#include "os/pipe.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace troupe::os {

std::pair<fd, fd> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) fail("make a pipe");
  return {fd{ends[0]}, fd{ends[1]}};
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
  fd doorbell{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  if (!doorbell) fail("make a doorbell");
  return doorbell;
}

void ring(const fd& doorbell) noexcept {
  const std::uint64_t one = 1;
  // EAGAIN means that it rings already: as good.
  while (::write(doorbell.get(), &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void hush(const fd& doorbell) noexcept {
  std::uint64_t rings = 0;
  while (::read(doorbell.get(), &rings, sizeof rings) < 0 && errno == EINTR) {
  }
}

}  // namespace troupe::os
