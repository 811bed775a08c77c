#pragma once

/// A process that is stopped, resumed and killed between any two of its instructions, by ptrace.
///
/// On x86-64 what a killed process has stored is a prefix of its program order, so the boundaries of its instructions
/// are all the states that a kill can leave in shared memory. Method: record the instructions of an operation once, by
/// single steps; then for each of them make the same process anew, run it to that instruction by a breakpoint and kill
/// it there.

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace crash {

/// The operation under test lies between these two calls. Each is a breakpoint instruction, so both are for victims
/// only.
extern "C" {
void crash_begin_mark() noexcept;
void crash_end_mark() noexcept;
}

/// The state before one instruction of an operation.
struct point {
  std::uint64_t address;
  std::uint32_t occurrence;  ///< how often this instruction has been reached, from 1
  bool system_call;
  bool touches;  ///< the instruction changed what other processes can see
};
using trace = std::vector<point>;

/// "troupe::channel::lane_writer::publish (lane.cpp:91)", for a point of this program or its libraries.
std::string describe(std::uint64_t address);

/// A victim waits in a system call that the harness does not take for a sleep.
struct stuck : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class victim {
 public:
  struct others {
    int control = -1;  ///< readable when the victim has asked for something
    /// Called at each system call of the victim, before it: answers what the victim has asked for.
    std::function<void()> serve;
    /// Whether a wait that the victim is about to begin would find nothing.
    std::function<bool()> nothing_there;
    /// The victim is about to sleep for ever; true: something has been done that wakes it.
    std::function<bool()> wake;
  };

  /// Forks. `body` runs in the child and does not return. Single-threaded callers only.
  victim(const std::function<void()>& body, others them);
  victim(const victim&) = delete;
  victim& operator=(const victim&) = delete;
  ~victim() { kill(); }

  enum class place : std::uint8_t {
    begin,   ///< behind crash_begin_mark()
    point,   ///< before the instruction that was asked for
    end,     ///< in crash_end_mark()
    asleep,  ///< about to wait, and nobody will wake it
    dead,    ///< it ended by itself: see how()
  };
  /// From its birth, without looking at its system calls: to a mark that it is known to reach.
  place run_to_begin();
  /// Runs on to a mark, or to its sleep.
  place run();
  /// From begin: single steps until a mark or its sleep. `changed`: whether what others can see has changed since it
  /// was last called.
  place record(trace& into, const std::function<bool()>& changed);
  /// From begin: runs to point `k` of a trace that record() made of the same operation.
  place run_to(const trace& of, std::size_t k);
  /// Instructions of this program from here to the next mark or sleep. Those of libraries are not counted: how many the
  /// allocator needs depends on what it was asked for before, also by the process that forked this one.
  std::size_t count();
  /// SIGKILL, and waits until it is gone.
  void kill() noexcept;
  /// How it ended by itself, for people.
  std::string how() const { return how_; }

 private:
  enum class way : std::uint8_t { step, to_call };
  place resume(way how);
  place arrived(int status);
  bool about_to_sleep();
  void before_call();
  bool at_call();
  place run_to_breakpoint(std::uint64_t address, std::uint32_t occurrence);
  place run_to_int3(std::uint64_t address, std::uint32_t occurrence);
  place steps(std::size_t count);
  void arm(std::uint64_t address);
  std::uint64_t instruction_pointer();

  pid_t pid_ = 0;
  bool at_entry_ = false;  ///< it stands at the entry of a call in which it would sleep
  others them_;
  std::string how_;
};

/// Whether this machine's debug registers stop a process where they are told to. If not, breakpoint instructions are
/// written into the victim instead.
bool debug_registers_work();
/// Does without them from now on, as on a machine that has none.
void do_without_debug_registers();

/// To be called once before the first victim: this process and its children share one processor, since the tracer only
/// ever waits for the tracee.
void share_one_processor();
/// To be called once before the first victim: no wait for a victim lasts longer than half a minute; it throws `stuck`.
void limit_waits();

}  // namespace crash
