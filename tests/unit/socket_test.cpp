#include "os/socket.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cstring>

using namespace troupe;

namespace {

/// As no send_packet() would: with any number of descriptors.
void send_with(const os::fd& socket, std::size_t count) {
  std::array<char, CMSG_SPACE(sizeof(int) * 32)> control{};
  char byte = 0;
  iovec body{&byte, 1};
  msghdr message{};
  message.msg_iov = &body;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
  cmsghdr* rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int) * count);
  std::memset(CMSG_DATA(rights), 0, sizeof(int) * count);  // standard input, again and again
  REQUIRE_EQ(::sendmsg(socket.get(), &message, 0), 1);
}

}  // namespace

TEST_CASE("a packet with more descriptors than any may have is refused") {
  const auto [ours, theirs] = os::packet_pair();
  std::array<std::byte, 16> buffer;
  os::packet got;
  send_with(theirs, 14);
  CHECK(os::receive_packet(ours, buffer, got) == os::io::done);
  CHECK_EQ(got.fds.size(), 14);
  for (const std::size_t count : {15UL, 32UL}) {
    send_with(theirs, count);
    CHECK(os::receive_packet(ours, buffer, got) == os::io::refused);
  }
}

TEST_CASE("a packet whose descriptors find no room in this process comes without them, and is not refused") {
  const auto [ours, theirs] = os::packet_pair();
  std::array<std::byte, 16> buffer;
  os::packet got;
  send_with(theirs, 3);
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  const os::fd next = os::duplicate(0);
  const rlimit one_more{static_cast<rlim_t>(next.get()) + 2, before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &one_more);
  const os::io how = os::receive_packet(ours, buffer, got);
  ::setrlimit(RLIMIT_NOFILE, &before);
  CHECK(how == os::io::lost_fds);
  CHECK_EQ(got.size, 1);
  CHECK_EQ(got.fds.size(), 1);
}

TEST_CASE("the last packet of a peer that went without reading all of ours is received, and then that it is gone") {
  auto [ours, theirs] = os::packet_pair();
  std::array<std::byte, 16> buffer{};
  os::packet got;
  REQUIRE(os::send_packet(ours, buffer, {}) == os::io::done);
  REQUIRE(os::send_packet(theirs, std::span(buffer).first(3), {}) == os::io::done);
  theirs.reset();
  CHECK(os::receive_packet(ours, buffer, got) == os::io::done);
  CHECK_EQ(got.size, 3);
  CHECK(os::receive_packet(ours, buffer, got) == os::io::hung_up);
}
