#include "supervision/policy.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

// Numbers in names ("case 80") are those of the cases of OTP's supervisor_SUITE in the conformance list.

using namespace troupe::supervision::policy;
using namespace std::chrono_literals;
using troupe::supervisor_flags;
using kind = troupe::restart;
using lines = std::vector<std::string>;

namespace {

const char* name(result r) {
  constexpr const char* names[] = {"ok",        "already_present", "already_started", "running", "restarting",
                                   "not_found", "start_failed",    "gave_up",         "stopping",
                                   "ignored",   "bad_spec",        "too_many",        "simple_one_for_one"};
  return names[std::size_t(r)];
}
const char* name(report_kind r) {
  constexpr const char* names[] = {"child_terminated", "start_error", "shutdown_error", "gave_up", "budget_spent"};
  return names[std::size_t(r)];
}
const char* name(outcome o) {
  constexpr const char* names[] = {"stopped", "gave_up", "start_failed", "auto_shutdown"};
  return names[std::size_t(o)];
}
const char* name(down_because d) {
  constexpr const char* names[] = {"closed", "stopping", "gave_up", "budget_spent"};
  return names[std::size_t(d)];
}

std::string with_text(std::string line, const std::string& text) { return text.empty() ? line : line + ": " + text; }

struct printer {
  std::string operator()(const start& a) const { return "start " + std::to_string(a.id); }
  std::string operator()(const stop& a) const { return "stop " + std::to_string(a.id); }
  std::string operator()(const forget& a) const { return "forget " + std::to_string(a.id); }
  std::string operator()(const down_for_good& a) const { return "down " + std::to_string(a.id) + " " + name(a.why); }
  std::string operator()(const retry_later& a) const { return "retry " + std::to_string(a.id); }
  std::string operator()(const answer& a) const {
    return with_text("answer " + std::to_string(a.call) + " " + name(a.what), a.text);
  }
  std::string operator()(const report& a) const {
    return with_text("report " + std::to_string(a.id) + " " + name(a.what), a.text);
  }
  std::string operator()(const ended& a) const { return with_text(std::string("ended ") + name(a.how), a.text); }
};

/// A supervisor of the policy alone, whose clock stands still until it is moved.
struct tree {
  explicit tree(std::uint32_t intensity = 1, std::chrono::milliseconds period = 5s)
      : s(supervisor_flags{.max_restarts = intensity, .within = period}) {}

  lines take(const event& what) {
    lines out;
    for (const auto& a : step(s, what, now)) out.push_back(std::visit(printer{}, a));
    return out;
  }
  /// Adds a child by start_child (call 0) and lets it come up.
  void add(child_id id, kind when = kind::permanent) {
    REQUIRE(take(start_child{0, {id, {when, {}, child_kind::worker}}}) == lines{"start " + std::to_string(id)});
    REQUIRE(take(started{id}) == lines{"answer 0 ok"});
  }
  lines exit(child_id id, exit_kind why = exit_kind::abnormal, charge paid_by = charge::counts) {
    return take(exited{id, why, paid_by, {}});
  }
  /// The message to self of the child's last `retry_later`.
  event retry_of(child_id id) const {
    const auto place = s.place_of.find(id);
    return retry{id, place == s.place_of.end() ? 0 : s.children.at(place->second).ticket};
  }
  child_state is(child_id id) const {
    for (const auto& c : which_children(s))
      if (c.id == id) return c.is;
    return child_state::absent;
  }

  state s;
  instant now = 1000s;
};

constexpr exit_kind every_exit[] = {exit_kind::normal, exit_kind::shutdown, exit_kind::abnormal};

}  // namespace

TEST_CASE("a permanent child is restarted whatever its exit (cases 45, 48, 52)") {
  for (const auto why : every_exit) {
    tree t;
    t.add(1);
    CHECK(t.exit(1, why) == lines{"report 1 child_terminated", "start 1"});
    CHECK(t.is(1) == child_state::restarting);
    CHECK(t.take(started{1}).empty());
    CHECK(t.is(1) == child_state::up);
  }
}

