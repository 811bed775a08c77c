#include "os/crash.hpp"

#include <signal.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include <algorithm>
#include <array>
#include <atomic>

namespace troupe::os {

namespace {

constexpr std::uint32_t most_frames = 96;

struct record {
  std::atomic<std::uint32_t> frames;
  std::int32_t signal;
  std::uint64_t address;
  std::uint64_t trace[most_frames];
};
static_assert(sizeof(record) <= crash_bytes);

constexpr int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS};
constexpr unsigned longest_unwinding = 2;  // seconds

alignas(64) std::array<std::byte, 64 * 1024> handler_stack;
record* into = nullptr;
std::atomic<int> crashing_thread{0};
int first_signal = 0;
siginfo_t first_info;

int thread_id() noexcept { return static_cast<int>(::syscall(SYS_gettid)); }

void handle(int number, void (*handler)(int, siginfo_t*, void*)) noexcept {
  struct sigaction action = {};
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  action.sa_sigaction = handler;
  ::sigaction(number, &action, nullptr);
}

// Before a call that does not return, AddressSanitizer's code allocates; the crash may have come from within its allocator.
#define TROUPE_ALLOCATES_NOTHING [[gnu::no_sanitize_address]]

/// Of the signal that came first, whatever happened while it was being recorded.
TROUPE_ALLOCATES_NOTHING [[noreturn]] void die() noexcept {
  ::signal(first_signal, SIG_DFL);
  sigset_t its;
  ::sigemptyset(&its);
  ::sigaddset(&its, first_signal);
  ::pthread_sigmask(SIG_UNBLOCK, &its, nullptr);
  ::syscall(SYS_rt_tgsigqueueinfo, ::getpid(), thread_id(), first_signal, &first_info);
  ::raise(first_signal);  // where a container refuses the above
  ::_exit(128 + first_signal);
}

std::uint64_t instruction_of(const void* context) noexcept {
  const auto& machine = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  return static_cast<std::uint64_t>(machine.gregs[REG_RIP]);
#elif defined(__aarch64__)
  return machine.pc;
#else
#error "say here where this machine keeps its instruction pointer"
#endif
}

void push(std::uint64_t address) noexcept {
  const std::uint32_t count = into->frames.load(std::memory_order_relaxed);
  if (count >= most_frames) return;
  into->trace[count] = address;
  // pairs with: read_crash. Each frame stands by itself, so what a broken stack lets us see is not lost.
  into->frames.store(count + 1, std::memory_order_release);
}

struct unwinding {
  std::uint64_t begin;  // frames up to this one are the handler's own
  bool begun;
};

_Unwind_Reason_Code each_frame(_Unwind_Context* frame, void* state) noexcept {
  auto& its = *static_cast<unwinding*>(state);
  const std::uint64_t address = _Unwind_GetIP(frame);
  if (its.begun && address != 0) push(address);  // 0: the outermost frame's caller
  its.begun = its.begun || address == its.begin;
  return into->frames.load(std::memory_order_relaxed) < most_frames ? _URC_NO_REASON : _URC_END_OF_STACK;
}

TROUPE_ALLOCATES_NOTHING void on_crash(int number, siginfo_t* info, void* context) noexcept {
  int nobody = 0;
  const int self = thread_id();
  if (!crashing_thread.compare_exchange_strong(nobody, self)) {
    // A fault in the unwinder, or the end of its time. Another thread that crashes too waits for the first one's death.
    while (nobody != self && number != SIGALRM) ::pause();
    die();
  }
  first_signal = number;
  first_info = *info;
  handle(SIGALRM, on_crash);
  sigset_t alarm;
  ::sigemptyset(&alarm);
  ::sigaddset(&alarm, SIGALRM);
  ::pthread_sigmask(SIG_UNBLOCK, &alarm, nullptr);
  ::alarm(longest_unwinding);
  into->signal = number;
  if (number != SIGABRT && info->si_code > 0) into->address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  unwinding from{instruction_of(context), false};
  push(from.begin);
  _Unwind_Backtrace(each_frame, &from);
  die();
}

_Unwind_Reason_Code no_frame(_Unwind_Context*, void*) noexcept { return _URC_END_OF_STACK; }

}  // namespace

void record_crashes(std::byte* memory) noexcept {
  into = reinterpret_cast<record*>(memory);
  _Unwind_Backtrace(no_frame, nullptr);  // what the unwinder does once, it has done
  stack_t stack = {};
  stack.ss_sp = handler_stack.data();
  stack.ss_size = handler_stack.size();
  ::sigaltstack(&stack, nullptr);
  for (const int number : fatal) handle(number, on_crash);
}

std::optional<crash> read_crash(const std::byte* memory) {
  const auto* from = reinterpret_cast<const record*>(memory);
  const std::uint32_t frames = std::min(from->frames.load(std::memory_order_acquire), most_frames);
  if (frames == 0) return std::nullopt;
  crash found{from->signal, from->address, {}};
  for (std::uint32_t i = 0; i < frames; ++i) found.trace.push_back(from->trace[i]);
  return found;
}

}  // namespace troupe::os
