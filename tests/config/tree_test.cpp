#include <doctest/doctest.h>

#include <cstring>

#include "config/common.hpp"

using namespace tests;
using namespace std::chrono_literals;
using troupe::detail::tree_child;
using troupe::detail::tree_node;

namespace {

tree_node tree_of(const std::vector<std::string>& arguments) {
  const auto got = say(arguments);
  REQUIRE_MESSAGE(got.exit_code == 0, got.text);
  REQUIRE(got.wanted.tree.has_value());
  return got.wanted.tree->description();
}
tree_node tree_of_file(const std::string& name) { return tree_of({"run", std::string(TESTS_CONFIG "/right/") + name}); }

/// The actor that a worker would make of this.
template <class A>
typename A::config config_of(const tree_child& child) {
  REQUIRE(child.type == &troupe::detail::type_of<A>());
  const auto& bytes = child.arguments.bytes;
  troupe::detail::maker make = nullptr;
  REQUIRE(bytes.size() >= sizeof make);
  std::memcpy(&make, bytes.data(), sizeof make);
  troupe::detail::reader from(bytes.data() + sizeof make, bytes.size() - sizeof make, nullptr);
  const auto made = make(from);
  return dynamic_cast<A&>(*made).its;
}

TEST_CASE("every key of a supervisor arrives in its spec") {
  const auto top = tree_of_file("every_key.toml");
  CHECK(top.spec.name == "top");
  CHECK(top.spec.strategy == troupe::strategy::rest_for_one);
  CHECK(top.spec.max_restarts == 3);
  CHECK(top.spec.within == 1min);
  CHECK(top.spec.auto_shutdown == troupe::auto_shutdown::any_significant);
  REQUIRE(top.children.size() == 4);

  const auto& parsers = *top.children[1].supervisor;
  CHECK(parsers.spec.name == "parsers");
  CHECK(parsers.spec.strategy == troupe::strategy::one_for_all);
  CHECK(parsers.spec.max_restarts == 0);
  CHECK(parsers.spec.within == 2s);
  CHECK(parsers.spec.auto_shutdown == troupe::auto_shutdown::all_significant);
  CHECK(parsers.spec.restart == troupe::restart::temporary);
  CHECK(parsers.spec.shutdown.how == troupe::shutdown::kind::brutal_kill);
  CHECK(parsers.spec.significant);
  CHECK(parsers.spec.backoff.first == 1s);
  REQUIRE(parsers.spec.budget.has_value());
  CHECK(parsers.spec.budget->max_restarts == 1);
  CHECK(parsers.spec.budget->within == 10s);

  const auto& jobs = *top.children[2].supervisor;
  CHECK(jobs.spec.strategy == troupe::strategy::simple_one_for_one);
  CHECK(jobs.spec.max_children == 10);
  REQUIRE(jobs.children.size() == 1);
  CHECK(jobs.children[0].spec.name == "job");
  CHECK(jobs.children[0].further == 0);
}

TEST_CASE("every key of an actor arrives in its spec") {
  const auto top = tree_of_file("every_key.toml");
  const auto& spec = top.children[0].spec;
  CHECK(spec.name == "reader");
  CHECK(spec.restart == troupe::restart::transient);
  CHECK(spec.shutdown.how == troupe::shutdown::kind::timed);
  CHECK(spec.shutdown.grace == 250ms);
  CHECK(spec.significant);
  CHECK(spec.backoff.first == 10ms);
  CHECK(spec.backoff.max == 1s);
  CHECK(spec.backoff.reset_after == 1min);
  CHECK(spec.backoff.jitter == 0.5);
  REQUIRE(spec.budget.has_value());
  CHECK(spec.budget->max_restarts == 7);
  CHECK(spec.budget->within == 1h);
  CHECK(spec.start_timeout == 3s);
  CHECK(spec.deadline == 200ms);
  CHECK(spec.mailbox == troupe::mailbox::clear);
  CHECK(spec.standby == 2);
  CHECK(spec.recycle.messages == 1'000'000);
  CHECK(spec.recycle.memory == 1ULL << 30);
  CHECK(spec.limits.data == 2ULL << 30);
  CHECK(spec.limits.cpu == 10min);
  CHECK(spec.limits.files == 256);
  CHECK(spec.limits.file_size == 1'000'000);
  CHECK(spec.limits.core == 0);
  CHECK(spec.limits.memory == 3'000'000'000);
  CHECK(spec.no_new_privs);
  CHECK(spec.lane_bytes == 128 * 1024);
  CHECK(spec.checkpoint_bytes == 1 << 20);
  CHECK(spec.outbox_bytes == 2 << 20);
}

TEST_CASE("args become the actor's config, by the names of its fields") {
  const auto top = tree_of_file("every_key.toml");
  const auto reader = config_of<Reader>(top.children[0]);
  CHECK(reader.path == "other.log");
  CHECK(reader.every == 1500ms);
  CHECK(reader.buffer.bytes == 16 << 20);
  CHECK(reader.port == 8080);
  CHECK(reader.follow);

  const auto parser = config_of<Parser>(top.children[1].supervisor->children[0]);
  CHECK(parser.reads == "reader");
  CHECK(parser.how == Parser::mode::lax);
  CHECK(parser.words == std::vector<std::string>{"a", "b"});
  CHECK(parser.weights == std::map<std::string, std::int32_t>{{"x", -1}, {"y", 2}});
  CHECK(parser.limit == 9);
  REQUIRE(parser.outputs.size() == 2);
  CHECK(parser.outputs[0].to == "one");
  CHECK(parser.outputs[0].share == 1);
  CHECK(parser.outputs[1].share == 2);
  CHECK(parser.errors.to == "err");
  CHECK(parser.errors.share == 0.5);
  CHECK(parser.range == std::pair(0.5, 3.0));
}

TEST_CASE("count makes so many children, alike but for the number behind their name") {
  const auto top = tree_of_file("every_key.toml");
  const auto& parsers = top.children[1].supervisor->children;
  REQUIRE(parsers.size() == 3);
  CHECK(parsers[0].spec.name == "parser-1");
  CHECK(parsers[2].spec.name == "parser-3");
  for (const auto& each : parsers) {
    CHECK(each.spec.shutdown.how == troupe::shutdown::kind::infinity);
    CHECK(each.arguments.bytes == parsers[0].arguments.bytes);
  }
}

TEST_CASE("what a file leaves out is as in a spec that only has a name") {
  const auto top = tree_of_file("defaults.toml");
  const troupe::supervisor_spec flags{.name = "supervisor"};
  CHECK(top.spec.name == "supervisor");
  CHECK(top.spec.strategy == flags.strategy);
  CHECK(top.spec.max_restarts == flags.max_restarts);
  CHECK(top.spec.within == flags.within);
  CHECK(top.spec.restart == flags.restart);

  const auto& reader = top.children[0];
  const troupe::child_spec bare{.name = "reader"};
  CHECK(reader.spec.restart == bare.restart);
  CHECK(reader.spec.shutdown.grace == bare.shutdown.grace);
  CHECK(reader.spec.lane_bytes == bare.lane_bytes);
  CHECK(reader.spec.outbox_bytes == bare.outbox_bytes);
  CHECK(reader.spec.checkpoint_bytes == bare.checkpoint_bytes);
  CHECK(!reader.spec.budget.has_value());
  CHECK(config_of<Reader>(reader).path == "access.log");
  CHECK(config_of<Reader>(reader).every == 100ms);
  CHECK(top.children[1].supervisor->spec.shutdown.how == troupe::shutdown::kind::infinity);
}

TEST_CASE("the program ends with the supervisor of its file: the root allows no restart of it") {
  const auto plain = say({"run", TESTS_CONFIG "/right/defaults.toml"});
  CHECK(plain.wanted.how.supervisor.max_restarts == 0);
  CHECK(plain.wanted.tree->description().spec.restart == troupe::restart::permanent);
  CHECK(plain.wanted.how.log.wanted);
  CHECK(!plain.wanted.how.log.json);
  CHECK(say({"run", TESTS_CONFIG "/right/defaults.toml", "--log", "json"}).wanted.how.log.json);
  CHECK(!say({"run", TESTS_CONFIG "/right/defaults.toml", "--log", "none"}).wanted.how.log.wanted);

  const auto ends = say({"run", TESTS_CONFIG "/right/every_key.toml"});
  CHECK(ends.wanted.how.supervisor.auto_shutdown == troupe::auto_shutdown::any_significant);
  CHECK(ends.wanted.tree->description().spec.significant);
  CHECK(ends.wanted.tree->description().spec.restart == troupe::restart::transient);
}

TEST_CASE("--log wins over the program's own options, which hold without it") {
  const auto log_with = [](const troupe::log_options& own, const std::vector<std::string>& more) {
    troupe::options how;
    how.log = own;
    std::vector<std::string> arguments{"run", TESTS_CONFIG "/right/defaults.toml"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return say(arguments, how).wanted.how.log;
  };
  troupe::log_options json, none(false);
  json.json = true;
  json.lines_per_second = none.lines_per_second = 7;
  for (const auto& own : {troupe::log_options(), json, none}) {
    CHECK(log_with(own, {}).wanted == own.wanted);
    CHECK(log_with(own, {}).json == own.json);
    CHECK(log_with(own, {"--log", "text"}).wanted);
    CHECK(!log_with(own, {"--log", "text"}).json);
    CHECK(log_with(own, {"--log", "json"}).wanted);
    CHECK(log_with(own, {"--log", "json"}).json);
    CHECK(!log_with(own, {"--log", "none"}).wanted);
    CHECK(log_with(own, {"--log", "text"}).lines_per_second == own.lines_per_second);
  }
}

}  // namespace
