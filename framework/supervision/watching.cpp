// Workers that hang: what each is at, for how long, and the end of one that has passed its deadline.

#include <algorithm>
#include <cstdio>
#include <thread>

#include "os/observe.hpp"
#include "supervision/control.hpp"
#include "supervision/log.hpp"

namespace troupe::supervision {

namespace {

using hang::nanoseconds;
using kind = hang::work::kind;

constexpr std::chrono::milliseconds standing_may_take{150};
constexpr std::chrono::milliseconds kill_within{300};  // of the verdict, whatever is known by then

nanoseconds deadline_of(const identity& of, std::uint64_t message) {
  const detail::handler_entry* entry = of.type->find(message);
  return entry != nullptr && entry->deadline ? *entry->deadline : of.spec.deadline;
}

/// 0: this worker has none, whatever it is at.
nanoseconds finest_deadline(const life& who) {
  nanoseconds finest{0};
  const auto consider = [&](nanoseconds each) {
    if (each.count() > 0 && (finest.count() == 0 || each < finest)) finest = each;
  };
  if (who.now < life::stage::up) {
    consider(who.of->spec.start_timeout);
    return finest;
  }
  consider(who.of->spec.deadline);
  for (const auto& each : who.of->type->handlers) consider(each.deadline.value_or(std::chrono::milliseconds{0}));
  return finest;
}

const in_lane* busy_lane(const identity& of) {
  const auto found = std::find_if(of.lanes.begin(), of.lanes.end(),
                                  [&](const auto& lane) { return in_hand_of(of, *lane).has_value(); });
  return found == of.lanes.end() ? nullptr : found->get();
}

/// The first record that waits to be taken.
std::optional<channel::record> first_waiting(const identity& of) {
  channel::record record;
  for (const auto& lane : of.lanes) {
    if (reader_of(of, *lane).peek(record) == channel::lane_reader::state::ready) return record;
  }
  return std::nullopt;
}

/// Asleep; else a message in hand; else what is no message. In this order, since most are asleep, and who is has nothing
/// in hand.
void see_what_it_is_at(const life& who, hang::sample& seen) {
  const identity& of = *who.of;
  const auto& page = *of.cursor.at<wire::cursor_header>();
  const auto count = [](const std::atomic<std::uint64_t>& word) { return word.load(std::memory_order_relaxed); };
  const std::uint64_t sleep = page.sleeping.load(std::memory_order_seq_cst);
  if ((sleep & 1) != 0) {
    seen.doing.number[0] = sleep;
    return;
  }
  const in_lane* lane = busy_lane(of);
  const auto started = lane == nullptr ? std::nullopt : in_hand_of(of, *lane);
  if (started) {
    seen.doing = {kind::message, {lane->slot, started->mark, count(page.handled)}};
    channel::record record;
    if (find_record(of, *lane, started->position, record)) seen.deadline = deadline_of(of, record.header.message);
    return;
  }
  seen.doing = {kind::aside, {sleep, count(page.handled) + count(page.expired), count(page.asides)}};
  // How long on_stop may take is the shutdown's affair.
  if (!who.stop_asked && !who.retired) seen.deadline = deadline_of(of, count(page.aside));
}

std::string in_words(nanoseconds time) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
  char text[48];
  if (ms < 1000) {
    std::snprintf(text, sizeof text, "%lld ms", static_cast<long long>(ms));
  } else {
    std::snprintf(text, sizeof text, "%.4g s", static_cast<double>(ms) / 1000);
  }
  return text;
}

}  // namespace

void control::look_at_workers(os::time_point now, bool all) {
  for (auto& [id, who] : lives_) {
    if (!all && !(who->next_look && *who->next_look <= now)) continue;
    who->next_look.reset();
    if (!who->pidfd || who->of->type == nullptr || who->now == life::stage::dead) continue;
    if (who->now == life::stage::standing_by) continue;
    if (who->hung_kill) {
      kill_hung(*who, now);
    } else if (who->hung.empty()) {
      look_at(*who, now);
    }
  }
}

void control::look_at(life& who, os::time_point now) {
  const auto verdict = who.watched.take(sample_of(who, now), who.look_every);
  if (verdict == hang::verdict::stuck) return found_hung(who, now);
  who.look_every = hang::next_look(who.watched, finest_deadline(who));
  if (who.look_every < hang::longest_look) who.next_look = now + who.look_every;
}

