// PROGRAM run, check, actors: the command line of a program whose tree stands in a file.

#include <CLI/CLI.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>

#include <troupe/main.hpp>

#include "config/plan.hpp"
#include "config/toml.hpp"
#include "config/words.hpp"

namespace troupe::detail {

using namespace config;

namespace {

constexpr int usage_code = 64;
constexpr int wrong_file_code = 65;
constexpr int no_file_code = 66;
/// Of several --set, so many are tried one after the other when something is wrong.
constexpr std::size_t most_looked_at = 32;

/// A tree and what was said about it.
struct loaded {
  config_value file;
  bool well_formed = false;  ///< nothing was wrong before the first key was looked at
  child_plan top;
};

/// The file's text; or why there is none.
struct text_or_reason {
  std::optional<std::string> text;
  std::string reason;
};

/// A pipe or a device gives what it gives, up to the limit.
text_or_reason read_file(const std::string& path) {
  std::error_code failed;
  const auto status = std::filesystem::status(path, failed);
  if (status.type() == std::filesystem::file_type::not_found) return {{}, "there is no such file"};
  if (failed) return {{}, failed.message()};
  if (std::filesystem::is_directory(status)) return {{}, "it is a directory"};
  std::ifstream in(path, std::ios::binary);
  if (!in) return {{}, "it may not be read"};
  std::string text(largest_file + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) return {{}, "reading it failed"};
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > largest_file) return {{}, "it has more than " + std::to_string(largest_file) + " bytes"};
  return {std::move(text), ""};
}

supervisor as_supervisor(const tree_node& node) {
  supervisor made(node.spec);
  for (const auto& child : node.children) made.child(child);
  return made;
}

void load(const std::string& text, std::span<const std::string> sets, const classes_and_programs& known, loaded& to,
          config_problems& problems) {
  auto file = read_toml(text, problems);
  if (!file) return;
  to.file = std::move(*file);
  std::uint32_t number = 0;
  for (const auto& set : sets) apply_set(to.file, set, ++number, problems);
  to.well_formed = problems.errors() == 0;
  to.top = read_plan(to.file, known, problems);
  check_rules(to.top, problems);
  if (problems.errors() > 0) return;
  // What is told above knows its place in the file; whatever it may leave out is refused here and not by the start.
  for (const auto& each : troupe::check(as_supervisor(make_tree(to.top)))) problems.error(to.top.at("name"), each);
}

/// Which --set, from 1, brought each of the complaints; 0: it is there without them.
std::vector<std::size_t> causes(const std::vector<config_problems::problem>& said, const std::string& text,
                                std::span<const std::string> sets, const classes_and_programs& known) {
  std::vector<std::size_t> by(said.size(), sets.size());
  if (said.empty() || sets.size() > most_looked_at) return std::vector<std::size_t>(said.size());
  for (std::size_t count = 0; count < sets.size(); ++count) {
    loaded tree;
    config_problems fewer;
    load(text, sets.first(count), known, tree, fewer);
    const auto all = fewer.in_order();
    for (std::size_t i = 0; i < said.size(); ++i) {
      if (by[i] == sets.size() && std::ranges::find(all, said[i]) != all.end()) by[i] = count;
    }
  }
  return by;
}

struct wanted {
  std::string file;
  std::vector<std::string> sets;
  std::string log;  ///< empty: what the program's own options say
};

void print(const config_problems& problems, const wanted& what, const std::string& text,
           const classes_and_programs& known) {
  auto all = problems.in_order();
  std::stable_partition(all.begin(), all.end(), [](const auto& each) { return !each.warning; });
  const auto by = causes(all, text, what.sets, known);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& each = all[i];
    if (each.at.set > 0) {
      std::cerr << "--set " << one_line(what.sets[each.at.set - 1]);
    } else {
      std::cerr << one_line(what.file) << ":" << each.at.line << ":" << each.at.column;
    }
    std::cerr << ": " << (each.warning ? "warning: " : "") << each.text;
    if (each.at.set == 0 && by[i] > 0) std::cerr << "; so it is by --set " << one_line(what.sets[by[i] - 1]);
    std::cerr << "\n";
  }
}

