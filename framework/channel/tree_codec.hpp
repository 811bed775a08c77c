#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include <troupe/detail/supervising.hpp>

/// Descriptions of children as bytes between a worker (or main) and the control thread. What is enclosed with arguments
/// does not travel here: each described actor has a number of its own in the bytes, under which it is deposited.
namespace troupe::channel {

/// What the control thread reads of a description, beside the description itself.
struct described {
  detail::tree_child child;
  /// deposit tags, by the order of the actors from left to right, the top first
  std::vector<std::uint64_t> tags;
};

std::vector<std::byte> pack_child(const detail::tree_child& child, std::span<const std::uint64_t> tags);
/// Throws error(errc::corrupt): these bytes describe no child, or one of a class that is not known.
described unpack_child(std::span<const std::byte> bytes, std::span<const detail::actor_type* const> types);
/// The actors of a description, from left to right.
std::vector<const detail::tree_child*> actors_of(const detail::tree_child& child);

std::vector<std::byte> pack_list(const std::vector<child_info>& children);
std::vector<child_info> unpack_list(std::span<const std::byte> bytes);
std::vector<std::byte> pack_counts(const child_counts& counts);
child_counts unpack_counts(std::span<const std::byte> bytes);

}  // namespace troupe::channel
