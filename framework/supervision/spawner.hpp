#pragma once

#include <functional>
#include <optional>
#include <span>

#include <troupe/detail/actor_type.hpp>

#include "os/fd.hpp"
#include "os/process.hpp"
#include "wire/control.hpp"

namespace troupe::supervision {

/// The fork server: a small single-threaded process, made by main before any thread exists, that forks workers as
/// siblings of its own, so that they are children of the supervisor process and nobody else can reap them.
///
/// It knows nothing but a request and a control socket at a time. When it dies, spawning fails with errc::spawn_failed;
/// workers that run go on.
class spawner {
 public:
  /// Forks it. The caller must be single-threaded; throws error(errc::os) if the kernel refuses.
  explicit spawner(std::span<const detail::actor_type* const> types);
  /// Ends it and reaps it.
  ~spawner();
  spawner(const spawner&) = delete;
  spawner& operator=(const spawner&) = delete;

  const os::fd& socket() const noexcept { return socket_; }
  const os::fd& pidfd() const noexcept { return pidfd_; }
  int pid() const noexcept { return pid_; }
  /// Asks for a worker with this end of its control socket. False: the spawner is gone.
  bool request(wire::incarnation_id who, const os::fd& control) noexcept;
  /// The next answer; none now. `alive` becomes false when the spawner has hung up.
  std::optional<wire::spawn_reply> answer(bool& alive);

 private:
  os::fd socket_;
  os::fd pidfd_;
  int pid_ = 0;
};

}  // namespace troupe::supervision
