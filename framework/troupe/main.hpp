#pragma once

#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <troupe/detail/config_listing.hpp>
#include <troupe/detail/config_reader.hpp>
#include <troupe/supervisor.hpp>
#include <troupe/system.hpp>

namespace troupe {
namespace detail {

/// An actor class as a file can use it.
struct config_class {
  const actor_type* type;
  /// The class says `static constexpr bool one_shot = true`: it does one job and ends.
  bool one_shot;
  /// It is a program_runner.
  bool runs_programs;
  /// The fields of its config; none if it takes no args.
  std::vector<config_listed> (*fields)();
  /// The child that is made from `args`, nullptr if the class takes none.
  tree_child (*describe)(const child_spec& spec, const config_value* args, config_problems& problems);
};

/// Makes a child that runs another program: `exec = ["prog", "arg"]`, which is a list. None: a file cannot say so.
using foreign_maker = tree_child (*)(const child_spec& spec, const config_field& exec);

template <class A>
concept has_config = requires {
  typename A::config;
};

template <class A>
consteval bool is_one_shot() {
  if constexpr (requires {
                  { A::one_shot } -> std::convertible_to<bool>;
                }) {
    return A::one_shot;
  } else {
    return false;
  }
}

/// The class that `exec` means says `static constexpr bool runs_programs = true`, and its config has a field exec.
template <class A>
concept program_runner = requires { requires A::runs_programs; };

template <class A>
tree_child describe_program(const child_spec& spec, const config_field& exec) {
  typename A::config config{};
  read_struct(config_field{"exec", config_only(exec), exec.problems}, config);
  return describe_child<A>(spec, std::move(config));
}

/// None: no such class is among them.
template <class... Actors>
foreign_maker foreign_of() {
  foreign_maker found = nullptr;
  const auto look = [&]<class A>(std::type_identity<A>) {
    if constexpr (program_runner<A>) found = &describe_program<A>;
  };
  (look(std::type_identity<Actors>{}), ...);
  return found;
}

template <class A>
std::vector<config_listed> list_config() {
  std::vector<config_listed> fields;
  if constexpr (has_config<A>) {
    typename A::config defaults{};
    list_fields(defaults, "", fields);
  }
  return fields;
}

template <class T>
concept has_faults_with_spec = requires(const T& item, const child_spec& spec) {
  { item.faults(spec) } -> std::same_as<std::vector<config_fault>>;
};

/// What the args say and what the child says beside them may not fit together.
template <class T>
void say_faults_with_spec(const config_field& args, T& config, const child_spec& spec) {
  config_table table(args.value, std::string(args.name), args.problems);
  const auto know = [&](std::string_view name, const auto&) { static_cast<void>(table.take(name)); };
  visit_fields(config, know);
  table.say_faults(config.faults(spec), {});
}

template <class A>
tree_child describe_configured(const child_spec& spec, const config_value* args, config_problems& problems) {
  if constexpr (has_config<A>) {
    typename A::config config{};
    const std::size_t before = problems.errors();
    if (args != nullptr) read_struct(config_field{"args", *args, problems}, config);
    if constexpr (has_faults_with_spec<typename A::config>) {
      if (args != nullptr && problems.errors() == before)
        say_faults_with_spec(config_field{"args", *args, problems}, config, spec);
    }
    return describe_child<A>(spec, std::move(config));
  } else {
    return describe_child<A>(spec);
  }
}

template <class A>
config_class class_of() {
  if constexpr (has_config<A>) {
    using config = typename A::config;
    constexpr bool names_fields = has_named_fields<config>;
    constexpr bool takes = std::is_constructible_v<A, config>;
    constexpr bool defaults = std::is_default_constructible_v<config>;
    static_assert(names_fields,
                  "an actor's config has a serialize function that names its fields: "
                  "template <class Ar> void serialize(Ar& ar) { ar(CEREAL_NVP(path)); }");
    static_assert(takes,
                  "an actor with a nested type config has a constructor that takes it: explicit Reader(config c)");
    static_assert(defaults, "an actor's config has a default constructor: keys that a file leaves out keep its values");
    if constexpr (names_fields && takes && defaults) {
      return {&type_of<A>(), is_one_shot<A>(), program_runner<A>, &list_config<A>, &describe_configured<A>};
    } else {
      return {};
    }
  } else {
    constexpr bool alone = std::is_default_constructible_v<A>;
    static_assert(alone,
                  "an actor in a tree file is made without arguments, or has a nested type config with a "
                  "serialize function and a constructor that takes it");
    if constexpr (alone) {
      return {&type_of<A>(), is_one_shot<A>(), program_runner<A>, nullptr, &describe_configured<A>};
    } else {
      return {};
    }
  }
}

/// What the command line wants: to run a tree, or nothing more than the exit code.
struct command {
  int exit_code = 0;
  std::optional<supervisor> tree;
  options how = {};
};
command read_command(int argc, const char* const* argv, std::span<const config_class> classes, foreign_maker foreign,
                     const options& how);
/// Says on standard error why the program could not be run; its exit code.
int say_not_run(const error& why);

}  // namespace detail

/// A program of these actor classes, whose supervision tree stands in a TOML file. First thing in main:
///
///     int main(int argc, char** argv) { return troupe::main<Reader, Parser>(argc, argv); }
///
///     PROGRAM run FILE [--set path=value]...     starts the tree; ends with it, or at a signal
///     PROGRAM check FILE [--set path=value]...   says what is wrong or looks wrong with the file
///     PROGRAM actors                             lists the actor classes and their config
///
/// With troupe::actors::program among the classes a child may say `exec = ["prog", "arg"]` in place of `actor`.
/// A class with a nested type `config` gets what the file's `args` say as its constructor's argument. The config's own
/// rules are those of its function faults(): see troupe/config_fault.hpp.
/// docs/trees-in-files.md describes the format. Exit codes: as run(); 64 a wrong command line, 65 a wrong file, 66 a
/// file that cannot be read.
template <class... Actors>
int main(int argc, char** argv, const options& how = {}) {
  const std::vector<detail::config_class> classes{detail::class_of<Actors>()...};
  const detail::command wanted = detail::read_command(argc, argv, classes, detail::foreign_of<Actors...>(), how);
  if (!wanted.tree) return wanted.exit_code;
  try {
    return run<Actors...>(argc, argv, wanted.how, [&](system& sys) {
      sys.spawn(*wanted.tree);
      sys.wait();
    });
  } catch (const error& why) {
    return detail::say_not_run(why);
  }
}

}  // namespace troupe
