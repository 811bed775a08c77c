#pragma once

#include <span>
#include <string>

#include <troupe/detail/actor_type.hpp>

#include "channel/frames.hpp"
#include "os/memory.hpp"
#include "wire/control.hpp"

namespace troupe::worker {

/// What a worker is born with: its memory, mapped, and who it is.
struct birth {
  explicit birth(const os::fd& for_the_last_word) : last_word(for_the_last_word) {}
  wire::boot its{};
  std::string name;
  os::fd control;
  const os::fd& last_word;  ///< the same socket for the last frame, whatever has become of the rest; outlives everything
  os::mapping out, cursor, hints, status, arguments, checkpoint;
  os::fd doorbell;
};

/// Waits for the boot frame, maps what it brings, limits the process as it says, and says `attached`. Ends the process if
/// the supervisor is gone. Throws error(errc::os).
birth be_born(os::fd control, const os::fd& last_word);

/// The last frame, and the end of the process: no destructor of the program's globals runs, stdio is flushed.
[[noreturn]] void leave(const os::fd& control, wire::leave how, const std::string& text);

/// What an exception says.
std::string text_of_current_exception();

}  // namespace troupe::worker
