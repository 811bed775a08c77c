#include "worker/watches.hpp"

namespace troupe::worker {

namespace {

// Of the owner's keys of the endpoint; those below are the slots of lanes whose reply pipe is full.
constexpr std::uint64_t first_key = std::uint64_t{1} << 32;

}  // namespace

std::uint64_t watches::add(int descriptor, bool writable, std::function<void()> handler) {
  watched made{os::duplicate(descriptor), writable ? os::poller::write : os::poller::read,
               std::make_shared<const std::function<void()>>(std::move(handler))};
  const std::lock_guard lock(endpoint_.mutex());
  endpoint_.watch(made.copy, first_key + ++last_, made.interests);
  all_.emplace(last_, std::move(made));
  return last_;
}

void watches::remove(std::uint64_t number) noexcept {
  decltype(all_)::node_type dying;  // outlives the lock: the handler may hold other watches and requests
  const std::lock_guard lock(endpoint_.mutex());
  dying = all_.extract(number);
  if (!dying.empty()) endpoint_.unwatch(dying.mapped().copy);
}

bool watches::found_ready(std::uint64_t key) {
  if (key < channel::endpoint::owner_key + first_key) return false;
  const std::uint64_t number = key - channel::endpoint::owner_key - first_key;
  if (const auto found = all_.find(number); found != all_.end()) {
    endpoint_.unwatch(found->second.copy);
    due_.push_back(number);
    any_due_ = true;
  }
  return true;
}

void watches::run(const std::function<void(const std::function<void()>&)>& call) {
  std::vector<std::uint64_t> due;
  {
    const std::lock_guard lock(endpoint_.mutex());
    due.swap(due_);
    any_due_ = false;
  }
  for (const std::uint64_t number : due) {
    std::shared_ptr<const std::function<void()>> handler;
    {
      const std::lock_guard lock(endpoint_.mutex());
      if (const auto found = all_.find(number); found != all_.end()) handler = found->second.handler;
    }
    if (!handler) continue;  // ended by one before it
    call(*handler);
    const std::lock_guard lock(endpoint_.mutex());
    if (const auto found = all_.find(number); found != all_.end()) {
      endpoint_.watch(found->second.copy, first_key + number, found->second.interests);
    }
  }
}

}  // namespace troupe::worker
