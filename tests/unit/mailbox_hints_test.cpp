#include <doctest/doctest.h>

#include "unit/mailbox_fixture.hpp"

// Of many lanes only those are looked at whose hint has moved: what is known of a lane without that is not forgotten.

using namespace lane_fixture;

namespace {

/// With these a mailbox has more lanes than it asks for their tails.
struct idlers {
  explicit idlers(box& to) : a(to, 10, 110, 110), b(to, 11, 111, 111), c(to, 12, 112, 112), d(to, 13, 113, 113) {}
  peer a, b, c, d;
};

}  // namespace

TEST_CASE("of many lanes one that has had its batch is come back to") {
  box to;
  idlers idle(to);
  peer a(to, 0, 10, 1), b(to, 1, 11, 2);
  for (int i = 0; i < 100; ++i) a.tell({1, 0});
  b.tell({2, 0});
  CHECK(to.take_all().size() == 101);
}

TEST_CASE("of many lanes one that is being served is come back to when another has been taken away") {
  box to;
  idlers idle(to);
  peer gone(to, 0, 10, 1), a(to, 1, 11, 2);
  CHECK(to.take() == 0);
  a.tell({1, 0});
  a.tell({2, 0});
  CHECK(to.take() == 1);
  to.mail.remove(0);
  CHECK(to.take() == 2);
}

TEST_CASE("of many lanes a successor's is looked at when its predecessor's is away") {
  box to;
  idlers idle(to);
  peer old(to, 0, 10, 1), young(to, 1, 10, 2);
  young.tell({2, 0});
  old.tell({1, 0});
  CHECK(to.take_all() == numbers{1});
  old.die();
  CHECK(to.take() == 0);
  REQUIRE(to.mail.drained == std::vector<std::uint32_t>{0});
  to.mail.drained.clear();
  to.mail.remove(0);
  CHECK(to.take() == 2);
}

TEST_CASE("of many lanes one that holds what could not be taken is looked at when its owner says so") {
  box to;
  idlers idle(to);
  peer a(to, 0, 10, 1), b(to, 1, 11, 2);
  a.lane().parked = true;
  a.tell({1, 0});
  b.tell({2, 0, 0, record_kind::request});
  CHECK(to.take() == 0);
  a.lane().parked = false;
  to.mail.look_again(0);
  CHECK(to.take_all() == numbers{1});
  b.lane().reply_pipe = os::make_pipe().second;
  to.mail.look_again(1);
  CHECK(to.take_all() == numbers{2});
}
