// The rules between keys and between children: what a supervisor would refuse, said before anything starts.

#include <map>

#include "config/plan.hpp"
#include "config/words.hpp"

namespace troupe::config {

using detail::config_place;
using detail::config_problems;

namespace {

/// Of a worker whose program has its standard input and output, and of one with pipes for these and for readiness.
constexpr std::uint64_t least_files_of_exec = 11, least_files_of_program = 20;

std::string place_of(config_place at) {
  return at.set == 0 ? "the one in line " + std::to_string(at.line) : "the one of a --set";
}

class rules {
 public:
  explicit rules(config_problems& problems) : problems_(problems) {}

  void check_supervisor(child_plan& plan) {
    const std::size_t before = problems_.errors();
    take_name(plan);
    check_combinations(plan);
    const bool fits = problems_.errors() == before;
    count_supervisor(plan);
    for (auto& child : plan.children) {
      child.whole = child.whole && fits;
      check_child(plan, child);
    }
    plan.whole = plan.whole && problems_.errors() == before;
  }
  bool is_too_large() const { return too_large_; }

 private:
  void check_child(const child_plan& above, child_plan& child) {
    const std::size_t before = problems_.errors();
    check_significant(above, child);
    child.is_supervisor ? check_supervisor(child) : check_actor(above, child);
    count_bytes(child);
    child.whole = child.whole && problems_.errors() == before;
  }

  void check_actor(const child_plan& above, const child_plan& child) {
    take_name(child);
    check_number(above, child);
    check_files(child);
    count_processes(child);
  }

  void check_combinations(const child_plan& plan) {
    const auto& flags = plan.flags;
    const bool simple = flags.strategy == strategy::simple_one_for_one;
    if (simple && flags.auto_shutdown != auto_shutdown::never) {
      problems_.error(plan.at("auto_shutdown"),
                      "auto_shutdown: a simple_one_for_one supervisor has none, since its children "
                      "cannot be significant");
    }
    if (flags.max_children > 0 && !simple) {
      problems_.error(plan.at("max_children"),
                      "max_children: it is for strategy = \"simple_one_for_one\", whose children are "
                      "started at run time");
    }
    if (simple) check_template(plan);
  }

  void check_template(const child_plan& plan) {
    if (plan.children.size() != 1) {
      problems_.error(plan.children.empty() ? plan.at("strategy") : plan.children[1].table->at,
                      "a simple_one_for_one supervisor has exactly one child, from which all are made; this one has " +
                          std::to_string(plan.children.size()));
    }
    for (const auto& child : plan.children) {
      if (child.is_supervisor) {
        problems_.error(child.at("kind"), "the children of a simple_one_for_one supervisor are actors");
      }
      if (child.count > 0) {
        problems_.error(child.at("count"),
                        "count: the children of a simple_one_for_one supervisor are started at run time; "
                        "max_children of the supervisor limits them");
      }
    }
  }

  void check_significant(const child_plan& above, const child_plan& child) {
    if (!child.significant()) return;
    if (child.restart() == restart::permanent) {
      problems_.error(child.at("significant"), "significant: " + quote(child.name()) +
                                                   " is permanent, so it is always restarted and its end never counts; "
                                                   "significant needs restart = \"transient\" or \"temporary\"");
    }
    if (above.flags.strategy == strategy::simple_one_for_one) {
      problems_.error(child.at("significant"), "significant: " + quote(above.name()) +
                                                   " is simple_one_for_one, whose children cannot be significant");
    } else if (above.flags.auto_shutdown == auto_shutdown::never) {
      problems_.error(child.at("significant"),
                      "significant: " + quote(above.name()) +
                          " does not look at it; it needs auto_shutdown = \"any_significant\" or "
                          "\"all_significant\"");
    }
  }

