#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace troupe {

/// When a child that has ended is started again. As in Erlang/OTP.
enum class restart : std::uint8_t {
  permanent,  ///< always
  transient,  ///< only after an abnormal end: crash, signal, exception, exit code other than 0
  temporary,  ///< never; its end ends the identity, its name is free
};

/// How a child is stopped: asked, then killed when `grace` is over. As in Erlang/OTP.
struct shutdown {
  enum class kind : std::uint8_t { brutal_kill, timed, infinity };
  kind how = kind::timed;
  std::chrono::milliseconds grace{5000};

  static constexpr shutdown brutal_kill() { return {kind::brutal_kill, std::chrono::milliseconds{0}}; }
  static constexpr shutdown infinity() { return {kind::infinity, std::chrono::milliseconds{0}}; }
  static constexpr shutdown within(std::chrono::milliseconds grace) { return {kind::timed, grace}; }
};

/// Limit of what an actor's messages and replies hold in large bodies at one time, unless given.
inline constexpr std::uint64_t default_outbox_bytes = std::uint64_t{1} << 30;
/// What the kernel lets a child's process use, as setrlimit(2) says it. One that is not given is as the program has it. A
/// process that the child starts has the same.
struct limits {
  std::optional<std::uint64_t> data = {};        ///< bytes of private memory; beyond it allocation fails
  std::optional<std::chrono::seconds> cpu = {};  ///< processor time of one incarnation; then SIGXCPU ends it
  std::optional<std::uint64_t> files = {};       ///< descriptors; the worker itself takes about ten, and two for each link
  std::optional<std::uint64_t> file_size = {};   ///< bytes that a file may grow to; then SIGXFSZ ends it
  std::optional<std::uint64_t> core = {};        ///< bytes of a core dump
  /// Bytes of memory that the child and all that it starts may use together, where a cgroup can be made for it; where
  /// not, this is `data`.
  std::optional<std::uint64_t> memory = {};

  bool operator==(const limits&) const = default;
};

/// What becomes of the messages that wait for a child when it is started again.
enum class mailbox : std::uint8_t {
  keep,   ///< the successor handles them
  clear,  ///< they become dead letters
};

/// How long a supervisor waits before it restarts a child. Erlang/OTP has none of it; nor has a child unless it says so.
struct backoff {
  std::chrono::milliseconds first{0};            ///< before the first restart; 0: no delay at all
  std::chrono::milliseconds max{5000};           ///< each delay is twice the one before, up to this
  std::chrono::milliseconds reset_after{30000};  ///< up for this long, and the next delay is `first` again
  double jitter = 0.2;  ///< each delay is shortened by a random part of it, up to this share: 0 to 1
};

/// Restarts that a child may have for itself: they do not count against its supervisor. More than `max_restarts` `within`
/// this time, and the child stays down for good; its supervisor and its siblings go on.
struct restart_budget {
  std::uint32_t max_restarts = 1;
  std::chrono::milliseconds within{5000};
};

/// When a child's process is replaced although nothing is wrong with it; 0: never. Looked at once a second. The replacement
/// is ready before the old process is asked to leave, which it does between two messages, when no reply and no callback is
/// waited for. No message is lost, and it counts against nothing. Not for a temporary child.
struct recycle {
  std::uint64_t messages = 0;  ///< after so many have been handled by it
  std::uint64_t memory = 0;    ///< when it uses so many bytes of private memory, and did not when it had started
};

/// What a supervisor knows of a child. Only the name is needed: `spawn<A>({.name = "parser"}, args...)`.
struct child_spec {
  std::string name;  ///< unique in the program while the identity lives; 1 to 200 bytes
  troupe::restart restart = troupe::restart::permanent;
  troupe::shutdown shutdown = {};
  /// Its end, if it is not restarted after it, may end its supervisor: see auto_shutdown. Not for a permanent child.
  bool significant = false;
  troupe::backoff backoff = {};
  std::optional<restart_budget> budget = {};
  /// How long constructor and on_start may take together; then the start has failed, and the process is killed. 0: for
  /// ever.
  std::chrono::milliseconds start_timeout{0};
  /// How long one message may be in hand, waiting for a processor left out; then the process is killed as hung. A message
  /// type's own `static constexpr std::chrono::milliseconds deadline` comes before it. 0: for ever.
  std::chrono::milliseconds deadline{0};
  troupe::mailbox mailbox = troupe::mailbox::keep;
  /// Spare processes that are ready to take over when the child's process dies; see actor::on_standby.
  std::uint32_t standby = 0;
  troupe::recycle recycle = {};
  /// Bytes of the ring that each sender gets to this actor: a power of two, 4 KiB to 16 MiB. Its memory is taken as it is
  /// filled for the first time. A message larger than half of it travels through the sender's outbox.
  std::uint32_t lane_bytes = 256 * 1024;
  /// Limit of a checkpoint (checkpointed<State> only); beyond it the turn ends with errc::too_large.
  std::uint64_t checkpoint_bytes = 16 * 1024 * 1024;
  /// Large bodies that are under way take memory beyond the 64 MiB that each process has for them, up to this many
  /// bytes; then who sends waits until receivers have read. A larger single body is errc::too_large.
  std::uint64_t outbox_bytes = default_outbox_bytes;
  /// In force in each incarnation before any code of the actor runs; one that the kernel refuses is errc::start_failed,
  /// with the limit's name in the text.
  troupe::limits limits = {};
  /// The process can gain no privileges by executing a program (PR_SET_NO_NEW_PRIVS).
  bool no_new_privs = false;
};

/// Whom the death of a child touches, if that child is to be restarted. As in Erlang/OTP.
enum class strategy : std::uint8_t {
  one_for_one,         ///< that child alone
  rest_for_one,        ///< it and all that were started after it: stopped last to first, started first to last
  one_for_all,         ///< all: stopped last to first, started first to last
  simple_one_for_one,  ///< that child alone; all children are made from one template, at run time
};

/// When a supervisor ends because significant children have ended by themselves and are not restarted. As in Erlang/OTP.
enum class auto_shutdown : std::uint8_t { never, any_significant, all_significant };

/// Erlang/OTP's supervisor flags: more than `max_restarts` restarts `within` this time, and the supervisor gives up.
struct supervisor_flags {
  troupe::strategy strategy = troupe::strategy::one_for_one;
  std::uint32_t max_restarts = 1;
  std::chrono::milliseconds within{5000};
  troupe::auto_shutdown auto_shutdown = troupe::auto_shutdown::never;
  std::uint32_t max_children = 0;  ///< simple_one_for_one: so many at one time; 0: any number
};

/// A supervisor as its own supervisor's child, and its flags.
struct supervisor_spec {
  std::string name;  ///< unique in the program, as an actor's
  troupe::strategy strategy = troupe::strategy::one_for_one;
  std::uint32_t max_restarts = 1;
  std::chrono::milliseconds within{5000};
  troupe::auto_shutdown auto_shutdown = troupe::auto_shutdown::never;
  std::uint32_t max_children = 0;
  troupe::restart restart = troupe::restart::permanent;
  troupe::shutdown shutdown = troupe::shutdown::infinity();
  bool significant = false;
  troupe::backoff backoff = {};
  std::optional<restart_budget> budget = {};

  supervisor_flags flags() const { return {strategy, max_restarts, within, auto_shutdown, max_children}; }
};

}  // namespace troupe
