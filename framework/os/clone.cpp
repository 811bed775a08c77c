#include "os/clone.hpp"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <initializer_list>

namespace troupe::os {

namespace {

enum class way : std::uint8_t { clone3, clone, fork };
way the_way = way::clone3;  // a child inherits what its parent has found out

void* saved_robust_list = nullptr;
std::size_t saved_robust_size = 0;

// glibc keeps the thread id where the kernel was told to clear it; a raw clone must point there, or the child believes
// that it is its parent (recursive mutexes, pthread_kill).
void* thread_id_address() noexcept {
  void* address = nullptr;
  return ::prctl(PR_GET_TID_ADDRESS, &address) == 0 ? address : nullptr;
}

// The list head was registered for the parent's task; the child's has none until it says so.
void register_robust_list() noexcept {
  if (saved_robust_list != nullptr) ::syscall(SYS_set_robust_list, saved_robust_list, saved_robust_size);
}

int by_clone3(kinship whose, int cgroup) noexcept {
  clone_args wanted{};
  wanted.flags = CLONE_CLEAR_SIGHAND | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
  if (whose == kinship::sibling) wanted.flags |= CLONE_PARENT;
  wanted.child_tid = reinterpret_cast<std::uint64_t>(thread_id_address());
  wanted.exit_signal = 0;
  if (cgroup >= 0) {
    wanted.flags |= CLONE_INTO_CGROUP;
    wanted.cgroup = static_cast<std::uint64_t>(cgroup);
  }
  const long pid = ::syscall(SYS_clone3, &wanted, sizeof wanted);
  return pid < 0 ? -errno : static_cast<int>(pid);
}

int by_clone(kinship whose) noexcept {
  const unsigned long flags =
      CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | (whose == kinship::sibling ? CLONE_PARENT : 0UL);
  void* const id = thread_id_address();
#if defined(__x86_64__)
  const long pid = ::syscall(SYS_clone, flags, nullptr, nullptr, id, 0UL);
#else  // the last two the other way round
  const long pid = ::syscall(SYS_clone, flags, nullptr, nullptr, 0UL, id);
#endif
  return pid < 0 ? -errno : static_cast<int>(pid);
}

int by_fork() noexcept {
  const int pid = ::fork();
  return pid < 0 ? -errno : pid;
}

void wait_for_adoption(int parent, int adopter) noexcept {
  while (::getppid() == parent) ::poll(nullptr, 0, 1);
  if (::getppid() != adopter) ::_exit(1);
}

int by_forking_twice() noexcept {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return -errno;
  const int adopter = ::getppid();
  const int between = by_fork();
  if (between == 0) {
    const int self = ::getpid();
    const int pid = by_fork();
    if (pid == 0) {
      ::close(ends[0]);
      ::close(ends[1]);
      wait_for_adoption(self, adopter);
      return 0;
    }
    ::_exit(::write(ends[1], &pid, sizeof pid) == sizeof pid ? 0 : 1);
  }
  ::close(ends[1]);
  int pid = -ECHILD;  // someone has killed the one between
  if (between > 0) {
    while (::read(ends[0], &pid, sizeof pid) < 0 && errno == EINTR) continue;
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(between), &info, static_cast<int>(WEXITED | __WALL));
  }
  ::close(ends[0]);
  return between < 0 ? between : pid;
}

/// Signals stay blocked in the child until it has cleared its parent's handlers.
int with_signals_blocked(int (*make)(kinship), kinship whose) noexcept {
  sigset_t all, before;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, &before);
  const int pid = make(whose);
  if (pid != 0) ::sigprocmask(SIG_SETMASK, &before, nullptr);
  return pid;
}

int make_by(way how, kinship whose, int cgroup) noexcept {
  if (how == way::clone3) return by_clone3(whose, cgroup);
  if (how == way::clone) return with_signals_blocked(by_clone, whose);
  return with_signals_blocked(
      [](kinship wanted) { return wanted == kinship::sibling ? by_forking_twice() : by_fork(); }, whose);
}

bool means_refused(int error) noexcept { return error == ENOSYS || error == EPERM || error == EINVAL; }

}  // namespace

int clone_process(kinship whose, int cgroup) noexcept {
  ::syscall(SYS_get_robust_list, 0, &saved_robust_list, &saved_robust_size);
  if (thread_id_address() == nullptr) the_way = way::fork;
  for (;;) {
    const int pid = make_by(the_way, whose, cgroup);
    // With a cgroup it is that one which is refused: clone3 itself has been used before.
    if (pid >= 0 || cgroup >= 0 || the_way == way::fork || !means_refused(-pid)) return pid;
    the_way = the_way == way::clone3 ? way::clone : way::fork;
  }
}

bool siblings_are_orphans() noexcept { return the_way == way::fork; }

bool clones_into_cgroups() noexcept { return the_way == way::clone3; }

void become_worker() noexcept {
  register_robust_list();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // What the spawner ignores would stay ignored: with CHLD ignored, system() and wait() would fail.
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  for (int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE}) ::signal(number, SIG_IGN);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void outlive_parent() noexcept { ::prctl(PR_SET_PDEATHSIG, 0); }

void adopt_orphans(bool yes) noexcept { ::prctl(PR_SET_CHILD_SUBREAPER, yes ? 1 : 0); }

bool adopts_orphans() noexcept {
  int yes = 0;
  return ::prctl(PR_GET_CHILD_SUBREAPER, &yes) == 0 && yes != 0;
}

}  // namespace troupe::os
