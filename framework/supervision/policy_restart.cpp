#include <algorithm>
#include <chrono>

#include "supervision/policy_turn.hpp"

namespace troupe::supervision::policy {

instant bounded(std::chrono::milliseconds time) {
  constexpr std::chrono::hours century{24 * 36525};
  return std::clamp<std::chrono::milliseconds>(time, std::chrono::milliseconds{0}, century);
}

void restart_window::set(std::uint32_t intensity, std::chrono::milliseconds period) {
  intensity_ = intensity;
  period_ = bounded(period);
}

bool restart_window::admit(instant now) {
  while (!restarts_.empty() && restarts_.front() < now - period_) restarts_.pop_front();
  restarts_.push_back(now);
  return restarts_.size() <= intensity_;
}

void turn::judge_exit(child& c, const input& in) {
  if (stops_in_group(c)) return finish_stop(c, in);
  const child_rules& rules = c.def.rules;
  const bool significant = rules.significant;
  c.last_end = in.text;
  if (is_reported(rules.restart, in.why)) tell(report_kind::child_terminated, c, in);
  if (fates[std::size_t(rules.restart)][std::size_t(in.why)] != fate::again) {
    if (significant && in.gave_up) s_.significant_gave_up = in.text;
    leave(c);
    return ended_for_good(significant);
  }
  if (now_ - c.up_since >= bounded(rules.backoff.reset_after)) c.next_delay = instant{0};
  begin_restart(c, in.paid_by, backoff_of(c, in.paid_by));
}

bool restart_window::has_room(instant now) const {
  const auto counted = std::ranges::count_if(restarts_, [&](instant at) { return at >= now - period_; });
  return static_cast<std::uint64_t>(counted) < intensity_;
}

bool may_take_over(const state& s, instant now) {
  const bool alone = s.flags.strategy == strategy::one_for_one || s.flags.strategy == strategy::simple_one_for_one;
  return alone && s.now == state::phase::running && s.window.has_room(now);
}

/// Should it not have been allowed after all, the one that has taken over is stopped with the others.
void turn::follow_takeover(child& c, const input& in) {
  c.last_end = in.text;
  if (is_reported(c.def.rules.restart, in.why)) tell(report_kind::child_terminated, c, in);
  c.is = child_state::restarting;
  c.declared = false;
  if (in.paid_by != charge::counts || s_.window.admit(now_)) return;
  order<report>(report_kind::gave_up, c.def.id, exit_kind::abnormal, c.last_end);
  begin_end(outcome::gave_up, c.last_end);
  stop_next();
}

void turn::fail_restart(child& c, const input& in) {
  tell(report_kind::start_error, c, in);
  c.last_end = in.text;
  c.is = child_state::retrying;
  if (in.hopeless) return give_up(c);
  if (stops_in_group(c)) return finish_stop_in_group(c);
  const child_id id = c.def.id;
  postpone(c, in.paid_by, backoff_of(c, in.paid_by));
  const bool leads = s_.together && !s_.together->stops && s_.together->current == id;
  leads ? suspend() : resume(id);
}

void turn::try_again(child& c, const input& in) {
  if (in.ticket == c.ticket) begin_restart(c, c.next_try, instant{0});
}

/// `pays`: none if the attempt is paid already.
void turn::begin_restart(child& c, std::optional<charge> pays, instant delay) {
  if (pays == charge::counts && !admit(c)) return;
  const bool alone = s_.flags.strategy == strategy::one_for_one || is_simple();
  if (!alone) return begin_group(c, delay);
  delay > instant{0} ? postpone(c, {}, delay) : begin_start(c);
}

bool turn::admit(child& c) {
  const bool admitted = (c.budget ? *c.budget : s_.window).admit(now_);
  if (!admitted) c.budget ? spend_budget(c) : give_up(c);
  return admitted;
}

/// Those that were stopped for the sake of this child, and wait for it, go on without it.
void turn::spend_budget(child& c) {
  order<report>(report_kind::budget_spent, c.def.id, exit_kind::abnormal, c.last_end);
  const bool significant = c.def.rules.significant;
  if (significant) s_.significant_gave_up = "used up its restarts; last: it " + c.last_end;
  const bool others_wait = c.is == child_state::retrying;
  const child_id id = c.def.id;
  c.is = child_state::down;
  c.declared = true;
  order<down_for_good>(id, down_because::budget_spent);
  if (is_simple() || c.def.rules.restart == restart::temporary) erase(c);
  ended_for_good(significant);
  if (ending()) return;
  if (others_wait) start_the_rest(true);
  if (!s_.together) release(id);
}

/// Without a delay any retry will do: OTP's, too, may be one of an attempt before, and then comes earlier.
void turn::postpone(child& c, std::optional<charge> pays, instant delay) {
  c.is = child_state::retrying;
  c.next_try = pays;
  c.ticket = delay > instant{0} ? ++s_.last_ticket : 0;
  order<retry_later>(c.def.id, c.ticket, delay);
}

instant turn::backoff_of(child& c, charge pays) {
  const troupe::backoff& rules = c.def.rules.backoff;
  const instant most = bounded(rules.max);
  if (rules.first.count() <= 0 || pays == charge::asked) return instant{0};
  const instant whole = std::min(most, c.next_delay.count() > 0 ? c.next_delay : bounded(rules.first));
  c.next_delay = std::min(most, 2 * whole);
  const double shortened = static_cast<double>(whole.count()) * (1.0 - rules.jitter * random());
  return std::max(instant{1}, instant{static_cast<instant::rep>(shortened)});
}

/// 0 to 1; splitmix64.
double turn::random() {
  std::uint64_t x = s_.random += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return static_cast<double>((x ^ (x >> 31)) >> 11) * 0x1p-53;
}

/// OTP 5.9: those that waited for its restart stay down.
void turn::cancel(child& c, call_id call) {
  leave(c);
  say(call, result::ok);
  declare_abandoned();
  start_the_rest(false);
}

void turn::give_up(child& c) {
  order<report>(report_kind::gave_up, c.def.id, exit_kind::abnormal, c.last_end);
  begin_end(outcome::gave_up, c.last_end);
  pass(c);
  stop_next();
}

// ------------------------------------------------------------------------------------------- automatic shutdown,
// OTP 5.8

/// A child has ended by itself and is not restarted. OTP looks at it when all are started.
void turn::ended_for_good(bool significant) {
  if (!significant || s_.flags.auto_shutdown == auto_shutdown::never) return;
  if (s_.now == state::phase::booting) {
    s_.significant_ended = true;
    return;
  }
  if (!auto_shutdown_is_due()) return;
  begin_end(outcome::auto_shutdown, s_.significant_gave_up);
  stop_next();
}

/// One that is being restarted is alive; one that terminate_child is stopping is not.
bool turn::auto_shutdown_is_due() const {
  if (s_.flags.auto_shutdown == auto_shutdown::any_significant) return true;
  return std::ranges::none_of(s_.children, [this](const auto& each) {
    const child& c = each.second;
    const bool ends = c.is == child_state::stopping && !stops_in_group(c);
    return c.def.rules.significant && c.is != child_state::down && !ends;
  });
}

}  // namespace troupe::supervision::policy
