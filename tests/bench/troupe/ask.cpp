/// Round trips of an ask with 64 bytes each way, between two workers.
///   awake            on two cores, one ask right after the other
///   sleeping         on two cores, with a pause before each, so that both have gone to sleep
///   sleeping-same    the same on one core

#include <troupe/codec_cereal.hpp>
#include <troupe/system.hpp>

#include "support/bench.hpp"

namespace {

using bench::cargo;

struct question {
  cargo what;
};

class answerer : public troupe::actor {
 public:
  explicit answerer(int core) { bench::pin(core); }
  cargo on(const question& got) { return got.what; }
  using handles = troupe::handles<question>;
};

struct series {
  std::uint64_t warm, rounds, pause_us;
};

class asker : public troupe::actor {
 public:
  explicit asker(troupe::actor_ref<answerer> whom) : whom_(whom) { bench::pin(0); }
  void on(series what) {
    std::vector<std::uint32_t> latencies;
    latencies.reserve(what.rounds);
    for (std::uint64_t round = 0; round < what.warm + what.rounds; ++round) {
      if (what.pause_us > 0) bench::pause_us(what.pause_us);
      const std::uint64_t began = bench::now_ns();
      const cargo got = whom_.ask(question{bench::make_cargo(round)}).get();
      const std::uint64_t took = bench::now_ns() - began;
      bench::require(got.words[0] == round, "another answer came");
      if (round >= what.warm) latencies.push_back(static_cast<std::uint32_t>(took));
    }
    bench::report_latencies("", sizeof(cargo), std::move(latencies));
  }
  using handles = troupe::handles<void(series)>;

 private:
  troupe::actor_ref<answerer> whom_;
};

}  // namespace

int main(int argc, char** argv) {
  const auto mode = bench::mode_argument(argc, argv, {"awake", "sleeping", "sleeping-same"});
  const bool awake = mode == "awake";
  const std::uint64_t rounds = bench::number_argument(argc, argv, 2, awake ? 100'000 : 1000);
  const series what{rounds / 10, rounds, awake ? 0U : 300U};
  return troupe::run<answerer, asker>(argc, argv, {.log = false}, [&](troupe::system& sys) {
    const auto whom = sys.spawn<answerer>("answerer", mode == "sleeping-same" ? 0 : 1);
    sys.spawn<asker>("asker", whom).ask(what, std::chrono::minutes(1)).get();
  });
}
