#pragma once

#include "worker/boot.hpp"

namespace troupe::worker {

/// The life of a troupe::process: calls its one function and ends. Waits inside the function serve the endpoint.
[[noreturn]] void run_process(birth&& born);

}  // namespace troupe::worker
