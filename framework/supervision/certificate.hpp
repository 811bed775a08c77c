#pragma once

#include <vector>

#include <troupe/certificate.hpp>

#include "os/process.hpp"
#include "supervision/judge.hpp"
#include "supervision/policy.hpp"
#include "supervision/world.hpp"

namespace troupe::supervision {

/// How a process ended: what is kept of it, and what the policy and others need of it.
struct certificate : death_certificate {
  policy::exit_kind kind = policy::exit_kind::abnormal;
  wire::down_kind down = wire::down_kind::crashed;
  os::exit_status status;
};

/// All that the life itself tells, when its process is reaped and its last words are heard. The message in flight and the
/// last lines come later.
certificate certify(const life& dead, const os::exit_status& status);

/// Says what the process was handling, if it was judged. `sender`: the name of who sent it.
void note_in_flight(death_certificate& into, const judged_record& judged, std::string sender, const life& dead);

}  // namespace troupe::supervision
