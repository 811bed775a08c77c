/// From the SIGKILL of an actor's process until the next message to it is handled. The message is told right after the
/// kill.
///   standby       a spare is ready
///   plain         without spares: fork, attach, construct
///   standby-512, plain-512   the process has 512 MiB of memory in use, which its constructor fills

#include <csignal>
#include <string>

#include <unistd.h>

#include <troupe/system.hpp>

#include "support/bench.hpp"

namespace {

constexpr std::uint64_t pause_us = 20'000;

struct memory {
  std::atomic<std::uint64_t> ready;  // spares that have come to stand by
  std::atomic<pid_t> active;
  std::atomic<std::uint64_t> handled_ns;
};
memory* shared = nullptr;

struct next {};

class victim : public troupe::actor {
 public:
  explicit victim(std::uint64_t bytes) : ballast_(bytes, 'x') {}
  void on_standby() override { ++shared->ready; }
  void on_start() override { shared->active = ::getpid(); }
  void on(next) { shared->handled_ns = bench::now_ns(); }
  using handles = troupe::handles<next>;

 private:
  std::string ballast_;
};

void await(const std::function<bool()>& condition) {
  for (int left = 60'000; !condition(); --left) {
    bench::require(left > 0, "waited a minute in vain");
    bench::pause_us(1000);
  }
}

std::uint32_t kill_once(const troupe::actor_ref<victim>& who) {
  const pid_t pid = shared->active;
  shared->handled_ns = 0;
  const std::uint64_t began = bench::now_ns();
  ::kill(pid, SIGKILL);
  who.tell(next{});
  await([] { return shared->handled_ns != 0; });
  return static_cast<std::uint32_t>(shared->handled_ns - began);
}

}  // namespace

int main(int argc, char** argv) {
  const auto mode = bench::mode_argument(argc, argv, {"standby", "plain", "standby-512", "plain-512"});
  const std::uint64_t rounds = bench::number_argument(argc, argv, 2, 100);
  const std::uint32_t spares = mode.starts_with("standby") ? 1 : 0;
  const std::uint64_t bytes = mode.ends_with("512") ? std::uint64_t{512} << 20 : 0;
  shared = &bench::shared_object<memory>();
  const troupe::options how{.supervisor = {.max_restarts = 1'000'000}, .log = false};
  return troupe::run<victim>(argc, argv, how, [&](troupe::system& sys) {
    const auto who = sys.spawn<victim>({.name = "victim", .standby = spares}, bytes);
    std::vector<std::uint32_t> latencies;
    for (std::uint64_t round = 0; round < rounds; ++round) {
      who.ask(next{}).get();
      if (spares > 0) await([&] { return shared->ready > round; });
      bench::pause_us(pause_us);
      latencies.push_back(kill_once(who));
    }
    bench::report_latencies("", 0, latencies);
  });
}
