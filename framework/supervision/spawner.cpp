#include "supervision/spawner.hpp"

#include <array>
#include <cstring>

#include <troupe/detail/worker_main.hpp>
#include <troupe/error.hpp>

#include "os/poller.hpp"
#include "os/socket.hpp"

namespace troupe::supervision {

namespace {

[[noreturn]] void become_actor(os::fd control, std::span<const detail::actor_type* const> types) {
  os::become_worker();
  const int keep[] = {control.get()};
  os::close_all_but(keep);
  detail::worker_main(control.release(), types);
}

[[noreturn]] void serve(os::fd socket, std::span<const detail::actor_type* const> types) {
  os::become_worker();
  os::ignore_all_signals();
  const int keep[] = {socket.get()};
  os::close_all_but(keep);
  os::make_blocking(socket);
  os::name_thread("troupe-spawner");
  std::array<std::byte, sizeof(wire::spawn_request)> buffer;
  for (;;) {
    os::packet packet;
    if (os::receive_packet(socket, buffer, packet) != os::io::done || packet.fds.size() != 1) os::exit_now(0);
    wire::spawn_request wanted{};
    std::memcpy(&wanted, buffer.data(), sizeof wanted);
    const int pid = os::clone_process(os::kinship::sibling);
    if (pid == 0) become_actor(std::move(packet.fds[0]), types);
    packet.fds.clear();  // a copy kept here would hide the worker's death from its readers
    const wire::spawn_reply reply{wanted.incarnation, pid, 0};
    os::send_packet(socket, std::as_bytes(std::span(&reply, 1)), {});
  }
}

}  // namespace

spawner::spawner(std::span<const detail::actor_type* const> types) {
  auto [ours, theirs] = os::packet_pair();
  pid_ = os::clone_process(os::kinship::child);
  if (pid_ == 0) {
    ours.reset();
    serve(std::move(theirs), types);
  }
  if (pid_ < 0) throw error(errc::os, "make the spawner", -pid_);
  socket_ = std::move(ours);
  pidfd_ = os::open_pidfd(pid_);
}

spawner::~spawner() {
  socket_.reset();
  os::send_signal(pidfd_, 9);
  os::wait_ready(pidfd_.get(), os::poller::read, std::nullopt);
  os::reap(pidfd_);
}

bool spawner::request(wire::incarnation_id who, const os::fd& control) noexcept {
  const wire::spawn_request wanted{who};
  const int fds[] = {control.get()};
  for (;;) {
    const os::io how = os::send_packet(socket_, std::as_bytes(std::span(&wanted, 1)), fds);
    if (how != os::io::again) return how == os::io::done;
    os::wait_ready(socket_.get(), os::poller::write, std::nullopt);
  }
}

std::optional<wire::spawn_reply> spawner::answer(bool& alive) {
  std::array<std::byte, sizeof(wire::spawn_reply)> buffer;
  os::packet packet;
  const os::io how = os::receive_packet(socket_, buffer, packet);
  if (how == os::io::again) return std::nullopt;
  if (how != os::io::done || packet.size != sizeof(wire::spawn_reply)) {
    alive = false;
    return std::nullopt;
  }
  wire::spawn_reply reply{};
  std::memcpy(&reply, buffer.data(), sizeof reply);
  return reply;
}

}  // namespace troupe::supervision
