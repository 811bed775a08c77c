#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <troupe/detail/bytes.hpp>

namespace troupe {

/// What a process has ended by.
enum class death_cause : std::uint8_t {
  crashed,         ///< nobody asked for it: a signal, an exit code other than 0, an exception
  ended,           ///< its own doing: it stopped itself, or exited with code 0
  start_failed,    ///< its constructor or on_start has thrown
  stopped,         ///< it was asked to stop, and did
  grace_exceeded,  ///< it was asked to stop, did not in time, and was killed
  killed,          ///< its kill was asked for, or its shutdown is brutal_kill
  misbehaved,      ///< killed by the supervisor for what it sent: bytes that are no frame, questions without end
  hung,            ///< killed, since one message was in hand for longer than its deadline
  start_timeout,   ///< killed, since it was not ready in time
  recycled,        ///< replaced, as child_spec::recycle says
  children_failed, ///< killed, since the supervisor of its own children has given up
};
/// "grace_exceeded"
const char* name_of(death_cause cause) noexcept;

/// What the supervisor does about a death.
enum class death_decision : std::uint8_t {
  undecided,       ///< not yet
  restarted,       ///< the next incarnation has been started
  restarts_later,  ///< it will be, after death_certificate::delay
  stays_down,      ///< it is known and not started again by itself
  given_up,        ///< its supervisor has given up restarting
  budget_spent,    ///< it has used up its own budget, and stays down; its supervisor goes on
  forgotten,       ///< the actor has ended with it, and its name is free
};
/// "stays_down"
const char* name_of(death_decision decision) noexcept;

/// How a worker process died: one is made for each death, and the last ones of each actor are kept. A value; nothing in
/// it depends on the process that is gone.
struct death_certificate {
  std::uint64_t identity = 0;  ///< actor_ref::identity(), process::identity()
  std::string name;
  std::uint64_t incarnation = 0;
  int pid = 0;
  std::chrono::system_clock::time_point time;
  std::chrono::nanoseconds lived{0};  ///< from the order to start it

  death_cause why = death_cause::crashed;
  std::string asked_by;        ///< who wanted it: "main", an actor's name, "its supervisor"; empty: nobody
  int exit_code = -1;          ///< -1: killed by a signal, or not known
  int signal = 0;              ///< 0: it exited
  bool core = false;           ///< a core was dumped
  bool out_of_memory = false;  ///< its cgroup's events prove it; false: they do not, or it has no cgroup
  std::string text;            ///< one sentence: "was killed by SIGSEGV"

  /// What it was handling.
  struct message {
    std::uint64_t id = 0;  ///< message_id
    std::string name;
    std::string sender;
    unsigned attempt = 0;  ///< 1: the first time; 254 and 255 mean "many"
    bool request = false;  ///< it was asked, not told
    bool again = false;    ///< the next incarnation handles it again
    std::optional<std::chrono::nanoseconds> age;  ///< since a look, one a second, first saw it in hand
  };
  std::optional<message> in_flight;

  /// All that the kernel has counted for the process.
  struct usage {
    std::chrono::microseconds user{0}, system{0};
    std::uint64_t most_memory = 0;  ///< bytes that were resident at the worst moment
    std::uint64_t minor_faults = 0, major_faults = 0;
    std::uint64_t voluntary_switches = 0, involuntary_switches = 0;
  };
  usage used;

  /// The last lines that it wrote to standard error, the oldest first: 20 lines and 4 KiB at most, if the log captures.
  std::vector<std::string> last_lines;

  /// Where it was when it crashed, the innermost address first; empty: no crash, or its own handler was in the way.
  std::vector<std::uintptr_t> trace;
  std::uintptr_t fault_address = 0;  ///< of SIGSEGV and SIGBUS: what it could not reach
  /// The trace for people, one line an address: "Parser::on(Page const&)+0x1f in parser", "libc.so.6+0x3fe2c",
  /// "0x7f31..." for what the program had not loaded when troupe::run began. Reads the program's file: takes
  /// milliseconds. Any process of the program.
  std::vector<std::string> backtrace() const;

  death_decision decision = death_decision::undecided;
  std::chrono::milliseconds delay{0};  ///< of restarts_later

  void troupe_encode(detail::writer& to) const;
  void troupe_decode(detail::reader& from);
};

namespace detail {

/// `identity` 0: by name.
std::vector<death_certificate> deaths_of(std::uint64_t identity, const std::string& name);

}  // namespace detail

}  // namespace troupe