TEST_CASE("a transient child stays down after a normal end and after shutdown (cases 46, 49)") {
  for (const auto why : {exit_kind::normal, exit_kind::shutdown}) {
    tree t;
    t.add(1, kind::transient);
    CHECK(t.exit(1, why) == lines{"down 1 closed"});
    CHECK(t.is(1) == child_state::down);
    CHECK(t.take(restart_child{9, 1}) == lines{"start 1"});
    CHECK(t.take(started{1}) == lines{"answer 9 ok"});
  }
}

TEST_CASE("a transient child is restarted after an abnormal end (case 53)") {
  tree t;
  t.add(1, kind::transient);
  CHECK(t.exit(1) == lines{"report 1 child_terminated", "start 1"});
}

TEST_CASE("a temporary child is gone after any end and its id can be used at once (cases 47, 50, 54, 76)") {
  for (const auto why : every_exit) {
    tree t;
    t.add(1, kind::temporary);
    lines expected{"forget 1"};
    if (why == exit_kind::abnormal) expected.insert(expected.begin(), "report 1 child_terminated");
    CHECK(t.exit(1, why) == expected);
    CHECK(t.is(1) == child_state::absent);
    t.add(1, kind::temporary);
  }
}

TEST_CASE("one_for_one: only the dead child is replaced, the third restart over intensity 2 ends all (case 30)") {
  tree t(2);
  t.add(1), t.add(2);
  for (int i = 0; i < 2; ++i) {
    CHECK(t.exit(1) == lines{"report 1 child_terminated", "start 1"});
    t.take(started{1});
  }
  CHECK(t.take(exited{1, exit_kind::abnormal, charge::counts, "1 died of signal 11"}) ==
        lines{"report 1 child_terminated: 1 died of signal 11", "report 1 gave_up: 1 died of signal 11",
              "down 1 gave_up", "stop 2"});
  CHECK(t.take(restart_child{5, 1}) == lines{"answer 5 gave_up: 1 died of signal 11"});
  CHECK(t.exit(2, exit_kind::shutdown) == lines{"down 2 gave_up", "ended gave_up: 1 died of signal 11"});
  CHECK(t.take(stop_all{6}) == lines{"answer 6 gave_up: 1 died of signal 11"});
}

TEST_CASE("a restart exactly one period ago still counts, one nanosecond later it does not") {
  for (const auto over : {0ns, 1ns}) {
    tree t(1, 5s);
    t.add(1);
    t.exit(1), t.take(started{1});
    t.now += 5s + over;
    CHECK(t.exit(1).at(1) == (over == 0ns ? "report 1 gave_up" : "start 1"));
  }
}

TEST_CASE("crashes that are spread over time do not escalate (case 29)") {
  tree t(1, 1s);
  t.add(1);
  for (int i = 0; i < 4; ++i, t.now += 1001ms) {
    CHECK(t.exit(1).back() == "start 1");
    t.take(started{1});
  }
}

TEST_CASE("intensity 0: the first restart escalates") {
  tree t(0);
  t.add(1);
  CHECK(t.exit(1) == lines{"report 1 child_terminated", "report 1 gave_up", "down 1 gave_up", "ended gave_up"});
}

TEST_CASE("a huge period does not overflow") {
  tree t(1, std::chrono::milliseconds::max());
  t.add(1);
  t.exit(1), t.take(started{1});
  CHECK(t.exit(1).back() == "ended gave_up");
}

TEST_CASE("failed attempts to restart count, each of them (case 31)") {
  tree t(4);
  t.add(1), t.add(2);
  CHECK(t.exit(1).back() == "start 1");
  for (int i = 0; i < 3; ++i) {
    CHECK(t.take(start_failed{1, "no"}) == lines{"report 1 start_error: no", "retry 1"});
    CHECK(t.is(1) == child_state::retrying);
    CHECK(t.take(t.retry_of(1)) == lines{"start 1"});
  }
  t.take(start_failed{1, "no"});
  CHECK(t.take(t.retry_of(1)) == lines{"report 1 gave_up: no", "down 1 gave_up", "stop 2"});
}

