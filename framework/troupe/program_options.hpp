#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <troupe/child_spec.hpp>
#include <troupe/config_fault.hpp>

namespace cereal {
template <class T>
class NameValuePair;
}

namespace troupe {

namespace detail {
/// CEREAL_NVP for headers that do without cereal: who serializes has included it. `Ar` makes the compiler wait until
/// then.
template <class Ar, class T>
auto named(const char* name, T& value) {
  return ::cereal::NameValuePair<T&>(name, value);
}
}  // namespace detail

/// Another program as an actor's process: see actors/program.hpp.
struct program_options {
  /// The program and its arguments. Without a slash it is looked for in PATH.
  std::vector<std::string> exec = {};
  /// Beside what this process has; the same name again replaces it.
  std::map<std::string, std::string> environment = {};
  /// In which it runs; empty: that of this process.
  std::string directory = {};
  /// How it speaks: "none": standard input is empty, standard output that of this process. "lines": each message is a
  /// line. "frames1", "frames2", "frames4": each message follows its length, a big-endian number of so many bytes.
  std::string protocol = "none";
  /// The start counts when the program has written a newline to this descriptor, 3 to 1023. 0: when it is executed.
  std::uint32_t ready_fd = 0;
  /// How it is stopped: by this signal, and if it still runs after this time, by SIGKILL.
  std::uint32_t stop_signal = 15;
  std::chrono::milliseconds grace{2000};
  /// Bytes that may wait for the program to read its input; beyond it a message's handler waits this long, then fails.
  std::uint32_t max_pending = 1024 * 1024;
  std::chrono::milliseconds input_patience{5000};
  /// Bytes of a line or frame that the program writes, 1 or more. A longer line comes in pieces, a longer frame is an
  /// error.
  std::uint32_t max_message = 1024 * 1024;

  /// What nobody can run like this. Whoever starts a program is refused with the first; a tree file with all.
  std::vector<config_fault> faults() const;
  /// What does not fit to the limits of the child that it runs in.
  std::vector<config_fault> faults(const child_spec& its) const;

  template <class Ar>
  void serialize(Ar& ar) {
    ar(detail::named<Ar>("exec", exec), detail::named<Ar>("environment", environment));
    ar(detail::named<Ar>("directory", directory), detail::named<Ar>("protocol", protocol));
    ar(detail::named<Ar>("ready_fd", ready_fd), detail::named<Ar>("stop_signal", stop_signal));
    ar(detail::named<Ar>("grace", grace), detail::named<Ar>("max_pending", max_pending));
    ar(detail::named<Ar>("input_patience", input_patience), detail::named<Ar>("max_message", max_message));
  }
};

}  // namespace troupe
