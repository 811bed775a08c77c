// Who hears of a life's end, and of a start that has failed: the policy, or who has started the process.

#include "supervision/control.hpp"

namespace troupe::supervision {

/// Who has started it hears of it last, so that the streams that ended with it have ended by then.
template <class Body>
void control::process_ended(identity& which, wire::frame type, const Body& news, const std::string& how) {
  const wire::incarnation_id owner = which.owner;
  certificates_.decide(which.id, death_decision::forgotten);
  certificates_.ended(which.id);
  tell_watchers(which, true);
  which.forgotten = true;
  close(which, how);
  drop_void_deposits();
  if (life* starter = find_life(owner)) send(*starter, type, news, how);
}

void control::start_failed(identity& of, errc code, const std::string& text, policy::charge paid) {
  of.last_down_text = text;
  if (of.role == wire::role::process) {
    const wire::answer news{of.tag, of.id, 0, wire::status::failed, 0};
    return process_ended(of, wire::frame::process_started, news, text);
  }
  failures_[of.id] = code;
  supervisors_->post(of.parent, policy::start_failed{of.id, text, !spawner_alive_, paid});
}

/// What it had started has ended by now, and its identity may have, too.
void control::tell_end(const end_of_life& end) {
  identity* found = find_identity(end.of);
  if (found == nullptr) return;
  identity& its = *found;
  const certificate& how = end.how;
  if (its.role == wire::role::process && !end.failed_start) {
    const wire::exit news{its.id, how.status.code, how.status.signal};
    return process_ended(its, wire::frame::process_ended, news, how.text);
  }
  if (end.failed_start && !end.unannounced) return tell_failed_start(its, end);
  // While its own children ended, its supervisor may have wished it to stop, as one of a group.
  const bool stops = end.stop_asked || its.stop_unanswered;
  if (end.retired && !stops && hand_over(its)) return;
  if (!stops && restarts_at_once(its, how.kind) && supervisors_->spend_permit(its.parent)) {
    start_life(its);
    // Before it can be ready.
    return supervisors_->post(its.parent, policy::taken_over{its.id, how.kind, end.paid, how.text});
  }
  supervisors_->post(its.parent, policy::exited{its.id, how.kind, end.paid, how.text});
}

void control::tell_failed_start(identity& of, const end_of_life& end) {
  if (end.declined) return supervisors_->post(of.parent, policy::declined{of.id});
  start_failed(of, errc::start_failed, end.said, end.paid);
}

}  // namespace troupe::supervision
