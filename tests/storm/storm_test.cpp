#include <iostream>

#include "storm/storm.hpp"
#include "support/program.hpp"

using namespace std::chrono_literals;

namespace {

storm::outcome weather(const storm::plan& what) {
  const auto came = storm::run(what);
  const std::string line = came.line(what);
  std::cout << line << std::endl;
  INFO(line);
  INFO(came.found.text);
  CHECK_EQ(came.hung, "");
  CHECK_EQ(came.found.lost, 0);
  CHECK_EQ(came.found.beyond, 0);
  CHECK_EQ(came.found.reordered, 0);
  CHECK_EQ(came.found.torn, 0);
  CHECK_EQ(came.found.invented, 0);
  CHECK_EQ(came.found.effects, 0);
  CHECK_EQ(came.found.unexpected, 0);
  CHECK_EQ(came.leaked, "");
  CHECK_GE(came.kills, what.kills);
  if (!what.spawner) CHECK_EQ(came.deaths, came.kills);  // nobody died of anything else
  CHECK_GT(came.found.accepted, 0);
  CHECK_GT(came.stops, 0);
  return came;
}

TEST_SUITE("serial") {
  TEST_CASE("a storm of kills: nothing is lost, doubled, reordered or torn, and nothing is left behind") {
    weather(storm::planned({.undisturbed = 3s, .attacked = 20s, .kills = 1000, .per_second = 75}));
  }

  TEST_CASE("a storm of stops delays nobody but those who are stopped") {
    const auto came =
        weather(storm::planned({.undisturbed = 3s, .attacked = 3s, .per_second = 60, .with = storm::only_stops}));
    CHECK_EQ(came.kills, 0);
    CHECK_EQ(came.found.repeated, 0);
  }
}

TEST_SUITE("long") {
  TEST_CASE("a storm of eight minutes") {
    weather(storm::planned({.undisturbed = 30s, .attacked = 480s, .kills = 10'000, .per_second = 75}));
  }

  TEST_CASE("a storm that also kills the spawner, again and again") {
    const auto came = weather(storm::planned({.undisturbed = 1s, .attacked = 30s, .per_second = 60, .spawner = true}));
    CHECK_GT(came.spawner_kills, 10);
  }
}

}  // namespace
