/// Typed tells from actors to one actor, each in a worker of its own; the time is taken in the receiver's handler.
///   plain     one sender, 64 trivially copyable bytes, each worker on a core of its own
///   cereal    the same with a message of a number, a double and a string of 16 characters, in cereal's way
///   four      four senders, all five workers wherever the scheduler puts them
///   four-one  four senders on the first core, the receiver on the second

#include <troupe/codec_cereal.hpp>
#include <troupe/system.hpp>

#include "support/bench.hpp"

namespace {

using bench::cargo;

struct reading {
  std::uint64_t number = 0;
  double value = 0;
  std::string name;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(number, value, name);
  }
};

struct result {
  std::atomic<std::uint64_t> began, ended;
};
result* shared = nullptr;

struct expectation {
  std::uint64_t warm, messages;
  int core;
};

class receiver : public troupe::actor {
 public:
  explicit receiver(expectation what) : what_(what) { bench::pin(what.core); }
  void on(const cargo& got) { count(got.sum()); }
  void on(const reading& got) { count(got.number + got.name.size() + static_cast<std::uint64_t>(got.value)); }
  using handles = troupe::handles<cargo, reading>;

 private:
  void count(std::uint64_t content) {
    content_ += content;
    ++handled_;
    if (handled_ == what_.warm) shared->began = bench::now_ns();
    if (handled_ < what_.messages) return;
    bench::require(content_ > 0, "the messages held nothing");
    shared->ended = bench::now_ns();
  }

  expectation what_;
  std::uint64_t handled_ = 0;
  std::uint64_t content_ = 0;
};

struct burst {
  std::uint64_t messages;
  bool cereal;
};

class sender : public troupe::actor {
 public:
  sender(troupe::actor_ref<receiver> to, int core) : to_(to) { bench::pin(core); }
  void on(burst what) {
    if (what.cereal) return tell_readings(what.messages);
    for (std::uint64_t number = 0; number < what.messages; ++number) to_.tell(bench::make_cargo(number));
  }
  using handles = troupe::handles<burst>;

 private:
  void tell_readings(std::uint64_t messages) {
    reading what{0, 21.5, "a name of 16 ch."};
    for (; what.number < messages; ++what.number) to_.tell(what);
  }

  troupe::actor_ref<receiver> to_;
};

void measure(troupe::system& sys, const std::string& mode, std::uint64_t messages) {
  const bool four = mode == "four" || mode == "four-one";
  const std::uint64_t senders = four ? 4 : 1, warm = 100'000;
  const std::uint64_t each = (messages + warm) / senders;
  const bool placed = mode != "four";
  const auto to = sys.spawn<receiver>("receiver", expectation{warm, each * senders, placed ? 1 : bench::any_core});
  std::vector<troupe::actor_ref<sender>> all;
  for (std::uint64_t i = 0; i < senders; ++i) {
    all.push_back(sys.spawn<sender>("sender " + std::to_string(i), to, placed ? 0 : bench::any_core));
  }
  for (const auto& one : all) one.tell(burst{each, mode == "cereal"});
  while (shared->ended == 0 && !sys.stopping()) sys.poll(std::chrono::milliseconds(5));
  bench::report_rate("throughput", mode == "cereal" ? 0 : sizeof(cargo), each * senders - warm,
                     shared->ended - shared->began);
}

}  // namespace

int main(int argc, char** argv) {
  const auto mode = bench::mode_argument(argc, argv, {"plain", "cereal", "four", "four-one"});
  const auto messages = bench::number_argument(argc, argv, 2, 4'000'000);
  shared = &bench::shared_object<result>();
  return troupe::run<receiver, sender>(argc, argv, {.log = false}, [&](troupe::system& sys) { measure(sys, mode, messages); });
}
