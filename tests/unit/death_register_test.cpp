#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "supervision/death_register.hpp"

using namespace troupe::supervision;
using namespace std::chrono_literals;
using troupe::death_certificate;
using troupe::death_decision;

namespace {

constexpr troupe::os::time_point start{1000s};

struct desk {
  std::vector<std::string> said;
  death_register all{[this](const death_certificate& what) {
    said.push_back(std::to_string(what.incarnation) + " " + troupe::name_of(what.decision));
  }};
  std::uint64_t last = 0;

  void die(std::uint64_t identity, const std::string& name = "one") {
    death_certificate what;
    what.identity = identity;
    what.name = name;
    what.incarnation = ++last;
    all.add(what, start);
  }
};
using lines = std::vector<std::string>;

TEST_CASE("a certificate is said once, when it is decided what is done") {
  desk d;
  d.die(7);
  CHECK(d.said.empty());
  CHECK(d.all.of(7).at(0).decision == death_decision::undecided);
  d.all.decide(8, death_decision::restarted);
  d.all.decide(7, death_decision::restarts_later, 40ms);
  CHECK(d.all.of(7).at(0).delay == 40ms);
  d.all.decide(7, death_decision::restarted);
  CHECK(d.all.of(7).at(0).decision == death_decision::restarted);
  CHECK(d.said == lines{"1 restarts_later"});
  d.die(7);
  d.all.decide(7, death_decision::given_up);
  d.all.decide(7, death_decision::forgotten);
  CHECK(d.said == lines{"1 restarts_later", "2 given_up"});
  CHECK(d.all.of(7).at(1).decision == death_decision::given_up);
}

TEST_CASE("a certificate that stays undecided is said after a second, and one that is left at the end") {
  desk d;
  d.die(7);
  d.all.say_undecided(start + 999ms);
  CHECK(d.said.empty());
  d.all.say_undecided(start + 1s);
  d.all.say_undecided(start + 2s);
  CHECK(d.said == lines{"1 undecided"});
  d.all.decide(7, death_decision::restarted);
  CHECK(d.all.of(7).at(0).decision == death_decision::restarted);
  d.die(7);
  d.all.close();
  d.all.close();
  CHECK(d.said == lines{"1 undecided", "2 undecided"});
}

TEST_CASE("the last eight of an identity are kept, and the last sixty-four identities that have ended") {
  desk d;
  for (std::size_t i = 0; i < death_register::most_each + 3; ++i) d.die(7);
  CHECK(d.all.of(7).size() == death_register::most_each);
  CHECK(d.all.of(7).front().incarnation == 4);
  CHECK(d.said == lines{"1 undecided", "2 undecided", "3 undecided"});
  for (std::uint64_t id = 100; id <= 100 + death_register::most_ended; ++id) {
    d.die(id);
    d.all.ended(id);
    d.all.ended(id + 1000);
  }
  CHECK(d.all.of(100).empty());
  CHECK(d.all.of(101).size() == 1);
  CHECK(d.all.of(7).size() == death_register::most_each);
}

TEST_CASE("a name has the last certificates of all who had it, in the order of their lives") {
  desk d;
  d.die(9, "a");
  d.die(7, "a");
  d.die(8, "b");
  d.die(9, "a");
  const auto all = d.all.of("a");
  REQUIRE(all.size() == 3);
  CHECK(all[0].incarnation == 1);
  CHECK(all[1].incarnation == 2);
  CHECK(all[2].incarnation == 4);
  for (std::uint64_t id = 20; id < 40; ++id) d.die(id, "a");
  CHECK(d.all.of("a").size() == death_register::most_each);
  CHECK(d.all.of("a").back().incarnation == d.last);
  CHECK(d.all.of("nobody").empty());
}

}  // namespace
