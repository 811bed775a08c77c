#include "os/process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include <troupe/error.hpp>

#include "os/poller.hpp"

namespace troupe::os {

void restore_terminate() noexcept { ::signal(SIGTERM, SIG_DFL); }

fd open_pidfd(int pid) {
  fd pidfd{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))};
  if (pidfd) return pidfd;
  if (errno != ENOSYS && errno != EPERM) fail("open a process");
  throw error(errc::os, "pidfd_open", errno,
              "without it nobody would know that a worker has died; it takes Linux 5.4 and, in a container, a seccomp "
              "profile that allows it");
}

namespace {

std::uint64_t microseconds(const timeval& time) {
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(time.tv_usec);
}

resource_use use_of(const rusage& used) {
  const auto count = [](long value) { return static_cast<std::uint64_t>(value); };
  return {microseconds(used.ru_utime), microseconds(used.ru_stime), count(used.ru_maxrss) * 1024,
          count(used.ru_minflt),       count(used.ru_majflt),       count(used.ru_nvcsw),
          count(used.ru_nivcsw)};
}

}  // namespace

std::optional<exit_status> reap(const fd& pidfd) noexcept {
  siginfo_t info{};
  rusage used{};  // only the system call itself gives it
  long rc = 0;
  do rc = ::syscall(SYS_waitid, P_PIDFD, pidfd.get(), &info, WEXITED | WNOHANG | __WALL, &used);
  while (rc != 0 && errno == EINTR);
  if (rc != 0) return exit_status{};  // ECHILD: reaped by someone else in this process
  if (info.si_pid == 0) return std::nullopt;
  if (info.si_code == CLD_EXITED) return exit_status{info.si_status, 0, false, use_of(used)};
  return exit_status{-1, info.si_status, info.si_code == CLD_DUMPED, use_of(used)};
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

namespace {

struct stat_line {
  std::string name;
  char state = 0;
  int parent = 0;
};

/// Of /proc/PID/stat: "PID (name) state parent ...", where the name may hold anything.
stat_line read_stat(const std::string& pid) {
  const fd file{::open(("/proc/" + pid + "/stat").c_str(), O_RDONLY | O_CLOEXEC)};
  char text[256] = {};
  if (!file || ::read(file.get(), text, sizeof text - 1) <= 0) return {};
  const std::string line = text;
  const std::size_t open = line.find('('), close = line.rfind(')');
  if (open == line.npos || close == line.npos || close + 4 >= line.size()) return {};
  return {line.substr(open + 1, close - open - 1), line[close + 2], std::atoi(line.c_str() + close + 4)};
}

}  // namespace

namespace {

constexpr std::size_t most_tasks = 64;
constexpr unsigned long exiting = 4;  // PF_EXITING: the task has left user mode for good

/// Fields 9, 20, 39 and 52 of a stat file of /proc.
struct task_stat {
  unsigned long flags = 0;
  int threads = 0;
  int processor = -1;
  int exit_code = 0;  // as in wait(2)
};

fd open_stat(const std::string& folder) { return fd{::open((folder + "/stat").c_str(), O_RDONLY | O_CLOEXEC)}; }

/// None: the task is gone.
std::optional<task_stat> read_task(const fd& stat) {
  char text[1024] = {};
  if (!stat || ::pread(stat.get(), text, sizeof text - 1, 0) <= 0) return std::nullopt;
  task_stat its;
  const char* at = ::strrchr(text, ')');
  for (int field = 3; field <= 52 && at != nullptr; ++field) {
    at = ::strchr(at + 1, ' ');
    if (at == nullptr) break;
    if (field == 9) its.flags = std::strtoul(at, nullptr, 10);
    if (field == 20) its.threads = std::atoi(at);
    if (field == 39) its.processor = std::atoi(at);
    if (field == 52) its.exit_code = std::atoi(at);
  }
  return its;
}

bool runs(const std::optional<task_stat>& its) { return its && (its->flags & exiting) == 0; }

/// Whether every thread of it but the first is exiting, too.
bool all_exiting(const std::string& process) {
  const std::string folder = process + "/task";
  const std::vector<int> tasks = numbers_in(folder.c_str());
  if (tasks.size() > most_tasks) return false;
  for (const int tid : tasks) {
    if (runs(read_task(open_stat(folder + "/" + std::to_string(tid))))) return false;
  }
  // One that was exiting when it was looked at may have started another before; that one is in the list now.
  const std::vector<int> again = numbers_in(folder.c_str());
  return std::all_of(again.begin(), again.end(),
                     [&](int tid) { return std::find(tasks.begin(), tasks.end(), tid) != tasks.end(); });
}

}  // namespace

std::optional<ending> ending_of(int pid) noexcept {
  try {
    const std::string process = "/proc/" + std::to_string(pid);
    const fd stat = open_stat(process);
    if (runs(read_task(stat))) return std::nullopt;
    // Read again: now that its first thread is exiting, that one starts no other.
    const auto its = read_task(stat);
    if (!its || (its->threads != 1 && !all_exiting(process))) return std::nullopt;
    const int signal = its->exit_code & 0x7f;
    const exit_status how{signal == 0 ? its->exit_code >> 8 & 0xff : -1, signal, (its->exit_code & 0x80) != 0};
    return ending{how, its->processor};
  } catch (const error&) {
    return std::nullopt;
  }
}

void reap_named(const std::string& name, const std::function<bool(int pid)>& known) {
  for (const int pid : numbers_in("/proc")) {
    const stat_line its = read_stat(std::to_string(pid));
    if (its.state != 'Z' || its.parent != ::getpid() || its.name != name || known(pid)) continue;
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(pid), &info, static_cast<int>(WEXITED | WNOHANG | __WALL));
  }
}

