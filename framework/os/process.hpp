#pragma once

#include <signal.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "os/fd.hpp"

namespace troupe::os {

/// SIGTERM ends this process again, as it would a program of its own.
void restore_terminate() noexcept;

/// What the kernel has counted for a process. Times in microseconds, memory in bytes.
struct resource_use {
  std::uint64_t user_time = 0, system_time = 0;
  std::uint64_t most_memory = 0;
  std::uint64_t minor_faults = 0, major_faults = 0;
  std::uint64_t voluntary_switches = 0, involuntary_switches = 0;
};
struct exit_status {
  int code = -1;    ///< exit code, or -1
  int signal = 0;   ///< what killed it, or 0
  bool core = false;
  resource_use used = {};
};
/// A descriptor that becomes readable when the process has died. Throws error(errc::os), which says so if this machine
/// has no pidfd_open at all.
fd open_pidfd(int pid);
/// Takes the exit status of a dead child. None: it has not died yet. Status unknown (someone else reaped it): code -1.
std::optional<exit_status> reap(const fd& pidfd) noexcept;
struct ending {
  exit_status status;
  int processor = -1;  ///< where its first thread ended, most likely busy with taking the memory apart; -1: not known
};
/// How a child has ended that runs no instruction any more, in no thread, although its memory is still being taken apart
/// and it cannot be reaped yet; code 0 also if /proc does not tell. None: it runs, or it has more than 64 threads.
/// The caller has not reaped it, and looks at its pidfd afterwards: if that is readable, this may be about another.
std::optional<ending> ending_of(int pid) noexcept;
/// Reaps a dead child that was made with exit signal 0 and that `known` does not know. Looks at one child: where a known
/// one is dead too, call again when that one has been reaped.
void reap_unknown(const std::function<bool(int pid)>& known);
/// Reaps the dead children of this name that `known` does not know, whatever their exit signal.
void reap_named(const std::string& name, const std::function<bool(int pid)>& known);
/// False: it is dead already.
bool send_signal(const fd& pidfd, int number) noexcept;

enum class resource : std::uint8_t { data, cpu, files, file_size, core };
/// "files": what child_spec::limits calls it.
const char* name_of(resource what) noexcept;
/// Limits this process, from now on and for good. Throws error(errc::os) with the limit's name.
void limit(resource what, std::uint64_t most);
/// No program that this process executes gains privileges. Throws error(errc::os).
void give_up_new_privileges();

/// Threads of this process.
std::vector<int> thread_ids();
/// What the kernel calls this thread of ours.
std::string thread_name(int tid);
/// Names the calling thread for ps and top; at most 15 bytes of it are kept.
void name_thread(const std::string& name) noexcept;
int own_pid() noexcept;
int parent_pid() noexcept;
/// "SIGSEGV"
std::string signal_name(int number);

/// The calling thread's blocked signals: put back when this goes.
class kept_signals {
 public:
  kept_signals() noexcept;
  ~kept_signals();
  kept_signals(const kept_signals&) = delete;
  kept_signals& operator=(const kept_signals&) = delete;

 private:
  sigset_t before_;
};
/// Blocks INT, TERM and HUP in the calling thread (and those it starts later) and returns a descriptor that reads them; but
/// for those that the process ignores.
fd take_signals();
/// The next signal read from that descriptor, 0: none.
int read_signal(const fd& signals) noexcept;
void ignore_sigpipe() noexcept;
/// The calling thread takes no signal any more, but for those that cannot be blocked and its own faults. What it forks
/// can unblock them, and finds nothing ignored that was not before.
void block_all_signals() noexcept;
/// Standard output (1) or error (2) of this process is what `to` is. Throws error(errc::os).
void redirect(int standard, fd to);
/// Writes all of it, waiting where it must; what cannot be written is gone. For standard output and error.
void write_all(int number, std::string_view text) noexcept;
/// Ends the process at once: no destructors, no atexit handlers. Flushes nothing.
[[noreturn]] void exit_now(int code) noexcept;

}  // namespace troupe::os
