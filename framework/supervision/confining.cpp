// What a worker's process may use: limits and the cgroups that it enters, told with its boot.

#include <algorithm>

#include "supervision/control.hpp"
#include "supervision/log.hpp"

namespace troupe::supervision {

namespace {

void restrict_boot(wire::boot& frame, const child_spec& spec, bool memory_as_data) {
  const auto given = [&](wire::limit which, std::optional<std::uint64_t> most) {
    if (!most) return;
    frame.limit[which] = *most;
    frame.limited |= 1U << which;
  };
  const limits& its = spec.limits;
  given(wire::limit_data, memory_as_data ? std::min(*its.memory, its.data.value_or(*its.memory)) : its.data);
  if (its.cpu) given(wire::limit_cpu, static_cast<std::uint64_t>(std::max<std::int64_t>(its.cpu->count(), 0)));
  given(wire::limit_files, its.files);
  given(wire::limit_file_size, its.file_size);
  given(wire::limit_core, its.core);
  frame.no_new_privs = spec.no_new_privs ? 1 : 0;
}

}  // namespace

void control::confine(wire::boot& frame, std::vector<std::shared_ptr<os::fd>>& fds, const child_spec& spec,
                      cgroups::seat&& seat) {
  const bool memory_as_data = spec.limits.memory && !seat.limits_memory;
  restrict_boot(frame, spec, memory_as_data);
  frame.enters = static_cast<std::uint32_t>(seat.enter.size());
  for (auto& each : seat.enter) fds.push_back(std::make_shared<os::fd>(std::move(each)));
  if (!memory_as_data || std::exchange(said_no_memory_, true)) return;
  log_line("limits.memory is limits.data on this machine: no cgroup can be made whose memory is limited");
}

}  // namespace troupe::supervision
