#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace tidy {

struct file {
  std::string path;  // from the top of the checkout, as git prints it
  std::string text;
};

struct finding {
  std::string path;
  std::size_t line = 0;
  std::string what;
};
using findings = std::vector<finding>;

/// Of C++ text the code alone: comments and the insides of literals are blanked, lines and columns stay.
/// Preprocessor lines keep their quotes, so that includes can be read from the result.
std::string code_of(std::string_view text);

// Rules about one file.
findings who_may_include_whom(const file& f);
findings libraries_stay_in_their_place(const file& f);
findings system_calls_stay_in_os(const file& f);
findings banned_calls(const file& f);
findings unfinished_work(const file& f);

// Rules about all of them.
findings dead_headers(const std::vector<file>& all);
findings long_files(const std::vector<file>& all, const std::map<std::string, std::size_t>& known_long_files);
findings top_level(const std::set<std::string>& names);

}  // namespace tidy
