#include "supervision/spawner.hpp"

#include <array>

#include <troupe/detail/worker_main.hpp>
#include <troupe/error.hpp>

#include "os/clone.hpp"
#include "channel/frames.hpp"
#include "os/poller.hpp"
#include "os/process.hpp"
#include "os/socket.hpp"

namespace troupe::supervision {

namespace {

// Also of its children until they are let go, so a dead child of that name that nobody knows is a stray.
constexpr const char* spawner_name = "troupe-spawner";

[[noreturn]] void become_actor(os::fd control, std::span<const detail::actor_type* const> types) {
  os::become_worker();
  const int keep[] = {control.get()};
  os::close_all_but(keep);
  detail::worker_main(control.release(), types);
}

/// The life of a spawner, or of its twin, which sleeps until it is asked for something.
[[noreturn]] void serve(os::fd socket, std::span<const detail::actor_type* const> types, guardian guards) {
  os::become_worker();
  os::block_all_signals();
  const int keep[] = {socket.get()};
  os::close_all_but(keep);
  guards.take_up();
  os::make_blocking(socket);
  os::name_thread(spawner_name);
  std::array<std::byte, sizeof(wire::spawn_request)> buffer;
  for (;;) {
    os::packet packet;
    guards.wait(socket);
    const os::io how = os::receive_packet(socket, buffer, packet);
    if (how == os::io::hung_up) guards.hung_up();
    if (how != os::io::done || packet.fds.empty() || packet.fds.size() > 2) os::exit_now(0);
    const auto request = channel::only_body<wire::spawn_request>(std::span(buffer).first(packet.size));
    if (!request) os::exit_now(0);
    const wire::spawn_request wanted = *request;
    const int cgroup = packet.fds.size() == 2 ? packet.fds[1].get() : -1;
    const int pid = os::clone_process(os::kinship::sibling, cgroup);
    if (pid == 0 && wanted.incarnation == 0) serve(std::move(packet.fds[0]), types, std::move(guards));
    if (pid == 0) become_actor(std::move(packet.fds[0]), types);
    packet.fds.clear();  // a copy kept here would hide the worker's death from its readers
    const wire::spawn_reply reply{wanted.incarnation, pid, os::siblings_are_orphans() ? 1U : 0U};
    os::send_packet(socket, std::as_bytes(std::span(&reply, 1)), {});
  }
}

}  // namespace

spawner::spawner(std::span<const detail::actor_type* const> types, guardian guards)
    : program_adopts_(os::adopts_orphans()) {
  auto [ours, theirs] = os::packet_pair();
  active_.pid = os::clone_process(os::kinship::child);
  if (active_.pid == 0) {
    ours.reset();
    serve(std::move(theirs), types, std::move(guards));
  }
  if (active_.pid < 0) throw error(errc::os, "make the spawner", -active_.pid);
  theirs.reset();
  active_.socket = std::move(ours);
  active_.pidfd = os::open_pidfd(active_.pid);
  bool alive = request_twin();
  while (alive && unanswered_ > 0 && os::wait_ready(active_.socket.get(), os::poller::read, std::nullopt)) {
    answer(alive);
  }
}

spawner::~spawner() {
  twin_.end();
  active_.end();
}

void spawner::server::end() noexcept {
  socket.reset();
  pid = 0;
  if (!pidfd) return;
  os::send_signal(pidfd, 9);
  os::wait_ready(pidfd.get(), os::poller::read, std::nullopt);
  os::reap(pidfd);
  pidfd.reset();
}

bool spawner::request_twin() {
  auto [ours, theirs] = os::packet_pair();
  twin_to_be_ = std::move(ours);
  return request(0, theirs);
}

bool spawner::request(wire::incarnation_id who, const os::fd& control, const os::fd& cgroup) noexcept {
  const wire::spawn_request wanted{who};
  const int both[] = {control.get(), cgroup.get()};
  const std::span<const int> fds(both, cgroup ? 2 : 1);
  ++unanswered_;
  adopt_while_unanswered();
  for (;;) {
    const os::io how = os::send_packet(active_.socket, std::as_bytes(std::span(&wanted, 1)), fds);
    if (how != os::io::again) return how == os::io::done;
    os::wait_ready(active_.socket.get(), os::poller::write, std::nullopt);
  }
}

void spawner::adopt_while_unanswered() const noexcept {
  if (!program_adopts_ && orphans_.value_or(true)) os::adopt_orphans(unanswered_ > 0);
}

void spawner::answered(const wire::spawn_reply& reply) {
  if (unanswered_ > 0) --unanswered_;
  adopt_while_unanswered();
  orphans_ = reply.orphan != 0;
  if (reply.incarnation == 0) twin_made(reply.pid);
}

/// `pid` not above 0: no twin for now. If the spawner dies before there is one, that death is its last.
void spawner::twin_made(int pid) {
  server made{std::move(twin_to_be_), {}, pid};
  if (pid <= 0) return;
  try {
    made.pidfd = os::open_pidfd(pid);
  } catch (const error&) {  // no descriptor left
  }
  twin_ = std::move(made);
}

std::optional<wire::spawn_reply> spawner::answer(bool& alive) {
  std::array<std::byte, sizeof(wire::spawn_reply)> buffer;
  os::packet packet;
  const os::io how = os::receive_packet(active_.socket, buffer, packet);
  if (how == os::io::again) return std::nullopt;
  const auto reply = how == os::io::done ? channel::only_body<wire::spawn_reply>(std::span(buffer).first(packet.size))
                                         : std::nullopt;
  if (!reply) {
    alive = false;
    return std::nullopt;
  }
  answered(*reply);
  return reply->incarnation != 0 ? reply : std::nullopt;
}

bool spawner::take_over() noexcept {
  active_.end();
  twin_to_be_.reset();
  unanswered_ = 0;
  adopt_while_unanswered();
  if (!twin_.socket) return false;
  active_ = std::move(twin_);
  twin_ = {};
  keep_twin();
  return true;
}

void spawner::replace_twin() noexcept {
  twin_.end();
  keep_twin();
}

void spawner::keep_twin() noexcept {
  if (twin_.socket || twin_to_be_) return;
  try {
    request_twin();
  } catch (const error&) {  // no descriptors left: at the next call
  }
}

void spawner::reap_stray(const std::function<bool(int pid)>& known) const {
  const auto ours = [&](int pid) { return pid == active_.pid || pid == twin_.pid || known(pid); };
  if (makes_orphans()) {
    os::reap_named(spawner_name, ours);
  } else {
    os::reap_unknown(ours);
  }
}

}  // namespace troupe::supervision
