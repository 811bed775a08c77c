// Planned replacement, as child_spec::recycle says. A spare is made, then the old process is asked to retire, and when
// it has left the spare is let go in its place. The policy does not hear of it: for it the child is up all the time.
// Whatever goes wrong on the way ends as any other death does.

#include "os/observe.hpp"
#include "supervision/control.hpp"
#include "supervision/log.hpp"

namespace troupe::supervision {

namespace {

constexpr std::chrono::milliseconds least_grace{500};  // for on_stop of one that is otherwise killed without it

std::uint64_t handled_by(const identity& of) {
  return of.cursor.at<wire::cursor_header>()->handled.load(std::memory_order_relaxed);
}

std::string in_words(std::uint64_t bytes) { return std::to_string(bytes >> 10) + " KiB"; }

/// Why it is to be replaced; empty: it is not.
std::string why_due(const life& who) {
  const recycle& rules = who.of->spec.recycle;
  const std::uint64_t handled = handled_by(*who.of) - who.handled_before;
  if (rules.messages > 0 && handled >= rules.messages) return "it had handled " + std::to_string(handled) + " messages";
  if (rules.memory == 0 || who.large_from_start) return {};
  const auto used = os::private_memory_of(who.pid);
  return used && *used >= rules.memory ? "it used " + in_words(*used) + " of private memory" : std::string{};
}

/// If its replacement could not be made it must be started anew, which a temporary child never is.
bool can_be_recycled(const life& who) {
  const identity& of = *who.of;
  return who.now == life::stage::up && of.role == wire::role::actor && of.active == &who && who.pidfd && !of.closed &&
         !who.stop_asked && !who.kill_asked && of.spec.restart != restart::temporary;
}

}  // namespace

/// A replacement would be as large as this one: replacing it over and over would help nobody.
void control::note_start(life& who) {
  const identity& of = *who.of;
  if (of.spec.recycle.memory == 0) return;
  const auto used = os::private_memory_of(who.pid);
  who.large_from_start = used && *used >= of.spec.recycle.memory;
  if (!who.large_from_start) return;
  log_line(of.name + " uses " + in_words(*used) + " of private memory when it has started: it is not recycled for its " +
               "memory; its recycle.memory is " + in_words(of.spec.recycle.memory),
           log_level::warning);
}

void control::look_for_due() {
  if (finishing_) return;
  for (auto& [id, who] : lives_) {
    if (!can_be_recycled(*who)) continue;
    if (who->due.empty()) who->due = why_due(*who);
    if (who->due.empty()) continue;
    plan_refill(*who->of);
    retire_if_due(*who->of);
  }
}

/// Not `stop`, which ends waits inside a handler: what was in hand would end with it.
void control::retire_if_due(identity& of) {
  life* who = of.active;
  if (who == nullptr || who->due.empty() || who->retire_asked || !can_be_recycled(*who) || !ready_spare(of)) return;
  who->retire_asked = true;
  send(*who, wire::frame::retire, wire::nothing{});
}

/// From here on it serves nobody, so its on_stop has the time of an ordinary stop.
void control::on_retiring(life& who) {
  if (!who.retire_asked || std::exchange(who.retired, true) || who.stop_asked) return;
  who.asked_by = "its supervisor";
  const shutdown& how = who.of->spec.shutdown;
  if (how.how == shutdown::kind::infinity) return;
  who.kill_at = os::clock::now() + policy::bounded(how.how == shutdown::kind::timed ? how.grace : least_grace);
}

/// False: there is no spare any more. One that was told to stop meanwhile is none: the end that is posted instead
/// answers the supervisor, whose stop has found no process.
bool control::hand_over(identity& of) {
  life* next = ready_spare(of);
  if (finishing_ || next == nullptr) return false;
  certificates_.decide(of.id, death_decision::restarted);
  tell_watchers(of, false);
  next->unannounced = true;
  activate(of, *next);
  return true;
}

}  // namespace troupe::supervision
