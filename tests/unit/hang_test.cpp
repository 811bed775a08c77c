#include <doctest/doctest.h>

#include "supervision/hang.hpp"

using namespace std::chrono_literals;
using namespace troupe::supervision::hang;
using troupe::os::activity;

namespace {

constexpr work message{work::kind::message, {7, 1, 1}};
constexpr work another{work::kind::message, {7, 2, 2}};
constexpr work idle{};

activity waiting(nanoseconds ran, nanoseconds waited) { return {true, false, ran, waited}; }
activity asleep(nanoseconds ran, nanoseconds waited) { return {false, false, ran, waited}; }
activity stopped() { return {false, true, 0ms, 0ms}; }

sample look(nanoseconds at, const work& doing, std::optional<activity> process, nanoseconds deadline = 100ms) {
  return {at, doing, deadline, process};
}

}  // namespace

TEST_CASE("what a worker could have run: the time between two looks without the waits for a processor") {
  struct row {
    const char* what;
    std::optional<activity> before, after;
    nanoseconds between, expected;
  };
  const row rows[] = {
      {"it ran all the time", waiting(0ms, 0ms), waiting(10ms, 0ms), 10ms, 10ms},
      {"it slept all the time", asleep(0ms, 0ms), asleep(0ms, 0ms), 10ms, 10ms},
      {"it was stopped", stopped(), stopped(), 10ms, 10ms},
      {"it waited and then slept", waiting(0ms, 0ms), asleep(1ms, 6ms), 10ms, 4ms},
      {"its wait began before the first look", waiting(0ms, 0ms), asleep(1ms, 30ms), 10ms, 0ms},
      {"it waits, which shows in no number yet", waiting(5ms, 0ms), waiting(5ms, 0ms), 10ms, 0ms},
      {"it ran a little and waits", asleep(5ms, 0ms), waiting(7ms, 0ms), 10ms, 2ms},
      {"several threads ran", waiting(0ms, 0ms), waiting(25ms, 0ms), 10ms, 10ms},
      {"a thread has ended, and its times with it", waiting(25ms, 25ms), waiting(5ms, 5ms), 10ms, 0ms},
      {"the look came late", asleep(0ms, 0ms), asleep(0ms, 0ms), 30s, 10ms},
      {"the look came late, and it ran meanwhile", waiting(0ms, 0ms), waiting(30s, 0ms), 30s, 10ms},
      {"the look came early", asleep(0ms, 0ms), asleep(0ms, 0ms), 4ms, 4ms},
      {"time went back", asleep(0ms, 0ms), asleep(0ms, 0ms), -5ms, 0ms},
      {"nothing is known of it before", std::nullopt, asleep(0ms, 0ms), 10ms, 0ms},
      {"nothing is known of it after", asleep(0ms, 0ms), std::nullopt, 10ms, 0ms},
  };
  for (const auto& each : rows) {
    CAPTURE(each.what);
    CHECK(could_have_run(look(1s, message, each.before), look(1s + each.between, message, each.after), 10ms) ==
          each.expected);
  }
}

TEST_CASE("stuck is who could have run for the deadline's time and is still at the same work") {
  watch of;
  CHECK(of.take(look(1000ms, message, asleep(0ms, 0ms)), 25ms) == verdict::busy);
  for (int i = 1; i < 4; ++i) CHECK(of.take(look(1000ms + i * 25ms, message, asleep(0ms, 0ms)), 25ms) == verdict::busy);
  CHECK(of.counted() == 75ms);
  CHECK(of.take(look(1100ms, message, asleep(0ms, 0ms)), 25ms) == verdict::stuck);
  CHECK(of.since() == 1000ms);
}

TEST_CASE("work that is begun anew has all of its deadline") {
  watch of;
  of.take(look(0ms, message, asleep(0ms, 0ms)), 90ms);
  CHECK(of.take(look(90ms, message, asleep(0ms, 0ms)), 90ms) == verdict::busy);
  CHECK(of.take(look(180ms, another, asleep(0ms, 0ms)), 90ms) == verdict::busy);
  CHECK(of.counted() == 0ms);
  CHECK(of.since() == 180ms);
  CHECK(of.take(look(270ms, another, asleep(0ms, 0ms)), 90ms) == verdict::busy);
  CHECK(of.take(look(280ms, another, asleep(0ms, 0ms)), 90ms) == verdict::stuck);
}

TEST_CASE("who is idle is never stuck, and who has no deadline only busy") {
  watch of;
  for (int i = 0; i < 100; ++i) CHECK(of.take(look(i * 1s, idle, asleep(0ms, 0ms)), 1s) == verdict::idle);
  for (int i = 100; i < 200; ++i) CHECK(of.take(look(i * 1s, message, asleep(0ms, 0ms), 0ms), 1s) == verdict::busy);
  CHECK(of.since() == 100s);
}

TEST_CASE("a worker that gets one turn in nine is stuck after nine times its deadline, not before") {
  watch of;
  nanoseconds at{0}, ran{0};
  of.take(look(at, message, waiting(ran, 0ms)), 25ms);
  while (ran + 3ms < 100ms) {
    at += 27ms;
    ran += 3ms;
    CHECK(of.take(look(at, message, waiting(ran, at - ran)), 27ms) == verdict::busy);
  }
  CHECK(of.take(look(at + 27ms, message, waiting(ran + 3ms, at)), 27ms) == verdict::stuck);
}

TEST_CASE("a pause of everything is one late look, which counts as one that was on time") {
  watch of;
  of.take(look(0s, message, asleep(0ms, 0ms), 1s), 250ms);
  CHECK(of.take(look(250ms, message, stopped(), 1s), 250ms) == verdict::busy);
  CHECK(of.take(look(30s, message, stopped(), 1s), 250ms) == verdict::busy);
  CHECK(of.take(look(30s + 250ms, message, asleep(0ms, 0ms), 1s), 250ms) == verdict::busy);
  CHECK(of.take(look(30s + 500ms, message, asleep(0ms, 0ms), 1s), 250ms) == verdict::stuck);
}

TEST_CASE("the next look is due after a quarter of the finest deadline, or when the one in hand may be over") {
  watch of;
  CHECK(next_look(of, 0ms) == longest_look);
  CHECK(next_look(of, 1h) == longest_look);
  CHECK(next_look(of, 1ms) == shortest_look);
  CHECK(next_look(of, 400ms) == 100ms);
  of.take(look(0ms, message, asleep(0ms, 0ms), 400ms), 100ms);
  CHECK(next_look(of, 400ms) == 100ms);
  of.take(look(370ms, message, asleep(0ms, 0ms), 400ms), 370ms);
  CHECK(next_look(of, 400ms) == 30ms);
  of.take(look(395ms, message, asleep(0ms, 0ms), 400ms), 100ms);
  CHECK(next_look(of, 400ms) == shortest_look);
}
