#include "crash/kstep/stepper.hpp"

#include <dlfcn.h>
#include <poll.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <unordered_map>
#include <utility>

asm(R"(
.text
.p2align 4
.globl crash_begin_mark
.type crash_begin_mark, @function
crash_begin_mark:
  int3
  ret
.size crash_begin_mark, . - crash_begin_mark
.p2align 4
.globl crash_end_mark
.type crash_end_mark, @function
crash_end_mark:
  int3
  ret
.size crash_end_mark, . - crash_end_mark
)");

// The program's own code, without the libraries: the linker's names.
extern "C" const char __executable_start, etext;

namespace crash {

namespace {

constexpr int call_stop = SIGTRAP | 0x80;
constexpr int tick_s = 10, most_ticks = 3;   // of one wait for a victim
constexpr std::size_t most_steps = 200'000;  // an operation that is longer does not end

std::uint64_t begin_address() { return reinterpret_cast<std::uint64_t>(&crash_begin_mark); }
std::uint64_t end_address() { return reinterpret_cast<std::uint64_t>(&crash_end_mark); }

[[noreturn]] void give_up(const std::string& what) { throw std::runtime_error("the stepping machine: " + what); }

user_regs_struct registers(pid_t pid) {
  user_regs_struct regs{};
  if (::ptrace(PTRACE_GETREGS, pid, nullptr, &regs) != 0) give_up("no registers");
  return regs;
}

int wait_for(pid_t pid) {
  int status = 0;
  for (int ticks = 0; ::waitpid(pid, &status, __WALL) != pid;) {
    if (errno != EINTR) give_up("the victim cannot be waited for");
    if (++ticks > most_ticks) throw stuck("the victim sleeps in a system call and nobody wakes it");
  }
  return status;
}

/// A wait without limit, or with one that is beyond any test.
bool waits_for_ever(std::uint64_t call, const std::array<std::uint64_t, 4>& arguments) {
  const auto long_time = [](std::uint64_t ms) {
    const auto limit = static_cast<std::int32_t>(ms);
    return limit < 0 || limit > 1000;
  };
  switch (call) {
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
      return long_time(arguments[3]);
    case SYS_poll:
      return long_time(arguments[2]);
    case SYS_epoll_pwait2:
    case SYS_ppoll:
      return true;
    default:
      return false;
  }
}

}  // namespace

victim::victim(const std::function<void()>& body, others them) : them_(std::move(them)) {
  pid_ = ::fork();
  if (pid_ < 0) give_up("no process can be made");
  if (pid_ == 0) {
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::raise(SIGSTOP);
    body();
    ::_exit(99);
  }
  if (!WIFSTOPPED(wait_for(pid_))) give_up("the victim did not start");
  ::ptrace(PTRACE_SETOPTIONS, pid_, nullptr, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD);
}

void victim::kill() noexcept {
  if (pid_ == 0) return;
  ::kill(pid_, SIGKILL);
  int status = 0;
  while (::waitpid(pid_, &status, __WALL) == pid_ && WIFSTOPPED(status)) {
  }
  pid_ = 0;
}

std::uint64_t victim::instruction_pointer() {
  errno = 0;
  const long value = ::ptrace(PTRACE_PEEKUSER, pid_, offsetof(user, regs.rip), nullptr);
  if (errno != 0) give_up("no instruction pointer");
  return static_cast<std::uint64_t>(value);
}

/// Whether the next instruction is a system call.
bool victim::at_call() {
  errno = 0;
  const long word = ::ptrace(PTRACE_PEEKTEXT, pid_, instruction_pointer(), nullptr);
  return errno == 0 && (word & 0xffff) == 0x050f;
}

victim::place victim::arrived(int status) {
  if (WIFEXITED(status) || WIFSIGNALED(status)) {
    how_ = WIFEXITED(status) ? "exited with code " + std::to_string(WEXITSTATUS(status))
                             : "was ended by signal " + std::to_string(WTERMSIG(status));
    pid_ = 0;
    return place::dead;
  }
  if (WSTOPSIG(status) == SIGTRAP) {
    const std::uint64_t at = instruction_pointer();
    if (at == begin_address() + 1) return place::begin;
    if (at == end_address() + 1) return place::end;
    return place::point;
  }
  how_ = "got signal " + std::to_string(WSTOPSIG(status)) + " at " + describe(instruction_pointer());
  kill();
  return place::dead;
}

/// At the entry of a system call, or before it.
bool victim::about_to_sleep() {
  const user_regs_struct regs = registers(pid_);
  const bool inside = static_cast<long>(regs.orig_rax) >= 0;
  const std::uint64_t call = inside ? regs.orig_rax : regs.rax;
  if (!waits_for_ever(call, {regs.rdi, regs.rsi, regs.rdx, regs.r10})) return false;
  if (!them_.nothing_there || !them_.nothing_there()) return false;
  return !(them_.wake && them_.wake() && !them_.nothing_there());
}

/// Resumes until something is to be looked at: a mark, a breakpoint, a step, the sleep, the end.
victim::place victim::resume(way how) {
  // Let into the call, it would stop nowhere.
  if (std::exchange(at_entry_, false) && about_to_sleep()) {
    at_entry_ = true;
    return place::asleep;
  }
  for (;;) {
    if (::ptrace(how == way::step ? PTRACE_SINGLESTEP : PTRACE_SYSCALL, pid_, nullptr, nullptr) != 0) give_up("resume");
    const int status = wait_for(pid_);
    if (!WIFSTOPPED(status) || WSTOPSIG(status) != call_stop) return arrived(status);
    // At the entry of a call the kernel shows ENOSYS as its result.
    if (static_cast<long>(registers(pid_).rax) != -ENOSYS) continue;
    if (them_.serve) them_.serve();
    at_entry_ = about_to_sleep();
    if (at_entry_) return place::asleep;
  }
}

victim::place victim::run_to_begin() {
  static const int children = [] {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    return ::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  }();
  ::ptrace(PTRACE_CONT, pid_, nullptr, nullptr);
  for (int ticks = 0;;) {
    std::array<pollfd, 2> what{pollfd{children, POLLIN, 0}, pollfd{them_.control, POLLIN, 0}};
    const int ready = ::poll(what.data(), what.size(), tick_s * 1000);
    if (ready <= 0 && ++ticks > most_ticks) throw stuck("the victim does not come to its begin mark");
    if (ready <= 0) continue;
    if ((what[1].revents & POLLIN) != 0) them_.serve();
    if ((what[0].revents & POLLIN) == 0) continue;
    signalfd_siginfo ignored{};
    while (::read(children, &ignored, sizeof ignored) > 0) {
    }
    int status = 0;
    if (::waitpid(pid_, &status, __WALL | WNOHANG) == pid_) return arrived(status);
  }
}

victim::place victim::run() { return resume(way::to_call); }

/// One step; what a system call waits for is provided first.
victim::place victim::steps(std::size_t count) {
  for (; count > 0; --count) {
    if (at_call()) {
      if (them_.serve) them_.serve();
      if (about_to_sleep()) return place::asleep;
    }
    const place here = resume(way::step);
    if (here == place::dead || here == place::end) return here;
  }
  return place::point;
}

victim::place victim::record(trace& into, const std::function<bool()>& changed) {
  into.clear();
  std::unordered_map<std::uint64_t, std::uint32_t> seen;
  changed();
  while (into.size() < most_steps) {
    const std::uint64_t at = instruction_pointer();
    if (at == end_address()) return place::end;
    const bool call = at_call();
    into.push_back({at, ++seen[at], call, false});
    const place here = steps(1);
    if (here == place::dead || here == place::asleep || here == place::end) return here;
    into.back().touches = changed() || call;
  }
  give_up("the operation does not end");
}

std::size_t victim::count() {
  const auto first = reinterpret_cast<std::uint64_t>(&__executable_start);
  const auto behind = reinterpret_cast<std::uint64_t>(&etext);
  std::size_t own = 0;
  for (std::size_t made = 0; made < most_steps; ++made) {
    const std::uint64_t at = instruction_pointer();
    own += at >= first && at < behind ? 1 : 0;
    if (at == end_address() || steps(1) != place::point) return own;
  }
  give_up("the operation does not end");
}

// -------------------------------------------------------------------------------------------------------- breakpoints

void victim::arm(std::uint64_t address) {
  const auto poke = [&](int index, std::uint64_t value) {
    const auto offset = offsetof(user, u_debugreg) + static_cast<std::size_t>(index) * sizeof(std::uint64_t);
    return ::ptrace(PTRACE_POKEUSER, pid_, offset, value) == 0;
  };
  if (address != 0 && !poke(0, address)) give_up("the debug registers refuse an address");
  if (!poke(7, address != 0 ? 1 : 0)) give_up("the debug registers refuse to work");
}

victim::place victim::run_to_breakpoint(std::uint64_t address, std::uint32_t occurrence) {
  if (!debug_registers_work()) return run_to_int3(address, occurrence);
  arm(address);
  place here = place::point;
  for (; occurrence > 0 && here == place::point; --occurrence) here = run();
  if (pid_ != 0) arm(0);
  return here;
}

victim::place victim::run_to_int3(std::uint64_t address, std::uint32_t occurrence) {
  const long original = ::ptrace(PTRACE_PEEKTEXT, pid_, address, nullptr);
  const long trap = (original & ~0xffL) | 0xcc;
  for (;;) {
    // Standing on it counts as reaching it: single steps do not see what they stand on.
    if (instruction_pointer() == address) {
      if (--occurrence == 0) return place::point;
      if (const place here = steps(1); here != place::point) return here;
      continue;
    }
    ::ptrace(PTRACE_POKETEXT, pid_, address, trap);
    const place here = run();
    if (pid_ != 0) ::ptrace(PTRACE_POKETEXT, pid_, address, original);
    if (here != place::point) return here;
    ::ptrace(PTRACE_POKEUSER, pid_, offsetof(user, regs.rip), address);
  }
}

/// A breakpoint at one of the instructions before, where it costs least, and steps from there: so loops are not run
/// through once per round.
victim::place victim::run_to(const trace& of, std::size_t k) {
  constexpr std::size_t step_cost = 1, stop_cost = 3;
  std::size_t anchor = 0, best = k * step_cost;
  for (std::size_t i = k; i > 0 && k - i < best; --i) {
    const std::size_t cost = of[i].occurrence * stop_cost + (k - i) * step_cost;
    if (cost < best) {
      best = cost;
      anchor = i;
    }
  }
  if (anchor > 0) {
    const place here = run_to_breakpoint(of[anchor].address, of[anchor].occurrence);
    if (here != place::point) return here;
  }
  return steps(k - anchor);
}

namespace {
bool forgone = false;
}

void do_without_debug_registers() { forgone = true; }

bool debug_registers_work() {
  static const bool work = [] {
    const auto body = [] {
      crash_begin_mark();
      crash_end_mark();
    };
    const auto offset = offsetof(user, u_debugreg);
    const pid_t child = ::fork();
    if (child == 0) {
      ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
      body();
      ::_exit(0);
    }
    wait_for(child);  // at begin
    bool stopped = ::ptrace(PTRACE_POKEUSER, child, offset, end_address()) == 0 &&
                   ::ptrace(PTRACE_POKEUSER, child, offset + 7 * sizeof(std::uint64_t), 1) == 0 &&
                   ::ptrace(PTRACE_CONT, child, nullptr, nullptr) == 0;
    if (stopped) stopped = WIFSTOPPED(wait_for(child)) && registers(child).rip == end_address();
    ::kill(child, SIGKILL);
    wait_for(child);
    return stopped;
  }();
  return work && !forgone;
}

void share_one_processor() {
  cpu_set_t all;
  CPU_ZERO(&all);
  if (::sched_getaffinity(0, sizeof all, &all) != 0) return;
  // Another one for each process, so that several harnesses side by side share the machine.
  int chosen = ::getpid() % CPU_COUNT(&all);
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &all) || chosen-- > 0) continue;
    CPU_ZERO(&all);
    CPU_SET(cpu, &all);
    ::sched_setaffinity(0, sizeof all, &all);
    return;
  }
}

