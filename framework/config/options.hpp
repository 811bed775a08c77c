#pragma once

#include <span>
#include <string_view>

#include <troupe/child_spec.hpp>
#include <troupe/detail/config_value.hpp>

namespace troupe::config {

/// Reads what an actor and a supervisor have in common as children: restart, shutdown, significant, backoff, budget.
template <class Spec>
void read_child_options(detail::config_table& table, Spec& to, detail::config_problems& problems);
extern template void read_child_options(detail::config_table&, child_spec&, detail::config_problems&);
extern template void read_child_options(detail::config_table&, supervisor_spec&, detail::config_problems&);

/// Reads what only an actor has.
void read_actor_options(detail::config_table& table, child_spec& to, detail::config_problems& problems);
/// Reads a supervisor's flags.
void read_flags(detail::config_table& table, supervisor_spec& to, detail::config_problems& problems);

}  // namespace troupe::config
