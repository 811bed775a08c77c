#pragma once

#include <cstddef>
#include <cstdint>

/// What the values of a child_spec can be, for those who check one: the supervisor process and tree files.
namespace troupe::detail {

inline constexpr std::size_t longest_name = 200;       ///< bytes
inline constexpr std::size_t most_number = 11;         ///< bytes that a template puts behind its name
inline constexpr std::size_t most_children = 4096;     ///< actors in one description
inline constexpr std::uint32_t least_lane = 4096;      ///< bytes; a power of two
inline constexpr std::uint32_t most_lane = 16 << 20;
/// Bytes: two for each of 4096 actors fit into an address space.
inline constexpr std::uint64_t most_checkpoint = std::uint64_t{8} << 30;
inline constexpr std::uint64_t least_files = 7;        ///< descriptors that a worker has by itself

}  // namespace troupe::detail