TEST_CASE("a restart that no later attempt can mend gives up at once; a call that meets it is told") {
  tree t(1000);
  t.add(1), t.add(2);
  CHECK(t.exit(1).back() == "start 1");
  CHECK(t.take(start_failed{1, "no", true}) == lines{"report 1 start_error: no", "report 1 gave_up: no", "down 1 gave_up", "stop 2"});
}

TEST_CASE("a death that is charged to its message, or was asked for, restarts the child and does not count") {
  for (const auto paid_by : {charge::record, charge::asked}) {
    tree t(0);
    t.add(1);
    CHECK(t.exit(1, exit_kind::abnormal, paid_by) == lines{"report 1 child_terminated", "start 1"});
    CHECK(t.exit(1, exit_kind::abnormal, paid_by) == lines{"report 1 start_error", "retry 1"});  // while restarting
    CHECK(t.take(t.retry_of(1)) == lines{"start 1"});
    t.take(start_failed{1, "no"});
    CHECK(t.take(t.retry_of(1)).front() == "report 1 gave_up: no");  // a failed start counts whatever came before
  }
}

TEST_CASE("calls do not count towards the intensity") {
  tree t(0);
  t.add(1);
  for (int i = 0; i < 5; ++i) {
    t.take(terminate_child{1, 1}), t.exit(1, exit_kind::shutdown);
    CHECK(t.take(restart_child{2, 1}) == lines{"start 1"});
    CHECK(t.take(started{1}) == lines{"answer 2 ok"});
  }
}

TEST_CASE("start_child that fails discards the child and tells the caller why (case 10)") {
  tree t;
  SUBCASE("by its own word") {
    t.take(start_child{7, {1, {}}});
    CHECK(t.take(start_failed{1, "no such file"}) == lines{"forget 1", "answer 7 start_failed: no such file"});
  }
  SUBCASE("by dying before it is up") {
    t.take(start_child{7, {1, {}}});
    CHECK(t.take(exited{1, exit_kind::normal, charge::counts, "exit 0"}) ==
          lines{"forget 1", "answer 7 start_failed: exit 0"});
  }
  CHECK(t.is(1) == child_state::absent);
  t.add(1);
}

TEST_CASE("restart_child that fails leaves the child known and down (case 11)") {
  tree t;
  t.add(1);
  t.take(terminate_child{1, 1}), t.exit(1, exit_kind::shutdown);
  t.take(restart_child{2, 1});
  CHECK(t.take(start_failed{1, "no"}) == lines{"down 1 closed", "answer 2 start_failed: no"});
  CHECK(t.is(1) == child_state::down);
}

TEST_CASE("the API walk of OTP: start, terminate twice, restart, delete (case 23)") {
  tree t;
  t.add(1);
  CHECK(t.take(start_child{1, {1, {}}}) == lines{"answer 1 already_started"});
  CHECK(t.take(restart_child{1, 1}) == lines{"answer 1 running"});
  CHECK(t.take(delete_child{1, 1}) == lines{"answer 1 running"});
  CHECK(t.take(terminate_child{1, 1}) == lines{"stop 1"});
  CHECK(t.take(terminate_child{2, 1}).empty());
  CHECK(t.exit(1, exit_kind::shutdown) == lines{"down 1 closed", "answer 1 ok", "answer 2 ok"});
  CHECK(t.take(terminate_child{3, 1}) == lines{"answer 3 ok"});
  CHECK(t.take(start_child{4, {1, {}}}) == lines{"answer 4 already_present"});
  CHECK(t.take(delete_child{5, 1}) == lines{"forget 1", "answer 5 ok"});
  for (const event& call : {event(terminate_child{6, 1}), event(restart_child{6, 1}), event(delete_child{6, 1})})
    CHECK(t.take(call) == lines{"answer 6 not_found"});
}

