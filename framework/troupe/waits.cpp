#include <troupe/detail/waits.hpp>
#include <troupe/task.hpp>

#include <algorithm>
#include <cassert>

namespace troupe::detail {

void waits::for_reply(std::uint64_t correlation, std::coroutine_handle<> who) {
  correlations_.push_back(correlation);
  askers_.push_back(who);
}

void waits::for_time(time_point when, std::coroutine_handle<> who) {
  const auto later = [](const auto& sleeper, time_point time) { return sleeper.first > time; };
  sleepers_.emplace(std::lower_bound(sleepers_.begin(), sleepers_.end(), when, later), when, who);
}

void waits::run(std::coroutine_handle<> outermost) {
  while (!outermost.done()) next().resume();
}

std::coroutine_handle<> waits::next() {
  assert(!askers_.empty() || !sleepers_.empty());
  std::optional<time_point> until;
  if (!sleepers_.empty()) until = sleepers_.back().first;
  const auto came = await_any(correlations_, until);
  std::optional<std::size_t> answered;
  if (came) {
    answered = *came;
  } else {
    // Each wait ends with this error, so that every coroutine can clean up; what they begin to wait for now ends too.
    stopped_ = came.error();
    if (!askers_.empty()) answered = 0;
  }
  if (!answered) {
    const auto who = sleepers_.back().second;
    sleepers_.pop_back();
    return who;
  }
  const auto at = static_cast<std::ptrdiff_t>(*answered);
  const auto who = askers_[*answered];
  correlations_.erase(correlations_.begin() + at);
  askers_.erase(askers_.begin() + at);
  return who;
}

void refuse_in_turn() {
  if (!in_turn()) return;
  throw error(errc::not_allowed, "a task cannot run inside a turn, which is one step: use get() or then() of the ask");
}

}  // namespace troupe::detail
