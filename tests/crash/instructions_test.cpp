#include <doctest/doctest.h>

#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "crash/kstep/harness.hpp"

// Every operation of the message path is killed before each of its instructions, and stopped there; and bugs that were
// planted in copies of the sources are found, which shows that this would find others.

namespace {

namespace fs = std::filesystem;

struct mutant {
  std::string name, what, operation, by;
};

std::string field(const std::string& line, const std::string& key) {
  return line.starts_with(key) ? line.substr(key.size()) : "";
}

mutant read(const fs::path& description) {
  mutant found{.name = description.stem().string(), .what = {}, .operation = {}, .by = "harness"};
  std::ifstream in(description);
  for (std::string line; std::getline(in, line) && line != "<<<<";) {
    if (line.starts_with("# ")) found.what = line.substr(2);
    if (const auto text = field(line, "operation: "); !text.empty()) found.operation = text;
    if (const auto text = field(line, "by: "); !text.empty()) found.by = text;
  }
  return found;
}

std::vector<mutant> all_mutants() {
  std::vector<mutant> all;
  for (const auto& each : fs::directory_iterator(KSTEP_DESCRIPTIONS)) {
    if (each.path().extension() == ".mutant") all.push_back(read(each.path()));
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return all;
}

/// What the harness says when it runs this mutant; none of its violations: empty.
std::string violations_of(const mutant& which) {
  const std::string command = std::string(KSTEP_MUTANTS) + "/mutant_" + which.name + " --first '" + which.operation + "' 2>&1";
  std::FILE* out = ::popen(command.c_str(), "r");
  REQUIRE(out != nullptr);
  std::string said;
  std::array<char, 4096> part{};
  while (std::fgets(part.data(), static_cast<int>(part.size()), out) != nullptr) said += part.data();
  const int status = ::pclose(out);
  const bool found = WIFEXITED(status) && WEXITSTATUS(status) == 1 && said.find("violations 0") == said.npos;
  return found ? said : "";
}

/// The first violation in one line.
std::string first_of(const std::string& said, const std::string& operation) {
  const std::size_t at = said.find(operation + ", ");
  std::string line = at == said.npos ? said : said.substr(at, said.find('\n', said.find('\n', at) + 1) - at);
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line;
}

void kill_everywhere(bool everything) {
  if (const auto why = crash::why_not(); !why.empty()) {
    MESSAGE("not done in this build: " << why);
    return;
  }
  const auto counts = crash::run(crash::all_operations(), {.everything = everything});
  for (const auto& each : counts.sizes) std::cout << each << "\n";
  for (const auto& each : counts.said) FAIL_CHECK(each);
  CHECK(counts.violations == 0);
  std::size_t caught = 0, planted = 0;
  for (const auto& each : all_mutants()) {
    ++planted;
    if (each.by != "harness") {
      std::cout << each.name << ": shown by " << each.by << "\n";
      ++caught;
      continue;
    }
    const std::string said = violations_of(each);
    CHECK_MESSAGE(!said.empty(), "a planted bug is not found: " << each.name << ": " << each.what);
    if (!said.empty()) ++caught;
    std::cout << each.name << ": caught by the harness: " << first_of(said, each.operation) << "\n";
  }
  CHECK(planted >= 12);
  std::cout << "stops " << counts.stops << " (the process went on and nothing broke)\n";
  std::cout << "REPORT kill points " << counts.kill_points << ", pairs " << counts.pairs << ", violations "
            << counts.violations << ", mutants " << caught << "/" << planted << std::endl;
}

}  // namespace

TEST_SUITE_BEGIN("serial");

TEST_CASE("killed or stopped before any instruction, a process loses nothing, and planted bugs are found") {
  kill_everywhere(false);
}

TEST_SUITE_END();

TEST_SUITE_BEGIN("long");

TEST_CASE("the same with all pairs of kills") { kill_everywhere(true); }

TEST_SUITE_END();
