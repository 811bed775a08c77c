#include "channel/endpoint.hpp"

#include <algorithm>

#include "os/process.hpp"

namespace troupe::channel {

namespace {

// Keys of the poller: these two, identities (whose top byte is at most 24) for reply pipes, numbers of new_number() with
// the top bit for wait_fd, and the owner's from owner_key on.
constexpr unsigned most_rounds = 16;  // of events that are taken in before anything else
constexpr std::uint64_t control_key = 1, doorbell_key = 2, awaited_key = std::uint64_t{1} << 63;

}  // namespace

endpoint* endpoint::current_ = nullptr;

endpoint::endpoint(parts its, frame_sink others)
    : parts_(std::move(its)),
      others_(std::move(others)),
      buffer_(wire::max_frame),
      lanes_(nullptr, wire::out_header_bytes, wire::out_lanes_end, 64),
      outbox_(&parts_.out, wire::out_lanes_end, wire::out_memory_bytes, 4096),
      segments_(parts_.outbox_bytes) {
  poller_.add(parts_.control, control_key);
  if (!parts_.spare) poller_.add(parts_.doorbell, doorbell_key);
  current_ = this;
}

void endpoint::take_over() {
  const std::lock_guard lock(mutex_);
  parts_.spare = false;
  poller_.add(parts_.doorbell, doorbell_key);
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
      case os::io::refused:
      case os::io::lost_fds: os::fail("send a control frame");
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
  if (how == woke::stopping) throw stop_error();
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

expected<incoming> endpoint::await_answer(std::uint64_t tag) {
  std::unique_lock lock(mutex_);
  auto& slot = answers_[tag];
  const woke how = wait(lock, std::nullopt, [&] { return slot.has_value(); });
  auto node = answers_.extract(tag);
  if (how != woke::ready) return tl::unexpected(stop_error());
  return std::move(*node.mapped());
}

incoming endpoint::await_prompt_answer(std::uint64_t tag) {
  std::unique_lock lock(mutex_);
  auto& slot = answers_[tag];
  while (!slot) pump(lock, std::nullopt);
  return std::move(*answers_.extract(tag).mapped());
}

void endpoint::deposit(const detail::enclosure& what, wire::identity_id to, std::uint64_t position, std::uint64_t tag) {
  if (in_turn()) turn_took = true;
  const wire::deposit body{what.number, to, position, tag, what.queue};
  if (!what.descriptor) return send(wire::frame::deposit, body);
  const int fds[] = {what.descriptor()};
  if (fds[0] < 0) throw error(errc::not_allowed, "an end of a pipe that has been passed to another process already");
  send(wire::frame::deposit, body, {}, fds);
}

os::fd endpoint::withdraw(detail::fd_token token) {
  if (in_turn()) turn_took = true;
  const std::uint64_t tag = new_tag();
  send(wire::frame::withdraw, wire::token{tag, token.from, token.number});
  incoming got = await_prompt_answer(tag);
  return got.fds.size() == 1 ? std::move(got.fds[0]) : os::fd{};
}

void endpoint::serve_control() {
  for (;;) {
    incoming frame;
    switch (receive_frame(parts_.control, buffer_, frame)) {
      case os::io::again: return;
      case os::io::lost_fds: return lost_fds();
      case os::io::refused:
        // In main the program ends in order.
        if (run_between) return interrupt(error(errc::corrupt, "the control thread said what is no frame"));
        [[fallthrough]];
      case os::io::hung_up:
        // Without its supervisor a worker has no purpose; no destructor may wait for anybody.
        os::exit_now(1);
      case os::io::done: break;
    }
    frames_taken_.fetch_add(1, std::memory_order_relaxed);
    if (!frame.fds.empty()) send(wire::frame::took, wire::number{frame.fds.size()});
    take_frame(std::move(frame));
  }
}

/// Whoever waits for what was lost would wait for ever. In main: the program ends in order.
void endpoint::lost_fds() {
  if (run_between) {
    return interrupt(error(errc::os, "take in a descriptor", 0,
                           "this process has none left, so the program is being stopped: raise its limit (ulimit -n)"));
  }
  send(wire::frame::leaving, wire::leaving{wire::leave::exception, 0},
       "this process has no descriptors left to take in what it needs: raise limits.files, or ulimit -n");
  os::exit_now(1);
}

void endpoint::take_frame(incoming&& frame) {
  wire::answer answer{};
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
      if (frame.take(answer)) link_closed(answer, frame.text());
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
    case wire::frame::letters_opened:
    case wire::frame::letters_purged:
    case wire::frame::deaths_listed:
      if (!frame.take(answer)) return;
      if (const auto waiting = answers_.find(answer.tag); waiting != answers_.end()) waiting->second = std::move(frame);
      return;
    case wire::frame::supervised:
      if (wire::supervised got{}; frame.take(got)) {
        const auto waiting = answers_.find(got.tag);
        if (waiting != answers_.end()) waiting->second = std::move(frame);
      }
      return;
    case wire::frame::segment_made: return segment_made(frame);
    case wire::frame::segment:
    case wire::frame::segment_gone:
      if (for_a_reply(frame)) return segment_news(frame);
      [[fallthrough]];
    case wire::frame::lane:
    case wire::frame::lane_final:
    case wire::frame::letter_kept:
      if (!for_a_queue(frame)) others_(std::move(frame));
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
  if (next_look_ && (!until || *next_look_ < *until)) until = next_look_;
  pumping_ = true;
  lock.unlock();
  std::array<os::poller::event, 32> events;
  std::size_t count = poller_.wait(events, until);
  lock.lock();
  pumping_ = false;
  // All that is there, before anything is said to be late.
  for (unsigned round = 1;; ++round) {
    for (std::size_t i = 0; i < count; ++i) serve(events[i]);
    if (count < events.size() || round == most_rounds) break;
    count = poller_.wait(events, os::clock::now());
  }
  if (!deadlines_.empty()) expire(os::clock::now());
  if (next_look_) look_after_segments();
  if (followers_ > 0) handed_over_.notify_all();
}

void endpoint::serve(const os::poller::event& event) {
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

/// Watches duplicates, since epoll knows a descriptor once and two threads may wait for the same.
class endpoint::watched_fds {
 public:
  /// `lock` is held.
  watched_fds(endpoint& of, std::unique_lock<std::mutex>& lock) : of_(of), lock_(lock) {}
  watched_fds(const watched_fds&) = delete;
  watched_fds& operator=(const watched_fds&) = delete;
  ~watched_fds() {
    if (!lock_.owns_lock()) lock_.lock();
    for (const auto& [key, copy] : all_) {
      of_.poller_.remove(copy);
      of_.awaited_.erase(key);
    }
  }
  void add(const awaited_fd& what) {
    const std::uint64_t key = awaited_key | of_.next_tag_++;
    const os::fd& copy = all_.emplace_back(key, os::duplicate(what.number)).second;
    of_.awaited_[key] = false;
    of_.poller_.add(copy, key, what.writable ? os::poller::write : os::poller::read);
  }
  bool any_ready() const {
    return std::any_of(all_.begin(), all_.end(), [&](const auto& each) { return of_.awaited_.at(each.first); });
  }

 private:
  endpoint& of_;
  std::unique_lock<std::mutex>& lock_;
  std::vector<std::pair<std::uint64_t, os::fd>> all_;
};

bool endpoint::wait_fd(int number, bool writable, std::optional<os::time_point> until) {
  const awaited_fd what[] = {{number, writable}};
  return wait_fds(what, until);
}

bool endpoint::wait_fds(std::span<const awaited_fd> what, std::optional<os::time_point> until,
                        const std::function<bool()>& unless) {
  for (const auto& each : what) {
    if (os::wait_ready(each.number, each.writable ? os::poller::write : os::poller::read, os::clock::now())) return true;
  }
  std::unique_lock lock(mutex_);
  watched_fds watched(*this, lock);
  for (const auto& each : what) watched.add(each);
  const woke how = wait(lock, until, [&] { return watched.any_ready() || (unless && unless()); });
  if (how == woke::stopping) throw stop_error();
  return how == woke::ready;
}

void endpoint::nudge() {
  {
    const std::lock_guard lock(mutex_);
    handed_over_.notify_all();
  }
  os::ring(parts_.doorbell);
}

void endpoint::serve_once(std::optional<os::time_point> until, const std::function<bool()>& unless) {
  std::unique_lock lock(mutex_);
  if (!unless || !unless()) pump(lock, until);
}

void endpoint::interrupt(error why) {
  {
    const std::lock_guard lock(stop_mutex_);
    stop_error_ = std::move(why);
  }
  interrupted_ = true;
  handed_over_.notify_all();
}

/// Without the mutex: whoever holds it may be waiting for the control thread, which calls this. The one who is woken
/// wakes the others.
void endpoint::interrupt_from_outside(error why) {
  interrupt(std::move(why));
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

void endpoint::watch_again(const os::fd& what, std::uint64_t key, std::uint8_t interests) {
  poller_.change(what, owner_key + key, interests);
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
