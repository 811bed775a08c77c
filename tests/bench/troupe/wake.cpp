/// A tell to a receiver that sleeps, on the other core: the time from the call until its handler runs, and what the
/// call costs the sender. With a pause before each, as long as that of the raw wakes.

#include <algorithm>

#include <troupe/system.hpp>

#include "support/bench.hpp"

namespace {

constexpr std::uint64_t pause_us = 300, most_rounds = 100'000;

struct memory {
  std::atomic<std::uint64_t> woken;  // tells that have arrived
  std::uint32_t woke[most_rounds], call[most_rounds];
};
memory* shared = nullptr;

struct stamp {
  std::uint64_t round, sent_ns;
};

class sleeper : public troupe::actor {
 public:
  sleeper() { bench::pin(1); }
  void on(stamp got) {
    shared->woke[got.round] = static_cast<std::uint32_t>(bench::now_ns() - got.sent_ns);
    shared->woken = got.round + 1;
  }
  using handles = troupe::handles<stamp>;
};

struct series {
  std::uint64_t rounds;
};

class waker : public troupe::actor {
 public:
  explicit waker(troupe::actor_ref<sleeper> whom) : whom_(whom) { bench::pin(0); }
  void on(series what) {
    for (std::uint64_t round = 0; round < what.rounds; ++round) {
      do bench::pause_us(pause_us);
      while (shared->woken != round);
      const std::uint64_t now = bench::now_ns();
      whom_.tell(stamp{round, now});
      shared->call[round] = static_cast<std::uint32_t>(bench::now_ns() - now);
    }
    while (shared->woken < what.rounds) bench::pause_us(pause_us);
  }
  using handles = troupe::handles<void(series)>;

 private:
  troupe::actor_ref<sleeper> whom_;
};

}  // namespace

int main(int argc, char** argv) {
  const auto rounds = std::min(bench::number_argument(argc, argv, 1, 1000), most_rounds - 100);
  const std::uint64_t warm = 100, all = rounds + warm;
  shared = &bench::shared_object<memory>();
  return troupe::run<sleeper, waker>(argc, argv, {.log = false}, [&](troupe::system& sys) {
    const auto whom = sys.spawn<sleeper>("sleeper");
    sys.spawn<waker>("waker", whom).ask(series{all}, std::chrono::minutes(1)).get();
    bench::report_latencies("", sizeof(stamp), {shared->woke + warm, shared->woke + all});
    bench::report_latencies("cost for the sender", sizeof(stamp), {shared->call + warm, shared->call + all});
  });
}
