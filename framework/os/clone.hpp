#pragma once

#include <cstdint>

namespace troupe::os {

enum class kinship : std::uint8_t {
  child,    ///< the caller's child
  sibling,  ///< a child of the caller's parent, which alone reaps it
};

/// Makes a process that goes on where the caller is. In this order; what the machine refuses (ENOSYS or EPERM, as
/// containers do, or EINVAL of an old kernel) is not tried again by this process nor by those that it makes:
///
///  1. clone3, with CLONE_PARENT for a sibling, and exit signal 0: no SIGCHLD, invisible to waitpid(-1).
///  2. clone with the same flags.
///  3. fork. A sibling is forked twice: the process between ends at once, and the orphan waits until the caller's
///     parent has adopted it, which must adopt orphans meanwhile (adopt_orphans); without that it exits. It sends
///     SIGCHLD and waitpid(-1) sees it: who takes its status like that, or ignores SIGCHLD, hides how it died.
///
/// fork is taken at once where PR_GET_TID_ADDRESS is missing: libc alone knows then where it keeps the thread id.
/// The caller must be single-threaded. Returns the child's pid, 0 in the child, or the negated errno value.
/// `cgroup`: a folder of a cgroup v2 tree that the child is born in, if clones_into_cgroups(); -1: the caller's.
int clone_process(kinship whose, int cgroup = -1) noexcept;

/// Whether this process makes siblings by forking twice.
bool siblings_are_orphans() noexcept;
/// Whether this process makes others by clone3, as far as it knows yet.
bool clones_into_cgroups() noexcept;

/// To be called first in a process made by clone_process: ignores INT, TERM, HUP, QUIT and PIPE, has no handler of its
/// parent's, unblocks every signal, gives glibc its robust list back and dies with its parent.
void become_worker() noexcept;

/// The calling process does not die with its parent any more.
void outlive_parent() noexcept;

/// From now on orphans below this process become its children (PR_SET_CHILD_SUBREAPER), or no more.
void adopt_orphans(bool yes) noexcept;
bool adopts_orphans() noexcept;

}  // namespace troupe::os
