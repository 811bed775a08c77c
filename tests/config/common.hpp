#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include <troupe/main.hpp>

#include "config/actors.hpp"

namespace tests {

/// What a program of the test actors, with options of its own, does with its command line, short of running a tree.
struct said {
  int exit_code = 0;
  std::string text;  ///< standard output and error, in the order of the writing
  troupe::detail::command wanted;
};
said say(const std::vector<std::string>& arguments, const troupe::options& how = {});
/// The same of a program of these classes.
said say_of(std::span<const troupe::detail::config_class> classes, troupe::detail::foreign_maker foreign,
            const std::vector<std::string>& arguments, const troupe::options& how = {});

std::string read(const std::string& path);
/// The names of the .toml files in a folder of tests/config, sorted.
std::vector<std::string> files_in(const std::string& folder);

/// A file in the scratch folder of the test program, gone at the end of its scope.
class scratch_file {
 public:
  explicit scratch_file(const std::string& text);
  ~scratch_file();
  scratch_file(const scratch_file&) = delete;
  scratch_file& operator=(const scratch_file&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace tests
