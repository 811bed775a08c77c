#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "worker/timers.hpp"

using namespace std::chrono_literals;
using troupe::os::time_point;
using troupe::worker::timers;

namespace {

// Timers know no clock: the time is what the caller says.
constexpr time_point start{1000s};

timers::message numbered(std::uint64_t id) { return {id, {std::byte(id), std::byte(id >> 8)}}; }

/// The ids of all that is due, in the order in which they come.
std::vector<std::uint64_t> due(timers& from, time_point now) {
  std::vector<std::uint64_t> ids;
  while (const auto taken = from.take_due(now)) {
    CHECK(taken->body == numbered(taken->id).body);
    ids.push_back(taken->id);
  }
  return ids;
}
using ids = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("timers come in the order of their times, those of one time in the order in which they were set") {
  timers all;
  CHECK(all.empty());
  CHECK_FALSE(all.next());
  CHECK_FALSE(all.take_due(start));
  all.add(start + 3s, 0s, numbered(3));
  all.add(start + 1s, 0s, numbered(1));
  all.add(start + 2s, 0s, numbered(20));
  all.add(start + 2s, 0s, numbered(21));
  CHECK_FALSE(all.empty());
  CHECK(all.next() == start + 1s);
  CHECK(due(all, start + 1s - 1ns).empty());
  CHECK(due(all, start + 1s) == ids{1});
  CHECK(all.next() == start + 2s);
  CHECK(due(all, start + 1h) == ids{20, 21, 3});
  CHECK(all.empty());
  CHECK_FALSE(all.next());
}

TEST_CASE("a cancelled timer never comes, and cancelling it again touches no other") {
  timers all;
  const auto first = all.add(start, 0s, numbered(1));
  const auto second = all.add(start, 0s, numbered(2));
  const auto third = all.add(start, 1s, numbered(3));
  CHECK((first != second && second != third && first != third));
  all.cancel(second);
  all.cancel(second);
  all.cancel(0);
  all.cancel(999);
  CHECK(due(all, start) == ids{1, 3});
  all.cancel(first);
  CHECK(all.next() == start + 1s);
  all.cancel(third);
  CHECK(all.empty());
  CHECK_FALSE(all.take_due(start + 1h));
  CHECK(all.add(start, 0s, numbered(4)) != second);
}

TEST_CASE("a periodic timer keeps its beat, however late it is taken, and leaves out what is past") {
  timers all;
  all.add(start, 10s, numbered(1));
  CHECK(due(all, start) == ids{1});
  CHECK(all.next() == start + 10s);
  CHECK(due(all, start + 10s + 1ns) == ids{1});
  CHECK(all.next() == start + 20s);
  CHECK(due(all, start + 55s) == ids{1});
  CHECK(all.next() == start + 60s);
  CHECK(due(all, start + 60s - 1ns).empty());
  CHECK(due(all, start + 80s) == ids{1});
  CHECK(all.next() == start + 90s);
}

TEST_CASE("a periodic timer that is always late starves no other") {
  timers all;
  all.add(start, 1ns, numbered(1));
  all.add(start + 5ns, 0s, numbered(2));
  CHECK(due(all, start + 10ns) == ids{1, 2});
  CHECK(due(all, start + 11ns) == ids{1});
}

TEST_CASE("timers of one beat take turns in the order in which they were set") {
  timers all;
  all.add(start + 1s, 1s, numbered(1));
  all.add(start + 1s, 1s, numbered(2));
  all.add(start + 2s, 2s, numbered(3));
  CHECK(due(all, start + 1s) == ids{1, 2});
  CHECK(due(all, start + 2s) == ids{1, 2, 3});
  CHECK(due(all, start + 5s) == ids{1, 2, 3});
  CHECK(all.next() == start + 6s);
}

TEST_CASE("in random histories timers are what a list of them would be") {
  struct plain {
    std::uint64_t number;
    time_point due;
    std::chrono::nanoseconds period;
  };
  CHECK(rc::check("timers and list agree", [](const std::vector<std::uint32_t>& ops) {
    timers all;
    std::vector<plain> model;
    time_point now = start;
    for (const std::uint32_t op : ops) {
      const std::uint32_t size = op >> 3;
      if (op % 8 < 3) {
        const std::chrono::nanoseconds period{size % 2 == 0 ? 0 : size % 13};
        const time_point at = now + std::chrono::nanoseconds{size % 20};
        const auto number = all.add(at, period, {size, {}});
        RC_ASSERT((model.empty() || number > model.back().number));
        model.push_back({number, at, period});
      } else if (op % 8 == 3 && !model.empty()) {
        const auto gone = model.begin() + size % model.size();
        all.cancel(gone->number);
        model.erase(gone);
      } else {
        now += std::chrono::nanoseconds{size % 7};
        const auto first = std::min_element(model.begin(), model.end(), [](const plain& a, const plain& b) {
          return std::pair{a.due, a.number} < std::pair{b.due, b.number};
        });
        const bool any = first != model.end() && first->due <= now;
        RC_ASSERT(all.take_due(now).has_value() == any);
        if (any && first->period == 0ns) {
          model.erase(first);
        } else if (any) {
          while (first->due <= now) first->due += first->period;
        }
      }
      RC_ASSERT(all.empty() == model.empty());
      std::optional<time_point> next;
      for (const auto& each : model) next = next ? std::min(*next, each.due) : each.due;
      RC_ASSERT(all.next() == next);
    }
  }));
}
