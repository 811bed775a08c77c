#include <doctest/doctest.h>
#include <actors/chaos.hpp>

using troupe::actors::chaos;

TEST_CASE("chaos refuses to pause at least longer than at most") {
  chaos tested(1);
  std::string text;
  try {
    tested.on(chaos::unleash{.victims = {}, .least_ms = 51, .most_ms = 50});
  } catch (const troupe::error& e) {
    CHECK(e.code() == troupe::errc::not_allowed);
    text = e.text();
  }
  CHECK(text == "chaos is to wait at least 51 ms between two kills, and at most 50");
}
