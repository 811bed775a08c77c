#include "support/pidfd.hpp"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace tests {

pidfd::pidfd(pid_t pid) noexcept : number_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {}

pidfd::~pidfd() {
  if (number_ >= 0) ::close(number_);
}

bool pidfd::ended() const noexcept {
  pollfd what{number_, POLLIN, 0};
  return number_ < 0 || ::poll(&what, 1, 0) == 1;
}

bool pidfd::signal(int number) const noexcept {
  return number_ >= 0 && ::syscall(SYS_pidfd_send_signal, number_, number, nullptr, 0) == 0;
}

}  // namespace tests
