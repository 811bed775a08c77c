// The tests' own helper: what goes wrong in a program must be seen by the test case that started it.

#include <doctest/doctest.h>

#include "process/common.hpp"

using namespace tests;

namespace {

using doctest::should_fail;

TEST_CASE("an EXPECT that fails in a program fails the test case" * should_fail()) {
  in_program<Recorder>([](troupe::system&) { EXPECT_EQ(1 + 1, 3); });
}

TEST_CASE("an exception that escapes a program's body fails the test case" * should_fail()) {
  in_program<Recorder>([](troupe::system& sys) { sys.spawn<Recorder>(""); });
}

TEST_CASE("a program that exits with another code than 0 fails the test case" * should_fail()) {
  in_program<Recorder>([](troupe::system&) { ::_exit(3); });
}

TEST_CASE("a program that is killed fails the test case" * should_fail()) {
  in_program<Recorder>([](troupe::system&) { ::raise(SIGKILL); });
}

TEST_CASE("a program that does not end fails the test case" * should_fail()) {
  in_program<Recorder>(
      quiet(), [](troupe::system& sys) { sys.wait(); }, 200ms);
}

TEST_CASE("a process that a program leaves behind fails the test case" * should_fail()) {
  in_program<Recorder>([](troupe::system&) {
    if (::fork() == 0) {
      for (;;) ::pause();
    }
  });
}

TEST_CASE("what a program writes and notes comes back") {
  const auto ended = in_program<Recorder>(logged(), [](troupe::system& sys) {
    note("one");
    add(3, 4);
    auto one = sys.spawn<Recorder>("one");
    one.tell(Exit{1});
    EXPECT(eventually([&] { return sys.count().deaths == 3; }));
  });
  CHECK_EQ(notes(), std::vector<std::string>{"one"});
  CHECK_EQ(total(3), 4);
  CHECK(ended.log.find("exited with code 1") != std::string::npos);
}

}  // namespace
