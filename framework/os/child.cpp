#include "os/child.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include <troupe/error.hpp>

#include "os/pipe.hpp"

namespace troupe::os {

namespace {

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (const auto& each : texts) all.push_back(const_cast<char*>(each.c_str()));
  all.push_back(nullptr);
  return all;
}

fd moved_above(int number, int least) {
  fd copy{::fcntl(number, F_DUPFD_CLOEXEC, least)};
  if (!copy) fail("duplicate a descriptor");
  return copy;
}

struct failure {
  int number;
  bool in_directory;
};

void restore_signals() noexcept {
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void close_on_exec_above(int last) noexcept {
  if (::close_range(static_cast<unsigned>(last), ~0U, CLOSE_RANGE_CLOEXEC) == 0) return;
  const long most = ::sysconf(_SC_OPEN_MAX);  // ours are close-on-exec all the same: this is for others' descriptors
  for (int number = last; number < std::min(most, 65536L); ++number) ::fcntl(number, F_SETFD, FD_CLOEXEC);
}

/// Between fork and exec: only what may be called after a fork of a process with threads.
failure become(const execution& what, char* const* command, char* const* environment, int parent) noexcept {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  ::setsid();
  if (!what.directory.empty() && ::chdir(what.directory.c_str()) != 0) return {errno, true};
  const int input = what.input >= 0 ? what.input : ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (::dup2(input, 0) < 0 || (what.output >= 0 && ::dup2(what.output, 1) < 0)) return {errno, false};
  close_on_exec_above(3);
  if (what.extra_as > 2 && ::dup2(what.extra, what.extra_as) < 0) return {errno, false};
  restore_signals();
  ::execvpe(command[0], command, environment);
  return {errno, false};
}

fd blocking(int number, int least) {
  if (number < 0) return {};
  fd end = moved_above(number, least);
  make_blocking(end);
  return end;
}

}  // namespace

executed execute(const execution& what) {
  // Above all numbers that the program is to find its descriptors under.
  const int least = std::max(3, what.extra_as + 1);
  const fd input = blocking(what.input, least), output = blocking(what.output, least),
           extra = blocking(what.extra, least);
  execution moved = what;
  moved.input = input.get();
  moved.output = output.get();
  moved.extra = extra.get();
  auto [told, tells] = make_pipe();
  tells = moved_above(tells.get(), least);
  make_blocking(told);
  const auto command = pointers_to(what.command), environment = pointers_to(what.environment);
  const int parent = ::getpid();
  const int pid = ::fork();
  if (pid == 0) {
    const failure why = become(moved, command.data(), environment.data(), parent);
    ::_exit(::write(tells.get(), &why, sizeof why) == sizeof why ? 127 : 126);
  }
  if (pid < 0) fail("make a process for a program");
  tells.reset();
  executed made{pid, open_pidfd(pid)};
  failure why{};
  ssize_t got = 0;
  do got = ::read(told.get(), &why, sizeof why);  // the end, when the program has been executed
  while (got < 0 && errno == EINTR);
  if (got != sizeof why) return made;
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED);
  throw error(errc::os, why.in_directory ? "enter a directory" : "execute a program", why.number,
              why.in_directory ? what.directory : what.command[0]);
}

bool has_died(const fd& pidfd) noexcept {
  siginfo_t info{};
  const int rc = ::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd.get()), &info,
                          WEXITED | WNOHANG | WNOWAIT | __WALL);
  return rc != 0 || info.si_pid != 0;
}

void kill_group(int leader) noexcept { ::kill(-leader, SIGKILL); }

std::vector<std::string> own_environment() {
  std::vector<std::string> all;
  for (char** each = environ; each != nullptr && *each != nullptr; ++each) all.emplace_back(*each);
  return all;
}

}  // namespace troupe::os
