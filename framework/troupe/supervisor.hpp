#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <troupe/detail/supervising.hpp>

namespace troupe {

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
    node_.children.push_back(below.as_child());
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
  detail::tree_child as_child() const {
    detail::tree_child made;
    made.supervisor = std::make_shared<const detail::tree_node>(node_);
    return made;
  }

 private:
  detail::tree_node node_;
};

/// What no supervisor would take of this description, in sentences with the names of the children; empty: nothing. What
/// `spawn`, `start_child` and `reload` answer with errc::bad_spec.
std::vector<std::string> check(const supervisor& described);

}  // namespace troupe
