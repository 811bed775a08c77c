#include "os/canary.hpp"

#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <utility>

#include "os/scheduling.hpp"

namespace troupe::os {

namespace {

constexpr std::size_t apart = canary_bytes / canary_futexes;

// libc keeps the list of robust futexes that the kernel goes through when a thread ends; so each is a mutex.
static_assert(sizeof(pthread_mutex_t) <= apart && sizeof(std::atomic<unsigned>) == 4);

unsigned* word_of(std::byte* place) noexcept {
  return reinterpret_cast<unsigned*>(&reinterpret_cast<pthread_mutex_t*>(place)->__data.__lock);
}

/// Any process; the mapping may be read-only.
void futex(int operation, const std::atomic<unsigned>& word, unsigned value) noexcept {
  ::syscall(SYS_futex, &word, operation, value, nullptr, nullptr, 0);
}

/// What a thread that is started now would inherit.
class no_signals {
 public:
  no_signals() noexcept {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~no_signals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  no_signals(const no_signals&) = delete;
  no_signals& operator=(const no_signals&) = delete;

 private:
  sigset_t before_;
};

void hold(std::byte* place) noexcept {
  auto* mutex = reinterpret_cast<pthread_mutex_t*>(place);
  pthread_mutexattr_t robust;
  ::pthread_mutexattr_init(&robust);
  ::pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST);
  ::pthread_mutexattr_setpshared(&robust, PTHREAD_PROCESS_SHARED);
  ::pthread_mutex_init(mutex, &robust);
  ::pthread_mutexattr_destroy(&robust);
  ::pthread_mutex_lock(mutex);
  // Those who wait cannot say so themselves, and without this bit the kernel wakes nobody.
  __atomic_fetch_or(word_of(place), FUTEX_WAITERS, __ATOMIC_RELEASE);
}

}  // namespace

void hold_canary(std::byte* place) noexcept {
  for (std::size_t each = 0; each < canary_futexes; ++each) hold(place + each * apart);
}

canary_watch::canary_watch(mapping memory, std::size_t offset, std::function<void()> gone)
    : memory_(std::move(memory)), offset_(offset), gone_(std::move(gone)) {
  const no_signals here;
  for (std::size_t each = 0; each < canary_futexes; ++each) {
    waiters_[each].thread = std::thread([this, each] { run(each); });
  }
}

canary_watch::~canary_watch() {
  ending_ = true;
  for (std::size_t each = 0; each < canary_futexes; ++each) {
    // A wake that comes just before the thread waits is lost: so until it has ended.
    while (!waiters_[each].ended) {
      futex(FUTEX_WAKE, word(each), INT_MAX);  // those who wait in other processes look again and wait on
      give_way();
    }
    waiters_[each].thread.join();
  }
}

const std::atomic<unsigned>& canary_watch::word(std::size_t futex) const noexcept {
  return *reinterpret_cast<const std::atomic<unsigned>*>(word_of(memory_.data() + offset_ + futex * apart));
}

void canary_watch::run(std::size_t futex) {
  processors::of(0).half(futex).give(0);
  const auto& at = word(futex);
  const unsigned held = at.load(std::memory_order_acquire);
  const bool by_somebody = (held & FUTEX_TID_MASK) != 0;
  while (by_somebody && !ending_ && at.load(std::memory_order_acquire) == held) os::futex(FUTEX_WAIT, at, held);
  if (!ending_) gone_();
  // The end of a thread, or any code that has not run yet, takes time on the processor that whoever was told may be
  // waiting for. So it goes on waiting as it has.
  while (!ending_) os::futex(FUTEX_WAIT, at, at.load(std::memory_order_acquire));
  waiters_[futex].ended = true;
}

}  // namespace troupe::os
