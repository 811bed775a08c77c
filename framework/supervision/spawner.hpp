#pragma once

#include <functional>
#include <optional>
#include <span>

#include <troupe/detail/actor_type.hpp>

#include "os/fd.hpp"
#include "supervision/guardian.hpp"
#include "wire/control.hpp"

namespace troupe::supervision {

/// The fork server: a small single-threaded process, made by main before any thread exists, that forks workers as
/// siblings of its own, so that they are children of the supervisor process and nobody else can reap them. Where the
/// machine refuses that (os/clone.hpp has the ways, and what differs), workers are forked as orphans, and the supervisor
/// process adopts orphans as long as a request is unanswered: no longer, since it would inherit those of its workers'
/// own children, too.
///
/// It knows nothing but a request and a control socket at a time. It has a sleeping twin; when it dies the twin takes
/// over and gets a twin of its own. When both are gone, spawning fails with errc::spawn_failed; workers that run go on.
/// Not thread-safe.
///
/// Both are guardians, too: what they do when the supervisor process dies is in guardian.hpp.
class spawner {
 public:
  /// Forks it and its twin. The caller must be single-threaded; throws error(errc::os) if the kernel refuses.
  spawner(std::span<const detail::actor_type* const> types, guardian guards);
  /// Ends and reaps both.
  ~spawner();
  spawner(const spawner&) = delete;
  spawner& operator=(const spawner&) = delete;

  /// Readable: an answer, or its end.
  const os::fd& socket() const noexcept { return active_.socket; }
  /// Readable: the twin's end. None while there is no twin.
  const os::fd& twin_socket() const noexcept { return twin_.socket; }

  /// Asks for a worker with this end of its control socket, to be born in that cgroup (none: the spawner's own). False:
  /// the spawner is gone.
  bool request(wire::incarnation_id who, const os::fd& control, const os::fd& cgroup = {}) noexcept;
  /// The next answer about a worker; none now. `alive` becomes false when the spawner has hung up. A twin that has come
  /// to life is taken in on the way.
  std::optional<wire::spawn_reply> answer(bool& alive);

  /// The active one has died: the twin takes its place and is asked for a twin. False: there is none.
  bool take_over() noexcept;
  /// The twin has died: asks for another.
  void replace_twin() noexcept;
  /// Asks for a twin if there is none and none is on its way: when one was wanted there may have been no descriptor for
  /// it. To be called now and then.
  void keep_twin() noexcept;
  /// Reaps a child that a spawner, dead now, has forked and not told of; one that has died and that neither this knows
  /// nor `known` does. Such a child finds its control socket hung up, and exits.
  void reap_stray(const std::function<bool(int pid)>& known) const;
  /// Whether workers are forked as orphans.
  bool makes_orphans() const noexcept { return orphans_.value_or(false); }

 private:
  struct server {
    os::fd socket;
    os::fd pidfd;
    int pid = 0;
    /// Without a pidfd it ends by itself when its socket is closed, and reap_stray() reaps it.
    void end() noexcept;
  };
  bool request_twin();
  void twin_made(int pid);
  void answered(const wire::spawn_reply& reply);
  void adopt_while_unanswered() const noexcept;

  server active_;
  server twin_;
  os::fd twin_to_be_;  // our end of the socket of a twin that has been asked for
  unsigned unanswered_ = 0;  // requests to the active one
  std::optional<bool> orphans_;  // not known before the first answer
  const bool program_adopts_;  // all the time, because it wants to
};

}  // namespace troupe::supervision
