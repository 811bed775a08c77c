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
  std::optional<std::uint64_t> data;        ///< bytes of private memory; beyond it allocation fails
  std::optional<std::chrono::seconds> cpu;  ///< processor time of one incarnation; then SIGXCPU ends it
  std::optional<std::uint64_t> files;       ///< descriptors; the worker itself takes about ten, and two for each link
  std::optional<std::uint64_t> file_size;   ///< bytes that a file may grow to; then SIGXFSZ ends it
  std::optional<std::uint64_t> core;        ///< bytes of a core dump
};

/// What a supervisor knows of a child. Only the name is needed: `spawn<A>({.name = "parser"}, args...)`.
struct child_spec {
  std::string name;  ///< unique in the program while the identity lives; 1 to 200 bytes
  troupe::restart restart = troupe::restart::permanent;
  troupe::shutdown shutdown = {};
  /// Bytes of the ring that each sender gets to this actor: a power of two, 4 KiB to 16 MiB.
  /// A message larger than half of it travels through the sender's outbox.
  std::uint32_t lane_bytes = 64 * 1024;
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

/// Erlang/OTP's supervisor flags: more than `max_restarts` restarts `within` this time, and the supervisor gives up.
struct supervisor_flags {
  std::uint32_t max_restarts = 1;
  std::chrono::seconds within{5};
};

}  // namespace troupe
