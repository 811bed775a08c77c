// How a worker ends in order: it stops itself, is stopped, or is replaced.

#include "worker/loop.hpp"

namespace troupe::worker {

bool loop::stopped_by_supervisor() {
  const std::lock_guard lock(endpoint_.mutex());
  return stop_frame_;
}

/// A stop has ended a wait inside a handler, and the handler has passed that on: an ordered end all the same. The
/// message in hand is not done with; it is judged as after a death.
void loop::stop_in_handler() {
  // Records of the turn that was broken off carry the number that the next commit would make true: commit no more.
  if (type_.works_in != detail::turns::none) leave(last_word_, wire::leave::shutdown, "");
  stop_ = stop_reason::shutdown;
  try {
    end();
  } catch (...) {
    leave(last_word_, wire::leave::exception, text_of_current_exception());
  }
}

void loop::end() {
  go_on_waiting();
  const stop_reason why = *stop_;
  close_turn();
  in_turn([&] { actor_->on_stop(why); });
  actor_.reset();
  leave(last_word_, why == stop_reason::self ? wire::leave::normal : wire::leave::shutdown, "");
}

/// on_stop may wait for others; a stop that comes from now on finds it at what it asks for.
void loop::go_on_waiting() {
  const std::lock_guard lock(endpoint_.mutex());
  ending_ = true;
  endpoint_.resume();
}

/// Its successor stands by. Between two messages, once nobody waits for anything that would end with this process;
/// until then it goes on, also with new messages, since what it waits for may depend on them.
void loop::retire_when_quiet() {
  close_turn();  // which may hold replies back
  if (stop_ || endpoint_.callbacks_pending() || replies_.waiting() || replies_.owed_until()) return;
  endpoint_.send(wire::frame::retiring, wire::nothing{});
  stop_ = stop_reason::shutdown;
}

}  // namespace troupe::worker
