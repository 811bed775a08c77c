#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <troupe/child_spec.hpp>
#include <troupe/detail/actor_type.hpp>
#include <troupe/detail/runtime.hpp>

namespace troupe {

namespace detail {

struct tree_node;

/// One child of a described supervisor: an actor, or a supervisor.
struct tree_child {
  child_spec spec;  ///< of an actor
  const actor_type* type = nullptr;  ///< of an actor
  packed_arguments arguments;        ///< of an actor
  std::uint64_t further = 0;  ///< simple_one_for_one's template: names the types of the arguments that each start adds
  std::shared_ptr<const tree_node> supervisor;  ///< else none
};

/// A supervisor as it is described: plain data, made by troupe::supervisor and from a file.
struct tree_node {
  supervisor_spec spec;
  std::vector<tree_child> children;  ///< in the order of their start
};

/// Stands for the types of arguments that are given later.
template <class... Further>
std::uint64_t further_id() {
  return reply_id<void(argument<Further>...)>();
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
    if constexpr (sizeof...(Further) > 0) made.further = further_id<Further...>();
  }
  return made;
}

}  // namespace detail

/// Describes a supervisor and its children, to be started by `spawn` or `start_child`. A value; nothing runs yet.
///
///     troupe::supervisor pipeline({.name = "pipeline", .strategy = troupe::strategy::rest_for_one});
///     pipeline.child<Reader>({.name = "reader"}, "access.log").child<Parser>({.name = "parser"});
///     sys.spawn(pipeline);
///
/// Children are started in the order in which they are named here and stopped in the reverse order. Their mailboxes and
/// names exist before the first of them starts, so they can tell each other at once.
class supervisor {
 public:
  explicit supervisor(supervisor_spec spec) { node_.spec = std::move(spec); }

  /// An actor that is made from `arguments`, at each start anew.
  template <class A, class... Arguments>
  supervisor& child(child_spec spec, Arguments&&... arguments) {
    node_.children.push_back(detail::describe_child<A>(std::move(spec), std::forward<Arguments>(arguments)...));
    return *this;
  }
  /// A supervisor below this one.
  supervisor& child(const supervisor& below) {
    detail::tree_child made;
    made.supervisor = std::make_shared<const detail::tree_node>(below.node_);
    node_.children.push_back(std::move(made));
    return *this;
  }
  /// simple_one_for_one: what all children are made from, `arguments` and then those that supervisor_ref::start gives,
  /// which have the types Further. The spec's name is the stem of their names: "parser" makes "parser-1", ...
  template <class A, class... Further, class... Arguments>
  supervisor& each(child_spec spec, Arguments&&... arguments) {
    node_.children.push_back(
        detail::describe_child<A, Further...>(std::move(spec), std::forward<Arguments>(arguments)...));
    return *this;
  }
  /// A child that was described elsewhere, as in a file.
  supervisor& child(detail::tree_child described) {
    node_.children.push_back(std::move(described));
    return *this;
  }

  const detail::tree_node& description() const noexcept { return node_; }

 private:
  detail::tree_node node_;
};

}  // namespace troupe
