// Queues whose producers and consumers are killed: what put() accepted comes, whole, in its producer's order; what a
// consumer had taken when it died is the only thing that may be missing, or come again.

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <random>

#include <troupe/process.hpp>
#include <troupe/queue.hpp>

#include "storm/storm.hpp"
#include "support/program.hpp"

using namespace tests;

namespace {

struct Item {
  std::uint64_t producer = 0, number = 0;
  std::string text;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(producer, number, text);
  }
};
using queue = troupe::queue<Item>;

/// One of 32 is too large for any of the queues.
std::string text_of(std::uint64_t producer, std::uint64_t number) {
  const std::uint64_t mixed = (producer * 1'000'003 + number) * 0x9e3779b97f4a7c15ULL;
  const std::size_t size = mixed >> 59 == 0 ? 40'000 + (mixed >> 40) % 30'000 : (mixed >> 40) % 300;
  return std::string(size, static_cast<char>('a' + number % 26));
}

/// What all processes of the program see.
struct ledger {
  std::atomic<std::uint64_t> accepted[2000];  // of each producer
  std::atomic<std::uint64_t> next[2000];      // of each producer, to be got
  std::atomic<std::uint64_t> in_doubt;        // items that came again, or were taken and not noted
};
ledger* shared = nullptr;

void share_ledger() {
  void* at = ::mmap(nullptr, sizeof(ledger), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  REQUIRE(at != MAP_FAILED);
  shared = static_cast<ledger*>(at);
}

void produce(queue to, std::uint64_t self) {
  for (std::uint64_t number = 0;; ++number) {
    to.put(Item{self, number, text_of(self, number)}, 60s);
    shared->accepted[self] = number + 1;
  }
}

void consume(queue from) {
  for (;;) {
    const Item got = from.get();
    const std::uint64_t next = shared->next[got.producer].exchange(got.number + 1);
    if (got.text != text_of(got.producer, got.number)) note("torn");
    if (got.number + 1 < next || got.number > next + 1) {
      note(std::to_string(got.producer) + ": " + std::to_string(got.number) + " came as " + std::to_string(next));
    }
    shared->in_doubt += got.number != next ? 1 : 0;
  }
}

/// Four producers and a consumer, killed at random.
class battle {
 public:
  explicit battle(std::uint64_t seed) : random_(seed), queue_(queue::make(4096U << random_() % 5)) {
    for (int i = 0; i < 4; ++i) add_producer();
    consumer_ = troupe::process(consume, queue_);
  }
  void strike() {
    const int signal = random_() % 3 == 0 ? SIGSEGV : SIGKILL;
    if (random_() % 2 == 0 && made_ < std::size(shared->accepted)) {
      const auto victim = std::next(producers_.begin(), static_cast<long>(random_() % producers_.size()));
      end(victim->second, signal);
      producers_.erase(victim);
      add_producer();
    } else {
      end(consumer_, signal);
      consumer_ = troupe::process(consume, queue_);
      ++consumers_killed_;
    }
  }
  void finish() {
    for (auto& [number, each] : producers_) end(each, SIGKILL);
    for (std::size_t i = 0; i < made_; ++i) {
      EXPECT(eventually([&] { return shared->next[i] + 1 >= shared->accepted[i]; }, 60s));
    }
    end(consumer_, SIGKILL);
    EXPECT_EQ(notes(), std::vector<std::string>{});
    EXPECT(shared->in_doubt <= consumers_killed_);
  }
  std::chrono::microseconds pause() { return std::chrono::microseconds(random_() % 8000); }

 private:
  void add_producer() { producers_.emplace(made_, troupe::process(produce, queue_, made_)), ++made_; }
  static void end(const troupe::process& victim, int signal) {
    ::kill(victim.pid(), signal);
    victim.join();
  }
  std::mt19937_64 random_;
  queue queue_;
  std::map<std::uint64_t, troupe::process> producers_;
  troupe::process consumer_;
  std::uint64_t made_ = 0, consumers_killed_ = 0;
};

void queues_under_kills(std::uint64_t seed, std::uint64_t kills) {
  INFO("STORM_SEED=", seed);
  storm::forbid_core_dumps();
  share_ledger();
  in_program<>(
      logged(),
      [&](troupe::system& sys) {
        battle one(seed);
        for (std::uint64_t i = 0; i < kills; ++i) {
          sys.poll(one.pause());
          one.strike();
        }
        one.finish();
      },
      400s);
  ::munmap(shared, sizeof(ledger));
}

TEST_CASE("a queue whose producers and consumers are killed loses nothing that was put") {
  queues_under_kills(storm::planned({}).seed, 200);
}

TEST_SUITE("long") {
  TEST_CASE("fifteen queues whose producers and consumers are killed lose nothing that was put") {
    const std::uint64_t seed = storm::planned({}).seed;
    for (std::uint64_t i = 0; i < 15; ++i) queues_under_kills(seed + i, 300);
  }
}

}  // namespace
