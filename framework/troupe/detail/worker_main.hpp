#pragma once

#include <span>

#include <troupe/detail/actor_type.hpp>

namespace troupe::detail {

/// The life of a worker process, from the descriptor of its control socket to its end. Called in a process that was
/// just forked and holds nothing else that is open.
[[noreturn]] void worker_main(int control, std::span<const actor_type* const> types);

}  // namespace troupe::detail
