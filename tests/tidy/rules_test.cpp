#include "rules.hpp"

#include <doctest/doctest.h>

// Each rule finds a planted violation, at its line, and accepts what is right.

namespace {

using namespace tidy;

void finds(const findings& found, std::size_t line, std::string_view part) {
  REQUIRE(found.size() == 1);
  CHECK(found[0].line == line);
  CHECK_MESSAGE(found[0].what.find(part) != std::string::npos, found[0].what);
}

std::string lines(std::size_t count) { return std::string(count, '\n'); }

}  // namespace

TEST_CASE("the code of a text is the text without comments and the insides of literals") {
  CHECK(code_of("int a; // errno\nint b;") == "int a;         \nint b;");
  CHECK(code_of("a /* errno\n errno */ b") == "a         \n          b");
  CHECK(code_of(R"(f("a \" // b"); g('"'); h();)") == R"(f("         "); g(' '); h();)");
  CHECK(code_of("f(1'000'000); // x") == "f(1'000'000);     ");
  CHECK(code_of("auto s = R\"x(a\n\" b)x\"; c") == "auto s = R\"   \n     \"; c");
  CHECK(code_of("#include \"wire/x.hpp\"  // y") == "#include \"wire/x.hpp\"      ");
  CHECK(code_of("\"unterminated") == "\"            ");
  CHECK(code_of("") == "");
}

TEST_CASE("a folder that includes what it may not is found") {
  finds(who_may_include_whom({"framework/wire/a.hpp", "#pragma once\n#include <troupe/error.hpp>\n"}), 2,
        "wire may not include");
  finds(who_may_include_whom({"framework/worker/a.cpp", "#include \"supervision/policy.hpp\""}), 1, "worker may not");
  finds(who_may_include_whom({"framework/supervision/a.cpp", "\n\n#  include \"worker/loop.hpp\""}), 3,
        "supervision may not");
  finds(who_may_include_whom({"framework/troupe/a.hpp", "#include \"framework/os/fd.hpp\""}), 1, "troupe may not");
  finds(who_may_include_whom({"actors/a.hpp", "#include \"channel/lane.hpp\""}), 1, "actors may not");
  finds(who_may_include_whom({"examples/hello/a.cpp", "#include <os/fd.hpp>"}), 1, "examples may not");
  finds(who_may_include_whom({"framework/os/a.cpp", "#include \"tests/support/x.hpp\""}), 1, "os may not");
  finds(who_may_include_whom({"framework/worker/a.cpp", "#include \"../supervision/policy.hpp\""}), 1, "not with ..");
  finds(who_may_include_whom({"framework/wire/a.cpp", "#include \"wire/../os/fd.hpp\""}), 1, "not with ..");
  finds(who_may_include_whom({"framework/misc/a.cpp", ""}), 1, "framework/misc is no folder");
  finds(who_may_include_whom({"framework/a.cpp", ""}), 1, "is no folder");
}

TEST_CASE("a folder includes itself, what lies below it, and the world") {
  CHECK(who_may_include_whom({"framework/worker/a.cpp",
                              "#include \"worker/a.hpp\"\n#include \"a.hpp\"\n#include <troupe/actor.hpp>\n"
                              "#include \"wire/boot.hpp\"\n#include \"os/fd.hpp\"\n#include \"channel/lane.hpp\"\n"
                              "#include <sys/mman.h>\n#include <vector>\n// #include \"supervision/policy.hpp\"\n"})
            .empty());
  CHECK(who_may_include_whom({"framework/wire/b.hpp", "#include \"wire/a.hpp\""}).empty());
  CHECK(who_may_include_whom({"examples/a/b.cpp", "#include <actors/tail.hpp>\n#include \"own.hpp\""}).empty());
  CHECK(who_may_include_whom({"tests/unit/a.cpp", "#include \"wire/boot.hpp\""}).empty());
}

