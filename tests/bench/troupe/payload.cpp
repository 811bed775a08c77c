/// Payloads built in the sender's outbox and read in place, each worker on a core of its own.
///   read      four of 1 MiB, built beforehand and sent in turn; the receiver reads all of each
///   build     1 MiB each, the sender writes all of it, the receiver reads all of it; at most four are under way, so
///   that
///             as much memory is in use as by what this is measured against
///   send      what payload() and tell cost the sender for several sizes, the filling left out; the receiver is busy
///             meanwhile, so that nobody has to be woken, and reads nothing later

#include <algorithm>
#include <cstring>

#include <troupe/codec_cereal.hpp>
#include <troupe/system.hpp>

#include "support/bench.hpp"

namespace {

struct parcel {
  std::uint64_t number = 0;
  bool read = false;
  std::uint8_t fill = 0;  // what each byte is
  troupe::payload bytes;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(number, read, fill, bytes);
  }
};

struct hold {};

struct memory {
  std::atomic<std::uint64_t> handled;
  std::atomic<std::uint64_t> held, freed;  // how often the receiver was kept busy, and let go
};
memory* shared = nullptr;

class receiver : public troupe::actor {
 public:
  receiver() { bench::pin(1); }
  void on(const parcel& got) {
    if (got.read) {
      const std::uint64_t each = 0x0101010101010101 * got.fill;
      const auto bytes = got.bytes.bytes();
      bench::require(bench::sum_of(bytes.data(), bytes.size()) == each * (bytes.size() / 8), "the payload holds other bytes");
    }
    shared->handled.store(got.number + 1, std::memory_order_release);
  }
  void on(hold) {
    const std::uint64_t number = ++shared->held;
    while (shared->freed < number) bench::pause_us(100);
  }
  using handles = troupe::handles<parcel, hold>;
};

constexpr std::uint64_t most_bytes = 1 << 20;
constexpr std::uint64_t in_flight = 4;
constexpr std::uint64_t batch = 32;  // parcels sent while the receiver is busy; of 1 MiB, half an outbox

struct series {
  std::uint64_t size, parcels;
  bool read, build;
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
  troupe::payload filled(std::size_t size, std::uint8_t fill) {
    troupe::payload made = self().payload(size);
    std::memset(made.data().data(), fill, size);
    return made;
  }
  void send_filled(series what) {
    const std::uint64_t warm = 2 * in_flight;
    std::vector<troupe::payload> built;
    for (std::uint8_t fill = 0; fill < in_flight && !what.build; ++fill) built.push_back(filled(what.size, fill));
    bench::spinner unread;
    for (std::uint64_t number = 0; number < what.parcels + warm; ++number) {
      if (number == warm) began_ = bench::now_ns();
      while (what.build && number >= shared->handled + in_flight) unread.wait();
      const auto fill = static_cast<std::uint8_t>(number % in_flight);
      to_.tell(parcel{number, true, fill, what.build ? filled(what.size, fill) : built[fill]});
    }
    while (shared->handled < what.parcels + warm) unread.wait();
    const double bytes = static_cast<double>(what.parcels * what.size);
    bench::report("bandwidth", what.size, bytes / static_cast<double>(bench::now_ns() - began_), "GB/s");
  }
  void send_timed(series what) {
    std::vector<std::uint32_t> took;
    for (std::uint64_t sent = 0; sent < what.parcels; sent += batch) {
      to_.tell(hold{});
      const std::uint64_t holds = shared->freed + 1;
      while (shared->held < holds) bench::pause_us(100);
      for (std::uint64_t number = sent; number < sent + batch; ++number) {
        const auto ns = send_one(number, what.size);
        if (sent > 0) took.push_back(ns);
      }
      shared->freed = holds;
      while (shared->handled < sent + batch) bench::pause_us(100);
    }
    bench::report_latencies(std::to_string(what.size / 1024) + " KiB", what.size, std::move(took));
  }
  std::uint32_t send_one(std::uint64_t number, std::size_t size) {
    const std::uint64_t began = bench::now_ns();
    parcel one{number, false, 1, self().payload(size)};
    const std::uint64_t made = bench::now_ns();
    std::memset(one.bytes.data().data(), 1, size);
    // Whatever the size, the caches have lost as much to the filling, which is of memory that they do not hold.
    std::byte* other = other_.data() + number % batch * most_bytes;
    std::memset(other, static_cast<int>(number & 0x7f), most_bytes - size);
    asm volatile("" : : "r"(other) : "memory");
    const std::uint64_t filled = bench::now_ns();
    to_.tell(one);
    return static_cast<std::uint32_t>(bench::now_ns() - filled + made - began);
  }

  troupe::actor_ref<receiver> to_;
  std::uint64_t began_ = 0;
  std::vector<std::byte> other_ = std::vector<std::byte>(batch * most_bytes);
};

}  // namespace

int main(int argc, char** argv) {
  const auto mode = bench::mode_argument(argc, argv, {"read", "build", "send"});
  const std::uint64_t parcels = bench::number_argument(argc, argv, 2, mode == "send" ? 640 : 2000);
  shared = &bench::shared_object<memory>();
  return troupe::run<receiver, sender>(argc, argv, {.log = false}, [&](troupe::system& sys) {
    const auto from = sys.spawn<sender>("sender", sys.spawn<receiver>("receiver"));
    const auto run = [&](series what) { from.ask(what, std::chrono::minutes(1)).get(); };
    if (mode != "send") return run({most_bytes, parcels, true, mode == "build"});
    // At least two batches, since the first one only makes the outbox's pages real; the rest is counted.
    const std::uint64_t batches = std::max<std::uint64_t>(2, parcels / batch);
    for (const std::uint64_t kib : {4U, 64U, 1024U}) run({kib << 10, batches * batch, false, true});
  });
}
