#include <doctest/doctest.h>
#include <actors/framing.hpp>

#include <string>
#include <vector>

using troupe::actors::framing;

namespace {

/// What comes out of these pieces of a stream.
std::vector<std::string> taken(framing& from, const std::vector<std::string>& pieces) {
  std::vector<std::string> all;
  for (const auto& each : pieces) {
    from.feed(each, [&](std::string&& bytes, bool more) { all.push_back(more ? bytes + "..." : bytes); });
  }
  return all;
}
using messages = std::vector<std::string>;

}  // namespace

TEST_CASE("lines come out whole, however the stream is cut") {
  framing lines("lines", 100);
  CHECK_EQ(taken(lines, {"one\ntw", "o", "\n\n", "three"}), messages{"one", "two", ""});
  CHECK_EQ(lines.rest(), "three");
  CHECK_EQ(lines.rest(), "");
}

TEST_CASE("a line that is longer than the limit comes in pieces") {
  framing lines("lines", 4);
  CHECK_EQ(taken(lines, {"abcdefghij\nabcd\nx\n"}), messages{"abcd...", "efgh...", "ij", "abcd", "x"});
  CHECK_EQ(taken(lines, {"abc", "d", "\n"}), messages{"abcd...", ""});  // nobody knew yet that it was whole
}

TEST_CASE("frames come out whole, cut anywhere, with lengths of one, two and four bytes") {
  for (const std::string protocol : {"frames1", "frames2", "frames4"}) {
    CAPTURE(protocol);
    framing out(protocol, 1000);
    const messages sent{"a", "", std::string(255, '\n'), std::string("\0b", 2)};
    std::string stream;
    for (const auto& each : sent) stream += out.wrapped(each);
    framing at_once(protocol, 1000), by_bytes(protocol, 1000);
    CHECK_EQ(taken(at_once, {stream}), sent);
    messages bytes;
    for (const char each : stream) bytes.emplace_back(1, each);
    CHECK_EQ(taken(by_bytes, bytes), sent);
  }
}

TEST_CASE("lengths are big-endian") {
  CHECK_EQ(framing("frames2", 1000).wrapped(std::string(258, 'x')).substr(0, 2), std::string("\x01\x02"));
  CHECK_EQ(framing("frames4", 1000).wrapped("xyz").substr(0, 4), std::string("\0\0\0\x03", 4));
}

TEST_CASE("a frame that does not fit is refused on its way in and on its way out") {
  CHECK_THROWS_AS(framing("frames1", 1000).wrapped(std::string(256, 'x')), troupe::error);
  framing small("frames4", 10);
  CHECK_THROWS_AS(taken(small, {std::string("\0\0\0\x0b", 4)}), troupe::error);
}

TEST_CASE("a protocol that does not exist is refused") {
  for (const char* wrong : {"", "line", "frames3", "frames", "frames44"})
    CHECK_THROWS_AS(framing(wrong, 10), troupe::error);
}

TEST_CASE("a limit that no message fits into is refused, with every protocol") {
  for (const char* protocol : {"none", "lines", "frames2"}) {
    CHECK_THROWS_AS(framing(protocol, 0), troupe::error);
    CHECK_NOTHROW(framing(protocol, 1));
  }
}
