#pragma once

#include <optional>
#include <span>

#include <troupe/detail/actor_type.hpp>

#include "os/fd.hpp"
#include "wire/control.hpp"

namespace troupe::supervision {

/// The fork server: a small single-threaded process, made by main before any thread exists, that forks workers as
/// siblings of its own, so that they are children of the supervisor process and nobody else can reap them.
///
/// It knows nothing but a request and a control socket at a time. It has a sleeping twin; when it dies the twin takes
/// over and gets a twin of its own. When both are gone, spawning fails with errc::spawn_failed; workers that run go on.
/// Not thread-safe.
class spawner {
 public:
  /// Forks it and its twin. The caller must be single-threaded; throws error(errc::os) if the kernel refuses.
  explicit spawner(std::span<const detail::actor_type* const> types);
  /// Ends and reaps both.
  ~spawner();
  spawner(const spawner&) = delete;
  spawner& operator=(const spawner&) = delete;

  /// Readable: an answer, or its end.
  const os::fd& socket() const noexcept { return active_.socket; }
  /// Readable: the twin's end. None while there is no twin.
  const os::fd& twin_socket() const noexcept { return twin_.socket; }

  /// Asks for a worker with this end of its control socket. False: the spawner is gone.
  bool request(wire::incarnation_id who, const os::fd& control) noexcept;
  /// The next answer about a worker; none now. `alive` becomes false when the spawner has hung up. A twin that has come
  /// to life is taken in on the way.
  std::optional<wire::spawn_reply> answer(bool& alive);

  /// The active one has died: the twin takes its place and is asked for a twin. False: there is none.
  bool take_over();
  /// The twin has died: asks for another.
  void replace_twin();
  /// Whether this child of ours is one of the two.
  bool owns(int pid) const noexcept { return pid == active_.pid || pid == twin_.pid; }

 private:
  struct server {
    os::fd socket;
    os::fd pidfd;
    int pid = 0;
    void end() noexcept;
  };
  bool request_twin();

  server active_;
  server twin_;
  os::fd twin_to_be_;  // our end of the socket of a twin that has been asked for
};

}  // namespace troupe::supervision
