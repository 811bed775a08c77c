#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "config/common.hpp"

using namespace tests;

namespace {

/// The files name themselves in what is said about them, so they are looked at from their own folder.
class in_folder {
 public:
  explicit in_folder(const std::string& name) : before_(std::filesystem::current_path()) {
    std::filesystem::current_path(std::filesystem::path(TESTS_CONFIG) / name);
  }
  ~in_folder() { std::filesystem::current_path(before_); }

 private:
  std::filesystem::path before_;
};

std::string beside(const std::string& file) {
  return read(std::filesystem::path(file).replace_extension(".txt").string());
}

TEST_CASE("a wrong file gets the errors that stand in the text beside it, all of them and nothing else") {
  const auto files = files_in("wrong");
  CHECK(files.size() >= 40);
  const in_folder here("wrong");
  for (const auto& file : files) {
    CAPTURE(file);
    const auto got = say({"check", file});
    CHECK(got.exit_code == 65);
    CHECK(got.text == beside(file));
  }
}

TEST_CASE("run says the same about a wrong file as check, and starts nothing") {
  const in_folder here("wrong");
  for (const auto& file : files_in("wrong")) {
    CAPTURE(file);
    const auto got = say({"run", file});
    CHECK(got.exit_code == 65);
    CHECK(!got.wanted.tree);
    CHECK(got.text == beside(file));
  }
}

/// Without the file's name, and without what is said about the last line.
std::string said_above(const scratch_file& file, const std::string& last_line) {
  std::istringstream all(say({"check", file.path()}).text);
  std::string kept;
  for (std::string line; std::getline(all, line);) {
    line.erase(0, file.path().size());
    if (!line.starts_with(":" + last_line + ":")) kept += line + "\n";
  }
  return kept;
}

TEST_CASE("a line that is no TOML changes nothing in what is said about the others") {
  const in_folder here("wrong");
  for (const auto& name : files_in("wrong")) {
    const std::string text = read(name);
    const bool other_errors = name.starts_with("syntax_") || text.empty() || text.find('\0') != std::string::npos;
    if (other_errors || !text.ends_with('\n') || name == "points_too_many.toml") continue;
    CAPTURE(name);
    const auto last = std::to_string(1 + std::ranges::count(text, '\n'));
    CHECK(said_above(scratch_file(text + "= 1\n"), last) == said_above(scratch_file(text), last));
  }
}

TEST_CASE("each complaint is one line that begins with file, line and column") {
  const in_folder here("wrong");
  for (const auto& file : files_in("wrong")) {
    std::istringstream lines(say({"check", file}).text);
    for (std::string line; std::getline(lines, line);) {
      CAPTURE(line);
      REQUIRE(line.starts_with(file + ":"));
      unsigned row = 0, column = 0;
      CHECK(std::sscanf(line.c_str() + file.size(), ":%u:%u: ", &row, &column) == 2);
      CHECK(row > 0);
      CHECK(column > 0);
    }
  }
}

TEST_CASE("check warns of what works and is hardly meant, and succeeds") {
  const auto files = files_in("warned");
  CHECK(files.size() >= 5);
  const in_folder here("warned");
  for (const auto& file : files) {
    CAPTURE(file);
    const auto got = say({"check", file});
    CHECK(got.exit_code == 0);
    CHECK(got.text == beside(file));
    CHECK(got.text.find(": warning: ") != std::string::npos);
  }
}

TEST_CASE("in a wrong file check warns behind the errors, of what is right in itself") {
  const std::string warned = "[[supervisor.child]]\nname = \"a\"\nactor = \"Counter\"\nrestart = \"temporary\"\nstandby = 1\n";
  const auto lines_of = [](const std::string& text) {
    const scratch_file file(text);
    const auto got = say({"check", file.path()});
    CHECK(got.exit_code == 65);
    std::istringstream all(got.text);
    std::vector<std::string> found;
    for (std::string line; std::getline(all, line);) found.push_back(line.substr(file.path().size()));
    return found;
  };
  const std::string says_nothing =
      "warning: standby: \"a\" is temporary, so it is never restarted and this says nothing";
  const std::string wrong = "[[supervisor.child]]\nname = \"b\"\nactor = \"Counter\"\n";
  const auto beside = lines_of("[supervisor]\nauto_shutdown = \"any_significant\"\n" + warned + wrong + "significance = true\n");
  CHECK(beside.size() == 2);
  CHECK(beside[0].starts_with(":11:1: \"significance\" is no key of an actor"));
  CHECK(beside[1] == ":7:11: " + says_nothing);  // not of auto_shutdown, which may be meant for b
  CHECK(lines_of("[supervisor]\n" + warned + "stanby = 2\n").size() == 1);
  CHECK(lines_of("[supervisor]\n" + warned + "= 2\n").size() == 1);
  CHECK(lines_of("[supervisor]\n" + warned + warned).size() == 2);  // the name is there twice; the first is right in itself
}

TEST_CASE("run does not warn") {
  const in_folder here("warned");
  for (const auto& file : files_in("warned")) CHECK(say({"run", file}).text.empty());
}

TEST_CASE("a right file is counted") {
  const in_folder here("right");
  CHECK(say({"check", "every_key.toml"}).text == "every_key.toml: no errors; 3 supervisors, 6 actors\n");
}

TEST_CASE("check does not warn of a supervisor whose end ends the one above") {
  const in_folder here("right");
  CHECK(say({"check", "significant_supervisor.toml"}).text ==
        "significant_supervisor.toml: no errors; 2 supervisors, 1 actor\n");
}

TEST_CASE("actors lists the classes, with the fields, types and defaults of their config") {
  const auto got = say({"actors"});
  CHECK(got.exit_code == 0);
  CHECK(got.text == read(TESTS_CONFIG "/actors.txt"));
}

TEST_CASE("a wrong command line ends with 64, help with 0, a file that cannot be read with 66") {
  CHECK(say({}).exit_code == 64);
  CHECK(say({"start", "x.toml"}).exit_code == 64);
  CHECK(say({"check"}).exit_code == 64);
  CHECK(say({"check", "a.toml", "b.toml"}).exit_code == 64);
  CHECK(say({"run", "a.toml", "--log", "loud"}).exit_code == 64);
  CHECK(say({"--help"}).exit_code == 0);
  CHECK(say({"run", "--help"}).exit_code == 0);

  const in_folder here(".");
  const auto missing = say({"check", "nowhere.toml"});
  CHECK(missing.exit_code == 66);
  CHECK(missing.text == "nowhere.toml: cannot be read: there is no such file\n");
  const auto folder = say({"run", "wrong"});
  CHECK(folder.exit_code == 66);
  CHECK(folder.text == "wrong: cannot be read: it is a directory\n");
}

}  // namespace