hang::sample control::sample_of(life& who, os::time_point now) {
  identity& of = *who.of;
  hang::sample seen;
  seen.at = now.time_since_epoch();
  if (who.now < life::stage::up) {
    seen.doing.what = kind::starting;
    seen.deadline = of.spec.start_timeout;
  } else {
    see_what_it_is_at(who, seen);
  }
  if (seen.doing.what != kind::idle) {
    if (seen.deadline.count() > 0) seen.process = os::activity_of(who.pid);
    return seen;
  }
  // One that can run answers a ring by counting its sleep on; so if its number stays, it is not busy with other things.
  const nanoseconds finest = finest_deadline(who);
  if (finest.count() == 0) return seen;
  const auto waiting = first_waiting(of);
  if (waiting) os::ring(*of.doorbell);
  const nanoseconds deadline = waiting ? deadline_of(of, waiting->header.message) : of.spec.deadline;
  const bool was_asleep = who.watched.last().doing.what == kind::asleep;
  const bool time_to_ask = now >= next_sweep_ || was_asleep;
  if (deadline.count() == 0 || !(waiting || time_to_ask)) return seen;
  seen.process = os::activity_of(who.pid);
  if (!waiting && !(seen.process && seen.process->stopped)) return seen;
  seen.doing.what = kind::asleep;
  seen.deadline = deadline;
  return seen;
}

/// What it is at, and since when.
std::string control::hung_text(const life& who) const {
  const hang::sample& last = who.watched.last();
  const std::string time = in_words(last.at - who.watched.since());
  const std::string limit = in_words(last.deadline);
  switch (last.doing.what) {
    case kind::idle: break;
    case kind::starting: return "it had not started after " + time + ", its start_timeout is " + limit;
    case kind::asleep: return "it did not wake up for " + time + ", its deadline is " + limit;
    case kind::aside:
      return "it was busy for " + time + " with what is no message (a timer, a callback, a hook), its deadline is " +
             limit;
    case kind::message: {
      const identity& of = *who.of;
      const in_lane* lane = busy_lane(of);
      const auto started = lane == nullptr ? std::nullopt : in_hand_of(of, *lane);
      channel::record record;
      if (!started || !find_record(of, *lane, started->position, record)) break;
      const auto sender = identities_.find(lane->sender);
      return "it had " + message_name(of, record) + " from " +
             (sender == identities_.end() ? "an actor that has ended" : sender->second->name) + " in hand for " + time +
             ", its deadline is " + limit;
    }
  }
  return "it was busy for " + time + ", its deadline is " + limit;
}

/// A thread of its own looks where it stands: that may take its time with a process that hangs in the kernel, and this
/// thread must not wait.
void control::found_hung(life& who, os::time_point now) {
  who.hung = hung_text(who);
  log_line(who.of->name + " hangs: " + who.hung);
  who.hung_kill = now + kill_within;
  who.standing = {};
  try {
    std::packaged_task<std::string()> look([pid = who.pid, proc = os::open_proc(who.pid)] {
      return os::standing_of(pid, proc, standing_may_take);
    });
    who.standing = look.get_future();
    std::thread(std::move(look)).detach();
  } catch (const std::exception&) {
    who.hung_kill = now;
  }
  kill_hung(who, now);
}

void control::kill_hung(life& who, os::time_point now) {
  const bool looked = who.standing.valid() && who.standing.wait_for(nanoseconds{0}) == std::future_status::ready;
  if (looked) log_line(who.of->name + ", process " + std::to_string(who.pid) + ": " + who.standing.get());
  who.next_look = now + hang::shortest_look;
  if (!looked && now < *who.hung_kill) return;
  who.hung_kill.reset();
  // What it has begun meanwhile would die for what it has finished.
  const hang::work& doing = who.watched.last().doing;
  if (sample_of(who, now).doing == doing) {
    who.killed_for = doing.what == kind::starting ? death_cause::start_timeout : death_cause::hung;
    os::send_signal(who.pidfd, 9);
  } else {
    log_line(who.of->name + " has gone on meanwhile, and lives");
    who.hung.clear();
  }
}

}  // namespace troupe::supervision
