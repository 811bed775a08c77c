#include "supervision/certificate.hpp"

#include "os/crash.hpp"

namespace troupe::supervision {

namespace {

constexpr int kill_signal = 9;

std::string how(const os::exit_status& status) {
  if (status.signal != 0) {
    return "was killed by " + os::signal_name(status.signal) + (status.core ? ", core dumped" : "");
  }
  if (status.code < 0) return "died; its exit status was taken by someone else in this program";
  return "exited with code " + std::to_string(status.code);
}

/// Why we have killed it; nothing if we have not, or if it did not die of that.
std::optional<death_cause> why_killed(const life& dead, const os::exit_status& status) {
  if (status.signal != kill_signal) return std::nullopt;
  if (dead.killed_for) return dead.killed_for;
  if (dead.killed_after_grace) return death_cause::grace_exceeded;
  if (dead.kill_asked) return death_cause::killed;
  return std::nullopt;
}

void say_why_killed(certificate& made) {
  switch (made.why) {
    case death_cause::grace_exceeded: made.text += ", since it did not stop in time"; return;
    case death_cause::killed: made.text += ", as was asked for"; return;
    case death_cause::hung: made.text += ", since it hung"; return;
    case death_cause::start_timeout: made.text += ", since it was not ready in time"; return;
    case death_cause::children_failed: made.text += ", since the supervisor of its children gave up"; return;
    case death_cause::misbehaved: made.text += ", for what it sent"; return;
    default: return;
  }
}

bool is_process(const life& dead) { return dead.of != nullptr && dead.of->role == wire::role::process; }

/// The end itself: cause, sentence, and what the policy makes of it.
void judge_end(certificate& made, const life& dead) {
  const os::exit_status& status = made.status;
  const bool clean = status.signal == 0 && status.code == 0;
  const auto orderly = [&](death_cause why, policy::exit_kind kind, wire::down_kind down, const char* text) {
    made.why = why;
    made.kind = kind;
    made.down = down;
    made.text = text;
  };
  if (dead.leaving == wire::leave::start_failed) {
    made.why = death_cause::start_failed;
    made.down = wire::down_kind::start_failed;
    made.text = "could not start: " + dead.leaving_text;
  } else if (dead.leaving == wire::leave::exception) {
    made.text = "ended by an exception: " + dead.leaving_text;
  } else if (clean && dead.stop_asked) {
    orderly(death_cause::stopped, policy::exit_kind::shutdown, wire::down_kind::shutdown, "was stopped");
  } else if (clean && dead.retired) {
    // If nothing takes its place at once its supervisor is asked, and is to start it again, a transient child, too.
    orderly(death_cause::recycled, policy::exit_kind::abnormal, wire::down_kind::shutdown, "was recycled: ");
    made.text += dead.due;
  } else if (clean) {
    orderly(death_cause::ended, policy::exit_kind::normal, wire::down_kind::normal,
            dead.leaving == wire::leave::declined ? "did not want to run"
            : is_process(dead)                    ? "ended"
            : dead.leaving                        ? "stopped itself"
                                                  : "exited with code 0");
  } else {
    made.why = why_killed(dead, status).value_or(death_cause::crashed);
    made.text = how(status);
    say_why_killed(made);
    if (made.why == death_cause::hung && !dead.hung.empty()) made.text = "was killed as hung: " + dead.hung;
    if (made.why == death_cause::start_timeout && !dead.hung.empty()) made.text = "was killed: " + dead.hung;
  }
  if (made.why == death_cause::stopped && dead.killed_for) made.why = *dead.killed_for;
  if (made.out_of_memory) made.text += ", out of memory";
}

void note_usage(death_certificate& into, const os::resource_use& used) {
  into.used = {std::chrono::microseconds(used.user_time),
               std::chrono::microseconds(used.system_time),
               used.most_memory,
               used.minor_faults,
               used.major_faults,
               used.voluntary_switches,
               used.involuntary_switches};
}

/// Only of a process that died of the signal that is recorded: what else is there is no crash.
void note_crash(death_certificate& into, const life& dead) {
  if (!dead.memory || into.signal == 0) return;
  auto crash = os::read_crash(dead.memory->map.data() + wire::crash_offset);
  if (!crash || crash->signal != into.signal) return;
  into.trace = std::move(crash->trace);
  into.fault_address = crash->address;
}

}  // namespace

certificate certify(const life& dead, const os::exit_status& status) {
  certificate made;
  made.status = status;
  made.exit_code = status.code;
  made.signal = status.signal;
  made.core = status.core;
  made.out_of_memory = dead.out_of_memory;
  if (dead.of != nullptr) {
    made.identity = dead.of->id;
    made.name = dead.of->name;
  }
  made.incarnation = dead.id;
  made.pid = dead.pid;
  made.time = std::chrono::system_clock::now();
  made.lived = os::clock::now() - dead.born;
  judge_end(made, dead);
  const bool by_itself = made.why == death_cause::crashed || made.why == death_cause::ended;
  if (!by_itself && made.why != death_cause::start_failed) made.asked_by = dead.asked_by;
  note_usage(made, status.used);
  note_crash(made, dead);
  return made;
}

void note_in_flight(death_certificate& into, const judged_record& judged, std::string sender, const life& dead) {
  death_certificate::message what{judged.message,  judged.name,    std::move(sender),
                                  judged.attempts, judged.request, judged.what == judged_record::fate::redeliver,
                                  std::nullopt};
  const hang::work& seen = dead.watched.last().doing;
  const bool same = seen.what == hang::work::kind::message && seen.number[0] == judged.slot &&
                    seen.number[1] == wire::mark_of(judged.position, judged.attempts);
  if (same) what.age = os::clock::now().time_since_epoch() - dead.watched.since();
  into.in_flight = std::move(what);
}

}  // namespace troupe::supervision
