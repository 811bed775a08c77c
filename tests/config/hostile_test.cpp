#include <doctest/doctest.h>

#include <algorithm>
#include <cctype>
#include <random>
#include <set>
#include <sstream>

#include "config/common.hpp"

using namespace tests;

namespace {

std::string repeated(const std::string& part, std::size_t count) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += part;
  return all;
}

/// Something is said, and the program goes on.
void refuses(const std::string& text) {
  const scratch_file file(text);
  const auto got = say({"check", file.path()});
  CHECK(got.exit_code == 65);
  CHECK(!got.text.empty());
}

bool says_nothing_twice(const std::string& text) {
  std::istringstream all(text);
  std::set<std::string> lines;
  for (std::string line; std::getline(all, line);) {
    if (!lines.insert(line).second) return false;
  }
  return true;
}

TEST_CASE("deep nesting is refused, not followed") {
  refuses("[supervisor]\nx = " + repeated("[", 100'000) + repeated("]", 100'000) + "\n");
  refuses("[supervisor]\nx = " + repeated("{a=", 100'000) + "1" + repeated("}", 100'000) + "\n");
  refuses("[supervisor" + repeated(".a", 100'000) + "]\n");
  refuses("supervisor" + repeated(".a", 100'000) + " = 1\n");
  refuses("supervisor" + repeated(" . \"a\"", 100'000) + " = 1\n");
  refuses("[supervisor" + repeated(".a", 60) + "]\nb" + repeated(".c", 60) + " = " + repeated("{d.e.f.g = ", 20) + "1" +
          repeated("}", 20) + "\n");
}

TEST_CASE("deep nesting behind a text is seen, also where that text is not closed") {
  const std::string deep = "b" + repeated(".c", 400'000) + " = 1";
  refuses("supervisor = { x = \"\"\"a\"\"\"\", " + deep + " }\n");
  refuses("supervisor = { x = \"a\\\"\", " + deep + " }\n");
  refuses("supervisor = { x = 'a\\', " + deep + " }\n");
  refuses("[supervisor]\nx = yes \"\"\"\n" + deep + "\n");
}

TEST_CASE("points in comments and in texts nest nothing") {
  const std::string points(65, '.');
  for (const std::string quote : {"\"", "'", "\"\"\"", "'''"}) {
    CAPTURE(quote);
    const std::string text = quote + points + quote;
    const scratch_file file("# " + points + "\n[supervisor]  # " + points +
                            "\n[[supervisor.child]]\nname = \"a\"\nactor = \"Reader\"\nargs.path = " + text + "\n");
    CHECK(say({"check", file.path()}).exit_code == 0);
    const auto got = say({"run", file.path(), "--set", "supervisor.child.a.start_timeout=" + text});
    CHECK(got.text.find("found the text \"...") != std::string::npos);
  }
}

TEST_CASE("a name with too many points is said where it is, behind texts and letters of any kind") {
  const scratch_file file("# \"\n[supervisor]\nname = '''\n\"'''  # '\nx = \"\\\"\"\n'ä.'.\"..\"" + repeated(".a", 64) +
                          " = 1\n");
  CHECK(say({"check", file.path()}).text ==
        file.path() + ":6:" + std::to_string(10 + 2 * 63) + ": a name with more than 64 points: nested too deeply\n");
}

TEST_CASE("huge numbers, long lines and many errors are refused in bounded time") {
  refuses("[supervisor]\nmax_restarts = " + std::string(100'000, '9') + "\n");
  refuses("[supervisor]\nwithin = \"" + std::string(100'000, '9') + "s\"\n");
  refuses("[supervisor]\nwithin = \"1e400s\"\n");
  refuses("[supervisor]\nname = \"" + std::string(200'000, 'x') + "\"\n");
  refuses("[supervisor]\n" + std::string(200'000, 'x') + " = 1\n");
  refuses("[supervisor]\n" + repeated("x = y\n", 10'000));
  refuses("[supervisor]\n" + repeated("[[supervisor.child]]\nname = 1\n", 5'000));
}

TEST_CASE("args that are too many bytes in all, and supervisors that are too many, are said where it is too much") {
  const scratch_file args(
      "[supervisor]\n[[supervisor.child]]\nname = \"small\"\nactor = \"Reader\"\n[[supervisor.child]]\n"
      "name = \"large\"\nactor = \"Reader\"\ncount = 60\nargs.path = \"" +
      std::string(300'000, 'x') + "\"\n");
  const auto got = say({"check", args.path()});
  CHECK(got.exit_code == 65);
  CHECK(got.text.starts_with(args.path() + ":9:1: the tree is too large: with the args of \"large\", 60 times 300"));
  CHECK(got.text.ends_with(" bytes; at most 16777216\n"));

  std::string many = "[supervisor]\n";
  for (int i = 0; i < 4096; ++i)
    many += "[[supervisor.child]]\nname = \"s" + std::to_string(i) + "\"\nkind = \"supervisor\"\n";
  const scratch_file supervisors(many);
  CHECK(say({"check", supervisors.path()}).text ==
        supervisors.path() + ":12287:1: the tree has more than 4096 supervisors\n");
}

TEST_CASE("a key that is there again far below, and brackets and quotes without end, are refused in bounded time") {
  std::string keys;
  for (int i = 0; i < 60; ++i) keys += "k" + std::to_string(i) + " = 1\n";
  refuses("[supervisor]\n" + keys + repeated("#\n", 450'000) + keys);
  refuses("[supervisor]\nx = [" + repeated("1 ", 8'000) + "]\n");
  refuses("[supervisor]\nx = {" + repeated("a = b c = ", 4'000) + "}\n");
  refuses("[supervisor]\n" + repeated("x = {a = 1,\n", 4'000));
  refuses("[supervisor]\n" + repeated("x = [\n", 4'000));
  refuses("[supervisor]\n" + repeated("x = \"\"\"\\\"\"\"\n", 4'000));
}

TEST_CASE("three quotes in a comment or in another text begin nothing") {
  for (const std::string above : {"# a \"\"\" in a comment", "# a ''' in a comment", "# it's \""}) {
    const scratch_file file(above + "\n[supervisor]\n[[supervisor.child]]\nname = '\"\"\"'\nactor = \"Reader\"\n" +
                            "args.path = \"\"\"\n[supervisor.child] # '''\n[supervisor.child]\n\"\"\"\n");
    CHECK(say({"check", file.path()}).exit_code == 0);
  }
}

TEST_CASE("a file beyond the limit and an endless one are not read to their end") {
  const scratch_file large(std::string((1 << 20) + 1, '#'));
  const auto got = say({"check", large.path()});
  CHECK(got.exit_code == 66);
  CHECK(got.text == large.path() + ": cannot be read: it has more than 1048576 bytes\n");
  CHECK(say({"check", "/dev/zero"}).exit_code == 66);
  CHECK(say({"check", "/dev/null"}).exit_code == 65);
}

TEST_CASE("whatever single bytes of a file are changed, it is right or the errors say where") {
  const std::string right = read(TESTS_CONFIG "/right/every_key.toml");
  std::mt19937 chance(4711);
  const auto below = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(chance); };
  const std::string letters = "[]{}=.,\"'#\n\\ -0a\xff\xc3";
  for (int round = 0; round < 1500; ++round) {
    std::string text = right;
    for (std::size_t changes = 1 + below(3); changes > 0; --changes) {
      const std::size_t at = below(text.size());
      switch (below(3)) {
        case 0:
          text[at] = letters[below(letters.size())];
          break;
        case 1:
          text.erase(at, 1 + below(5));
          break;
        default:
          text.insert(at, 1, letters[below(letters.size())]);
      }
    }
    CAPTURE(text);
    const scratch_file file(text);
    const auto got = say({"check", file.path()});
    CHECK((got.exit_code == 0 || got.exit_code == 65));
    CHECK(!got.text.empty());
    if (got.exit_code == 65) CHECK(got.text.find(":") != std::string::npos);
    CHECK(says_nothing_twice(got.text));
    CHECK(std::ranges::all_of(got.text,
                              [](char c) { return c == '\n' || std::iscntrl(static_cast<unsigned char>(c)) == 0; }));
  }
}

}  // namespace
