#pragma once

/// Makes the kernel refuse what a container's seccomp profile, or an old kernel, refuses.

#include <vector>

namespace tests {

enum class call {
  clone3,             ///< also of libc, which makes its threads with it
  clone3_of_troupe,   ///< through libc's syscall() alone
  clone_of_siblings,  ///< clone with CLONE_PARENT
  thread_id_address,  ///< prctl(PR_GET_TID_ADDRESS)
  close_range,
  pidfd_open,
  seal,  ///< fcntl(F_ADD_SEALS)
  epoll_pwait2,
};

/// From now on these calls fail with this error number, in this process and in all that it makes. There is no way back.
void refuse(const std::vector<call>& calls, int error);

/// The error number with which the kernel meets this call now, 0 if it works.
int error_of_call(call which);

}  // namespace tests
