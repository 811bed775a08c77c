#include <doctest/doctest.h>

#include <algorithm>

#include "supervision/permit.hpp"
#include "supervision/policy.hpp"
#include "supervision/refill.hpp"

using namespace std::chrono_literals;
using namespace troupe::supervision;

namespace {

TEST_CASE("a spare that is lost after it has stood by for long is replaced soon") {
  refill pool;
  for (int i = 0; i < 100; ++i) {
    pool.lost(refill::proven);
    CHECK(pool.pause() == refill::soon);
  }
}

TEST_CASE("a spare that cannot be made is tried again ever more seldom, and at last no more") {
  refill pool;
  auto last = *pool.pause();
  for (unsigned failure = 1; failure <= refill::most_failures; ++failure) {
    pool.lost(std::nullopt);
    REQUIRE(pool.pause());
    CHECK(*pool.pause() >= last);
    CHECK(*pool.pause() >= refill::first_pause);
    CHECK(*pool.pause() <= refill::longest_pause);
    last = *pool.pause();
  }
  pool.lost(0ms);
  CHECK(!pool.pause());
  pool.lost(std::nullopt);
  CHECK(!pool.pause());
}

TEST_CASE("a child that is up anew gets spares again") {
  refill pool;
  for (unsigned i = 0; i < 2 * refill::most_failures; ++i) pool.lost(std::nullopt);
  REQUIRE(!pool.pause());
  pool.renew();
  CHECK(pool.pause() == refill::soon);
}

TEST_CASE("a suspected process is looked at at once, then at growing distances, and not for ever") {
  CHECK(pause_before_look(0) == 0us);
  unsigned looks = 1;
  auto last = 0us;
  for (; pause_before_look(looks); ++looks) {
    REQUIRE(looks < 100);
    CHECK(*pause_before_look(looks) >= last);
    last = *pause_before_look(looks);
  }
  CHECK(looks > 5);
}

TEST_CASE("a permit is spent once, and comes back only when the takeover has been heard of") {
  permit one;
  CHECK(!one.spend());
  one.allow(true);
  CHECK(one.spend());
  CHECK(!one.spend());
  one.allow(true);  // another event, before the takeover
  CHECK(!one.spend());
  one.allow(false);
  CHECK(!one.spend());
  one.settle();
  CHECK(!one.spend());
  one.allow(true);
  CHECK(one.spend());
}

TEST_CASE("a permit that is taken back is none") {
  permit one;
  one.allow(true);
  one.allow(false);
  CHECK(!one.spend());
  one.settle();
  one.allow(true);
  CHECK(one.spend());
}

/// A supervisor with children 1 and 2, both up.
policy::state two_children(troupe::strategy how, std::uint32_t intensity) {
  policy::state s({.strategy = how, .max_restarts = intensity});
  step(s, policy::start_all{1, {{1, {}}, {2, {}}}}, 0s);
  step(s, policy::started{1}, 0s);
  step(s, policy::started{2}, 0s);
  return s;
}

template <class Action>
std::size_t count(const policy::actions& all) {
  return static_cast<std::size_t>(
      std::ranges::count_if(all, [](const auto& each) { return std::holds_alternative<Action>(each); }));
}

TEST_CASE("a takeover counts as the restart that it is, and nothing is started") {
  auto s = two_children(troupe::strategy::one_for_one, 1);
  REQUIRE(may_take_over(s, 1s));
  const auto done = step(s, policy::taken_over{1, policy::exit_kind::abnormal, policy::charge::counts, "died"}, 1s);
  CHECK(count<policy::start>(done) == 0);
  CHECK(count<policy::report>(done) == 1);
  CHECK(!may_take_over(s, 2s));
  CHECK(may_take_over(s, 7s));
  step(s, policy::started{1}, 2s);
  CHECK(which_children(s)[1].is == policy::child_state::up);
  const auto second = step(s, policy::exited{1, policy::exit_kind::abnormal, policy::charge::counts, "died again"}, 3s);
  CHECK(count<policy::start>(second) == 0);
  CHECK(s.now == policy::state::phase::stopping);
}

TEST_CASE("a takeover that a message pays for does not count") {
  auto s = two_children(troupe::strategy::one_for_one, 1);
  step(s, policy::taken_over{1, policy::exit_kind::abnormal, policy::charge::record, "died"}, 1s);
  CHECK(may_take_over(s, 1s));
}

TEST_CASE("a spare that has taken over and cannot start is a restart that has failed") {
  auto s = two_children(troupe::strategy::one_for_one, 5);
  step(s, policy::taken_over{1, policy::exit_kind::abnormal, policy::charge::counts, "died"}, 1s);
  const auto failed = step(s, policy::start_failed{1, "no"}, 1s);
  CHECK(count<policy::retry_later>(failed) == 1);
}

TEST_CASE("nobody takes over where a death touches siblings, at the end of a supervisor, or without restarts left") {
  CHECK(!may_take_over(two_children(troupe::strategy::one_for_all, 5), 1s));
  CHECK(!may_take_over(two_children(troupe::strategy::rest_for_one, 5), 1s));
  CHECK(!may_take_over(two_children(troupe::strategy::one_for_one, 0), 1s));
  auto s = two_children(troupe::strategy::one_for_one, 5);
  step(s, policy::stop_all{2}, 1s);
  CHECK(!may_take_over(s, 1s));
}

TEST_CASE("a takeover that comes while its child is being stopped changes nothing: the end is still to come") {
  auto s = two_children(troupe::strategy::one_for_one, 5);
  step(s, policy::terminate_child{2, 1}, 1s);
  CHECK(step(s, policy::taken_over{1, policy::exit_kind::abnormal, policy::charge::counts, "died"}, 1s).empty());
  const auto ended = step(s, policy::exited{1, policy::exit_kind::shutdown, policy::charge::asked, "was stopped"}, 1s);
  CHECK(count<policy::answer>(ended) == 1);
}

TEST_CASE("a takeover beyond the intensity, should there be one, ends the supervisor, and the successor with it") {
  auto s = two_children(troupe::strategy::one_for_one, 0);
  const auto done = step(s, policy::taken_over{2, policy::exit_kind::abnormal, policy::charge::counts, "died"}, 1s);
  CHECK(s.now == policy::state::phase::stopping);
  CHECK(count<policy::stop>(done) == 1);
}

}  // namespace
