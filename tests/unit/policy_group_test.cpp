#include <doctest/doctest.h>

#include <array>

#include "support/policy_replay.hpp"

// The cases of OTP's supervisor_SUITE about strategies and significant children, in a world where starts and stops take
// no time, and the options that OTP has not.

using namespace troupe::supervision::policy;
using namespace std::chrono_literals;
using otp_history::lines;

namespace {

/// What a history leads to from its operation `from` (0: the boot) on, without the lines about what there is then.
lines trace(const lines& history, int from = 1) {
  lines all, wanted;
  all = otp_history::policy_replay().run(history);
  int operation = -1;
  for (const auto& line : all) {
    if (line.starts_with("op "))
      ++operation;
    else if (operation >= from && !line.starts_with("which") && !line.starts_with("count"))
      wanted.push_back(line);
  }
  return wanted;
}

lines three(const std::string& flags, const lines& then) {
  lines all{"flags " + flags, "child 1 permanent false worker timed shutdown", "child 2 permanent false worker timed shutdown",
            "child 3 permanent false worker timed shutdown", "boot"};
  all.insert(all.end(), then.begin(), then.end());
  return all;
}

/// Actions of one kind, in order.
template <class Action>
std::vector<Action> only(const actions& all) {
  std::vector<Action> some;
  for (const auto& a : all)
    if (auto* one = std::get_if<Action>(&a)) some.push_back(*one);
  return some;
}

}  // namespace

TEST_CASE("one_for_all: all are replaced, last to first and first to last (case 32)") {
  CHECK(trace(three("one_for_all 2 never", {"exit 2 abnormal"})) ==
        lines{"report child_terminated 2", "stop 3", "stop 1", "start 1 o", "start 2 o", "start 3 o"});
}

TEST_CASE("one_for_all_other_child_fails_restart: what was restarted is stopped and all start again (case 34)") {
  CHECK(trace(three("one_for_all 5 never", {"fates o e", "exit 1 abnormal"})) ==
        lines{"report child_terminated 1", "stop 3", "stop 2", "start 1 o", "start 2 e", "report start_error 2",
              "stop 1", "start 1 o", "start 2 o", "start 3 o"});
}

TEST_CASE("rest_for_one: an earlier child is not touched (case 41)") {
  CHECK(trace(three("rest_for_one 2 never", {"exit 2 abnormal"})) ==
        lines{"report child_terminated 2", "stop 3", "start 2 o", "start 3 o"});
}

TEST_CASE("rest_for_one_other_child_fails_restart: only the one that failed is tried again (case 43)") {
  CHECK(trace(three("rest_for_one 5 never", {"fates o e", "exit 1 abnormal"})) ==
        lines{"report child_terminated 1", "stop 3", "stop 2", "start 1 o", "start 2 e", "report start_error 2",
              "start 2 o", "start 3 o"});
}

// In OTP the supervisor waits for that start; the history test holds this against it.
TEST_CASE("terminate_child in the middle of a restart: what was to be started next stays down (case 81)") {
  CHECK(trace(three("rest_for_one 5 never", {"fates h", "exit 2 abnormal", "terminate 2", "restart 3"})) ==
        lines{"report child_terminated 2", "stop 3", "start 2 h", "report start_error 2", "answer ok", "start 3 o",
              "answer ok"});
  CHECK(trace(three("one_for_all 5 never", {"fates o h", "exit 2 abnormal", "terminate 2", "restart 3"})) ==
        lines{"report child_terminated 2", "stop 3", "stop 1", "start 1 o", "start 2 h", "report start_error 2",
              "answer ok", "start 3 o", "answer ok"});
}

TEST_CASE(
    "terminate_child in the middle of a restart that succeeds all the same: what is to be started next is started") {
  CHECK(trace(three("rest_for_one 5 never", {"fates s", "exit 2 abnormal", "terminate 2"})) ==
        lines{"report child_terminated 2", "stop 3", "start 2 s", "start 3 o", "stop 2", "answer ok"});
}

TEST_CASE("temporary_bystander: a temporary child is stopped with the others and not started again (case 78)") {
  CHECK(trace({"flags one_for_all 5 never", "child 1 permanent false worker timed shutdown", "child 2 temporary false worker timed shutdown", "boot",
               "exit 1 abnormal"}) == lines{"report child_terminated 1", "stop 2", "start 1 o"});
}

TEST_CASE("significant_transient: only a normal end triggers, and with all_significant only the last (case 60)") {
  const lines children{"child 1 permanent false worker timed shutdown",
                       "child 2 transient true worker timed shutdown",
                       "child 3 transient true worker timed shutdown",
                       "boot",
                       "exit 2 abnormal",
                       "exit 2 normal",
                       "exit 3 normal"};
  const auto under = [&](const std::string& mode) {
    lines all{"flags one_for_one 5 " + mode};
    all.insert(all.end(), children.begin(), children.end());
    return trace(all, 2);
  };
  CHECK(under("any_significant") == lines{"stop 3", "stop 1", "ended"});
  CHECK(under("all_significant") == lines{"stop 1", "ended"});
}