bool send_signal(const fd& pidfd, int number) noexcept {
  return ::syscall(SYS_pidfd_send_signal, pidfd.get(), number, nullptr, 0) == 0;
}

const char* name_of(resource what) noexcept {
  switch (what) {
    case resource::data: return "data";
    case resource::cpu: return "cpu";
    case resource::files: return "files";
    case resource::file_size: return "file_size";
    case resource::core: return "core";
  }
  return "?";
}

void limit(resource what, std::uint64_t most) {
  constexpr __rlimit_resource numbers[] = {RLIMIT_DATA, RLIMIT_CPU, RLIMIT_NOFILE, RLIMIT_FSIZE, RLIMIT_CORE};
  rlimit wanted{most, most};
  // At the hard limit of processor time comes SIGKILL, which says nothing of the reason; a second earlier, SIGXCPU.
  if (what == resource::cpu && most < RLIM_INFINITY) ++wanted.rlim_max;
  if (::setrlimit(numbers[static_cast<std::size_t>(what)], &wanted) == 0) return;
  throw error(errc::os, "set a limit", errno, std::string("limits.") + name_of(what) + " = " + std::to_string(most));
}

void give_up_new_privileges() {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail("set no_new_privs");
}

std::vector<int> thread_ids() { return numbers_in("/proc/self/task"); }

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

int parent_pid() noexcept { return static_cast<int>(::getppid()); }

std::string signal_name(int number) {
  const char* name = ::sigabbrev_np(number);
  return name == nullptr ? "signal " + std::to_string(number) : "SIG" + std::string(name);
}

kept_signals::kept_signals() noexcept { ::pthread_sigmask(SIG_SETMASK, nullptr, &before_); }
kept_signals::~kept_signals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

fd take_signals() {
  sigset_t ours;
  ::sigemptyset(&ours);
  for (int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction now {};
    const bool ignored = ::sigaction(number, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
    if (!ignored) ::sigaddset(&ours, number);
  }
  ::pthread_sigmask(SIG_BLOCK, &ours, nullptr);
  fd signals{::signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK)};
  if (!signals) fail("take signals");
  return signals;
}

int read_signal(const fd& signals) noexcept {
  signalfd_siginfo info{};
  return ::read(signals.get(), &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
}

void block_all_signals() noexcept {
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
}

void ignore_sigpipe() noexcept { ::signal(SIGPIPE, SIG_IGN); }

void redirect(int standard, fd to) {
  if (to.get() != standard && ::dup2(to.get(), standard) < 0) fail("redirect standard output");
  if (to.get() == standard && ::fcntl(to.release(), F_SETFD, 0) != 0) fail("redirect standard output");
}

void write_all(int number, std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t put = ::write(number, text.data(), text.size());
    if (put > 0) text.remove_prefix(static_cast<std::size_t>(put));
    if (put < 0 && errno == EAGAIN) wait_ready(number, poller::write, std::nullopt);
    if (put == 0 || (put < 0 && errno != EINTR && errno != EAGAIN)) return;
  }
}

void exit_now(int code) noexcept { ::_exit(code); }

}  // namespace troupe::os
