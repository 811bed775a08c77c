// troupe::process: the handle of whoever started it.

#include <troupe/process.hpp>

#include <algorithm>
#include <iostream>

#include "channel/endpoint.hpp"
#include "os/memory.hpp"

namespace troupe::detail {

// ---------------------------------------------------------------------------------------------------------- arguments

std::uint32_t packed_arguments::attach(std::shared_ptr<const outbox_block>) {
  throw error(errc::not_allowed, "a payload travels in messages, not in replies or arguments");
}

std::span<const std::byte> packed_arguments::attached(std::uint32_t) { return {}; }

void packed_arguments::enclose(enclosure what) {
  const bool there = std::any_of(enclosed.begin(), enclosed.end(), [&](const enclosure& each) {
    return each.number == what.number || (what.queue != 0 && each.queue == what.queue);
  });
  if (!there) enclosed.push_back(std::move(what));
}

void packed_arguments::sent() const {
  for (const auto& each : enclosed) {
    if (each.sent) each.sent();
  }
}

// -------------------------------------------------------------------------------------------------------------- state

class process_state {
 public:
  process_state(std::uint64_t identity, int pid, os::fd sentinel) noexcept
      : identity(identity), pid(pid), sentinel(std::move(sentinel)) {}

  const std::uint64_t identity;
  const int pid;
  const os::fd sentinel;

  /// False: `until` has come. Throws error(errc::stopping).
  bool await(std::optional<time_point> until) {
    if (code_) return true;
    auto& here = channel::endpoint::current();
    if (!here.await_exit(identity, until)) return false;
    const wire::exit how = *here.exit_of(identity);
    here.forget_exit(identity);
    constexpr int unknown = 255;
    code_ = how.signal != 0 ? -how.signal : how.code < 0 ? unknown : how.code;
    return true;
  }
  std::optional<int> code() {
    // The kernel may have told of the death through the sentinel before the supervisor has.
    const bool dead = code_ || os::wait_ready(sentinel.get(), os::poller::read, os::clock::now());
    if (dead) await(std::nullopt);
    return code_;
  }

 private:
  std::optional<int> code_;
};

namespace {

os::fd sealed_copy(const std::vector<std::byte>& bytes) {
  os::fd memory = os::make_memory("troupe-args", bytes.size());
  std::copy(bytes.begin(), bytes.end(), os::mapping(memory, bytes.size(), os::access::read_write).data());
  os::seal_memory(memory, os::seal::one_writer);
  return memory;
}

}  // namespace

std::shared_ptr<process_state> start_process(const packed_arguments& arguments) {
  auto& here = channel::endpoint::current();
  const os::fd memory = sealed_copy(arguments.bytes);
  const int fds[] = {memory.get()};
  const std::uint64_t tag = here.new_tag();
  for (const auto& each : arguments.enclosed) here.deposit(each, 0, 0, tag);
  here.send(wire::frame::process_start, wire::process{tag, arguments.bytes.size()}, {}, fds);
  auto got = here.await_answer(tag);
  if (!got) throw error(got.error());
  wire::answer answer{};
  got->take(answer);
  if (answer.what != wire::status::ok || got->fds.size() != 1) throw error(errc::spawn_failed, got->text());
  arguments.sent();
  return std::make_shared<process_state>(answer.subject, static_cast<int>(answer.value), std::move(got->fds[0]));
}

}  // namespace troupe::detail

namespace troupe {

process::~process() { finish(); }

process& process::operator=(process&& other) noexcept {
  if (this != &other) {
    finish();
    state_ = std::move(other.state_);
  }
  return *this;
}

namespace {

void report(const char* what) {
  std::cerr << "troupe: a callback, while a process was waited for: " << what << std::endl;
}

/// False: a callback that ran in this wait, in main, has thrown. That has nobody to go to, and the wait goes on.
bool join_or_report(detail::process_state& whom) {
  try {
    whom.await(std::nullopt);
  } catch (const error& e) {
    if (e.code() == errc::stopping) return true;  // the program is being stopped, and the process with it
    report(e.what());
    return false;
  } catch (const std::exception& e) {
    report(e.what());
    return false;
  }
  return true;
}

}  // namespace

void process::finish() noexcept {
  if (state_ && channel::endpoint::exists()) {
    while (!join_or_report(*state_)) {
    }
  }
  state_.reset();
}

detail::process_state& process::state() const {
  if (!state_) throw error(errc::not_allowed, "this handle has no process: it was moved from, or never started one");
  return *state_;
}

int process::pid() const { return state().pid; }
std::uint64_t process::identity() const { return state().identity; }
int process::sentinel() const { return state().sentinel.get(); }
void process::join() const { state().await(std::nullopt); }
bool process::join(std::chrono::nanoseconds patience) const { return state().await(detail::deadline_in(patience)); }
bool process::is_alive() const { return !state().code(); }
std::optional<int> process::exit_code() const { return state().code(); }
void process::terminate() const {
  if (is_alive()) detail::send_signal(state().identity, 15);
}
void process::kill() const {
  if (is_alive()) detail::end_actor(state().identity, true);
}

}  // namespace troupe
