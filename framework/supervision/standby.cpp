// Spares: processes that are ready to take over when their child's process dies, and how its death is known early.

#include <algorithm>

#include "os/process.hpp"
#include "os/scheduling.hpp"
#include "supervision/control.hpp"
#include "supervision/log.hpp"

namespace troupe::supervision {

namespace {

constexpr std::chrono::milliseconds to_leave{500};

bool usable(const life* spare) { return spare->now == life::stage::standing_by && !spare->stop_asked; }

/// Of those that are made, or being made, to take over. One that is told to stop is none any more.
std::size_t spares_in_hand(const identity& of) {
  return static_cast<std::size_t>(
      std::count_if(of.spares.begin(), of.spares.end(), [](const life* each) { return !each->stop_asked; }));
}

bool being_made(const identity& of) {
  return std::any_of(of.spares.begin(), of.spares.end(),
                     [](const life* each) { return each->now < life::stage::standing_by && !each->stop_asked; });
}

bool serves(const identity& of) {
  return of.active != nullptr && of.active->now == life::stage::up && !of.active->stop_asked;
}

/// One that is to be recycled needs one, whatever its spec says.
std::size_t spares_wanted(const identity& of) {
  // Whoever has been asked to make way for a spare does so, even if a reload has come between.
  if (of.spec.restart == restart::temporary) return of.active != nullptr && of.active->retire_asked ? 1 : 0;
  const bool due = serves(of) && !of.active->due.empty();
  return std::max<std::size_t>(of.spec.standby, due ? 1 : 0);
}

bool wants_spare(const identity& of) {
  return serves(of) && !of.closed && spares_in_hand(of) < spares_wanted(of) && !being_made(of);
}

}  // namespace

// ----------------------------------------------------------------------------------------------------------- takeover

/// The spare becomes its child's next process. Nothing else runs the identity now: its last process has been judged, or
/// has been told to leave and has left. What follows is as after a boot: ready, or a failed start. Which processors it
/// may run on is its own business again when it has been let go.
void control::activate(identity& of, life& spare) {
  std::erase(of.spares, &spare);
  spare.spare = false;
  spare.watched = {};
  spare.next_look = os::clock::now();
  of.active = &spare;
  of.page().pid.store(static_cast<std::uint32_t>(spare.pid), std::memory_order_relaxed);
  of.page().attention.store(spare.frames_sent, std::memory_order_relaxed);
  // The last one's memory is being taken apart there, and the kernel would leave a spare that it wakes there waiting.
  if (of.busy_processor >= 0) os::processors::of(spare.pid).without(of.busy_processor).give(spare.pid);
  let_go(spare);
  // On any other processor the spare may be waiting for this thread.
  if (os::own_processor() != of.busy_processor) os::give_way();
}

/// The one that has waited longest; none: no spare is ready.
life* control::ready_spare(const identity& of) {
  const auto found = std::find_if(of.spares.begin(), of.spares.end(), usable);
  return found == of.spares.end() ? nullptr : *found;
}

/// Whether its supervisor, asked about this death, would start its child again without delay: if that has a permit
/// left.
bool control::restarts_at_once(const identity& of, policy::exit_kind how) const {
  const child_spec& spec = of.spec;
  const bool again =
      spec.restart == restart::permanent || (spec.restart == restart::transient && how == policy::exit_kind::abnormal);
  const bool by_its_own_rules = spec.budget || spec.backoff.first.count() > 0;
  return again && !by_its_own_rules && !finishing_ && ready_spare(of) != nullptr;
}

// ----------------------------------------------------------------------------------------------------------- the pool

void control::on_standing_by(life& who) {
  if (who.now != life::stage::warming) return;
  who.now = life::stage::standing_by;
  who.standing_by_since = os::clock::now();
  tell_whom_to_watch(*who.of);
  plan_refill(*who.of);
  retire_if_due(*who.of);
}

void control::on_spare_death(life& who, const std::string& how) {
  identity& of = *who.of;
  const bool asked = who.stop_asked || finishing_;
  std::optional<refill::duration> stood_by;
  if (who.standing_by_since) {
    stood_by = std::chrono::duration_cast<refill::duration>(os::clock::now() - *who.standing_by_since);
  }
  end_life(who);
  if (asked) return;
  of.refilling.lost(stood_by);
  log_line("a spare process of " + of.name + " " + how +
           (of.refilling.pause() ? "" : "; no more are made until " + of.name + " has been started again or reloaded"));
  plan_refill(of);
}

void control::stop_spares(identity& of) {
  refills_.erase(of.id);
  const bool brutal = of.spec.shutdown.how == shutdown::kind::brutal_kill;
  for (life* spare : of.spares) {
    if (!spare->stop_asked) stop_life(*spare, brutal ? shutdown::brutal_kill() : shutdown::within(to_leave));
  }
}

/// Those that have waited longest stay. There is one too many if the process that it was to replace has ended otherwise.
void control::stop_spares_too_many(identity& of) {
  std::size_t left = spares_wanted(of);
  for (life* spare : of.spares) {
    if (spare->stop_asked) continue;
    left > 0 ? static_cast<void>(--left) : stop_life(*spare, shutdown::within(to_leave));
  }
}

process_rules control::rules_of_process(const child_spec& spec) {
  return {spec.outbox_bytes, spec.limits, spec.no_new_privs, spec.standby > 0};
}

/// Its spec is a new one. What was made with an old one must not run it any more.
void control::renew_spares(identity& of) {
  for (life* spare : of.spares) {
    if (!spare->stop_asked && spare->rules != rules_of_process(of.spec)) stop_life(*spare, shutdown::within(to_leave));
  }
  stop_spares_too_many(of);
  of.refilling.renew();
  refills_.erase(of.id);  // one that was put off because others had failed
  plan_refill(of);
}

/// One at a time, and later: whatever has made this necessary comes first.
void control::plan_refill(identity& of) {
  const auto pause = of.refilling.pause();
  if (pause && wants_spare(of) && !finishing_) refills_.try_emplace(of.id, os::clock::now() + *pause);
}

void control::make_spare(identity& of) {
  if (!wants_spare(of) || finishing_ || !spawner_alive_) return;
  try {
    bear(of, true);
  } catch (const error& e) {
    of.refilling.lost(std::nullopt);
    log_line("no spare process can be made for " + of.name + ": " + e.what());
    plan_refill(of);
  }
}

void control::look_after_spares(os::time_point now) {
  std::vector<wire::identity_id> due;
  for (const auto& [id, when] : refills_) {
    if (when <= now) due.push_back(id);
  }
  for (const auto id : due) {
    refills_.erase(id);
    if (identity* of = find_identity(id)) make_spare(*of);
  }
}

// --------------------------------------------------------------------------------------------------------- early death

void control::tell_whom_to_watch(identity& of) {
  if (of.active == nullptr || !of.active->rules.canary || of.active->now != life::stage::up) return;
  for (life* spare : of.spares) {
    if (usable(spare)) send(*spare, wire::frame::watch, wire::number{of.active->id}, {}, {of.active->out});
  }
}

/// A hint: what the spare watches is a word that the suspected process can write.
void control::on_suspect(life& who, wire::incarnation_id suspected) {
  const life* active = who.of->active;
  if (!who.spare || active == nullptr || active->id != suspected || !active->pidfd) return;
  suspects_.try_emplace(suspected, suspicion{os::clock::now(), 0});
}

/// Proof is that every thread of it is exiting. A thread may be a few instructions late, so it is looked at again for a
/// short while; after that its pidfd will tell.
void control::look_at_suspects(os::time_point now) {
  std::vector<wire::incarnation_id> due;
  for (const auto& [id, what] : suspects_) {
    if (what.look_at <= now) due.push_back(id);
  }
  for (const auto id : due) {
    life* who = find_life(id);
    const auto how = who == nullptr ? std::nullopt : os::ending_of(who->pid);
    const bool ended_well = how && how->status.signal == 0 && how->status.code == 0;  // or it is not told how: the pidfd will
    if (who == nullptr || ended_well || os::wait_ready(who->pidfd.get(), os::poller::read, now)) {
      suspects_.erase(id);
    } else if (how) {
      suspects_.erase(id);
      who->dying = true;
      who->of->busy_processor = how->processor;
      died(*who, how->status);
    } else if (const auto pause = pause_before_look(++suspects_[id].looks)) {
      suspects_[id].look_at = now + *pause;
    } else {
      suspects_.erase(id);
      log_line(who->of->name + " seemed to die and lives: the word that its death would change has been written over");
    }
  }
}

std::optional<os::time_point> control::next_look() const {
  std::optional<os::time_point> next;
  const auto sooner = [&](os::time_point when) { next = next ? std::min(*next, when) : when; };
  for (const auto& [id, what] : suspects_) sooner(what.look_at);
  for (const auto& [id, when] : refills_) sooner(when);
  return next;
}

}  // namespace troupe::supervision
