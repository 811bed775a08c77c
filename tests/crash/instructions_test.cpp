#include <doctest/doctest.h>

#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

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

/// A program that runs beside this one.
class running {
 public:
  explicit running(const std::string& command) : out_(::popen((command + " 2>&1").c_str(), "r")) {
    REQUIRE(out_ != nullptr);
  }
  running(running&& other) noexcept : out_(std::exchange(other.out_, nullptr)) {}
  ~running() {
    if (out_ != nullptr) ::pclose(out_);
  }
  /// All that it says, and its exit code; -1: it was killed.
  std::pair<std::string, int> finish() {
    std::string said;
    std::array<char, 4096> part{};
    while (std::fgets(part.data(), static_cast<int>(part.size()), out_) != nullptr) said += part.data();
    const int status = ::pclose(std::exchange(out_, nullptr));
    return {said, WIFEXITED(status) ? WEXITSTATUS(status) : -1};
  }

 private:
  std::FILE* out_;
};

/// The number behind this word in the last line.
std::size_t number(const std::string& said, const std::string& word) {
  const std::size_t at = said.rfind(word + " ");
  return at == said.npos ? 0 : std::strtoull(said.c_str() + at + word.size() + 1, nullptr, 10);
}

struct counts {
  std::size_t kills = 0, stops = 0, pairs = 0, violations = 0;
  std::size_t further = 0, done = 0;  ///< beyond what is always done
};

// What there is time for: so the whole takes some 60 seconds, and six minutes at most.
constexpr const char* short_time = " --seconds 40";
constexpr const char* long_time = " --seconds 420";

/// Of each operation: "of N further points and pairs N done".
void add_further(const std::string& said, counts& to) {
  constexpr std::string_view all = "; of ", done = "further points and pairs ";
  for (std::size_t at = said.find(done); at != said.npos; at = said.find(done, at + 1)) {
    to.further += std::strtoull(said.c_str() + said.rfind(all, at) + all.size(), nullptr, 10);
    to.done += std::strtoull(said.c_str() + at + done.size(), nullptr, 10);
  }
}

/// The harness with the code as it ships, one process for each processor.
counts run_harness(bool everything) {
  const std::size_t parts = std::clamp(std::thread::hardware_concurrency(), 1U, 8U);
  std::vector<running> all;
  for (std::size_t part = 0; part < parts; ++part) {
    all.emplace_back(std::string(KSTEP_PROGRAM) + " --part " + std::to_string(part) + " " + std::to_string(parts) +
                     (everything ? long_time : short_time));
  }
  counts sum;
  for (auto& each : all) {
    const auto ended = each.finish();
    const std::string& said = ended.first;
    const int code = ended.second;
    std::cout << said;
    CHECK_MESSAGE(code == 0, "the harness found violations or did not come to its end:\n" << said);
    sum.kills += number(said, "kill points");
    sum.stops += number(said, "stops");
    sum.pairs += number(said, "pairs");
    sum.violations += number(said, "violations") + (code < 0 ? 1 : 0);
    add_further(said, sum);
  }
  return sum;
}

/// The first violation in one line.
std::string first_of(const std::string& said, const std::string& operation) {
  const std::size_t at = said.find(operation + ", ");
  std::string line = at == said.npos ? said : said.substr(at, said.find('\n', said.find('\n', at) + 1) - at);
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line;
}

struct score {
  std::size_t caught = 0, planted = 0;
};

/// Those that the harness catches, a few at a time.
void catch_here(const std::vector<mutant>& all, score& count) {
  const std::size_t at_once = std::clamp(std::thread::hardware_concurrency(), 1U, 8U);
  for (std::size_t from = 0; from < all.size(); from += at_once) {
    const std::size_t to = std::min(all.size(), from + at_once);
    std::vector<running> side_by_side;
    for (std::size_t i = from; i < to; ++i) {
      side_by_side.emplace_back(std::string(KSTEP_MUTANTS) + "/mutant_" + all[i].name + " --seconds 0 --first \"" +
                                all[i].operation + '"');
    }
    for (std::size_t i = from; i < to; ++i) {
      const auto ended = side_by_side[i - from].finish();
      const std::string& said = ended.first;
      const int code = ended.second;
      const bool caught = code == 1 && number(said, "violations") > 0;
      CHECK_MESSAGE(caught, "a planted bug is not found: " << all[i].name << ": " << all[i].what << "\n" << said);
      std::cout << all[i].name << ": "
                << (caught ? "caught by the harness: " + first_of(said, all[i].operation) : "MISSED") << "\n";
      ++count.planted;
      if (caught) ++count.caught;
    }
  }
}

/// Those that the model shows, if it has such a variant.
void catch_in_the_model(const mutant& which, score& count) {
  const std::size_t space = which.by.find(' ', 6);
  const std::string file = which.by.substr(6, space - 6), variant = which.by.substr(space + 1);
  std::ifstream in(fs::path(KSTEP_DESCRIPTIONS) / ".." / ".." / "model" / file);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const bool there = text.find(variant) != text.npos;
  std::cout << which.name << ": " << (there ? "shown by" : "left to") << " the model, tests/model/" << file << " with "
            << variant << ": ./tests/run model\n";
  if (!there) return;
  ++count.planted;
  ++count.caught;
}

// Fewer than what is always done: an operation that is not found, or has nothing that others see, must not go unseen.
constexpr std::size_t least_kills = 500;

void kill_everywhere(bool everything) {
  const counts found = run_harness(everything);
  CHECK(found.violations == 0);
  CHECK(found.kills > least_kills);
  score mutants;
  std::vector<mutant> here;
  for (const auto& each : all_mutants()) {
    if (each.by.starts_with("model ")) {
      catch_in_the_model(each, mutants);
    } else {
      here.push_back(each);
    }
  }
  catch_here(here, mutants);
  CHECK(mutants.planted >= 12);
  std::cout << "stopped there instead, and resumed: " << found.stops << "\n"
            << "REPORT kill harness: of " << found.further << " points and pairs beyond those that are always done, "
            << found.done << " were done in the time that it has\n"
            << "REPORT kill points " << found.kills << ", pairs " << found.pairs << ", violations " << found.violations
            << ", mutants " << mutants.caught << "/" << mutants.planted << std::endl;
}

bool can_be_stepped() {
  const auto ended = running(std::string(KSTEP_PROGRAM) + " 'no operation'").finish();
  const std::string& said = ended.first;
  const int code = ended.second;
  if (code == 77) MESSAGE(said);
  return code != 77;
}

}  // namespace

TEST_SUITE_BEGIN("serial");

TEST_CASE("killed or stopped before any instruction, a process loses nothing, and planted bugs are found") {
  if (can_be_stepped()) kill_everywhere(false);
}

TEST_CASE("where there are no debug registers, breakpoint instructions do the same") {
  if (!can_be_stepped()) return;
  const auto ended = running(std::string(KSTEP_PROGRAM) + " --int3 --part 0 4 'tell over'").finish();
  const std::string& said = ended.first;
  const int code = ended.second;
  CHECK_MESSAGE(code == 0, said);
  CHECK(number(said, "kill points") > 10);
}

TEST_SUITE_END();

TEST_SUITE_BEGIN("long serial");

TEST_CASE("the same for as long as every point and pair takes, and for seven minutes at most") {
  if (can_be_stepped()) kill_everywhere(true);
}

TEST_SUITE_END();
