#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "supervision/lines.hpp"

using namespace troupe::supervision;
using namespace std::chrono_literals;
using cut_lines = std::vector<std::pair<std::string, std::uint64_t>>;

namespace {

struct collector {
  cut_lines lines;
  void operator()(std::string_view line, std::uint64_t left_out) { lines.emplace_back(line, left_out); }
};

TEST_CASE("bytes are cut into lines wherever they come apart") {
  const std::string text = "one\n\ntwo\r\nthree\nfour";
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    CAPTURE(piece);
    line_cutter cutter;
    collector into;
    for (std::size_t at = 0; at < text.size(); at += piece) {
      cutter.take(std::string_view(text).substr(at, piece), std::ref(into));
    }
    CHECK(into.lines == cut_lines{{"one", 0}, {"", 0}, {"two", 0}, {"three", 0}});
    cutter.finish(std::ref(into));
    CHECK(into.lines.back() == std::pair<std::string, std::uint64_t>{"four", 0});
    cutter.finish(std::ref(into));
    CHECK(into.lines.size() == 5);
  }
}

TEST_CASE("a line that is too long is cut, and says how much is left out; the next one is whole") {
  for (const std::size_t piece : {1UL, 1000UL, 100'000UL}) {
    line_cutter cutter;
    collector into;
    const std::string text = std::string(line_cutter::longest, 'a') + "\n" + std::string(line_cutter::longest + 7, 'b') +
                             "\nnext\n" + std::string(3 * line_cutter::longest, 'c');
    for (std::size_t at = 0; at < text.size(); at += piece) {
      cutter.take(std::string_view(text).substr(at, piece), std::ref(into));
    }
    cutter.finish(std::ref(into));
    REQUIRE(into.lines.size() == 4);
    CHECK(into.lines[0] == std::pair{std::string(line_cutter::longest, 'a'), std::uint64_t{0}});
    CHECK(into.lines[1] == std::pair{std::string(line_cutter::longest, 'b'), std::uint64_t{7}});
    CHECK(into.lines[2] == std::pair{std::string("next"), std::uint64_t{0}});
    CHECK(into.lines[3] == std::pair{std::string(line_cutter::longest, 'c'), std::uint64_t{2 * line_cutter::longest}});
  }
}

TEST_CASE("the last lines are bounded in number and in bytes") {
  last_lines last;
  for (int i = 0; i < 100; ++i) last.add(std::to_string(i));
  CHECK(last.list().size() == last_lines::most);
  CHECK(last.list().back() == "99");
  last.add(std::string(last_lines::most_bytes + 1, 'x'));
  CHECK(last.list() == std::vector<std::string>{std::string(last_lines::most_bytes, 'x')});
  last.add("after");
  CHECK(last.list() == std::vector<std::string>{"after"});
}

TEST_CASE("an allowance admits ten seconds' worth at once, and then so many a second") {
  allowance ten(10);
  const troupe::os::time_point start{1000s};
  const auto admitted = [&](troupe::os::time_point at) {
    int count = 0;
    while (count < 1000 && ten.admit(at)) ++count;
    return count;
  };
  CHECK(admitted(start) == 100);
  CHECK(admitted(start) == 0);
  CHECK(admitted(start + 1s) == 10);
  CHECK(admitted(start + 1500ms) == 5);
  CHECK(admitted(start + 1000s) == 100);
  allowance any(0);
  for (int i = 0; i < 100'000; ++i) REQUIRE(any.admit(start));
}

}  // namespace