TEST_CASE("significant_bystander: who is stopped by others' restarts or by a call triggers nothing (case 62)") {
  CHECK(trace({"flags one_for_all 5 any_significant", "child 1 permanent false worker timed shutdown", "child 2 temporary true worker timed shutdown",
               "boot", "exit 1 abnormal", "exit 1 abnormal"},
              2) == lines{"report child_terminated 1", "start 1 o"});
}

TEST_CASE("a back-off doubles up to its maximum, within its jitter, and begins anew after a healthy time") {
  for (const double jitter : {0.0, 0.5}) {
    state s(troupe::supervisor_flags{.max_restarts = 100}, 7);
    child_rules rules;
    rules.backoff = {.first = 100ms, .max = 350ms, .reset_after = 10s, .jitter = jitter};
    instant now = 1h;
    step(s, start_child{1, {1, rules}}, now), step(s, started{1}, now);
    for (const instant whole : {100ms, 200ms, 350ms, 350ms, 100ms}) {
      if (whole == 100ms) now += 10s;
      const auto later = only<retry_later>(step(s, exited{.id = 1, .why = exit_kind::abnormal}, now));
      REQUIRE(later.size() == 1);
      CHECK(later[0].delay <= whole);
      CHECK(later[0].delay >= whole - std::chrono::duration_cast<instant>(whole * jitter) - 1ns);
      CHECK(only<start>(step(s, retry{1, later[0].ticket + 1}, now)).empty());  // not its own
      CHECK(only<start>(step(s, retry{1, later[0].ticket}, now)).size() == 1);
      step(s, started{1}, now);
    }
  }
}

TEST_CASE("with a back-off, one_for_all stops all at once and starts none before it is over; a call can cancel it") {
  state s(troupe::supervisor_flags{.strategy = troupe::strategy::one_for_all});
  child_rules slow;
  slow.backoff.first = 100ms;
  step(s, start_all{1, {{1, slow}, {2, {}}}}, 1h), step(s, started{1}, 1h), step(s, started{2}, 1h);
  CHECK(only<stop>(step(s, exited{.id = 1, .why = exit_kind::abnormal}, 1h)).size() == 1);
  const auto down = step(s, exited{.id = 2, .why = exit_kind::shutdown}, 1h);
  CHECK(only<start>(down).empty());
  REQUIRE(only<retry_later>(down).size() == 1);
  SUBCASE("it ends") {
    const auto again = step(s, retry{1, only<retry_later>(down)[0].ticket}, 1h);
    REQUIRE(only<start>(again).size() == 1);
    CHECK(only<start>(step(s, started{1}, 1h)).size() == 1);
  }
  SUBCASE("it is cancelled") {
    CHECK(only<down_for_good>(step(s, terminate_child{2, 1}, 1h)).size() == 2);
    CHECK(step(s, retry{1, only<retry_later>(down)[0].ticket}, 1h).empty());
  }
}

TEST_CASE("a child that has used up its own budget stays down, and nobody else is touched") {
  state s(troupe::supervisor_flags{.max_restarts = 0});
  child_rules rules;
  rules.budget = troupe::restart_budget{.max_restarts = 2, .within = 5s};
  step(s, start_all{1, {{1, {}}, {2, rules}}}, 1h), step(s, started{1}, 1h), step(s, started{2}, 1h);
  for (int i = 0; i < 2; ++i) {
    CHECK(only<start>(step(s, exited{.id = 2, .why = exit_kind::abnormal}, 1h)).size() == 1);
    step(s, started{2}, 1h);
  }
  const auto last = step(s, exited{.id = 2, .why = exit_kind::abnormal}, 1h);
  REQUIRE(only<report>(last).size() == 2);
  CHECK(only<report>(last)[1].what == report_kind::budget_spent);
  REQUIRE(only<down_for_good>(last).size() == 1);
  CHECK(only<down_for_good>(last)[0].why == down_because::budget_spent);
  CHECK(last.size() == 3);
  CHECK(count_children(s) == child_count{2, 1, 0, 2});
}

TEST_CASE("simple_one_for_one: no more than max_children, and all are told to stop at once") {
  state s(troupe::supervisor_flags{.strategy = troupe::strategy::simple_one_for_one, .max_children = 2});
  for (const child_id id : {1U, 2U}) step(s, start_child{id, {id, {}}}, 1h), step(s, started{id}, 1h);
  CHECK(only<answer>(step(s, start_child{3, {3, {}}}, 1h)).at(0).what == result::too_many);
  CHECK(only<stop>(step(s, stop_all{4}, 1h)).size() == 2);
  CHECK(only<ended>(step(s, exited{.id = 1, .why = exit_kind::shutdown}, 1h)).empty());
  CHECK(only<ended>(step(s, exited{.id = 2, .why = exit_kind::shutdown}, 1h)).size() == 1);
}

