#include "worker/timers.hpp"

namespace troupe::worker {

std::uint64_t timers::add(os::time_point due, std::chrono::nanoseconds period, message what) {
  const std::uint64_t number = ++last_number_;
  queue_.emplace(std::pair{due, number}, entry{period, std::move(what)});
  due_of_.emplace(number, due);
  return number;
}

void timers::cancel(std::uint64_t number) noexcept {
  const auto found = due_of_.find(number);
  if (found == due_of_.end()) return;
  queue_.erase({found->second, number});
  due_of_.erase(found);
}

std::optional<os::time_point> timers::next() const {
  if (queue_.empty()) return std::nullopt;
  return queue_.begin()->first.first;
}

std::optional<timers::message> timers::take_due(os::time_point now) {
  if (queue_.empty() || queue_.begin()->first.first > now) return std::nullopt;
  auto node = queue_.extract(queue_.begin());
  auto [due, number] = node.key();
  const auto period = node.mapped().period;
  if (period.count() <= 0) {
    due_of_.erase(number);
    return std::move(node.mapped().what);
  }
  message copy = node.mapped().what;
  due += ((now - due) / period + 1) * period;
  due_of_[number] = due;
  node.key() = {due, number};
  queue_.insert(std::move(node));
  return copy;
}

}  // namespace troupe::worker