TEST_CASE("CAF and cereal outside of their places are found") {
  finds(libraries_stay_in_their_place({"framework/worker/a.cpp", "\n#include <caf/all.hpp>"}), 2, "CAF");
  finds(libraries_stay_in_their_place({"framework/troupe/actor.hpp", "#include \"caf/fwd.hpp\""}), 1, "CAF");
  finds(libraries_stay_in_their_place({"framework/troupe/actor.hpp", "#include <cereal/cereal.hpp>"}), 1,
        "codec_cereal.hpp");
  finds(libraries_stay_in_their_place({"framework/troupe/codec_cereal.hpp", "#include <cereal/archives/binary.hpp>"}),
        1, "bounded archive");
  finds(libraries_stay_in_their_place({"framework/troupe/actor.hpp", "#include <troupe/codec_cereal.hpp>"}), 1,
        "troupe.hpp");
  finds(libraries_stay_in_their_place({"framework/troupe/troupe.hpp", "#include <troupe/bridge_caf.hpp>"}), 1, "CAF");
  finds(libraries_stay_in_their_place({"framework/troupe/ref.hpp", "#include <troupe/detail/cereal_base.hpp>"}), 1,
        "part of");
}

TEST_CASE("CAF and cereal in their places are accepted") {
  CHECK(libraries_stay_in_their_place({"framework/troupe/detail/cereal_base.hpp", "#include <cereal/cereal.hpp>"})
            .empty());
  CHECK(libraries_stay_in_their_place({"framework/troupe/codec_cereal.hpp", "#include <troupe/detail/cereal_base.hpp>"})
            .empty());
  CHECK(libraries_stay_in_their_place({"framework/supervision/a.cpp", "#include <caf/all.hpp>"}).empty());
  CHECK(libraries_stay_in_their_place({"framework/troupe/bridge_caf.hpp", "#include <caf/actor.hpp>"}).empty());
  CHECK(libraries_stay_in_their_place({"framework/troupe/codec_cereal.hpp", "#include <cereal/cereal.hpp>"}).empty());
  CHECK(libraries_stay_in_their_place({"framework/troupe/troupe.hpp", "#include <troupe/codec_cereal.hpp>"}).empty());
  CHECK(libraries_stay_in_their_place({"examples/a/a.cpp", "#include <cereal/types/list.hpp>"}).empty());
}

TEST_CASE("system calls and errno outside of os are found") {
  finds(system_calls_stay_in_os({"framework/worker/a.cpp", "#include <sys/mman.h>"}), 1, "os/ alone");
  finds(system_calls_stay_in_os({"framework/troupe/a.hpp", "\n#include <unistd.h>"}), 2, "os/ alone");
  finds(system_calls_stay_in_os({"framework/channel/a.hpp", "#include <linux/futex.h>"}), 1, "os/ alone");
  finds(system_calls_stay_in_os({"actors/a.hpp", "#include <fcntl.h>"}), 1, "os/ alone");
  finds(system_calls_stay_in_os({"framework/wire/a.hpp", "#include <poll.h>"}), 1, "os/ alone");
  finds(system_calls_stay_in_os({"framework/worker/a.cpp", "#include <cerrno>"}), 1, "errno");
  finds(system_calls_stay_in_os({"framework/worker/a.cpp", "f();\nif (errno == 4) g();"}), 2, "errno");
}

TEST_CASE("system calls and errno in os, and errors that carry a number, are accepted") {
  CHECK(system_calls_stay_in_os({"framework/os/a.cpp", "#include <sys/mman.h>\n#include <cerrno>\nint e = errno;"})
            .empty());
  CHECK(system_calls_stay_in_os({"framework/worker/a.cpp", "return e.os_errno();  // not errno"}).empty());
  CHECK(system_calls_stay_in_os({"examples/a/a.cpp", "#include <unistd.h>"}).empty());
  CHECK(system_calls_stay_in_os({"tests/unit/a.cpp", "#include <sys/mman.h>\nint e = errno;"}).empty());
}

TEST_CASE("banned calls are found") {
  finds(banned_calls({"framework/os/a.cpp", "\nwaitpid( -1, nullptr, 0);"}), 2, "pidfd");
  finds(banned_calls({"tests/process/a.cpp", "::waitpid(-1, &s, 0);"}), 1, "pidfd");
  finds(banned_calls({"framework/worker/a.cpp", "auto p = fork();"}), 1, "os/ alone");
  finds(banned_calls({"examples/a/a.cpp", "if (::vfork () == 0) {}"}), 1, "os/ alone");
  finds(banned_calls({"tests/unit/a.cpp", "f();\nstd::this_thread::sleep_for(1s);"}), 2, "condition");
  finds(banned_calls({"tests/unit/a.cpp", "usleep(5);  // tidy: allow sleep, because "}), 1, "condition");
  finds(banned_calls({"tests/unit/a.cpp", "// sleep(1);\nsleep(1);"}), 2, "condition");
  finds(banned_calls({"tests/examples/a.sh", "start &\nsleep 0.5"}), 2, "condition");
  finds(banned_calls({"tests/run", "while true; do sleep 1; done"}), 1, "condition");
}

