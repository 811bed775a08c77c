#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include <troupe/program_options.hpp>

namespace troupe {

/// Another program that runs as a child of this process, in a session and process group of its own, with every signal
/// as a program expects it. It dies when this object or the process ends; of what it has started, its process group
/// dies with it, and the rest with this process, if that has a cgroup (troupe/orphans.hpp). Used by one thread, which
/// must live as long as the program: the loop's, in an actor.
class child_program {
 public:
  /// None.
  child_program() noexcept;
  /// Returns when the program has been executed. Throws error: os (the text names the program), not_allowed for options
  /// that make no sense.
  explicit child_program(const program_options& how);
  child_program(child_program&& other) noexcept;
  child_program& operator=(child_program&& other) noexcept;
  /// kill().
  ~child_program();

  int pid() const noexcept;

  // Descriptors to be watched, -1: there is none (any more). They stay this object's.
  int input() const noexcept;   ///< what it reads as standard input: writable
  int output() const noexcept;  ///< what it writes to standard output: readable
  int ready() const noexcept;   ///< what it writes to the descriptor ready_fd: readable
  int death() const noexcept;   ///< readable: it has ended

  /// Writes as much as there is room for; none if the program reads no more.
  std::optional<std::size_t> write_input(std::span<const char> bytes);
  /// The program reads the end of its input.
  void close_input() noexcept;
  /// Takes what is there: 0 bytes: nothing now; none: the end, nobody can write any more.
  std::optional<std::size_t> read_output(std::span<char> into);
  std::optional<std::size_t> read_ready(std::span<char> into);

  struct status {
    int code = -1;   ///< exit code, or -1
    int signal = 0;  ///< what killed it, or 0
  };
  /// How it ended; nullopt: it runs. What is left of its process group is killed.
  std::optional<status> ended();
  /// "exited with code 3", "was killed by SIGSEGV"
  static std::string text_of(const status& how);
  /// Sends it a signal.
  void send_signal(int number) noexcept;
  /// Kills it with its process group, and waits for its end.
  void kill() noexcept;

  /// Ends this process now with the exit code; what it has written to stdio is flushed.
  [[noreturn]] static void exit_with(int code);

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace troupe
