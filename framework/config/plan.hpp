#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <troupe/detail/config_value.hpp>
#include <troupe/detail/spec_limits.hpp>
#include <troupe/main.hpp>

namespace troupe::config {

/// One child as the file says it, before its rules are checked: an actor or a supervisor.
struct child_plan {
  const detail::config_value* table = nullptr;
  bool is_supervisor = false;
  bool is_top = false;                       ///< [supervisor] itself
  bool whole = false;                        ///< nothing is wrong with it and all below it
  child_spec spec;                           ///< of an actor
  supervisor_spec flags;                     ///< of a supervisor
  std::uint32_t count = 0;                   ///< so many actors, name-1 and so on; 0: one, with its bare name
  const detail::config_class* of = nullptr;  ///< of an actor that is no foreign program
  bool runs_program = false;                 ///< of an actor: `exec`, or a class that says so
  detail::tree_child made;                   ///< of an actor
  std::vector<child_plan> children;          ///< of a supervisor

  const std::string& name() const { return is_supervisor ? flags.name : spec.name; }
  troupe::restart restart() const { return is_supervisor ? flags.restart : spec.restart; }
  bool significant() const { return is_supervisor ? flags.significant : spec.significant; }
  /// Where `key` has its value; where the child begins if it has none.
  detail::config_place at(std::string_view key) const;
  /// The names of what it becomes.
  std::vector<std::string> names() const;
};

/// What the actor classes of the program are called in a file.
class class_list {
 public:
  explicit class_list(std::span<const detail::config_class> classes);
  /// The class of this name, whole or without its namespaces if no other is called so. Else complains.
  const detail::config_class* find(const detail::config_field& from) const;
  struct named {
    std::string name;  ///< the shortest that means it alone
    const detail::config_class* is;
  };
  std::span<const named> all() const { return all_; }

 private:
  std::vector<named> all_;
};

struct classes_and_programs {
  const class_list& classes;
  detail::foreign_maker foreign;
};

using detail::longest_name;
/// Supervisors in each other, at most; of the whole tree: processes, spare ones included, supervisors, and bytes of the
/// description in which all are started.
inline constexpr std::size_t deepest_supervisor = 32;
inline constexpr std::uint64_t most_processes = detail::most_children;
inline constexpr std::uint64_t most_supervisors = 4096;
inline constexpr std::uint64_t most_described = std::uint64_t{16} << 20;

/// Reads the file's tables. What is wrong with single keys is said; the rules between them are not looked at.
child_plan read_plan(const detail::config_value& file, const classes_and_programs& known,
                     detail::config_problems& problems);
/// What a supervisor would refuse, in one child or between several. What has such is not whole.
void check_rules(child_plan& top, detail::config_problems& problems);
/// What works and is hardly meant, of what is whole.
void look_for_traps(const child_plan& top, detail::config_problems& problems);
/// The tree as data; of a plan without errors.
detail::tree_node make_tree(const child_plan& top);

/// `path=value` of a --set, put into the file's value. `number` is which it is, from 1.
void apply_set(detail::config_value& file, std::string_view set, std::uint32_t number,
               detail::config_problems& problems);

}  // namespace troupe::config
