#include <doctest/doctest.h>

#include <csignal>
#include <optional>
#include <string>
#include <vector>

#include "supervision/certificate.hpp"
#include "supervision/judge.hpp"

using namespace troupe::supervision;
using policy::charge;
using policy::exit_kind;
using troupe::os::exit_status;
using troupe::wire::down_kind;
using troupe::wire::leave;
using fate = judged_record::fate;

TEST_CASE("a death certificate says how it ended, to people and to the policy") {
  constexpr exit_status clean{0, 0, false}, three{3, 0, false}, segv{-1, SIGSEGV, false}, aborted{-1, SIGABRT, true},
      killed{-1, SIGKILL, false}, unknown{-1, 0, false};
  constexpr auto nothing = std::nullopt;
  struct row {
    exit_status status;
    std::optional<leave> leaving;
    const char* said;
    bool stop_asked, kill_asked, after_grace;
    exit_kind kind;
    down_kind down;
    const char* text;
  };
  constexpr auto normal = exit_kind::normal, abnormal = exit_kind::abnormal;
  constexpr auto crashed = down_kind::crashed;
  const row rows[] = {
      {segv, nothing, "", false, false, false, abnormal, crashed, "was killed by SIGSEGV"},
      {aborted, nothing, "", false, false, false, abnormal, crashed, "was killed by SIGABRT, core dumped"},
      {killed, nothing, "", false, true, false, abnormal, crashed, "was killed by SIGKILL, as was asked for"},
      {killed, nothing, "", true, true, false, abnormal, crashed, "was killed by SIGKILL, as was asked for"},
      {killed, nothing, "", true, true, true, abnormal, crashed,
       "was killed by SIGKILL, since it did not stop in time"},
      {segv, nothing, "", true, false, false, abnormal, crashed, "was killed by SIGSEGV"},
      {segv, leave::shutdown, "", true, false, false, abnormal, crashed, "was killed by SIGSEGV"},
      {clean, nothing, "", false, false, false, normal, down_kind::normal, "exited with code 0"},
      {clean, leave::normal, "", false, false, false, normal, down_kind::normal, "stopped itself"},
      {clean, leave::shutdown, "", true, false, false, exit_kind::shutdown, down_kind::shutdown, "was stopped"},
      {clean, nothing, "", true, false, false, exit_kind::shutdown, down_kind::shutdown, "was stopped"},
      {clean, leave::normal, "", true, false, false, exit_kind::shutdown, down_kind::shutdown, "was stopped"},
      {three, nothing, "", false, false, false, abnormal, crashed, "exited with code 3"},
      {three, leave::normal, "", false, false, false, abnormal, crashed, "exited with code 3"},
      {three, nothing, "", true, false, false, abnormal, crashed, "exited with code 3"},
      {unknown, nothing, "", false, false, false, abnormal, crashed,
       "died; its exit status was taken by someone else in this program"},
      {three, leave::exception, "no disk", false, false, false, abnormal, crashed, "ended by an exception: no disk"},
      {clean, leave::exception, "no disk", true, false, false, abnormal, crashed, "ended by an exception: no disk"},
      {three, leave::start_failed, "no port", false, false, false, abnormal, down_kind::start_failed,
       "could not start: no port"},
  };
  for (const auto& each : rows) {
    CAPTURE(each.text);
    life dead;
    dead.leaving = each.leaving;
    dead.leaving_text = each.said;
    dead.stop_asked = each.stop_asked;
    dead.kill_asked = each.kill_asked;
    dead.killed_after_grace = each.after_grace;
    const certificate made = certify(dead, each.status);
    CHECK(made.kind == each.kind);
    CHECK(made.down == each.down);
    CHECK(made.text == each.text);
    CHECK(made.status.code == each.status.code);
    CHECK(made.status.signal == each.status.signal);
    CHECK(made.status.core == each.status.core);
  }
}

TEST_CASE("a death is charged to the message that has attempts left, to who asked for it, or to the supervisor") {
  constexpr auto redeliver = fate::redeliver, dropped = fate::dropped, quarantined = fate::quarantined;
  using stage = life::stage;
  struct row {
    stage now;
    bool stop_asked, kill_asked;
    std::vector<fate> records;
    charge expected;
  };
  const row rows[] = {
      {stage::up, false, false, {}, charge::counts},
      {stage::up, false, false, {redeliver}, charge::record},
      {stage::up, false, false, {redeliver, redeliver}, charge::record},
      {stage::up, false, false, {dropped}, charge::counts},
      {stage::up, false, false, {quarantined}, charge::counts},
      {stage::up, false, false, {redeliver, quarantined}, charge::counts},
      {stage::up, false, false, {dropped, redeliver}, charge::counts},
      {stage::spawning, false, false, {}, charge::counts},
      {stage::booting, false, false, {redeliver}, charge::counts},
      {stage::starting, false, false, {redeliver}, charge::counts},
      {stage::up, true, false, {}, charge::asked},
      {stage::up, false, true, {}, charge::asked},
      {stage::up, true, true, {redeliver}, charge::asked},
      {stage::up, false, true, {quarantined}, charge::asked},
      {stage::starting, false, true, {}, charge::asked},
  };
  for (const auto& each : rows) {
    life dead;
    dead.now = each.now;
    dead.stop_asked = each.stop_asked;
    dead.kill_asked = each.kill_asked;
    std::vector<judged_record> records;
    for (const auto what : each.records) records.emplace_back().what = what;
    CAPTURE(static_cast<int>(each.now));
    CAPTURE(records.size());
    CHECK(charge_for(dead, records) == each.expected);
  }
}

TEST_CASE("a death counts if the mailbox is to be cleared, and is free if its process was being recycled") {
  std::vector<judged_record> again;
  again.emplace_back().what = fate::redeliver;
  identity of;
  life dead;
  dead.of = &of;
  dead.now = life::stage::up;
  CHECK(charge_for(dead, again) == charge::record);
  of.spec.mailbox = troupe::mailbox::clear;
  CHECK(charge_for(dead, again) == charge::counts);
  dead.retired = true;
  CHECK(charge_for(dead, again) == charge::asked);
  dead.retired = false;
  // As long as the replacement starts, the policy takes the one before it to be up.
  dead.unannounced = true;
  CHECK(charge_for(dead, {}) == charge::counts);
  dead.now = life::stage::starting;
  CHECK(charge_for(dead, {}) == charge::asked);
}