TEST_CASE("calls that only look like banned ones, and sleeps with a reason, are accepted") {
  CHECK(banned_calls({"framework/os/a.cpp", "auto p = fork(); waitpid(pid, nullptr, 0);"}).empty());
  CHECK(banned_calls({"framework/worker/a.cpp", "fork_server(); // fork()\nlog(\"fork()\"); int fork = 1;"}).empty());
  CHECK(banned_calls({"tests/unit/a.cpp", "fork(); doorbell.sleeping(); int sleep = 1;"}).empty());
  CHECK(banned_calls({"tests/unit/a.cpp", "usleep(5);  // tidy: allow sleep, because a scan has no event"}).empty());
  CHECK(
      banned_calls({"tests/examples/a.sh", "# sleep 1\nasleep 1\nsleep 1  # tidy: allow sleep, because it is the case"})
          .empty());
  CHECK(banned_calls({"framework/supervision/a.cpp", "std::this_thread::sleep_for(1s);"}).empty());
}

TEST_CASE("words for unfinished work are found, in comments too") {
  finds(unfinished_work({"framework/os/a.cpp",
                         "\n// TO"
                         "DO: more"}),
        2, "do it");
  finds(unfinished_work({"docs/a.md",
                         "FIX"
                         "ME"}),
        1, "do it");
  finds(unfinished_work({"tests/a.sh",
                         "# XX"
                         "X"}),
        1, "do it");
  CHECK(unfinished_work({"framework/os/a.cpp", "mkstemp(\"/tmp/a.XXXXXX\"); // todo"}).empty());
}

TEST_CASE("a header that nobody includes is found") {
  const file reader = {"framework/os/a.cpp", "#include \"os/fd.hpp\"\n#include <troupe/detail/x.hpp>"};
  CHECK(dead_headers({reader, {"framework/os/fd.hpp", ""}, {"framework/troupe/detail/x.hpp", ""}}).empty());
  CHECK(dead_headers({{"framework/troupe/actor.hpp", ""}, {"actors/tail.hpp", ""}}).empty());
  CHECK(dead_headers({{"framework/os/a.cpp", "#include \"fd.hpp\""}, {"framework/os/fd.hpp", ""}}).empty());
  finds(dead_headers({reader, {"framework/os/pipe.hpp", ""}}), 1, "nobody");
  finds(dead_headers({reader, {"framework/troupe/detail/y.hpp", ""}}), 1, "nobody");
  finds(dead_headers({{"framework/worker/a.cpp", "#include \"fd.hpp\""}, {"framework/os/fd.hpp", ""}}), 1, "nobody");
}

TEST_CASE("a long file is found, and a known one may only shrink") {
  const std::map<std::string, std::size_t> known = {{"framework/os/a.cpp", 450}};
  CHECK(long_files({{"framework/os/b.cpp", lines(400)}, {"tests/unit/a.cpp", lines(900)}}, {}).empty());
  finds(long_files({{"framework/os/b.cpp", lines(401)}}, {}), 401, "split");
  CHECK(long_files({{"framework/os/a.cpp", lines(450)}}, known).empty());
  finds(long_files({{"framework/os/a.cpp", lines(451)}}, known), 451, "shrink only");
  finds(long_files({{"framework/os/a.cpp", lines(449)}}, known), 449, "write 449");
  finds(long_files({{"framework/os/a.cpp", lines(400)}}, known), 400, "off the table");
  finds(long_files({}, known), 450, "gone");
}

TEST_CASE("the top of the tree holds exactly what it should") {
  std::set<std::string> names = {"CMakeLists.txt", "README.md", "actors", "docs", "examples", "framework", "tests"};
  CHECK(top_level(names).empty());
  names.insert({".clang-format", "CMakePresets.json", "LICENSE", "CHANGELOG.md"});
  CHECK(top_level(names).empty());
  names.insert("notes.txt");
  finds(top_level(names), 1, "no place");
  names.erase("notes.txt");
  names.erase("docs");
  finds(top_level(names), 1, "missing");
}
