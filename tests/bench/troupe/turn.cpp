/// What a turn costs. The same actor three times: it handles 64 bytes and tells one output, without turns, in turns
/// without a state, in turns with a checkpoint of 64 bytes. Each finds all its messages in its mailbox and has room for
/// all its outputs, so it neither waits nor wakes anybody: the time is its own.

#include <troupe/system.hpp>

#include "support/bench.hpp"

namespace {

using bench::cargo;

struct memory {
  std::atomic<std::uint32_t> stage_waits, sink_waits, stage_free, sink_free;
  std::atomic<std::uint64_t> began, ended;
};
memory* shared = nullptr;

struct hold {};

void wait_for(const std::atomic<std::uint32_t>& word) {
  while (word == 0) bench::pause_us(200);
}

class sink : public troupe::actor {
 public:
  sink() { bench::pin(0); }
  void on(hold) {
    shared->sink_waits = 1;
    wait_for(shared->sink_free);
  }
  void on(const cargo& got) { content_ += got.sum(); }
  using handles = troupe::handles<hold, cargo>;

 private:
  std::uint64_t content_ = 0;
};

/// Base: what the actor works in.
template <class Base>
class stage : public Base {
 public:
  stage(troupe::actor_ref<sink> to, std::uint64_t messages) : to_(to), left_(messages) { bench::pin(1); }
  void on(hold) {
    to_.tell(bench::make_cargo(0));
    shared->stage_waits = 1;
    wait_for(shared->stage_free);
    shared->began = bench::now_ns();
  }
  void on(const cargo& got) {
    if constexpr (requires { this->state(); }) this->state().words[got.words[0] & 7] += got.sum();
    to_.tell(got);
    if (--left_ == 0) shared->ended = bench::now_ns();
  }
  using handles = troupe::handles<hold, cargo>;

 private:
  troupe::actor_ref<sink> to_;
  std::uint64_t left_;
};
using plain = stage<troupe::actor>;
using transactional = stage<troupe::transactional>;
using checkpointed = stage<troupe::checkpointed<cargo>>;

template <class Stage>
void measure(troupe::system& sys, const std::string& name, std::uint64_t messages) {
  shared->stage_waits = shared->sink_waits = shared->stage_free = shared->sink_free = 0;
  shared->began = shared->ended = 0;
  constexpr std::uint32_t lane_bytes = 8 << 20;
  const auto to = sys.spawn<sink>(troupe::child_spec{.name = name + "'s sink", .lane_bytes = lane_bytes});
  const auto from = sys.spawn<Stage>(troupe::child_spec{.name = name, .lane_bytes = lane_bytes}, to, messages);
  to.tell(hold{});
  wait_for(shared->sink_waits);
  from.tell(hold{});
  wait_for(shared->stage_waits);
  for (std::uint64_t number = 0; number < messages; ++number) from.tell(bench::make_cargo(number));
  shared->stage_free = 1;
  while (shared->ended == 0 && !sys.stopping()) bench::pause_us(1000);
  shared->sink_free = 1;
  const double took = static_cast<double>(shared->ended - shared->began);
  bench::report(name, sizeof(cargo), took / static_cast<double>(messages), "ns");
  sys.stop(from);
  sys.stop(to);
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t messages = std::min<std::uint64_t>(bench::number_argument(argc, argv, 1, 50'000), 80'000);
  shared = &bench::shared_object<memory>();
  return troupe::run<sink, plain, transactional, checkpointed>(argc, argv, {.log = false}, [&](troupe::system& sys) {
    measure<plain>(sys, "plain message", messages);
    measure<transactional>(sys, "turn without a state", messages);
    measure<checkpointed>(sys, "turn with a checkpoint", messages);
  });
}
