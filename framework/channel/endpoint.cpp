#include "channel/endpoint.hpp"

#include <algorithm>

#include "os/process.hpp"

namespace troupe::channel {

namespace {

// Keys of the poller: these two, identities (whose top byte is at most 24) for reply pipes, numbers of new_number() with
// the top bit for wait_fd, and the owner's from owner_key on.
constexpr std::uint64_t control_key = 1, doorbell_key = 2, awaited_key = std::uint64_t{1} << 63;

}  // namespace

endpoint* endpoint::current_ = nullptr;

endpoint::endpoint(parts its, frame_sink others)
    : parts_(std::move(its)),
      others_(std::move(others)),
      buffer_(wire::max_frame),
      lanes_(parts_.out, wire::out_header_bytes, wire::out_lanes_end, 64),
      outbox_(parts_.out, wire::out_lanes_end, wire::out_memory_bytes, 4096) {
  poller_.add(parts_.control, control_key);
  poller_.add(parts_.doorbell, doorbell_key);
  current_ = this;
}

endpoint::~endpoint() { current_ = nullptr; }

bool endpoint::exists() noexcept { return current_ != nullptr; }

endpoint& endpoint::current() {
  if (current_ == nullptr) {
    throw error(errc::not_allowed, "there is no actor system in this process: call this inside troupe::run");
  }
  return *current_;
}

// ----------------------------------------------------------------------------------------------------- control socket

void endpoint::send_bytes(const std::vector<std::byte>& packed, std::span<const int> fds) {
  // The control thread always reads on, so a full socket is a matter of moments.
  for (;;) {
    switch (os::send_packet(parts_.control, packed, fds)) {
      case os::io::done: return;
      case os::io::again: os::wait_ready(parts_.control.get(), os::poller::write, std::nullopt); break;
      case os::io::hung_up: throw error(errc::stopping, "the supervisor is gone");
      case os::io::refused: os::fail("send a control frame");
    }
  }
}

std::uint64_t endpoint::new_tag() {
  const std::lock_guard lock(mutex_);
  answers_.emplace(next_tag_, std::nullopt);
  return next_tag_++;
}

std::optional<wire::exit> endpoint::exit_of(wire::identity_id process) {
  serve_once(os::clock::now());
  const std::lock_guard lock(mutex_);
  const auto found = exits_.find(process);
  if (found == exits_.end()) return std::nullopt;
  return found->second;
}

bool endpoint::await_exit(wire::identity_id process, std::optional<os::time_point> until) {
  std::unique_lock lock(mutex_);
  const woke how = wait(lock, until, [&] { return exits_.contains(process); });
  if (how == woke::stopping) throw error(stop_error_);
  return how == woke::ready;
}

void endpoint::forget_exit(wire::identity_id process) {
  const std::lock_guard lock(mutex_);
  exits_.erase(process);
}

std::uint64_t endpoint::new_number() {
  const std::lock_guard lock(mutex_);
  return next_tag_++;
}

bool endpoint::wait_fd(int number, bool writable, std::optional<os::time_point> until) {
  if (os::wait_ready(number, writable ? os::poller::write : os::poller::read, os::clock::now())) return true;
  // A duplicate, since epoll knows a descriptor once and two threads may wait for the same.
  const os::fd watched = os::duplicate(number);
  const std::uint64_t key = awaited_key | new_number();
  std::unique_lock lock(mutex_);
  awaited_[key] = false;
  poller_.add(watched, key, writable ? os::poller::write : os::poller::read);
  const woke how = wait(lock, until, [&] { return awaited_[key]; });
  poller_.remove(watched);
  awaited_.erase(key);
  if (how == woke::stopping) throw error(stop_error_);
  return how == woke::ready;
}

expected<incoming> endpoint::await_answer(std::uint64_t tag) {
  std::unique_lock lock(mutex_);
  auto& slot = answers_[tag];
  const woke how = wait(lock, std::nullopt, [&] { return slot.has_value(); });
  auto node = answers_.extract(tag);
  if (how != woke::ready) return tl::unexpected(stop_error_);
  return std::move(*node.mapped());
}

void endpoint::serve_control() {
  for (;;) {
    incoming frame;
    switch (os::io how = receive_frame(parts_.control, buffer_, frame)) {
      case os::io::again: return;
      case os::io::hung_up:
      case os::io::refused:
        // Without its supervisor a worker has no purpose; no destructor may wait for anybody.
        static_cast<void>(how);
        os::exit_now(1);
      case os::io::done: break;
    }
    frames_taken_.fetch_add(1, std::memory_order_relaxed);
    if (!frame.fds.empty()) send(wire::frame::took, wire::number{frame.fds.size()});
    take_frame(std::move(frame));
  }
}

void endpoint::take_frame(incoming&& frame) {
  wire::answer answer{};
  wire::subject subject{};
  wire::slot slot{};
  wire::verdict death{};
  wire::exit exit{};
  switch (frame.type) {
    case wire::frame::connected: return connected(frame);
    case wire::frame::link: return link_up(frame);
    case wire::frame::verdict:
      if (frame.take(death)) verdict(death, frame.text());
      return;
    case wire::frame::closed:
      if (frame.take(subject)) link_closed(subject.identity, frame.text());
      others_(std::move(frame));
      return;
    case wire::frame::lane_freed:
      if (frame.take(slot)) lane_freed(slot.owner);
      return;
    case wire::frame::process_ended:
      if (frame.take(exit)) exits_[exit.subject] = exit;
      return;
    case wire::frame::found:
    case wire::frame::withdrawn:
    case wire::frame::queue_made:
    case wire::frame::queue_taken:
    case wire::frame::process_started:
      if (!frame.take(answer)) return;
      if (const auto waiting = answers_.find(answer.tag); waiting != answers_.end()) waiting->second = std::move(frame);
      return;
    default: others_(std::move(frame)); return;
  }
}

// ------------------------------------------------------------------------------------------------------------ waiting

void endpoint::pump(std::unique_lock<std::mutex>& lock, std::optional<os::time_point> until) {
  if (pumping_) {
    ++followers_;
    if (until) {
      handed_over_.wait_until(lock, *until);
    } else {
      handed_over_.wait(lock);
    }
    --followers_;
    return;
  }
  if (!deadlines_.empty() && (!until || deadlines_.begin()->first < *until)) until = deadlines_.begin()->first;
  pumping_ = true;
  lock.unlock();
  std::array<os::poller::event, 32> events;
  const std::size_t count = poller_.wait(events, until);
  lock.lock();
  pumping_ = false;
  for (std::size_t i = 0; i < count; ++i) {
    const auto& event = events[i];
    if (event.key == control_key) {
      serve_control();
    } else if (event.key == doorbell_key) {
      os::hush(parts_.doorbell);
      rings_.fetch_add(1, std::memory_order_relaxed);
    } else if (event.key >= awaited_key) {
      if (const auto waiting = awaited_.find(event.key); waiting != awaited_.end()) waiting->second = true;
    } else if (event.key >= owner_key) {
      if (on_watched) on_watched(event.key, event.readable, event.writable);
    } else if (const auto link = links_.find(event.key); link != links_.end()) {
      drain_replies(*link->second);
    }
  }
  if (!deadlines_.empty()) expire(os::clock::now());
  if (followers_ > 0) handed_over_.notify_all();
}

void endpoint::serve_once(std::optional<os::time_point> until, const std::function<bool()>& unless) {
  std::unique_lock lock(mutex_);
  if (!unless || !unless()) pump(lock, until);
}

void endpoint::interrupt(error why) {
  interrupted_ = true;
  stop_error_ = std::move(why);
  handed_over_.notify_all();
}

void endpoint::interrupt_from_outside(error why) {
  {
    const std::lock_guard lock(mutex_);
    interrupt(std::move(why));
  }
  os::ring(parts_.doorbell);
}

void endpoint::resume() noexcept { interrupted_ = false; }

std::optional<os::time_point> endpoint::next_deadline() {
  const std::lock_guard lock(mutex_);
  if (deadlines_.empty()) return std::nullopt;
  return deadlines_.begin()->first;
}

void endpoint::watch(const os::fd& what, std::uint64_t key, std::uint8_t interests) {
  poller_.add(what, owner_key + key, interests);
}

void endpoint::unwatch(const os::fd& what) noexcept { poller_.remove(what); }

// ------------------------------------------------------------------------------------------------------ other's memory

std::shared_ptr<peer_memory> endpoint::memory_of(wire::incarnation_id whose, os::fd memory) {
  if (auto known = memories_[whose].lock()) return known;
  if (!os::has_fixed_size(memory, wire::out_memory_bytes)) return nullptr;
  auto mapped = std::make_shared<peer_memory>();
  mapped->map = os::mapping(memory, wire::out_memory_bytes, os::access::read_only);
  mapped->incarnation = whose;
  std::erase_if(memories_, [](const auto& each) { return each.second.expired(); });
  memories_[whose] = mapped;
  return mapped;
}

}  // namespace troupe::channel
