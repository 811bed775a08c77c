#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <troupe/child_spec.hpp>
#include <troupe/detail/actor_type.hpp>
#include <troupe/detail/runtime.hpp>

namespace troupe {

enum class child_kind : std::uint8_t { worker, supervisor };
enum class child_state : std::uint8_t { down, starting, up, restarting, stopping };

/// A child as its supervisor sees it now.
struct child_info {
  std::string name;
  std::uint64_t identity = 0;  ///< actor_ref::identity(), supervisor_ref::id()
  child_kind kind = child_kind::worker;
  child_state state = child_state::down;
  int pid = 0;                    ///< 0: no process
  std::uint64_t incarnation = 0;  ///< 0: no process
};

/// As Erlang/OTP counts them.
struct child_counts {
  std::uint64_t specs = 0;        ///< children that are known, running or not; simple_one_for_one: 1
  std::uint64_t active = 0;       ///< those that run
  std::uint64_t supervisors = 0;  ///< of all that are known
  std::uint64_t workers = 0;
};

namespace detail {

struct tree_node;

/// One child of a described supervisor: an actor, or a supervisor.
struct tree_child {
  child_spec spec;                   ///< of an actor
  const actor_type* type = nullptr;  ///< of an actor
  packed_arguments arguments;        ///< of an actor
  std::uint64_t further = 0;  ///< simple_one_for_one's template: names the types of the arguments that each start adds
  std::shared_ptr<const tree_node> supervisor;  ///< else none

  const std::string& name() const;
};

/// A supervisor as it is described: plain data, made by troupe::supervisor and from a file.
struct tree_node {
  supervisor_spec spec;
  std::vector<tree_child> children;  ///< in the order of their start
};

/// Stands for the types of arguments that are given later; 0 for none.
template <class... Further>
std::uint64_t further_id() {
  if constexpr (sizeof...(Further) == 0) {
    return 0;
  } else {
    return reply_id<void(argument<Further>...)>();
  }
}

template <class A, class... Further, class... Arguments>
tree_child describe_child(child_spec spec, Arguments&&... arguments) {
  constexpr bool fits = std::is_constructible_v<A, argument<Arguments>..., argument<Further>...>;
  static_assert(fits, "no constructor of this actor takes these arguments");
  tree_child made;
  made.spec = std::move(spec);
  if constexpr (fits) {
    const maker make = &make_actor<A, argument<Arguments>..., argument<Further>...>;
    made.type = &type_of<A>();
    made.arguments = pack_arguments(reinterpret_cast<std::uintptr_t>(make),
                                    argument<Arguments>(std::forward<Arguments>(arguments))...);
    made.further = further_id<Further...>();
  }
  return made;
}

/// Arguments without the function that takes them.
template <class... Arguments>
packed_arguments pack_further(const Arguments&... arguments) {
  packed_arguments packed = pack_arguments(0, arguments...);
  packed.bytes.erase(packed.bytes.begin(), packed.bytes.begin() + sizeof(std::uintptr_t));
  return packed;
}

/// A supervisor, in a call: its number, or one of these.
inline constexpr std::uint64_t own_supervisor = ~std::uint64_t{0};  ///< the caller's own children's
inline constexpr std::uint64_t root_supervisor = 1;
inline constexpr std::uint64_t supervisor_of_child = 0;  ///< whatever the child is a child of

/// A child, in a call: by its number, or, if that is 0, by its name.
struct child_key {
  std::uint64_t id = 0;
  std::string_view name = {};
};

struct started_child {
  std::uint64_t id = 0;
  std::string info;
  bool declined = false;
};

// Calls to supervisors, of this process's endpoint. They wait for the answer, and throw error.
std::uint64_t find_supervisor(const std::string& name);
/// The number of own_supervisor, which means the same in every process.
std::uint64_t find_own_supervisor();
/// `spawning`: a child of that name that has ended makes room.
started_child start_child(std::uint64_t supervisor, const tree_child& child, bool spawning);
started_child start_from_template(std::uint64_t supervisor, std::uint64_t further, const packed_arguments& arguments);
void terminate_child(std::uint64_t supervisor, child_key child);
started_child restart_child(std::uint64_t supervisor, child_key child);
void delete_child(std::uint64_t supervisor, child_key child);
std::vector<child_info> which_children(std::uint64_t supervisor);
child_counts count_children(std::uint64_t supervisor);
tree_child get_childspec(std::uint64_t supervisor, child_key child);
void reload(std::uint64_t supervisor, const tree_node& described);

}  // namespace detail
}  // namespace troupe
