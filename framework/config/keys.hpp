#pragma once

#include <span>
#include <string>
#include <string_view>

#include <troupe/detail/config_value.hpp>

namespace troupe::config {

struct child_plan;
class class_list;

/// The keys that only a supervisor has.
std::span<const std::string_view> flag_keys();

/// Whether who wrote this key meant `key`.
bool stands_for(std::string_view written, std::string_view key);

/// What the children of a supervisor begin with: [[supervisor.child]] for a depth of 1.
std::string header(std::size_t depth);
/// Whether this is a table with what only a child has.
bool looks_like_child(const detail::config_value& value);

// A sentence about a key that is not known where it stands; empty: none.

/// Above [supervisor], or beside it. `by_set`: a --set put it there.
std::string about_top_key(std::string_view key, bool by_set);
/// In this table, which is [supervisor] or meant so.
std::string about_key_of_top(const detail::config_value& table, std::string_view key);
/// In a supervisor whose children stand so deep: [supervisor.reader] in the place of a child of this name.
std::string about_named_child(const detail::config_value& table, std::string_view key, std::size_t depth);
/// In a child, of these classes.
std::string about_key_of(const child_plan& plan, const class_list& classes, std::string_view key);

}  // namespace troupe::config
