// The same, while another thread writes over everything that the sender and the mailbox's owner can write.

#include <atomic>
#include <random>
#include <thread>

#include "fuzz/targets/mailbox_image.hpp"

namespace {

/// Writes words from `palette` to the places of the image where words are read; stops with its scope.
class scribbler {
 public:
  scribbler(fuzz::mailbox_image& over, std::uint64_t seed) : image_(over), random_(seed), thread_([this] { run(); }) {}
  scribbler(const scribbler&) = delete;
  scribbler& operator=(const scribbler&) = delete;
  ~scribbler() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::uint64_t word() {
    const auto& lane = image_.sender(0).lane();
    switch (random_() % 6) {
      case 0: return lane.tail.load(std::memory_order_relaxed) + random_() % 128 * 8;
      case 1: return random_() % fuzz::ring_bytes;
      case 2: return (std::uint64_t{2} << 32) | (8 * (random_() % 64));  // the start of a tell
      case 3: return (std::uint64_t{1} << 32) | 8;                       // a pad
      case 4: return troupe::wire::out_lanes_end + random_() % (1 << 20);
      default: return random_();
    }
  }
  void write(std::byte* at) {
    reinterpret_cast<std::atomic<std::uint64_t>*>(at)->store(word(), std::memory_order_relaxed);
  }
  void run() {
    for (unsigned round = 0; !stop_.load(std::memory_order_relaxed); ++round) {
      const auto& sender = image_.sender(round & 1);
      write(sender.ring().data() + random_() % (fuzz::ring_bytes / 8) * 8);
      if (round % 8 == 0) sender.lane().tail.store(word(), std::memory_order_relaxed);
      if (round % 64 == 0) sender.header().turn.store(word() % 8, std::memory_order_relaxed);
      if (round % 64 == 1) write(reinterpret_cast<std::byte*>(&sender.header().commits) + random_() % 16 * 8);
      if (round % 64 == 2) sender.lane().wants_room.store(1, std::memory_order_relaxed);
      if (round % 256 == 3) write(reinterpret_cast<std::byte*>(&image_.memory().slots()[random_() % 2]));
    }
  }

  fuzz::mailbox_image& image_;
  std::mt19937_64 random_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace

namespace fuzz {
std::vector<bytes> seeds() { return image_seeds(); }
}  // namespace fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::input from(data, size);
  auto& image = fuzz::mailbox_image::the();
  image.fill(from);
  const scribbler scribbles(image, size > 0 ? data[size - 1] : 0);
  image.supervise(false);
  image.drain(2000);
  image.supervise(false);
  return 0;
}
