#include "os/poller.hpp"

#include <poll.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>

namespace troupe::os {

namespace {

std::uint32_t to_epoll(std::uint8_t interests) {
  return ((interests & poller::read) != 0 ? std::uint32_t{EPOLLIN} : 0U) |
         ((interests & poller::write) != 0 ? std::uint32_t{EPOLLOUT} : 0U) |
         ((interests & poller::once) != 0 ? std::uint32_t{EPOLLONESHOT} : 0U);
}

// Linux has it since 5.11, and containers may refuse it.
std::atomic<bool> has_pwait2{true};

timespec remaining(time_point until) {
  const auto left = std::max(std::chrono::nanoseconds{0},
                             std::chrono::duration_cast<std::chrono::nanoseconds>(until - clock::now()));
  return {static_cast<time_t>(left.count() / 1'000'000'000), static_cast<long>(left.count() % 1'000'000'000)};
}

}  // namespace

poller::poller() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (!epoll_) fail("make an epoll");
}

void poller::add(const fd& what, std::uint64_t key, std::uint8_t interests) {
  epoll_event wanted{to_epoll(interests), {.u64 = key}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, what.get(), &wanted) != 0) fail("watch a descriptor");
}

void poller::change(const fd& what, std::uint64_t key, std::uint8_t interests) {
  epoll_event wanted{to_epoll(interests), {.u64 = key}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, what.get(), &wanted) != 0) fail("watch a descriptor");
}

void poller::remove(const fd& what) noexcept { ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, what.get(), nullptr); }

std::size_t poller::wait(std::span<event> into, std::optional<time_point> until) {
  std::array<epoll_event, 64> ready;
  const int most = static_cast<int>(std::min(into.size(), ready.size()));
  timespec left{};
  if (until) left = remaining(*until);
  int count = -1;
  if (has_pwait2.load(std::memory_order_relaxed)) {
    count = ::epoll_pwait2(epoll_.get(), ready.data(), most, until ? &left : nullptr, nullptr);
    if (count < 0 && (errno == ENOSYS || errno == EPERM)) has_pwait2.store(false, std::memory_order_relaxed);
  }
  if (!has_pwait2.load(std::memory_order_relaxed)) {  // whole milliseconds, rounded up
    const long ms = left.tv_sec * 1000 + (left.tv_nsec + 999'999) / 1'000'000;
    count = ::epoll_wait(epoll_.get(), ready.data(), most, until ? static_cast<int>(ms) : -1);
  }
  if (count < 0 && errno != EINTR) fail("wait for descriptors");
  for (int i = 0; i < count; ++i) {
    const auto& seen = ready[static_cast<std::size_t>(i)];
    into[static_cast<std::size_t>(i)] = {seen.data.u64, (seen.events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP)) != 0,
                                         (seen.events & (EPOLLOUT | EPOLLERR)) != 0};
  }
  return count < 0 ? 0 : static_cast<std::size_t>(count);
}

bool wait_ready(int number, poller::interest what, std::optional<time_point> until) {
  pollfd wanted{number, static_cast<short>(what == poller::read ? POLLIN : POLLOUT), 0};
  for (;;) {
    timespec left{};
    if (until) left = remaining(*until);
    const int count = ::ppoll(&wanted, 1, until ? &left : nullptr, nullptr);
    if (count > 0) return true;
    if (count == 0) return false;
    if (errno != EINTR) fail("wait for a descriptor");
  }
}

std::size_t wait_first(const std::array<int, 2>& numbers) {
  std::array<pollfd, 2> wanted{pollfd{numbers[0], POLLIN, 0}, pollfd{numbers[1], POLLIN, 0}};
  for (;;) {
    const int count = ::ppoll(wanted.data(), wanted.size(), nullptr, nullptr);
    if (count > 0) return wanted[1].revents != 0 ? 1 : 0;
    if (count < 0 && errno != EINTR) fail("wait for a descriptor");
  }
}

}  // namespace troupe::os
