/// What many lanes into one mailbox cost: processor time per message, of all workers together and of the receiver
/// alone, with 64-byte tells. The workers run wherever the scheduler puts them. Measured in turn, several times:
///   1 of 1        one sender, nobody else has a lane
///   100 of 100    a hundred senders, all at once
///   3 of 1000     a thousand senders have a lane, three of them send

#include <troupe/system.hpp>

#include "support/bench.hpp"

namespace {

using bench::cargo;

struct tally {
  std::atomic<std::uint64_t> handled;    // by the receiver that is measured
  std::atomic<std::uint64_t> idle;       // senders that have told all of it
  std::atomic<std::uint64_t> sender_ns;  // processor time that they took
};
tally* shared = nullptr;

struct used {
  std::uint64_t cpu_ns;
};
struct get_used {};

class receiver : public troupe::actor {
 public:
  void on(const cargo& got) {
    content_ += got.sum();
    shared->handled.store(shared->handled.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  used on(get_used) { return {bench::cpu_ns()}; }
  using handles = troupe::handles<cargo, get_used>;

 private:
  std::uint64_t content_ = 0;
};

struct burst {
  std::uint64_t messages;
};

class sender : public troupe::actor {
 public:
  explicit sender(troupe::actor_ref<receiver> to) : to_(to) {}
  void on(burst what) {
    const std::uint64_t began = bench::cpu_ns();
    for (std::uint64_t number = 0; number < what.messages; ++number) to_.tell(bench::make_cargo(number));
    shared->sender_ns += bench::cpu_ns() - began;
    ++shared->idle;
  }
  using handles = troupe::handles<burst>;

 private:
  troupe::actor_ref<receiver> to_;
};

/// A receiver and those who have a lane to it.
class crowd {
 public:
  crowd(troupe::system& sys, const std::string& name, std::size_t senders) : sys_(sys), name_(name) {
    to_ = sys.spawn<receiver>(troupe::child_spec{.name = name});
    for (std::size_t i = 0; i < senders; ++i) {
      senders_.push_back(sys.spawn<sender>(troupe::child_spec{.name = name + " sender " + std::to_string(i)}, to_));
    }
    run(senders, senders * 700);  // makes the lanes, and touches all of each
  }
  void measure(std::size_t busy, std::uint64_t messages) {
    const auto before = to_.ask(get_used{}).get();
    run(busy, messages);
    const double receiver = static_cast<double>(to_.ask(get_used{}).get().cpu_ns - before.cpu_ns);
    const double all = receiver + static_cast<double>(shared->sender_ns);
    bench::report(name_ + ", all workers", sizeof(cargo), all / static_cast<double>(messages), "ns of processor");
    bench::report(name_ + ", receiver", sizeof(cargo), receiver / static_cast<double>(messages), "ns of processor");
  }

 private:
  void run(std::size_t busy, std::uint64_t messages) {
    shared->handled = shared->idle = shared->sender_ns = 0;
    const std::uint64_t each = messages / busy;
    for (std::size_t i = 0; i < busy; ++i) senders_[i].tell(burst{each});
    while ((shared->handled < each * busy || shared->idle < busy) && !sys_.stopping()) bench::pause_us(2000);
  }

  troupe::system& sys_;
  std::string name_;
  troupe::actor_ref<receiver> to_;
  std::vector<troupe::actor_ref<sender>> senders_;
};

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t messages = bench::number_argument(argc, argv, 1, 900'000);
  const std::uint64_t runs = bench::number_argument(argc, argv, 2, 5);
  const std::uint64_t many = bench::number_argument(argc, argv, 3, 1000);
  shared = &bench::shared_object<tally>();
  return troupe::run<receiver, sender>(argc, argv, {.log = false}, [&](troupe::system& sys) {
    crowd one(sys, "1 of 1", 1), hundred(sys, "100 of 100", 100), thousand(sys, "3 of " + std::to_string(many), many);
    for (std::uint64_t run = 0; run < runs; ++run) {
      one.measure(1, messages);
      hundred.measure(100, messages);
      thousand.measure(3, messages);
    }
  });
}
