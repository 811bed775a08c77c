#pragma once

#include <cstdint>
#include <string>

namespace troupe {

/// How an actor ended or died, as told to on_down.
struct down {
  enum class kind : std::uint8_t {
    normal,        ///< it stopped itself
    shutdown,      ///< its supervisor stopped it, or its stop was asked for
    crashed,       ///< signal, exit code other than 0, exception out of a handler: `text` says which
    start_failed,  ///< its constructor or on_start failed
    not_found,     ///< there is no such actor (any more)
  };
  std::uint64_t identity = 0;  ///< actor_ref::identity() of the actor
  std::string name;
  kind why = kind::normal;
  int exit_code = -1;   ///< -1: killed by a signal
  int signal = 0;       ///< 0: it exited
  bool for_good = false;  ///< false: it will be started again, and the monitor stays
  std::string text;     ///< one sentence
};

/// Why an actor is being stopped, as told to on_stop.
enum class stop_reason : std::uint8_t {
  shutdown,  ///< its supervisor stops it: the program ends, or terminate was asked for
  self,      ///< it called stop()
};

}  // namespace troupe
