#pragma once

/// Watches the system calls of another process by ptrace, and kills it at a chosen one.
///
/// A stop is the moment before a system call begins, or after it has ended. Stops are numbered from 0, from the moment
/// when run() is called; so to kill at each stop is to kill before and after each call. A process that is killed before
/// a call does not make it.

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <map>
#include <string>

namespace tests {

struct kill_point {
  std::size_t stop = 0;
  bool blocked = false;  ///< let it begin the call, and kill it when it sleeps in it
};

struct watched {
  bool killed = false;
  long call = -1;         ///< the call of the stop that was asked for; -1: it did not come to it
  bool before = false;    ///< that stop comes before the call
  std::size_t stops = 0;  ///< that were seen
};
/// "killed before write, stop 7"
std::string describe(const watched& what, const kill_point& where);
/// Whether a process can sleep in this call.
bool may_block(long call);

class tracer {
 public:
  enum class whom {
    this_process,  ///< with the threads that it has now
    next_child,    ///< that this process makes; it itself is not harmed
  };
  /// The process runs on. Fails the test case if it cannot be watched.
  tracer(pid_t process, whom victim);
  /// Lets go of what still lives.
  ~tracer();
  tracer(const tracer&) = delete;
  tracer& operator=(const tracer&) = delete;

  /// Waits until the process sleeps in system calls, with all its threads.
  void settle();
  /// Kills the victim at that stop. Ends when the victim is dead, killed here or not, or when `over`.
  watched run(kill_point where, const std::function<bool()>& over);
  /// The call that the victim has begun last; -1: none yet.
  long latest_call() const;

 private:
  struct task {
    bool of_victim = false;
    bool in_call = false;
    long call = -1;
  };

  void take_news();
  void take_stop(pid_t thread, int status);
  void take_call(pid_t thread);
  void adopt_child_of(pid_t parent);
  void go_on(pid_t thread, int signal);
  void kill_victim();
  void let_go(pid_t thread);

  pid_t process_;
  bool of_children_;
  bool child_of_ours_;
  pid_t victim_;
  std::map<pid_t, task> tasks_;
  bool counting_ = false;
  kill_point where_;
  watched so_far_;
  pid_t about_to_block_ = 0;
};

}  // namespace tests
