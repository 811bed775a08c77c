#include "worker/boot.hpp"

#include <cstdio>
#include <iostream>

#include <troupe/detail/worker_main.hpp>
#include <troupe/error.hpp>

#include "os/canary.hpp"
#include "os/crash.hpp"
#include "os/kernel_files.hpp"
#include "os/poller.hpp"
#include "os/process.hpp"
#include "worker/loop.hpp"
#include "worker/process_worker.hpp"

namespace troupe::worker {

namespace {

void send(const os::fd& control, const std::vector<std::byte>& frame) {
  while (os::send_packet(control, frame, {}) == os::io::again) {
    os::wait_ready(control.get(), os::poller::write, std::nullopt);
  }
}

channel::incoming wait_for_boot(const os::fd& control) {
  std::vector<std::byte> buffer(wire::max_frame);
  channel::incoming frame;
  for (;;) {
    const os::io how = channel::receive_frame(control, buffer, frame);
    if (how == os::io::done) return frame;
    // Hung up: the supervisor died or gave this start up; a half-born worker leaves nothing behind.
    if (how != os::io::again) os::exit_now(1);
    os::wait_ready(control.get(), os::poller::read, std::nullopt);
  }
}

static_assert(static_cast<std::uint32_t>(os::resource::data) == wire::limit_data &&
              static_cast<std::uint32_t>(os::resource::cpu) == wire::limit_cpu &&
              static_cast<std::uint32_t>(os::resource::files) == wire::limit_files &&
              static_cast<std::uint32_t>(os::resource::file_size) == wire::limit_file_size &&
              static_cast<std::uint32_t>(os::resource::core) == wire::limit_core);

static_assert(os::crash_bytes <= wire::crash_room && wire::crash_offset >= sizeof(wire::out_header) &&
              wire::crash_offset + wire::crash_room <= wire::out_header_bytes);

/// A line is on its way when it is whole, not when a buffer is full: the process may die before that.
void print_into(os::fd out, os::fd err) {
  os::redirect(1, std::move(out));
  os::redirect(2, std::move(err));
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
}

/// Before any code of the user's runs.
void restrict_to(const wire::boot& what) {
  for (std::uint32_t which = 0; which < wire::limits; ++which) {
    if ((what.limited >> which & 1) != 0) os::limit(static_cast<os::resource>(which), what.limit[which]);
  }
  if (what.no_new_privs != 0) os::give_up_new_privileges();
}

}  // namespace

birth be_born(os::fd control, const os::fd& last_word) {
  channel::incoming frame = wait_for_boot(control);
  birth born(last_word);
  if (frame.type != wire::frame::boot || !frame.take(born.its)) os::exit_now(1);
  const std::size_t fds = born.its.checkpoint_bytes > 0 ? wire::boot_fds : wire::fd_checkpoint;
  const std::size_t before_cgroups = fds + born.its.outputs;
  if (frame.fds.size() != before_cgroups + born.its.enters) os::exit_now(1);
  if (born.its.outputs != 0 && born.its.outputs != 2) os::exit_now(1);
  const std::vector<os::fd> cgroups(
      std::make_move_iterator(frame.fds.begin() + static_cast<std::ptrdiff_t>(before_cgroups)),
      std::make_move_iterator(frame.fds.end()));
  born.name = frame.text();
  const auto map = [&](wire::boot_fd which, std::uint64_t size, os::access how) {
    return os::mapping(frame.fds[which], size, how);
  };
  born.out = map(wire::fd_out, wire::out_memory_bytes, os::access::read_write);
  born.cursor = map(wire::fd_cursor, wire::cursor_bytes, os::access::read_write);
  born.hints = map(wire::fd_hint, wire::hint_bytes, os::access::read_only);
  born.status = map(wire::fd_status, wire::status_bytes, os::access::read_only);
  if (born.its.args_bytes > 0) born.arguments = map(wire::fd_args, born.its.args_bytes, os::access::read_only);
  if (born.its.checkpoint_bytes > 0) {
    born.checkpoint = map(wire::fd_checkpoint, 2 * born.its.checkpoint_bytes, os::access::read_write);
  }
  born.doorbell = std::move(frame.fds[wire::fd_doorbell]);
  if (born.its.outputs == 2) print_into(std::move(frame.fds[fds]), std::move(frame.fds[fds + 1]));
  auto* out = born.out.at<wire::out_header>();
  out->layout = wire::layout_version;
  out->incarnation = born.its.incarnation;
  os::record_crashes(born.out.data() + wire::crash_offset);
  static_assert(sizeof out->canary == os::canary_bytes);
  if (born.its.canary != 0) os::hold_canary(out->canary);
  send(control, channel::pack(wire::frame::took, wire::number{frame.fds.size()}));
  frame.fds.clear();
  for (const auto& each : cgroups) os::enter_cgroup(each);
  restrict_to(born.its);
  send(control, channel::pack(wire::frame::attached, wire::nothing{}));
  born.control = std::move(control);
  return born;
}

void leave(const os::fd& control, wire::leave how, const std::string& text) {
  std::cout.flush();
  std::fflush(nullptr);
  send(control, channel::pack(wire::frame::leaving, wire::leaving{how, 0}, text));
  const bool fine = how == wire::leave::normal || how == wire::leave::shutdown || how == wire::leave::declined;
  os::exit_now(fine ? 0 : 1);
}

std::string text_of_current_exception() {
  try {
    throw;
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "an exception that is no std::exception";
  }
}

}  // namespace troupe::worker

namespace troupe::detail {

void worker_main(int control, std::span<const actor_type* const> types) {
  os::fd last_word;
  try {
    os::fd socket{control};
    last_word = socket.duplicate();
    worker::birth born = worker::be_born(std::move(socket), last_word);
    if (born.its.what == wire::role::process) worker::run_process(std::move(born));
    if (born.its.actor_type >= types.size()) os::exit_now(1);
    worker::loop loop(std::move(born), *types[born.its.actor_type]);
    loop.run();
  } catch (...) {
    worker::leave(last_word, wire::leave::start_failed, worker::text_of_current_exception());
  }
  os::exit_now(1);
}

}  // namespace troupe::detail
