#include <doctest/doctest.h>
#include <sched.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "os/canary.hpp"
#include "os/memory.hpp"
#include "os/scheduling.hpp"

using namespace troupe::os;

namespace {

cpu_set_t allowed() {
  cpu_set_t set{};
  REQUIRE(::sched_getaffinity(0, sizeof set, &set) == 0);
  return set;
}

int first_of(const cpu_set_t& set) {
  for (int each = 0; each < CPU_SETSIZE; ++each) {
    if (CPU_ISSET(each, &set)) return each;
  }
  return -1;
}

/// A thread that holds a canary, from the beginning until end().
class holder {
 public:
  holder() { holds_.wait(0); }
  mapping seen_by_others() const { return {memory_, canary_bytes, access::read_only}; }
  void end() {
    holds_ = 2;
    holds_.notify_one();
    thread_.join();
  }

 private:
  void hold() {
    hold_canary(place_.data());
    holds_ = 1;
    holds_.notify_one();
    holds_.wait(1);
  }

  const fd memory_ = make_memory("test-canary", canary_bytes);
  const mapping place_{memory_, canary_bytes, access::read_write};
  std::atomic<int> holds_{0};
  std::thread thread_{[this] { hold(); }};
};

TEST_CASE("a thread is modest for a while, and then as before") {
  std::thread([] {
    CHECK(::sched_getscheduler(0) == SCHED_OTHER);
    {
      const modest_wakeup now;
      CHECK(::sched_getscheduler(0) == SCHED_BATCH);
      const modest_wakeup again;
      CHECK(::sched_getscheduler(0) == SCHED_BATCH);
    }
    CHECK(::sched_getscheduler(0) == SCHED_OTHER);
  }).join();
}

TEST_CASE("a thread that has been given a policy keeps it") {
  std::thread([] {
    const sched_param none{};
    REQUIRE(::sched_setscheduler(0, SCHED_IDLE, &none) == 0);
    {
      const modest_wakeup now;
      CHECK(::sched_getscheduler(0) == SCHED_IDLE);
    }
    CHECK(::sched_getscheduler(0) == SCHED_IDLE);
  }).join();
}

TEST_CASE("processors are divided into two halves, and each of them can be left out") {
  std::thread([] {
    const cpu_set_t all = allowed();
    const processors mine = processors::of(0);
    mine.half(0).give(0);
    const cpu_set_t even = allowed();
    CHECK(first_of(even) == first_of(all));
    CHECK(CPU_COUNT(&even) == (CPU_COUNT(&all) + 1) / 2);
    mine.half(1).give(0);
    const cpu_set_t odd = allowed();
    mine.give(0);
    cpu_set_t both{};
    CPU_OR(&both, &even, &odd);
    CHECK(CPU_EQUAL(&both, &all));
    if (CPU_COUNT(&all) > 1) {
      CHECK(CPU_COUNT(&odd) == CPU_COUNT(&all) / 2);
      mine.without(first_of(all)).give(0);
      const cpu_set_t rest = allowed();
      CHECK_FALSE(CPU_ISSET(first_of(all), &rest));
      CHECK(CPU_COUNT(&rest) == CPU_COUNT(&all) - 1);
    }
  }).join();
}

TEST_CASE("no processor at all is given to nobody") {
  std::thread([] {
    const cpu_set_t all = allowed();
    processors none = processors::of(0);
    for (int each = 0; each < CPU_SETSIZE; ++each) none = none.without(each);
    none.give(0);
    const cpu_set_t still = allowed();
    CHECK(CPU_EQUAL(&still, &all));
  }).join();
}

TEST_CASE("a canary is let go of when the thread that holds it ends, and each of those who wait for it is told once") {
  holder its;
  std::atomic<int> told{0};
  {
    const canary_watch watch(its.seen_by_others(), 0, [&] {
      ++told;
      told.notify_one();
    });
    CHECK(told == 0);
    its.end();
    for (int now = told; now < static_cast<int>(canary_futexes); now = told) told.wait(now);
  }
  CHECK(told == static_cast<int>(canary_futexes));
}

TEST_CASE("who stops to watch a canary is told nothing, and does not wait for its end") {
  holder its;
  std::atomic<int> told{0};
  { const canary_watch watch(its.seen_by_others(), 0, [&] { ++told; }); }
  CHECK(told == 0);
  its.end();
  CHECK(told == 0);
}

}  // namespace