  void take_name(const child_plan& plan) {
    if (plan.name().empty()) return;
    for (const auto& name : plan.names()) {
      if (name == "main") problems_.error(plan.at("name"), "the name \"main\" is that of the program's main function");
      const auto [other, fresh] = taken_.try_emplace(name, &plan);
      if (fresh) continue;
      const child_plan& first = *other->second;
      const bool whole = !first.is_top || first.table->find("name") != nullptr;
      problems_.error(plan.at("name"), "the name " + quote(name) + " is taken by " +
                                           (whole ? place_of(first.at("name")) : "[supervisor] itself") +
                                           "; each name is there once in a program");
      return;
    }
  }

  /// What is put behind the name of a child: -N.
  void check_number(const child_plan& above, const child_plan& child) {
    const bool is_template = above.flags.strategy == strategy::simple_one_for_one;
    const std::size_t more = is_template ? detail::most_number : child.count > 0 ? 1 + std::to_string(child.count).size() : 0;
    if (more == 0 || child.name().size() + more <= longest_name) return;
    problems_.error(child.at("name"), "name: with its number it has more than " + std::to_string(longest_name) +
                                          " bytes; here a name has at most " + std::to_string(longest_name - more));
  }

  void check_files(const child_plan& child) {
    if (!child.runs_program || !child.spec.limits.files) return;
    const std::uint64_t files = *child.spec.limits.files;
    const std::uint64_t least = child.of == nullptr ? least_files_of_exec : least_files_of_program;
    if (files >= least) return;
    problems_.error(child.at("limits"), "files: " + std::to_string(files) +
                                            " is out of range; a child that runs a program takes " +
                                            std::to_string(least) + " or more");
  }

  void count_supervisor(const child_plan& plan) {
    if (++supervisors_ != most_supervisors + 1) return;
    too_large_ = true;
    problems_.error(plan.table->at, "the tree has more than " + std::to_string(most_supervisors) + " supervisors");
  }

  /// The description of the tree goes to the supervisor process as a whole.
  void count_bytes(const child_plan& child) {
    constexpr std::uint64_t keys = 400;  // what it says beside names and arguments, at most
    const std::uint64_t type = child.of == nullptr ? 0 : child.of->type->name.size();
    const std::uint64_t own = keys + child.name().size() + type + child.made.arguments.bytes.size();
    const std::uint64_t copies = child.count == 0 ? 1 : child.count;
    const bool told = bytes_ > most_described;
    bytes_ += copies * own;
    if (told || bytes_ <= most_described) return;
    too_large_ = true;
    problems_.error(child.at("args"), "the tree is too large: with the args of " + quote(child.name()) + ", " +
                                          (copies > 1 ? std::to_string(copies) + " times " : "") +
                                          std::to_string(child.made.arguments.bytes.size()) +
                                          " bytes, its description has " + std::to_string(bytes_) + " bytes; at most " +
                                          std::to_string(most_described));
  }

  void count_processes(const child_plan& child) {
    const std::uint64_t copies = child.count == 0 ? 1 : child.count;
    const std::uint64_t more = copies * (1 + child.spec.standby);
    const bool told = processes_ > most_processes;
    processes_ += more;
    if (told || processes_ <= most_processes) return;
    too_large_ = true;
    const bool alone = more > most_processes && child.spec.standby > 0;
    problems_.error(child.at("count"),
                    (alone ? std::to_string(copies) + " with standby = " + std::to_string(child.spec.standby) +
                                 " are " + std::to_string(more) + " processes"
                           : "the tree has " + std::to_string(processes_) + " processes up to here") +
                        "; at most " + std::to_string(most_processes));
  }

  config_problems& problems_;
  std::map<std::string, const child_plan*, std::less<>> taken_;
  std::uint64_t processes_ = 0, supervisors_ = 0, bytes_ = 0;
  bool too_large_ = false;
};

void call_broken(child_plan& plan) {
  plan.whole = false;
  for (auto& child : plan.children) call_broken(child);
}

}  // namespace

void check_rules(child_plan& top, config_problems& problems) {
  if (top.table == nullptr) return;
  rules all(problems);
  all.check_supervisor(top);
  if (all.is_too_large()) call_broken(top);
}

}  // namespace troupe::config
