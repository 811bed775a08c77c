#include "os/process.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace troupe::os {

namespace {

// glibc keeps the thread id where the kernel was told to clear it; a raw clone must point there, or the child believes
// that it is its parent (recursive mutexes, pthread_kill).
void* thread_id_address() noexcept {
  void* address = nullptr;
  return ::prctl(PR_GET_TID_ADDRESS, &address) == 0 ? address : nullptr;
}

// Our caller's list head was registered for the caller's own task; the child has none until it says so.
void register_robust_list() noexcept {
  void* head = nullptr;
  std::size_t size = 0;
  const auto parent_view = ::syscall(SYS_get_robust_list, 0, &head, &size);
  if (parent_view == 0 && head != nullptr) ::syscall(SYS_set_robust_list, head, size);
}

void* saved_robust_list = nullptr;
std::size_t saved_robust_size = 0;

}  // namespace

int clone_process(kinship whose) noexcept {
  ::syscall(SYS_get_robust_list, 0, &saved_robust_list, &saved_robust_size);
  clone_args wanted{};
  wanted.flags = CLONE_CLEAR_SIGHAND | (whose == kinship::sibling ? CLONE_PARENT : 0);
  if (void* address = thread_id_address(); address != nullptr) {
    wanted.flags |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
    wanted.child_tid = reinterpret_cast<std::uint64_t>(address);
  }
  wanted.exit_signal = 0;
  const long pid = ::syscall(SYS_clone3, &wanted, sizeof wanted);
  return pid < 0 ? -errno : static_cast<int>(pid);
}

void become_worker() noexcept {
  if (saved_robust_list != nullptr) {
    ::syscall(SYS_set_robust_list, saved_robust_list, saved_robust_size);
  } else {
    register_robust_list();
  }
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE}) ::signal(number, SIG_IGN);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void restore_terminate() noexcept { ::signal(SIGTERM, SIG_DFL); }

fd open_pidfd(int pid) {
  fd pidfd{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))};
  if (!pidfd) fail("open a process");
  return pidfd;
}

std::optional<exit_status> reap(const fd& pidfd) noexcept {
  siginfo_t info{};
  int rc = 0;
  do rc = ::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd.get()), &info, WEXITED | WNOHANG | __WALL);
  while (rc != 0 && errno == EINTR);
  if (rc != 0) return exit_status{};  // ECHILD: reaped by someone else in this process
  if (info.si_pid == 0) return std::nullopt;
  if (info.si_code == CLD_EXITED) return exit_status{info.si_status, 0, false};
  return exit_status{-1, info.si_status, info.si_code == CLD_DUMPED};
}

void reap_unknown(const std::function<bool(int pid)>& known) {
  for (;;) {
    siginfo_t info{};
    // WNOWAIT: only looks. __WCLONE: only children without SIGCHLD, which are ours and not the program's own.
    const int looked = ::waitid(P_ALL, 0, &info, static_cast<int>(WEXITED | WNOHANG | WNOWAIT | __WCLONE));
    if (looked != 0 || info.si_pid == 0 || known(info.si_pid)) return;
    ::waitid(P_PID, static_cast<id_t>(info.si_pid), &info, static_cast<int>(WEXITED | WNOHANG | __WCLONE));
  }
}

bool send_signal(const fd& pidfd, int number) noexcept {
  return ::syscall(SYS_pidfd_send_signal, pidfd.get(), number, nullptr, 0) == 0;
}

std::vector<int> thread_ids() {
  DIR* tasks = ::opendir("/proc/self/task");
  if (tasks == nullptr) fail("list the threads");
  std::vector<int> ids;
  while (const dirent* entry = ::readdir(tasks)) {
    if (entry->d_name[0] != '.') ids.push_back(std::atoi(entry->d_name));
  }
  ::closedir(tasks);
  return ids;
}

std::string thread_name(int tid) {
  const fd file{::open(("/proc/self/task/" + std::to_string(tid) + "/comm").c_str(), O_RDONLY | O_CLOEXEC)};
  char text[64] = {};
  if (!file || ::read(file.get(), text, sizeof text - 1) <= 0) return "?";
  std::string name = text;
  while (!name.empty() && name.back() == '\n') name.pop_back();
  return name;
}

void name_thread(const std::string& name) noexcept { ::prctl(PR_SET_NAME, name.c_str()); }

int own_pid() noexcept { return static_cast<int>(::getpid()); }

std::string signal_name(int number) {
  const char* name = ::sigabbrev_np(number);
  return name == nullptr ? "signal " + std::to_string(number) : "SIG" + std::string(name);
}

fd take_signals() {
  sigset_t ours;
  ::sigemptyset(&ours);
  for (int number : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&ours, number);
  ::pthread_sigmask(SIG_BLOCK, &ours, nullptr);
  fd signals{::signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK)};
  if (!signals) fail("take signals");
  return signals;
}

int read_signal(const fd& signals) noexcept {
  signalfd_siginfo info{};
  return ::read(signals.get(), &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
}

void ignore_all_signals() noexcept {
  for (int number = 1; number < NSIG; ++number) {
    // What a fault of our own raises must still end the process.
    if (number == SIGSEGV || number == SIGBUS || number == SIGILL || number == SIGFPE || number == SIGABRT) continue;
    ::signal(number, SIG_IGN);
  }
}

void ignore_sigpipe() noexcept { ::signal(SIGPIPE, SIG_IGN); }

void exit_now(int code) noexcept { ::_exit(code); }

}  // namespace troupe::os
