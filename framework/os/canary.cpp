#include "os/canary.hpp"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <utility>

namespace troupe::os {

namespace {

// libc keeps the list of robust futexes that the kernel goes through when a thread ends; so the canary is a mutex.
static_assert(sizeof(pthread_mutex_t) <= canary_bytes && sizeof(std::atomic<unsigned>) == 4);

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

}  // namespace

void hold_canary(std::byte* place) noexcept {
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

canary_watch::canary_watch(mapping memory, std::size_t offset, std::function<void()> gone)
    : memory_(std::move(memory)), offset_(offset), gone_(std::move(gone)) {
  const no_signals here;
  thread_ = std::thread([this] { run(); });
}

canary_watch::~canary_watch() {
  ending_ = true;
  // A wake that comes just before the thread waits is lost: so until it has ended.
  ending_.notify_one();
  while (!ended_) {
    futex(FUTEX_WAKE, word(), INT_MAX);  // those who wait in other processes look again and wait on
    ::sched_yield();
  }
  thread_.join();
}

const std::atomic<unsigned>& canary_watch::word() const noexcept {
  return *reinterpret_cast<const std::atomic<unsigned>*>(word_of(memory_.data() + offset_));
}

void canary_watch::run() {
  const unsigned held = word().load(std::memory_order_acquire);
  const bool by_somebody = (held & FUTEX_TID_MASK) != 0;
  while (by_somebody && !ending_ && word().load(std::memory_order_acquire) == held) futex(FUTEX_WAIT, word(), held);
  if (!ending_) gone_();
  // The end of a thread takes time, on the processor that whoever was told may be waiting for.
  ending_.wait(false);
  ended_ = true;
}

}  // namespace troupe::os