struct counted {
  std::uint64_t supervisors = 0, actors = 0;
};
void count(const child_plan& plan, counted& to) {
  ++to.supervisors;
  for (const auto& child : plan.children) {
    if (child.is_supervisor) {
      count(child, to);
    } else {
      to.actors += child.count == 0 ? 1 : child.count;
    }
  }
}

std::string amount(std::uint64_t number, const std::string& what) {
  return std::to_string(number) + " " + what + (number == 1 ? "" : "s");
}

void print_classes(const class_list& classes) {
  for (const auto& each : classes.all()) {
    std::cout << each.name << "\n";
    if (each.is->one_shot) std::cout << "  one-shot: does one job and ends\n";
    if (each.is->fields == nullptr) std::cout << "  takes no args\n";
    if (each.is->fields == nullptr) continue;
    const auto fields = each.is->fields();
    std::size_t width = 0;
    for (const auto& field : fields) width = std::max(width, field.name.size());
    for (const auto& field : fields) {
      std::cout << "  " << field.name << std::string(width - field.name.size() + 2, ' ') << field.type;
      if (!field.value.empty()) std::cout << "; default " << field.value;
      std::cout << "\n";
    }
  }
}

/// The top supervisor's own limits are the program's: when it gives up, or ends by auto_shutdown, the program ends.
options with_root(options how, child_plan& top) {
  const bool ends_itself = top.flags.auto_shutdown != auto_shutdown::never;
  how.supervisor.max_restarts = 0;
  if (ends_itself) {
    top.flags.restart = restart::transient;
    top.flags.significant = true;
    how.supervisor.auto_shutdown = auto_shutdown::any_significant;
  }
  return how;
}

void add_file_options(CLI::App& command, wanted& to) {
  command.add_option("FILE", to.file, "The tree, in TOML")->required();
  command.add_option("--set", to.sets, "path=value: replaces a value of the file, as in supervisor.max_restarts=3")
      ->allow_extra_args(false);
}

command run_or_check(const wanted& what, bool run, const classes_and_programs& known, const options& how) {
  const auto read = read_file(what.file);
  if (!read.text) {
    std::cerr << one_line(what.file) << ": cannot be read: " << read.reason << "\n";
    return {no_file_code, {}, {}};
  }
  loaded tree;
  config_problems problems;
  load(*read.text, what.sets, known, tree, problems);
  if (tree.well_formed && !run) look_for_traps(tree.top, problems);
  print(problems, what, *read.text, known);
  if (problems.errors() > 0) return {wrong_file_code, {}, {}};
  if (run) {
    options chosen = with_root(how, tree.top);
    if (!what.log.empty()) {
      chosen.log.wanted = what.log != "none";
      chosen.log.json = what.log == "json";
    }
    return {0, as_supervisor(make_tree(tree.top)), chosen};
  }
  counted all;
  count(tree.top, all);
  std::cout << one_line(what.file) << ": no errors; " << amount(all.supervisors, "supervisor") << ", "
            << amount(all.actors, "actor") << "\n";
  return {};
}

}  // namespace

int say_not_run(const error& why) {
  std::cerr << "troupe: " << one_line(why.what()) << std::endl;
  return 1;
}

command read_command(int argc, const char* const* argv, std::span<const config_class> classes, foreign_maker foreign,
                     const options& how) {
  const std::string name = argc > 0 ? std::filesystem::path(argv[0]).filename().string() : "program";
  CLI::App app("Runs a supervision tree that stands in a file.", name);
  app.require_subcommand(1);
  wanted what;
  auto* const run = app.add_subcommand("run", "Starts the tree of a file; ends with it, or at a signal");
  add_file_options(*run, what);
  run->add_option("--log", what.log, "What the supervisor writes to standard error; by default as the program says")
      ->check(CLI::IsMember({"text", "json", "none"}));
  auto* const check = app.add_subcommand("check", "Says what is wrong, or looks wrong, with a file; starts nothing");
  add_file_options(*check, what);
  auto* const actors = app.add_subcommand("actors", "Lists the actor classes of this program and their config");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return {app.exit(e) == 0 ? 0 : usage_code, {}, {}};
  }
  const class_list list(classes);
  if (*actors) {
    print_classes(list);
    return {};
  }
  return run_or_check(what, static_cast<bool>(*run), {list, foreign}, how);
}

}  // namespace troupe::detail