TEST_CASE("simple_one_for_one: a reload gives the template's rules to all children that there are (case 68)") {
  const troupe::supervisor_flags flags{.strategy = troupe::strategy::simple_one_for_one, .max_restarts = 9};
  state s(flags);
  step(s, start_child{1, {1, {}}}, 1h), step(s, started{1}, 1h);
  CHECK(only<answer>(step(s, reload{2, flags, {}}, 1h)).at(0).what == result::bad_spec);
  const child_def rules{0, {.restart = troupe::restart::transient, .budget = troupe::restart_budget{.max_restarts = 0}}};
  CHECK(only<answer>(step(s, reload{3, flags, {rules, rules}}, 1h)).at(0).what == result::bad_spec);
  CHECK(only<answer>(step(s, reload{4, flags, {rules}}, 1h)).at(0).what == result::ok);
  SUBCASE("a normal end") { CHECK(only<forget>(step(s, exited{.id = 1}, 1h)).size() == 1); }
  SUBCASE("a crash, which its new budget does not allow") {
    const auto crash = step(s, exited{.id = 1, .why = exit_kind::abnormal}, 1h);
    CHECK(only<start>(crash).empty());
    CHECK(only<forget>(crash).size() == 1);
  }
}

TEST_CASE("simple_one_for_one: what was temporary stays so, and what a reload has overtaken has the template's rules") {
  const troupe::supervisor_flags flags{.strategy = troupe::strategy::simple_one_for_one, .max_restarts = 9};
  const child_rules temporary{.restart = troupe::restart::temporary};
  state s(flags);
  step(s, start_child{1, {1, temporary}}, 1h), step(s, started{1}, 1h);
  step(s, reload{2, flags, {{0, {}}}}, 1h);
  step(s, start_child{3, {3, temporary}}, 1h), step(s, started{3}, 1h);
  for (const child_id id : {1U, 3U}) CHECK(only<forget>(step(s, exited{.id = id, .why = exit_kind::abnormal}, 1h)).size() == 1);
  step(s, reload{4, flags, {{0, temporary}}}, 1h);
  step(s, start_child{5, {5, {}}}, 1h), step(s, started{5}, 1h);
  CHECK(only<forget>(step(s, exited{.id = 5, .why = exit_kind::abnormal}, 1h)).size() == 1);
}

TEST_CASE("a reload of what should be known and has been forgotten meanwhile changes nothing") {
  state s;
  step(s, start_all{1, {{1, {}}, {2, {.restart = troupe::restart::temporary}}}}, 1h);
  step(s, started{1}, 1h), step(s, started{2}, 1h);
  step(s, exited{.id = 2, .why = exit_kind::abnormal}, 1h);
  const troupe::supervisor_flags flags{.strategy = troupe::strategy::one_for_all, .max_restarts = 9};
  CHECK(only<answer>(step(s, reload{2, flags, {{1, {}, true}, {2, {}, true}, {3, {}}}}, 1h)).at(0).what ==
        result::not_found);
  CHECK(which_children(s).size() == 1);
  CHECK(s.flags.max_restarts == 1);
  CHECK(only<answer>(step(s, reload{3, flags, {{1, {}, true}, {4, {}}}}, 1h)).at(0).what == result::ok);
  CHECK(which_children(s).size() == 2);
}

TEST_CASE("check names what OTP refuses (cases 27, 28, 61)") {
  using troupe::auto_shutdown;
  const child_rules significant{.restart = troupe::restart::transient, .significant = true};
  const std::array both{named_rules{"a", significant}, named_rules{"a", {.significant = true}}};
  CHECK(check({.auto_shutdown = auto_shutdown::any_significant}, std::span(both).first(1)).empty());
  CHECK(check({.auto_shutdown = auto_shutdown::any_significant}, both) ==
        lines{"child \"a\": a permanent child cannot be significant, for it is always restarted",
              "child \"a\": the name is there more than once"});
  const std::array below{named_rules{"inner", {.kind = child_kind::supervisor}}};
  CHECK(check({}, below).empty());
  CHECK(check({.strategy = troupe::strategy::simple_one_for_one}, below) ==
        lines{"child \"inner\": the template of simple_one_for_one has to be an actor; to start supervisors at run time "
              "use another strategy and start_child"});
  CHECK(check({.within = 0ms}, {}) == lines{"the time within which restarts are counted has to be above 0"});
  CHECK(check({.strategy = troupe::strategy::simple_one_for_one, .auto_shutdown = auto_shutdown::any_significant},
              {}) == lines{"auto_shutdown cannot be combined with the strategy simple_one_for_one",
                           "the strategy simple_one_for_one needs exactly one child, the template; there are 0"});
}
