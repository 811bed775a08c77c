#include "crash/syscall_tracer.hpp"

#include <dirent.h>
#include <doctest/doctest.h>
#include <poll.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "support/program.hpp"

namespace tests {

namespace {

constexpr int call_stop = SIGTRAP | 0x80;

void* as_pointer(long value) { return reinterpret_cast<void*>(value); }

void wait_a_moment() {
  const timespec moment{0, 30'000};
  ::ppoll(nullptr, 0, &moment, nullptr);
}

std::vector<pid_t> threads_of(pid_t process) {
  std::vector<pid_t> found;
  DIR* all = ::opendir(("/proc/" + std::to_string(process) + "/task").c_str());
  while (const dirent* entry = all == nullptr ? nullptr : ::readdir(all)) {
    if (entry->d_name[0] != '.') found.push_back(std::atoi(entry->d_name));
  }
  if (all != nullptr) ::closedir(all);
  return found;
}

std::string name_of_call(long number) {
  constexpr std::array<std::pair<long, const char*>, 27> names{{
      {SYS_read, "read"},
      {SYS_write, "write"},
      {SYS_close, "close"},
      {SYS_mmap, "mmap"},
      {SYS_munmap, "munmap"},
      {SYS_madvise, "madvise"},
      {SYS_brk, "brk"},
      {SYS_recvmsg, "recvmsg"},
      {SYS_sendmsg, "sendmsg"},
      {SYS_clone3, "clone3"},
      {SYS_clone, "clone"},
      {SYS_prctl, "prctl"},
      {SYS_futex, "futex"},
      {SYS_epoll_wait, "epoll_wait"},
      {SYS_epoll_pwait2, "epoll_pwait2"},
      {SYS_epoll_ctl, "epoll_ctl"},
      {SYS_epoll_create1, "epoll_create1"},
      {SYS_ppoll, "ppoll"},
      {SYS_fcntl, "fcntl"},
      {SYS_close_range, "close_range"},
      {SYS_exit_group, "exit_group"},
      {SYS_memfd_create, "memfd_create"},
      {SYS_ftruncate, "ftruncate"},
      {SYS_socketpair, "socketpair"},
      {SYS_waitid, "waitid"},
      {SYS_pidfd_open, "pidfd_open"},
      {SYS_rt_sigaction, "rt_sigaction"},
  }};
  for (const auto& [call, name] : names) {
    if (call == number) return name;
  }
  return "system call " + std::to_string(number);
}

}  // namespace

std::string describe(const watched& what, const kill_point& where) {
  if (!what.killed) return "not killed";
  const std::string place = where.blocked ? "in " : what.before ? "before " : "after ";
  return "killed " + place + name_of_call(what.call) + ", stop " + std::to_string(where.stop);
}

bool may_block(long call) {
  constexpr std::array calls = {SYS_read,         SYS_write, SYS_recvmsg, SYS_sendmsg, SYS_futex, SYS_epoll_wait,
                                SYS_epoll_pwait2, SYS_ppoll, SYS_poll,    SYS_waitid,  SYS_wait4};
  return std::find(calls.begin(), calls.end(), call) != calls.end();
}

tracer::tracer(pid_t process, whom victim)
    : process_(process), of_children_(victim == whom::next_child), victim_(of_children_ ? 0 : process) {
  const auto ours = children_of(::getpid());
  child_of_ours_ = std::find(ours.begin(), ours.end(), process) != ours.end();
  const long options =
      PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | (of_children_ ? PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK : 0);
  for (const pid_t each : threads_of(process)) {
    if (::ptrace(PTRACE_SEIZE, each, nullptr, as_pointer(options)) != 0) continue;
    tasks_[each] = {.of_victim = !of_children_};
    ::ptrace(PTRACE_INTERRUPT, each, nullptr, nullptr);
  }
  REQUIRE_MESSAGE(tasks_.contains(process), "process ", process, " cannot be watched: ", std::strerror(errno));
}

tracer::~tracer() {
  while (!tasks_.empty()) let_go(tasks_.begin()->first);
}

void tracer::settle() {
  const auto asleep = [](const auto& each) { return each.second.in_call && state_of(each.first) == 'S'; };
  while (!std::all_of(tasks_.begin(), tasks_.end(), asleep)) take_news();
}

watched tracer::run(kill_point where, const std::function<bool()>& over) {
  where_ = where;
  counting_ = true;
  so_far_ = {};
  while (!so_far_.killed && !over()) {
    take_news();
    if (victim_ != 0 && !tasks_.contains(victim_)) break;
    if (about_to_block_ != 0 && state_of(about_to_block_) == 'S') kill_victim();
  }
  counting_ = false;
  about_to_block_ = 0;
  return so_far_;
}

long tracer::latest_call() const {
  const auto found = tasks_.find(victim_);
  return found == tasks_.end() ? -1 : found->second.call;
}

void tracer::take_news() {
  bool any = false;
  const auto now = tasks_;
  for (const auto& [thread, its] : now) {
    int status = 0;
    if (so_far_.killed || ::waitpid(thread, &status, __WALL | WNOHANG) != thread) continue;
    any = true;
    if (WIFSTOPPED(status)) {
      take_stop(thread, status);
    } else {
      tasks_.erase(thread);
    }
  }
  if (!any) wait_a_moment();
}

void tracer::take_stop(pid_t thread, int status) {
  const int signal = WSTOPSIG(status);
  const int event = status >> 16;
  if (signal == call_stop) return take_call(thread);
  if (event == PTRACE_EVENT_CLONE || event == PTRACE_EVENT_FORK) adopt_child_of(thread);
  if (event == PTRACE_EVENT_STOP && signal != SIGTRAP) {  // by a signal, until SIGCONT
    ::ptrace(PTRACE_LISTEN, thread, nullptr, nullptr);
  } else {
    go_on(thread, event == 0 ? signal : 0);
  }
}

/// The kernel has made us watch it already.
void tracer::adopt_child_of(pid_t parent) {
  unsigned long made = 0;
  ::ptrace(PTRACE_GETEVENTMSG, parent, nullptr, &made);
  const auto child = static_cast<pid_t>(made);
  if (victim_ == 0 && counting_) victim_ = child;
  tasks_[child] = {.of_victim = child == victim_};
}

void tracer::take_call(pid_t thread) {
  task& its = tasks_.at(thread);
  __ptrace_syscall_info info{};
  ::ptrace(PTRACE_GET_SYSCALL_INFO, thread, as_pointer(sizeof info), &info);
  its.in_call = info.op == PTRACE_SYSCALL_INFO_ENTRY;
  if (its.in_call) its.call = static_cast<long>(info.entry.nr);
  if (about_to_block_ == thread && !its.in_call) about_to_block_ = 0;
  const bool here = counting_ && its.of_victim && so_far_.stops++ == where_.stop;
  if (here) {
    so_far_.call = its.call;
    so_far_.before = its.in_call;
    if (!where_.blocked) return kill_victim();
    if (its.in_call) about_to_block_ = thread;
  }
  go_on(thread, 0);
}

void tracer::go_on(pid_t thread, int signal) {
  const bool stop_at_calls = !counting_ || tasks_.at(thread).of_victim;
  ::ptrace(stop_at_calls ? PTRACE_SYSCALL : PTRACE_CONT, thread, nullptr, as_pointer(signal));
}

/// Its parent learns of its death when we have taken note of it. Its first thread comes last: until then the others
/// keep it; and if it is a child of ours, that is the program's harness's to reap.
void tracer::kill_victim() {
  so_far_.killed = true;
  ::kill(victim_, SIGKILL);
  std::vector<pid_t> threads;
  for (const auto& [thread, its] : tasks_) {
    if (its.of_victim && thread != victim_) threads.push_back(thread);
  }
  if (!child_of_ours_) threads.push_back(victim_);
  for (const pid_t each : threads) {
    int status = 0;
    while (::waitpid(each, &status, __WALL) == each && WIFSTOPPED(status)) continue;
  }
  std::erase_if(tasks_, [](const auto& each) { return each.second.of_victim; });
}

void tracer::let_go(pid_t thread) {
  int status = 0;
  ::ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr);
  if (::waitpid(thread, &status, __WALL) == thread && WIFSTOPPED(status)) {
    const int event = status >> 16;
    if (event == PTRACE_EVENT_CLONE || event == PTRACE_EVENT_FORK) adopt_child_of(thread);
    const bool of_a_signal = event == 0 && WSTOPSIG(status) != call_stop;
    ::ptrace(PTRACE_DETACH, thread, nullptr, as_pointer(of_a_signal ? WSTOPSIG(status) : 0));
  }
  tasks_.erase(thread);
}

}  // namespace tests