TEST_CASE("a call waits until its own child has settled, calls about others do not") {
  tree t;
  t.add(1), t.add(2);
  t.take(terminate_child{1, 1});
  CHECK(t.take(restart_child{2, 1}).empty());
  CHECK(t.take(delete_child{3, 1}).empty());
  CHECK(t.take(delete_child{4, 2}) == lines{"answer 4 running"});
  CHECK(t.exit(1, exit_kind::shutdown) == lines{"down 1 closed", "answer 1 ok", "start 1"});
  CHECK(t.take(started{1}) == lines{"answer 2 ok", "answer 3 running"});
}

TEST_CASE("terminate_child ends a start that is under way") {
  tree t;
  t.take(start_child{1, {1, {}}});
  CHECK(t.take(terminate_child{2, 1}) == lines{"stop 1"});
  SUBCASE("before it was up") {
    CHECK(t.exit(1, exit_kind::shutdown) ==
          lines{"forget 1", "answer 1 start_failed: terminated before it was up", "answer 2 ok"});
  }
  SUBCASE("which succeeds all the same: then it was a child, and is known from now on") {
    CHECK(t.take(started{1}) == lines{"answer 1 ok"});
    CHECK(t.exit(1, exit_kind::shutdown) == lines{"down 1 closed", "answer 2 ok"});
  }
}

TEST_CASE("terminate_child forgets a temporary child") {
  tree t;
  t.add(1, kind::temporary);
  t.take(terminate_child{1, 1});
  CHECK(t.exit(1, exit_kind::shutdown) == lines{"forget 1", "answer 1 ok"});
}

TEST_CASE("an endless restart loop: calls are served between attempts, terminate_child stops it (case 80)") {
  tree t(8, 10s);
  t.add(1);
  t.exit(1);
  CHECK(t.take(start_child{2, {1, {}}}).empty());  // OTP's supervisor is busy: it answers when it knows
  CHECK(t.take(start_failed{1, "no"}) == lines{"report 1 start_error: no", "retry 1", "answer 2 already_present"});
  CHECK(t.take(start_child{2, {1, {}}}) == lines{"answer 2 already_present"});
  CHECK(t.take(restart_child{3, 1}) == lines{"answer 3 restarting"});
  CHECK(t.take(delete_child{4, 1}) == lines{"answer 4 restarting"});
  CHECK(count_children(t.s) == child_count{1, 0, 0, 1});
  CHECK(t.take(terminate_child{5, 1}) == lines{"down 1 closed", "answer 5 ok"});
  CHECK(t.take(t.retry_of(1)).empty());
  CHECK(t.is(1) == child_state::down);
  CHECK(t.take(restart_child{6, 1}) == lines{"start 1"});
}

TEST_CASE("a supervisor can be stopped in the middle of a restart loop (case 80)") {
  tree t(8, 10s);
  t.add(1);
  t.exit(1), t.take(start_failed{1, "no"});
  CHECK(t.take(stop_all{1}) == lines{"down 1 stopping", "ended stopped", "answer 1 ok"});
  CHECK(t.take(t.retry_of(1)).empty());
}

TEST_CASE("children start in order, one by one, and stop in reverse order (cases 1, 87)") {
  tree t;
  CHECK(t.take(start_all{1, {{30, {}}, {10, {}}, {20, {}}}}) == lines{"start 30"});
  CHECK(t.take(delete_child{2, 10}).empty());  // held until all are up
  CHECK(t.take(started{30}) == lines{"start 10"});
  CHECK(t.take(started{10}) == lines{"start 20"});
  CHECK(t.take(started{20}) == lines{"answer 1 ok", "answer 2 running"});
  CHECK(t.take(start_all{3, {}}) == lines{"answer 3 already_started"});
  CHECK(t.take(stop_all{4}) == lines{"stop 20"});
  CHECK(t.exit(20, exit_kind::shutdown) == lines{"down 20 stopping", "stop 10"});
  CHECK(t.take(start_child{5, {40, {}}}) == lines{"answer 5 stopping"});
  CHECK(t.exit(10, exit_kind::shutdown) == lines{"down 10 stopping", "stop 30"});
  CHECK(t.exit(30, exit_kind::shutdown) == lines{"down 30 stopping", "ended stopped", "answer 4 ok"});
}

