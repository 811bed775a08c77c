#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "os/fd.hpp"

namespace troupe::os {

enum class kinship : std::uint8_t {
  child,    ///< the caller's child
  sibling,  ///< a child of the caller's parent, which alone reaps it
};
/// Forks by raw clone3 with exit signal 0: the child sends no SIGCHLD and is invisible to waitpid(-1). The caller must
/// be single-threaded. Returns the child's pid, 0 in the child, or the negated errno value.
int clone_process(kinship whose) noexcept;

/// To be called first in a process made by clone_process: ignores INT, TERM, HUP, QUIT and PIPE, unblocks every
/// signal, gives glibc its robust list back and dies with its parent.
void become_worker() noexcept;

/// SIGTERM ends this process again, as it would a program of its own.
void restore_terminate() noexcept;

struct exit_status {
  int code = -1;    ///< exit code, or -1
  int signal = 0;   ///< what killed it, or 0
  bool core = false;
};
/// A descriptor that becomes readable when the process has died. Throws error(errc::os).
fd open_pidfd(int pid);
/// Takes the exit status of a dead child. None: it has not died yet. Status unknown (someone else reaped it): code -1.
std::optional<exit_status> reap(const fd& pidfd) noexcept;
/// Reaps a dead child that was made with exit signal 0 and that `known` does not know. Looks at one child: where a known
/// one is dead too, call again when that one has been reaped.
void reap_unknown(const std::function<bool(int pid)>& known);
/// False: it is dead already.
bool send_signal(const fd& pidfd, int number) noexcept;

/// Threads of this process.
std::vector<int> thread_ids();
/// What the kernel calls this thread of ours.
std::string thread_name(int tid);
/// Names the calling thread for ps and top; at most 15 bytes of it are kept.
void name_thread(const std::string& name) noexcept;
int own_pid() noexcept;
/// "SIGSEGV"
std::string signal_name(int number);

/// Blocks INT, TERM and HUP in the calling thread (and those it starts later) and returns a descriptor that reads them.
fd take_signals();
/// The next signal read from that descriptor, 0: none.
int read_signal(const fd& signals) noexcept;
void ignore_sigpipe() noexcept;
/// Every signal that can be ignored.
void ignore_all_signals() noexcept;
/// Ends the process at once: no destructors, no atexit handlers. Flushes nothing.
[[noreturn]] void exit_now(int code) noexcept;

}  // namespace troupe::os
