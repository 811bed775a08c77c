#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include <doctest/doctest.h>

#include "rules.hpp"

// The rules, applied to this tree.

namespace {

using namespace tidy;
namespace fs = std::filesystem;

const fs::path root = TIDY_ROOT;

// Files of more than 400 lines, with their lines today.
const std::map<std::string, std::size_t> known_long_files = {};

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE_MESSAGE(in, path.string());
  return {std::istreambuf_iterator<char>(in), {}};
}

bool is_text(const fs::path& path) {
  const std::set<std::string> endings = {".cpp", ".hpp", ".txt",  ".cmake", ".in",
                                         ".sh",  ".md",  ".json", ".toml",  ".yml"};
  return endings.contains(path.extension().string()) || path.filename() == "run";
}

bool is_ours(const fs::path& top) {
  const auto name = top.filename().string();
  return name != ".git" && !name.starts_with("build");
}

std::vector<file> read_tree() {
  std::vector<file> all;
  const auto add = [&](const fs::path& path) {
    if (is_text(path)) all.push_back({path.lexically_relative(root).generic_string(), read(path)});
  };
  for (const auto& top : fs::directory_iterator(root)) {
    if (!is_ours(top.path())) continue;
    if (top.is_regular_file()) add(top.path());
    if (!top.is_directory()) continue;
    for (const auto& entry : fs::recursive_directory_iterator(top))
      if (entry.is_regular_file()) add(entry.path());
  }
  REQUIRE(all.size() > 20);
  return all;
}

const std::vector<file>& tree() {
  static const std::vector<file> all = read_tree();
  return all;
}

std::set<std::string> first_parts(const std::string& listing) {
  std::set<std::string> names;
  for (std::size_t at = 0; at < listing.size();) {
    const auto end = listing.find('\0', at);
    const auto path = listing.substr(at, end - at);
    names.insert(path.substr(0, path.find('/')));
    at = end == listing.npos ? listing.size() : end + 1;
  }
  return names;
}

/// What git knows; where there is no git, what lies there.
std::set<std::string> names_at_the_top() {
  const auto command = "git -C '" + root.string() + "' ls-files -z --cached --others --exclude-standard 2>/dev/null";
  std::string listing;
  if (const std::unique_ptr<std::FILE, int (*)(std::FILE*)> git(popen(command.c_str(), "r"), &pclose); git) {
    std::array<char, 4096> part{};
    for (std::size_t got = 0; (got = std::fread(part.data(), 1, part.size(), git.get())) > 0;)
      listing.append(part.data(), got);
  }
  if (!listing.empty()) return first_parts(listing);

  std::set<std::string> names;
  for (const auto& top : fs::directory_iterator(root))
    if (is_ours(top.path())) names.insert(top.path().filename().string());
  return names;
}

void report(const findings& found) {
  for (const auto& f : found) {
    const std::string place = (root / f.path).string();
    ADD_FAIL_CHECK_AT(place.c_str(), static_cast<int>(f.line), f.what);
  }
}

void report_each(findings (*rule)(const file&)) {
  for (const auto& f : tree()) report(rule(f));
}

}  // namespace

TEST_CASE("the tree's folders include only what the design allows them") { report_each(who_may_include_whom); }
TEST_CASE("CAF and cereal stay in their places in the tree") { report_each(libraries_stay_in_their_place); }
TEST_CASE("only os makes system calls and knows errno") { report_each(system_calls_stay_in_os); }
TEST_CASE("the tree has no banned calls") { report_each(banned_calls); }
TEST_CASE("the tree has no words for unfinished work") { report_each(unfinished_work); }
TEST_CASE("each header of the framework is included by someone") { report(dead_headers(tree())); }
TEST_CASE("no file of the framework is too long") { report(long_files(tree(), known_long_files)); }
TEST_CASE("the top of the tree is what the design says") { report(top_level(names_at_the_top())); }
