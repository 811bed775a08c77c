#include <doctest/doctest.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <set>
#include <stdexcept>
#include <string>

#include <troupe/detail/bytes.hpp>
#include <troupe/error.hpp>

using troupe::errc;
using troupe::error;

TEST_CASE("every error code has a name of its own and a sentence") {
  std::set<std::string_view> names;
  for (int code = 0; code <= static_cast<int>(errc::level_missing); ++code) {
    const error e(static_cast<errc>(code), "");
    CHECK(names.insert(troupe::name(e.code())).second);
    CHECK(std::string(e.what()).starts_with(std::string(troupe::name(e.code())) + ": "));
    CHECK(std::string(e.what()).size() > 20);
  }
  CHECK(names.count("unknown") == 0);
}

TEST_CASE("the names of error codes are those of the enumerators") {
  CHECK(troupe::name(errc::os) == "os");
  CHECK(troupe::name(errc::outcome_unknown) == "outcome_unknown");
  CHECK(troupe::name(errc::gave_up) == "gave_up");
  CHECK(troupe::name(errc::empty) == "empty");
}

TEST_CASE("a code out of range is named unknown") {
  const auto none = static_cast<errc>(200);
  CHECK(troupe::name(none) == "unknown");
  CHECK(std::string(error(none, "text").what()) == "unknown: text");
}

TEST_CASE("what() is one sentence: the code, what happened, what to do") {
  const error e(errc::full, "mailbox of parser has no room after 5 s");
  CHECK(std::string(e.what()) ==
        "full: mailbox of parser has no room after 5 s; wait for longer, send less, or let more workers receive");
  CHECK(e.text() == "mailbox of parser has no room after 5 s");
  CHECK(e.os_errno() == 0);
  CHECK(std::string(e.op()).empty());
}

TEST_CASE("an error of the system says which call failed, and why") {
  const error e(errc::os, "memfd_create", EMFILE, "while making the mailbox of parser");
  CHECK(e.code() == errc::os);
  CHECK(e.os_errno() == EMFILE);
  CHECK(std::string(e.op()) == "memfd_create");
  CHECK(std::string(e.what()) ==
        std::string("os: memfd_create: ") + std::strerror(EMFILE) + ": while making the mailbox of parser");
}

TEST_CASE("an error of the system without a text ends with the system's own words") {
  CHECK(std::string(error(errc::os, "close", EBADF).what()) == std::string("os: close: ") + std::strerror(EBADF));
}

TEST_CASE("an operation that failed without a number of the system is named too") {
  const error e(errc::spawn_failed, "spawn", 0, "the spawner is gone");
  CHECK(std::string(e.what()).starts_with("spawn_failed: spawn: the spawner is gone; "));
}

TEST_CASE("an error is caught as std::exception and survives being copied") {
  try {
    throw error(errc::closed, "parser");
  } catch (const std::exception& e) {
    CHECK(std::string(e.what()).starts_with("closed: parser; "));
  }
  error copy(errc::os, "");
  copy = error(errc::timeout, "1 s");
  CHECK(copy.code() == errc::timeout);
  CHECK(std::string(copy.what()).starts_with("timeout: 1 s; "));
}

TEST_CASE("a handler's failure carries its text") {
  const troupe::result<double> divided = troupe::fail("division by zero");
  REQUIRE_FALSE(divided.has_value());
  CHECK(divided.error().text == "division by zero");
}

namespace {

template <class E>
std::string as_corrupt(E&& thrown) {
  try {
    try {
      throw std::forward<E>(thrown);
    } catch (...) {
      troupe::detail::rethrow_as_corrupt();
    }
  } catch (const error& e) {
    return e.code() == errc::corrupt ? e.text() : "not corrupt";
  }
}

}  // namespace

TEST_CASE("whatever a decoder throws becomes errc::corrupt with its text") {
  CHECK(as_corrupt(error(errc::corrupt, "as it is")) == "as it is");
  CHECK(as_corrupt(error(errc::full, "other")).find("full: other") == 0);
  CHECK(as_corrupt(std::runtime_error("their words")) == "their words");
  CHECK(as_corrupt(std::bad_alloc()).find("more memory") != std::string::npos);
  CHECK(as_corrupt(5).find("not a std::exception") != std::string::npos);
}

TEST_CASE("a writer counts what does not fit and writes nothing beyond its capacity") {
  std::byte memory[5] = {};
  troupe::detail::writer to(memory, 4);
  const char text[] = "abc";
  to.bytes(text, 3);
  CHECK(to.fits());
  to.bytes(text, 3);
  CHECK_FALSE(to.fits());
  CHECK(to.size() == 6);
  to.bytes(text, 1);
  CHECK(to.size() == 7);
  CHECK(memory[3] == std::byte{0});
  CHECK(memory[4] == std::byte{0});
}

TEST_CASE("a reader refuses to read beyond its bytes and stays where it is") {
  const std::byte memory[3] = {};
  troupe::detail::reader from(memory, 3);
  std::uint32_t four = 0;
  CHECK_THROWS_AS(from.bytes(&four, 4), error);
  CHECK_THROWS_AS(from.take(4), error);
  CHECK(from.left() == 3);
  CHECK(from.take(3) == memory);
  CHECK(from.left() == 0);
  from.bytes(nullptr, 0);
}
