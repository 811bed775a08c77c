/// Payloads built in the sender's outbox and read in place, each worker on a core of its own.
///   read      1 MiB each, the sender writes all of it, the receiver reads all of it
///   send      what payload() and tell cost the sender for several sizes, the filling left out; the receiver reads nothing

#include <cstring>
#include <numeric>

#include <troupe/codec_cereal.hpp>
#include <troupe/system.hpp>

#include "support/bench.hpp"

namespace {

struct parcel {
  std::uint64_t number = 0;
  bool read = false;
  troupe::payload bytes;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(number, read, bytes);
  }
};

struct memory {
  std::atomic<std::uint64_t> handled, began, ended;
};
memory* shared = nullptr;

std::uint64_t sum_of(std::span<const std::byte> bytes) {
  const auto* words = reinterpret_cast<const std::uint64_t*>(bytes.data());
  return std::accumulate(words, words + bytes.size() / sizeof *words, std::uint64_t{0});
}

class receiver : public troupe::actor {
 public:
  receiver() { bench::pin(1); }
  void on(const parcel& got) {
    if (got.read) {
      const std::uint64_t each = 0x0101010101010101 * (got.number & 0x7f);
      bench::require(sum_of(got.bytes.bytes()) == each * (got.bytes.size() / 8), "the payload holds other bytes");
    }
    shared->handled.store(got.number + 1, std::memory_order_release);
  }
  using handles = troupe::handles<parcel>;
};

struct series {
  std::uint64_t size, parcels;
  bool read;
};

class sender : public troupe::actor {
 public:
  explicit sender(troupe::actor_ref<receiver> to) : to_(to) { bench::pin(0); }
  void on(series what) {
    shared->handled = 0;
    what.read ? send_filled(what) : send_timed(what);
    while (shared->handled < what.parcels) bench::pause_us(100);
  }
  using handles = troupe::handles<void(series)>;

 private:
  void send_filled(series what) {
    for (std::uint64_t number = 0; number < what.parcels; ++number) {
      if (number == what.parcels / 10) began_ = bench::now_ns();
      parcel one{number, true, self().payload(what.size)};
      std::memset(one.bytes.data().data(), static_cast<int>(number & 0x7f), what.size);
      to_.tell(one);
    }
    while (shared->handled < what.parcels) bench::spinner().wait();
    const double bytes = static_cast<double>((what.parcels - what.parcels / 10) * what.size);
    bench::report("bandwidth", what.size, bytes / static_cast<double>(bench::now_ns() - began_), "GB/s");
  }
  void send_timed(series what) {
    std::vector<std::uint32_t> took;
    bench::spinner unread;
    for (std::uint64_t number = 0; number < what.parcels; ++number) {
      const std::uint64_t began = bench::now_ns();
      parcel one{number, false, self().payload(what.size)};
      const std::uint64_t made = bench::now_ns();
      std::memset(one.bytes.data().data(), 1, what.size);
      const std::uint64_t filled = bench::now_ns();
      to_.tell(one);
      if (number >= what.parcels / 10) took.push_back(static_cast<std::uint32_t>(bench::now_ns() - filled + made - began));
      while (shared->handled.load(std::memory_order_acquire) <= number) unread.wait();
    }
    bench::report_latencies(std::to_string(what.size / 1024) + " KiB", what.size, std::move(took));
  }

  troupe::actor_ref<receiver> to_;
  std::uint64_t began_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const auto mode = bench::mode_argument(argc, argv, {"read", "send"});
  const std::uint64_t parcels = bench::number_argument(argc, argv, 2, mode == "read" ? 2000 : 500);
  shared = &bench::shared_object<memory>();
  return troupe::run<receiver, sender>(argc, argv, [&](troupe::system& sys) {
    const auto from = sys.spawn<sender>("sender", sys.spawn<receiver>("receiver"));
    const auto run = [&](series what) { from.ask(what, std::chrono::minutes(1)).get(); };
    if (mode == "read") return run({1 << 20, parcels, true});
    for (const std::uint64_t size : {4 << 10, 64 << 10, 1 << 20}) run({size, parcels, false});
  });
}