TEST_CASE("a failed start at the beginning is not retried: what is up is stopped, the caller hears why (OTP 5.3.4)") {
  tree t(100);
  t.take(start_all{1, {{1, {}}, {2, {}}, {3, {}}}});
  t.take(started{1});
  CHECK(t.take(start_failed{2, "no"}) ==
        lines{"report 2 start_error: no", "down 2 stopping", "down 3 stopping", "stop 1"});
  CHECK(t.exit(1, exit_kind::shutdown) ==
        lines{"down 1 stopping", "ended start_failed: no", "answer 1 start_failed: no"});
}

TEST_CASE("a child that dies while later ones still start is restarted at once") {
  tree t;
  t.take(start_all{1, {{1, {}}, {2, {}}}});
  t.take(started{1});
  CHECK(t.exit(1) == lines{"report 1 child_terminated", "start 1"});
  CHECK(t.take(started{1}).empty());
  CHECK(t.take(started{2}) == lines{"answer 1 ok"});
}

TEST_CASE("children that end by themselves while others are stopped are not restarted (case 21)") {
  tree t(100);
  for (child_id id = 1; id <= 4; ++id) t.add(id, id == 2 ? kind::transient : kind::permanent);
  CHECK(t.take(stop_all{1}) == lines{"stop 4"});
  CHECK(t.exit(1) == lines{"report 1 shutdown_error", "down 1 stopping"});
  CHECK(t.exit(2, exit_kind::normal) == lines{"down 2 stopping"});
  CHECK(t.exit(4, exit_kind::shutdown) == lines{"down 4 stopping", "stop 3"});
  CHECK(t.exit(3, exit_kind::shutdown) == lines{"down 3 stopping", "ended stopped", "answer 1 ok"});
}

TEST_CASE("a crash that crosses terminate_child ends the stop and restarts nothing") {
  tree t;
  t.add(1);
  t.take(terminate_child{1, 1});
  CHECK(t.exit(1) == lines{"report 1 shutdown_error", "down 1 closed", "answer 1 ok"});
}

TEST_CASE("a child killed by brutal_kill is no error, one killed after its grace is (cases 17, 19)") {
  for (const auto how : {troupe::shutdown::brutal_kill(), troupe::shutdown::within(1s)}) {
    tree t;
    t.take(start_child{1, {1, {.shutdown = how}}}), t.take(started{1});
    t.take(terminate_child{2, 1});
    const bool brutal = how.how == troupe::shutdown::kind::brutal_kill;
    CHECK(t.exit(1).front() == (brutal ? "down 1 closed" : "report 1 shutdown_error"));
  }
}

TEST_CASE("events about children that are not ours are ignored, as is what does not fit the state") {
  tree t;
  t.add(1);
  for (const event& e : {event(started{9}), event(start_failed{9, ""}), event(exited{.id = 9}), event(retry{9}),
                         event(started{1}), event(start_failed{1, ""}), event(retry{1, 0})})
    CHECK(t.take(e).empty());
  CHECK(t.is(1) == child_state::up);
}

TEST_CASE("which_children lists the newest first, count_children tells supervisors from workers (cases 72, 92)") {
  tree t;
  t.add(1);
  t.take(start_child{1, {2, {.kind = child_kind::supervisor}}});
  const auto all = which_children(t.s);
  REQUIRE(all.size() == 2);
  CHECK(all[0].id == 2);
  CHECK(all[0].is == child_state::starting);
  CHECK(all[1].id == 1);
  CHECK(count_children(t.s) == child_count{2, 1, 1, 1});
}

TEST_CASE("100,000 children start and stop in time that grows with their number, not its square (case 88)") {
  tree t;
  for (child_id id = 1; id <= 100'000; ++id) t.add(id);
  t.take(stop_all{1});
  for (child_id id = 100'000; id > 1; --id) t.exit(id, exit_kind::shutdown);
  CHECK(t.exit(1, exit_kind::shutdown).back() == "answer 1 ok");
}
