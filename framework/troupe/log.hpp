#pragma once

#include <cstdint>

namespace troupe {

/// What a line of the log is. In this order: a log that takes one takes all that follow.
enum class log_level : std::uint8_t {
  debug,    ///< for who looks for a fault: what the program has found out about the machine, stops that were asked for
  out,      ///< what a worker wrote to standard output
  err,      ///< what a worker wrote to standard error
  info,     ///< what goes as it should
  warning,  ///< a death that nobody asked for, a message that will not be handled
  error,    ///< the supervisor gives up, or cannot do what it should
};

/// The log of the supervisor process: one line for each death (of one that was asked for at level debug, unless its
/// supervisor has given up), failed start and dead letter, and each line that a worker writes, with the actor's name and
/// incarnation in front. `.log = false` is no log at all. One thread writes it; what waits for that thread is bounded, and
/// what had to be left out is counted and said.
struct log_options {
  bool wanted = true;
  bool json = false;                 ///< each line is one JSON object
  log_level level = log_level::out;  ///< the least that is written
  /// Workers' standard output and error come by pipe into the log: what they wrote to standard output goes to the
  /// program's standard output, everything else to its standard error. Without it, and without a log, workers write to
  /// the program's own, and no death certificate has last_lines.
  bool capture = true;
  /// What one worker may write on and on, ten times as much at once; beyond it lines are left out. 0: no limit.
  std::uint32_t lines_per_second = 1000;

  constexpr log_options(bool is_wanted = true) noexcept : wanted(is_wanted) {}  // NOLINT: `.log = false`
};

}  // namespace troupe
