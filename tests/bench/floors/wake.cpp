/// How long a process that sleeps on the second core takes from the call that wakes it on the first until it runs, and
/// how long that call takes.
///   eventfd   it sleeps in read()
///   epoll     it sleeps in epoll_wait() for an eventfd, then reads it
///   futex     it sleeps in FUTEX_WAIT

#include <linux/futex.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "support/bench.hpp"

namespace {

constexpr std::uint64_t pause_us = 300, most_rounds = 100'000;

struct memory {
  std::atomic<std::uint32_t> number;  // of wakes so far; the futex
  std::atomic<std::uint64_t> sent_ns;
  std::atomic<std::uint64_t> taken;  // wakes that have arrived
  std::uint32_t woke[most_rounds], call[most_rounds];
};

class sleeper {
 public:
  explicit sleeper(memory& in) : memory_(in), event_(::eventfd(0, EFD_CLOEXEC)) {
    bench::require(event_ >= 0, "eventfd");
  }
  virtual ~sleeper() { ::close(event_); }
  /// Called in the process that is woken, before the first wait.
  virtual void open() {}
  /// Waits for wake number `round` + 1.
  virtual void wait(std::uint32_t round) = 0;
  virtual void wake() {
    const std::uint64_t one = 1;
    bench::require(::write(event_, &one, sizeof one) == sizeof one, "write");
  }

 protected:
  void read_event() {
    std::uint64_t count = 0;
    bench::require(::read(event_, &count, sizeof count) == sizeof count, "read");
  }
  memory& memory_;
  int event_;
};

class in_read final : public sleeper {
 public:
  using sleeper::sleeper;
  void wait(std::uint32_t) override { read_event(); }
};

class in_epoll final : public sleeper {
 public:
  using sleeper::sleeper;
  ~in_epoll() override { ::close(epoll_); }
  void open() override {
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    epoll_event what{};
    what.events = EPOLLIN;
    bench::require(::epoll_ctl(epoll_, EPOLL_CTL_ADD, event_, &what) == 0, "epoll_ctl");
  }
  void wait(std::uint32_t) override {
    epoll_event got;
    bench::require(::epoll_wait(epoll_, &got, 1, -1) == 1, "epoll_wait");
    read_event();
  }

 private:
  int epoll_ = -1;
};

class in_futex final : public sleeper {
 public:
  using sleeper::sleeper;
  void wait(std::uint32_t round) override {
    while (memory_.number == round) futex(FUTEX_WAIT, round);
  }
  void wake() override { futex(FUTEX_WAKE, 1); }

 private:
  void futex(int what, std::uint32_t value) { ::syscall(SYS_futex, &memory_.number, what, value, nullptr, nullptr, 0); }
};

std::unique_ptr<sleeper> make_sleeper(const std::string& mode, memory& in) {
  if (mode == "eventfd") return std::make_unique<in_read>(in);
  if (mode == "epoll") return std::make_unique<in_epoll>(in);
  return std::make_unique<in_futex>(in);
}

}  // namespace

int main(int argc, char** argv) {
  const auto mode = bench::mode_argument(argc, argv, {"eventfd", "epoll", "futex"});
  const auto rounds = std::min(bench::number_argument(argc, argv, 2, 1000), most_rounds);
  auto& shared = bench::shared_object<memory>();
  const auto who = make_sleeper(mode, shared);
  const auto wake = [&] {
    for (std::uint64_t round = 0; round < rounds; ++round) {
      do bench::pause_us(pause_us);
      while (shared.taken != round);
      const std::uint64_t now = bench::now_ns();
      shared.sent_ns = now;
      ++shared.number;
      who->wake();
      shared.call[round] = static_cast<std::uint32_t>(bench::now_ns() - now);
    }
  };
  const auto sleep = [&] {
    who->open();
    for (std::uint32_t round = 0; round < rounds; ++round) {
      who->wait(round);
      shared.woke[round] = static_cast<std::uint32_t>(bench::now_ns() - shared.sent_ns);
      shared.taken = round + 1;
    }
  };
  bench::in_two_processes(wake, sleep);
  bench::report_latencies("", 0, {shared.woke, shared.woke + rounds});
  bench::report_latencies("cost for who wakes", 0, {shared.call, shared.call + rounds});
}
