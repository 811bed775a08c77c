#pragma once

#include <string>
#include <vector>

#include <troupe/detail/supervising.hpp>

#include "supervision/policy.hpp"

/// Descriptions of children, as a supervisor reads them.
namespace troupe::supervision {

policy::child_rules rules_of(const child_spec& its);
policy::child_rules rules_of(const supervisor_spec& its);
policy::child_rules rules_of(const detail::tree_child& child);

/// What the one above decides about it: the rest is its own.
void take_rules(supervisor_spec& its, const supervisor_spec& from);

/// Why nobody can start a description and all that is below it, in sentences with the names; empty: it can be started.
/// Whatever is wrong with a description alone is said here, to whoever starts, reloads or checks. What the flags of the
/// supervisor above do not allow is the policy's to say.
std::vector<std::string> wrong_with(const detail::tree_child& child);
/// The same, of what is below a supervisor whose own name is of no account.
std::vector<std::string> wrong_with(const detail::tree_node& node);
/// Flags of the root supervisor, which has no description.
std::vector<std::string> wrong_with_root(const supervisor_flags& flags);

std::string joined(const std::vector<std::string>& lines);

}  // namespace troupe::supervision
