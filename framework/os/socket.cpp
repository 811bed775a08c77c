#include "os/socket.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>

namespace troupe::os {

namespace {
constexpr std::size_t most_fds = 14;
}

std::pair<fd, fd> packet_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) fail("make a socket pair");
  return {fd{ends[0]}, fd{ends[1]}};
}

io send_packet(const fd& socket, std::span<const std::byte> bytes, std::span<const int> fds) noexcept {
  iovec body{const_cast<std::byte*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * most_fds)] = {};
  msghdr message{};
  message.msg_iov = &body;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    if (fds.size() > most_fds) return io::refused;
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
    std::memcpy(CMSG_DATA(rights), fds.data(), sizeof(int) * fds.size());
  }
  ssize_t sent = 0;
  do sent = ::sendmsg(socket.get(), &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  if (sent >= 0) return io::done;
  if (errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS) return io::again;
  return errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN ? io::hung_up : io::refused;
}

io receive_packet(const fd& socket, std::span<std::byte> buffer, packet& into) {
  iovec body{buffer.data(), buffer.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * most_fds)];
  msghdr message{};
  message.msg_iov = &body;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t got = 0;
  // ECONNRESET comes once, if the peer went without reading all: before what it had sent, which is still there.
  do got = ::recvmsg(socket.get(), &message, MSG_CMSG_CLOEXEC);
  while (got < 0 && (errno == EINTR || errno == ECONNRESET));
  if (got < 0) return errno == EAGAIN ? io::again : io::hung_up;
  into.fds.clear();
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(part) + i * sizeof(int), sizeof number);
      into.fds.emplace_back(number);
    }
  }
  if (got == 0) return io::hung_up;
  into.size = static_cast<std::size_t>(got);
  if ((message.msg_flags & MSG_TRUNC) != 0) return io::refused;
  if ((message.msg_flags & MSG_CTRUNC) == 0) return io::done;
  // The kernel fills what room there is: if there is room left, it was descriptors that were not.
  return into.fds.size() < most_fds ? io::lost_fds : io::refused;
}

void make_blocking(const fd& descriptor) {
  const int flags = ::fcntl(descriptor.get(), F_GETFL);
  if (flags < 0 || ::fcntl(descriptor.get(), F_SETFL, flags & ~O_NONBLOCK) != 0) fail("make a descriptor blocking");
}

}  // namespace troupe::os
