// troupe::child_program, and waiting for descriptors of the user's.

#include <troupe/child_program.hpp>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <tuple>

#include <troupe/error.hpp>
#include <troupe/watch.hpp>

#include "channel/endpoint.hpp"
#include "os/child.hpp"
#include "os/pipe.hpp"

namespace troupe {

bool wait_ready(std::initializer_list<awaited> which, std::optional<std::chrono::steady_clock::time_point> until) {
  std::vector<channel::endpoint::awaited_fd> wanted;
  for (const auto& each : which) {
    if (each.descriptor >= 0) wanted.push_back({each.descriptor, each.what == readiness::writable});
  }
  return channel::endpoint::current().wait_fds(wanted, until);
}

struct child_program::state {
  int pid = 0;
  os::fd pidfd, input, output, ready;
  std::optional<status> how;  // it ended
};

namespace {

std::vector<std::string> environment_with(const std::map<std::string, std::string>& more) {
  auto all = os::own_environment();
  for (const auto& [name, value] : more) {
    const std::string begin = name + "=";
    std::erase_if(all, [&](const auto& each) { return each.starts_with(begin); });
    all.push_back(begin + value);
  }
  return all;
}

void check(const program_options& how) {
  const auto faults = how.faults();
  if (faults.empty()) return;
  throw error(errc::not_allowed, "program_options::" + faults[0].field + ": " + faults[0].text);
}

std::optional<std::size_t> read_from(os::fd& end, std::span<char> into) {
  if (!end) return std::nullopt;
  const auto got = os::read_some(end, std::as_writable_bytes(into));
  if (got.what == os::io::done) return got.bytes;
  if (got.what == os::io::again) return 0;
  end.reset();
  return std::nullopt;
}

}  // namespace

child_program::child_program() noexcept = default;
child_program::child_program(child_program&& other) noexcept = default;

child_program& child_program::operator=(child_program&& other) noexcept {
  if (this != &other) {
    kill();
    state_ = std::move(other.state_);
  }
  return *this;
}

child_program::~child_program() { kill(); }

child_program::child_program(const program_options& how) : state_(std::make_unique<state>()) {
  check(how);
  os::execution what{how.exec, environment_with(how.environment), how.directory};
  os::fd its_input, its_output, its_ready;
  if (how.protocol != "none") {
    std::tie(its_input, state_->input) = os::make_pipe();
    std::tie(state_->output, its_output) = os::make_pipe();
  }
  if (how.ready_fd != 0) std::tie(state_->ready, its_ready) = os::make_pipe();
  what.input = its_input.get();
  what.output = its_output.get();
  what.extra = its_ready.get();
  what.extra_as = static_cast<int>(how.ready_fd);
  auto made = os::execute(what);
  state_->pid = made.pid;
  state_->pidfd = std::move(made.pidfd);
}

int child_program::pid() const noexcept { return state_ ? state_->pid : 0; }
int child_program::input() const noexcept { return state_ ? state_->input.get() : -1; }
int child_program::output() const noexcept { return state_ ? state_->output.get() : -1; }
int child_program::ready() const noexcept { return state_ ? state_->ready.get() : -1; }
int child_program::death() const noexcept { return state_ ? state_->pidfd.get() : -1; }

std::optional<std::size_t> child_program::write_input(std::span<const char> bytes) {
  if (!state_ || !state_->input) return std::nullopt;
  const auto put = os::write_some(state_->input, std::as_bytes(bytes));
  if (put.what == os::io::done) return put.bytes;
  if (put.what == os::io::again) return 0;
  close_input();
  return std::nullopt;
}

void child_program::close_input() noexcept {
  if (state_) state_->input.reset();
}

std::optional<std::size_t> child_program::read_output(std::span<char> into) {
  return state_ ? read_from(state_->output, into) : std::nullopt;
}

std::optional<std::size_t> child_program::read_ready(std::span<char> into) {
  return state_ ? read_from(state_->ready, into) : std::nullopt;
}

std::optional<child_program::status> child_program::ended() {
  if (!state_ || state_->how || !state_->pidfd || !os::has_died(state_->pidfd))
    return state_ ? state_->how : std::nullopt;
  // Before the leader is reaped: until then nobody else can have the group's number.
  os::kill_group(state_->pid);
  const auto how = os::reap(state_->pidfd).value_or(os::exit_status{});
  state_->how = status{how.code, how.signal};
  return state_->how;
}

std::string child_program::text_of(const status& how) {
  if (how.signal != 0) return "was killed by " + os::signal_name(how.signal);
  if (how.code < 0) return "ended; its exit status was taken by someone else in this process";
  return "exited with code " + std::to_string(how.code);
}

void child_program::send_signal(int number) noexcept {
  if (state_ && !state_->how && state_->pidfd) os::send_signal(state_->pidfd, number);
}

void child_program::kill() noexcept {
  if (!state_ || state_->how || !state_->pidfd) return;
  os::kill_group(state_->pid);
  os::send_signal(state_->pidfd, 9);  // it may have left its group
  os::wait_ready(state_->pidfd.get(), os::poller::read, std::nullopt);
  ended();
}

void child_program::exit_with(int code) {
  std::cout.flush();
  std::fflush(nullptr);
  os::exit_now(code);
}

}  // namespace troupe
