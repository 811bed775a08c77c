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

/// The keys that only a supervisor has.
std::span<const std::string_view> flag_keys();

/// Whether who wrote this key meant `key`.
bool stands_for(std::string_view written, std::string_view key);

/// A sentence about a key that is not known where it stands, for actors or supervisors.
std::string about_key(std::string_view key, bool is_supervisor);

}  // namespace troupe::config
