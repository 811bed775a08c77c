#include <doctest/doctest.h>

#include <actors/program.hpp>

#include "config/common.hpp"

// Rules that a config has of its own: those of foreign programs, and those of a user's class.

using namespace tests;
using troupe::actors::program;
using lines = std::vector<std::string>;

namespace {

struct Server : troupe::actor {
  struct limit {
    std::int32_t low = 0, high = 1;
    std::vector<troupe::config_fault> faults() const {
      if (low > high) return {{"low", std::to_string(low) + " is more than high"}};
      return {};
    }
    template <class Ar>
    void serialize(Ar& ar) {
      ar(CEREAL_NVP(low), CEREAL_NVP(high));
    }
  };
  struct config {
    std::uint16_t port = 0;
    std::string host;
    std::vector<limit> limits;
    std::map<std::string, std::int32_t> weights;
    std::vector<troupe::config_fault> faults() const {
      std::vector<troupe::config_fault> all;
      if (port == 0) all.push_back({"port", "0 is no port that can be reached"});
      if (host.empty()) all.push_back({"host", "expected the name of a host"});
      return all;
    }
    template <class Ar>
    void serialize(Ar& ar) {
      ar(CEREAL_NVP(port), CEREAL_NVP(host), CEREAL_NVP(limits), CEREAL_NVP(weights));
    }
  };
  explicit Server(const config&) {}
  void on(Nothing) {}
  using handles = troupe::handles<Nothing>;
};

/// What is said of a child with these keys, behind the file's name; its first line is line 4.
lines complaints(const std::string& keys) {
  static const std::vector<troupe::detail::config_class> classes{troupe::detail::class_of<Server>(),
                                                                 troupe::detail::class_of<program>()};
  const scratch_file file("[supervisor]\n[[supervisor.child]]\nname = \"a\"\n" + keys + "\n");
  const auto got = say_of(classes, troupe::detail::foreign_of<Server, program>(), {"check", file.path()});
  CHECK(got.exit_code == 65);
  std::istringstream from(got.text);
  lines all;
  for (std::string line; std::getline(from, line);) {
    CHECK(line.starts_with(file.path() + ":"));
    all.push_back(line.substr(file.path().size() + 1));
  }
  return all;
}

TEST_CASE("the rules of a config and of structs in it are said at their fields") {
  CHECK(complaints("actor = \"Server\"\nargs = { port = 0, host = \"\", limits = [{ low = 3, high = 2 }] }") ==
        lines{"5:17: port: 0 is no port that can be reached", "5:27: host: expected the name of a host",
              "5:49: low: 3 is more than high"});
}

TEST_CASE("what the rules of a config find in fields that the file leaves out is said at args, or at the child") {
  CHECK(complaints("actor = \"Server\"\nargs = { host = \"h\" }") ==
        lines{"5:8: port: 0 is no port that can be reached"});
  CHECK(complaints("actor = \"Server\"") ==
        lines{"2:1: port: 0 is no port that can be reached", "2:1: host: expected the name of a host"});
}

TEST_CASE("a field that cannot be read, or has a wrong name, is not complained of twice") {
  CHECK(complaints("actor = \"Server\"\nargs = { port = \"80\", host = \"h\" }") ==
        lines{"5:17: port: expected a whole number, found the text \"80\"; did you mean 80?"});
  CHECK(complaints("actor = \"Server\"\nargs = { prt = 80, host = \"\" }") ==
        lines{"5:10: \"prt\" is no key of args; did you mean \"port\"?", "5:27: host: expected the name of a host"});
}

TEST_CASE("a key of a map is quoted where it is no bare key, so that no control character comes through") {
  CHECK(complaints(
            "actor = \"Server\"\nargs = { port = 1, host = \"h\", weights = { \"a\\u001b[31m\" = 1.5, b = 0.5 } }") ==
        lines{"5:60: \"a\\u001b[31m\": expected a whole number, found the number 1.5",
              "5:69: b: expected a whole number, found the number 0.5"});
}

TEST_CASE("a program that cannot be run as the file says is refused by check") {
  CHECK(complaints("exec = [\"\"]") == lines{"4:8: exec: the program is missing, as in exec = [\"prog\", \"arg\"]"});
  CHECK(complaints("exec = []") == lines{"4:8: exec: the program is missing, as in exec = [\"prog\", \"arg\"]"});
  CHECK(complaints("exec = [\"sleep\\u0000x\", \"1\"]") ==
        lines{"4:8: exec: \"sleep\\u0000x\" has a zero byte in it, which would end it there"});
  CHECK(complaints("exec = [\"sleep\", 1]") ==
        lines{"4:18: exec[1]: expected text in quotes, found the number 1; did you mean \"1\"?"});
  CHECK(complaints("actor = \"program\"") ==
        lines{"2:1: exec: the program is missing, as in exec = [\"prog\", \"arg\"]"});
  CHECK(complaints("actor = \"program\"\nargs = { exec = [] }") ==
        lines{"5:17: exec: the program is missing, as in exec = [\"prog\", \"arg\"]"});
}

TEST_CASE("wrong options of a program are all said at once, with the nearest word") {
  CHECK(
      complaints(
          "actor = \"program\"\n[supervisor.child.args]\nexec = [\"p\"]\nprotocol = \"linez\"\nready_fd = 1\n"
          "stop_signal = 999\nmax_message = 0\nenvironment = { \"A=B\" = \"x\", \"\" = \"y\", C = \"z\\u0000\" }\n"
          "directory = \"/\\u0000\"") ==
      lines{"7:12: protocol: there is no protocol \"linez\": it is none, lines, frames1, frames2 or frames4; did you "
            "mean "
            "\"lines\"?",
            "8:12: ready_fd: 1 is out of range; expected 3 to 1023, or 0 for none",
            "9:15: stop_signal: 999 is out of range; expected a signal's number, 1 to 64",
            "10:15: max_message: no message fits into 0 bytes; expected 1 or more",
            "11:15: environment: \"\" is no name of a variable: it has a letter or more, and no = and no zero byte",
            "11:15: environment: \"A=B\" is no name of a variable: it has a letter or more, and no = and no zero byte",
            "11:15: environment: the value of \"C\" has a zero byte in it, which would end it there",
            "12:13: directory: \"/\\u0000\" has a zero byte in it, which would end it there"});
  CHECK(complaints("actor = \"program\"\nargs = { exec = [\"p\"], ready_fd = 2000000000, stop_signal = 0 }") ==
        lines{"5:35: ready_fd: 2000000000 is out of range; expected 3 to 1023, or 0 for none",
              "5:61: stop_signal: 0 is out of range; expected a signal's number, 1 to 64"});
}

TEST_CASE("a program's ready_fd is below the descriptors that its child may have") {
  const auto program_with = [](const std::string& ready, const std::string& files) {
    return "actor = \"program\"\nargs = { exec = [\"p\"], ready_fd = " + ready + " }\nlimits = { files = " + files + " }";
  };
  CHECK(complaints(program_with("64", "64")) ==
        lines{"5:35: ready_fd: 64 is out of range, since limits.files is 64; expected less than that"});
  CHECK(complaints(program_with("1000", "64")) ==
        lines{"5:35: ready_fd: 1000 is out of range, since limits.files is 64; expected less than that"});
  CHECK(complaints(program_with("2000", "64")) ==
        lines{"5:35: ready_fd: 2000 is out of range; expected 3 to 1023, or 0 for none"});
  CHECK(complaints(program_with("63", "64") + "\nwrong = 1").size() == 1);
}

TEST_CASE("options of a program beside exec are sent to its args") {
  const auto wanted = [](const std::string& place, const std::string& written, const std::string& key) {
    return place + ": \"" + written +
           "\" does not stand beside exec; say it with actor = \"program\" and args = { exec = "
           "[...], " +
           key + " = ... }";
  };
  CHECK(complaints("exec = [\"p\"]\nprotocol = \"lines\"\nready_fd = 3\nenv = { A = \"x\" }\ncwd = \"/\"") ==
        lines{wanted("5:1", "protocol", "protocol"), wanted("6:1", "ready_fd", "ready_fd"),
              wanted("7:1", "env", "environment"), wanted("8:1", "cwd", "directory")});
}

TEST_CASE("a program needs more descriptors than an actor") {
  CHECK(complaints("exec = [\"p\"]\nlimits = { files = 10 }") ==
        lines{"5:10: files: 10 is out of range; a child that runs a program takes 11 or more"});
  CHECK(complaints("actor = \"program\"\nargs = { exec = [\"p\"] }\nlimits = { files = 19 }") ==
        lines{"6:10: files: 19 is out of range; a child that runs a program takes 20 or more"});
}

}  // namespace
