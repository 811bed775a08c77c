/// Two actors tell each other 64 bytes in turn, each worker on a core of its own: the time of a round trip.

#include <optional>

#include <troupe/codec_cereal.hpp>
#include <troupe/system.hpp>

#include "support/bench.hpp"

namespace {

struct ball {
  bench::cargo what;
};
struct serve {
  std::uint64_t warm, rounds;
};

using caller = troupe::actor_ref<troupe::handles<ball>>;
struct hello {
  caller who;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(who);
  }
};

class wall : public troupe::actor {
 public:
  wall() { bench::pin(1); }
  void on(const hello& from) { player_ = from.who; }
  void on(const ball& got) { player_.tell(got); }
  using handles = troupe::handles<void(hello), ball>;

 private:
  caller player_;
};

class player : public troupe::actor {
 public:
  explicit player(troupe::actor_ref<wall> against) : wall_(against) { bench::pin(0); }
  troupe::deferred<void> on(serve what) {
    what_ = what;
    latencies_.reserve(what.rounds);
    wall_.ask(hello{self().ref<troupe::handles<ball>>()}).get();
    over_ = self().defer<void>();
    last_ = bench::now_ns();
    wall_.tell(ball{bench::make_cargo(0)});
    return *over_;
  }
  void on(const ball& got) {
    const std::uint64_t now = bench::now_ns();
    if (round_++ >= what_.warm) latencies_.push_back(static_cast<std::uint32_t>(now - last_));
    if (latencies_.size() < what_.rounds) {
      last_ = now;
      return wall_.tell(got);
    }
    bench::report_latencies("", sizeof(ball), latencies_);
    over_->reply();
  }
  using handles = troupe::handles<void(serve), ball>;

 private:
  troupe::actor_ref<wall> wall_;
  std::optional<troupe::deferred<void>> over_;
  serve what_{};
  std::uint64_t round_ = 0, last_ = 0;
  std::vector<std::uint32_t> latencies_;
};

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t rounds = bench::number_argument(argc, argv, 1, 200'000);
  return troupe::run<wall, player>(argc, argv, {.log = false}, [&](troupe::system& sys) {
    const auto against = sys.spawn<wall>("wall");
    sys.spawn<player>("player", against).ask(serve{rounds / 10, rounds}, std::chrono::minutes(1)).get();
  });
}
