#include <doctest/doctest.h>

#include "config/common.hpp"

using namespace tests;
using namespace std::chrono_literals;

namespace {

const std::string file = TESTS_CONFIG "/right/every_key.toml";

said with(const std::vector<std::string>& sets, const std::string& verb = "run") {
  std::vector<std::string> arguments{verb, file};
  for (const auto& set : sets) {
    arguments.push_back("--set");
    arguments.push_back(set);
  }
  return say(arguments);
}

troupe::detail::tree_node tree_with(const std::vector<std::string>& sets) {
  const auto got = with(sets);
  REQUIRE_MESSAGE(got.exit_code == 0, got.text);
  return got.wanted.tree->description();
}

void complains(const std::string& set, const std::string& text) {
  const auto got = with({set}, "check");
  CHECK(got.exit_code == 65);
  CHECK(got.text == "--set " + set + ": " + text + "\n");
}

TEST_CASE("--set replaces a value of the file, by the names of the children") {
  const auto top = tree_with({"supervisor.max_restarts=9", "supervisor.child.parsers.child.parser.count=2",
                              "supervisor.child.reader.shutdown=3s", "supervisor.child.reader.backoff.first=20ms"});
  CHECK(top.spec.max_restarts == 9);
  CHECK(top.children[1].supervisor->children.size() == 2);
  CHECK(top.children[0].spec.shutdown.grace == 3s);
  CHECK(top.children[0].spec.backoff.first == 20ms);
  CHECK(top.children[0].spec.backoff.max == 1s);
}

TEST_CASE("--set puts in what the file leaves out, tables too") {
  const auto top = tree_with({"supervisor.child.counter.limits.data=\"1MiB\"", "supervisor.child.counter.budget={}",
                              "supervisor.child.counter.restart=temporary"});
  const auto& spec = top.children[3].spec;
  CHECK(spec.limits.data == 1 << 20);
  CHECK(spec.budget.has_value());
  CHECK(spec.restart == troupe::restart::temporary);
}

TEST_CASE("of two --set for one value the later counts, and a name in quotes may have points") {
  CHECK(tree_with({"supervisor.max_restarts=1", "supervisor.max_restarts=2"}).spec.max_restarts == 2);
  CHECK(tree_with({"supervisor.child.\"counter\".name=a.b", "supervisor.child.\"a.b\".shutdown=1s"})
            .children[3]
            .spec.shutdown.grace == 1s);
}

TEST_CASE("what is wrong with a --set is said with the --set as its place") {
  complains("supervisor.max_restarts=three", "max_restarts: expected a whole number, found the text \"three\"");
  complains("supervisor.max_restarts=-3", "max_restarts: -3 is out of range; expected 0 to 4294967295");
  complains("supervisor.within=10",
            "within: expected a time with a unit (ns, us, ms, s, m or h), such as \"10ms\" or \"2s\", "
            "found the number 10; did you mean \"10s\"?");
  complains("supervisor.max_restart=3", "\"max_restart\" is no key of a supervisor; did you mean \"max_restarts\"?");
  complains("supervisor.child.raeder.count=3",
            "there is no child \"raeder\" in supervisor.child; did you mean \"reader\"?");
  complains("supervisor.child.parsers.child.x.count=3",
            "there is no child \"x\" in supervisor.child.parsers.child; "
            "there are: parser");
  complains("supervisor.parsers.max_restarts=3", "\"parsers\" is a child; did you mean supervisor.child.parsers?");
  complains("supervisor.child.reader=3",
            "\"supervisor.child\" is a list of children: a child's name and a key come behind it");
  complains("supervisor.child.reader.child.x.count=3", "supervisor.child.reader has no children");
  complains("supervisor.max_restarts.x=3", "\"supervisor.max_restarts\" is no table, so there is nothing below it");
  complains("supervisor.child.counter.args.path=x", "args: Counter takes no args; its class has no config");
  complains("max_restarts", "expected path=value, such as supervisor.max_restarts=3");
  complains("=3", "expected path=value, such as supervisor.max_restarts=3");
  complains("supervisor..x=3", "expected path=value, such as supervisor.max_restarts=3");
  complains("supervisor.child.counter.name=reader",
            "the name \"reader\" is taken by the one in line 10; each name is there once in a program");
}

TEST_CASE("a path that leads past the children, or into a list, is sent the right way") {
  complains("supervisor.child.parsers.child.parser.args.words.0=x",
            "\"supervisor.child.parsers.child.parser.args.words\" is a list, which a --set replaces as a whole: "
            "supervisor.child.parsers.child.parser.args.words=[...]");
  complains("parser.count=1", "\"parser\" is a child; did you mean supervisor.child.parsers.child.parser?");
  complains("parsers.child.parser.count=1", "\"parsers\" is a child; did you mean supervisor.child.parsers?");
  complains("supervisor.child.parser.count=1",
            "there is no child \"parser\" in supervisor.child; did you mean supervisor.child.parsers.child.parser?");
  complains("supervisor.child.job.count=1",
            "there is no child \"job\" in supervisor.child; did you mean supervisor.child.jobs.child.job?");
  complains("max_restarts=3", "\"max_restarts\" stands in the supervisor; did you mean supervisor.max_restarts?");
  complains("supervisor.child.a.b.count=3",
            "there is no child \"a\" in supervisor.child; there are: reader, parsers, jobs, counter");
}

TEST_CASE("a child whose name has points is hinted at in quotes, and single quotes do as well") {
  const scratch_file points("[supervisor]\n[[supervisor.child]]\nname = \"a.b\"\nactor = \"Counter\"\n");
  CHECK(say({"check", points.path(), "--set", "supervisor.child.a.b.count=3"}).text ==
        "--set supervisor.child.a.b.count=3: there is no child \"a\" in supervisor.child; did you mean "
        "supervisor.child.\"a.b\", in quotes?\n");
  CHECK(say({"check", points.path(), "--set", "supervisor.child.'a.b'.count=3"}).exit_code == 0);
}

TEST_CASE("a value that begins like a text, a list or a table and is none, or is too large a number, is an error") {
  complains("supervisor.child.reader.args.path=\"open", "\"\\\"open\" begins with a quote and is no text in quotes");
  complains("supervisor.child.reader.args.path='", "\"'\" begins with a quote and is no text in quotes");
  complains("supervisor.child.parsers.child.parser.args.words=[",
            "\"[\" begins a list and is none: [value, value], with texts, times and sizes in quotes");
  complains("supervisor.child.reader.limits={data=1GiB}",
            "\"{data=1GiB}\" begins a table and is none: {key = value}, with texts, times and sizes in quotes");
  complains("supervisor.max_restarts=99999999999999999999",
            "\"99999999999999999999\" is no number that can be counted; as text it stands in quotes");
}

TEST_CASE("an error of the file that a --set brings about names the --set") {
  const auto got = with({"supervisor.max_restarts=1", "supervisor.child.reader.restart=permanent"}, "check");
  CHECK(got.exit_code == 65);
  CHECK(got.text.find(
            "significant: \"reader\" is permanent, so it is always restarted and its end never counts; significant "
            "needs restart = \"transient\" or \"temporary\"; so it is by --set "
            "supervisor.child.reader.restart=permanent\n") != std::string::npos);
}

TEST_CASE("a --set with control characters is shown on one line") {
  const auto got = with({"supervisor.x\n\x1b=1"}, "check");
  CHECK(got.text.starts_with("--set supervisor.x\\n\\u001b=1: \"x\\n\\u001b\" is no key of a supervisor"));
  CHECK(std::count(got.text.begin(), got.text.end(), '\n') == 1);
}

TEST_CASE("errors of the file and of every --set come together") {
  const auto got = say({"check", TESTS_CONFIG "/wrong/restart_always.toml", "--set", "supervisor.max_restarts=x",
                        "--set", "supervisor.within=y"});
  CHECK(got.exit_code == 65);
  CHECK(std::count(got.text.begin(), got.text.end(), '\n') == 7);
}

}  // namespace