// A periodic signal that interrupts waitpid: no system call for each of the many waits.
void limit_waits() {
  struct sigaction nothing {};
  nothing.sa_handler = [](int) {};
  ::sigaction(SIGALRM, &nothing, nullptr);
  const itimerval often{{tick_s, 0}, {tick_s, 0}};
  ::setitimer(ITIMER_REAL, &often, nullptr);
}

std::string describe(std::uint64_t address) {
  Dl_info where{};
  if (::dladdr(reinterpret_cast<void*>(address), &where) == 0 || where.dli_fname == nullptr) {
    return "an address outside the program";
  }
  const auto base = reinterpret_cast<std::uint64_t>(where.dli_fbase);
  std::array<char, 512> line{};
  std::snprintf(line.data(), line.size(), "addr2line -sCfe '%s' 0x%llx 2>/dev/null", where.dli_fname,
                static_cast<unsigned long long>(address - base));
  std::string found;
  if (const std::unique_ptr<std::FILE, int (*)(std::FILE*)> tool(::popen(line.data(), "r"), &::pclose); tool) {
    while (std::fgets(line.data(), static_cast<int>(line.size()), tool.get()) != nullptr) found += line.data();
  }
  const std::size_t cut = found.find('\n');
  if (cut == found.npos || found.starts_with("??")) {
    return where.dli_sname != nullptr ? where.dli_sname : std::string(where.dli_fname);
  }
  std::string source = found.substr(cut + 1);
  while (!source.empty() && source.back() == '\n') source.pop_back();
  return found.substr(0, cut) + " (" + source + ")";
}

}  // namespace crash
