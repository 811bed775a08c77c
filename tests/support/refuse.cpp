#include "support/refuse.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace tests {

namespace {

using program = std::vector<sock_filter>;

constexpr std::uint8_t next = 0;
constexpr std::uint8_t out = 255;  // to the end of the block: filled in when it is known

std::uint32_t low_half(std::size_t offset) { return static_cast<std::uint32_t>(offset); }
std::uint32_t high_half(std::size_t offset) { return static_cast<std::uint32_t>(offset + 4); }
constexpr std::size_t argument(std::size_t index) { return offsetof(seccomp_data, args) + 8 * index; }

void load(program& to, std::uint32_t offset) { to.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)); }
void jump(program& to, unsigned how, std::uint32_t value, std::uint8_t yes, std::uint8_t no) {
  to.push_back(BPF_JUMP(static_cast<std::uint16_t>(BPF_JMP | how | BPF_K), value, yes, no));
}

/// libc's syscall() alone; clone3 of its own is made elsewhere.
void only_through_syscall(program& to) {
  const auto first = reinterpret_cast<std::uint64_t>(::dlsym(RTLD_DEFAULT, "syscall"));
  const std::uint64_t last = first + 128;
  if (first == 0 || first >> 32 != last >> 32) std::abort();
  load(to, high_half(offsetof(seccomp_data, instruction_pointer)));
  jump(to, BPF_JEQ, static_cast<std::uint32_t>(first >> 32), next, out);
  load(to, low_half(offsetof(seccomp_data, instruction_pointer)));
  jump(to, BPF_JGE, static_cast<std::uint32_t>(first), next, out);
  jump(to, BPF_JGT, static_cast<std::uint32_t>(last), out, next);
}

long number_of(call which) {
  switch (which) {
    case call::clone3:
    case call::clone3_of_troupe:
      return SYS_clone3;
    case call::clone_of_siblings:
      return SYS_clone;
    case call::thread_id_address:
      return SYS_prctl;
    case call::close_range:
      return SYS_close_range;
    case call::pidfd_open:
      return SYS_pidfd_open;
    case call::seal:
      return SYS_fcntl;
    case call::epoll_pwait2:
      return SYS_epoll_pwait2;
  }
  std::abort();
}

program block_of(call which, int error) {
  program block;
  load(block, offsetof(seccomp_data, nr));
  jump(block, BPF_JEQ, static_cast<std::uint32_t>(number_of(which)), next, out);
  if (which == call::clone3_of_troupe) only_through_syscall(block);
  if (which == call::clone_of_siblings) {
    load(block, low_half(argument(0)));
    jump(block, BPF_JSET, CLONE_PARENT, next, out);
  }
  if (which == call::thread_id_address || which == call::seal) {
    load(block, low_half(argument(which == call::seal ? 1 : 0)));
    jump(block, BPF_JEQ, which == call::seal ? F_ADD_SEALS : PR_GET_TID_ADDRESS, next, out);
  }
  block.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error)));
  for (std::size_t i = 0; i < block.size(); ++i) {
    const auto to_the_end = static_cast<std::uint8_t>(block.size() - i - 1);
    if (block[i].jt == out) block[i].jt = to_the_end;
    if (block[i].jf == out) block[i].jf = to_the_end;
  }
  return block;
}

}  // namespace

void refuse(const std::vector<call>& calls, int error) {
  program all;
  for (const call each : calls) {
    const program block = block_of(each, error);
    all.insert(all.end(), block.begin(), block.end());
  }
  all.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog filter{static_cast<unsigned short>(all.size()), all.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0)
    return;
  std::perror("seccomp");
  std::abort();
}

int error_of_call(call which) {
  void* address = nullptr;
  epoll_event event{};
  long answer = -1;
  errno = 0;
  switch (which) {
    case call::clone3:
    case call::clone3_of_troupe:
      answer = ::syscall(SYS_clone3, nullptr, 0);
      break;
    // CLONE_SIGHAND without CLONE_VM makes no process.
    case call::clone_of_siblings:
      answer = ::syscall(SYS_clone, CLONE_PARENT | CLONE_SIGHAND, nullptr, nullptr, nullptr, nullptr);
      break;
    case call::thread_id_address:
      answer = ::prctl(PR_GET_TID_ADDRESS, &address);
      break;
    case call::close_range:
      answer = ::close_range(~0U, ~0U, 0);
      break;
    case call::pidfd_open:
      answer = ::syscall(SYS_pidfd_open, -1, 0);
      break;
    case call::seal:
      answer = ::fcntl(-1, F_ADD_SEALS, 0);
      break;
    case call::epoll_pwait2:
      answer = ::epoll_pwait2(-1, &event, 1, nullptr, nullptr);
      break;
  }
  return answer < 0 ? errno : 0;
}

}  // namespace tests
