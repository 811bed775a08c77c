#include <signal.h>

#include <future>
#include <thread>

#include "support/program.hpp"

#include <troupe/main.hpp>

#include "config/common.hpp"

using namespace tests;

namespace {

/// Notes what its config says, and does what it says.
struct Doer : troupe::actor {
  enum class deed : std::uint8_t { stay, end, crash };
  struct config {
    deed does = deed::stay;
    std::string says;
    template <class Ar>
    void serialize(Ar& ar) {
      ar(CEREAL_NVP(does), CEREAL_NVP(says));
    }
  };
  explicit Doer(config c) : its_(std::move(c)) {}
  void on_start() override {
    note(self().name() + " says " + its_.says);
    if (its_.does != deed::stay) after(std::chrono::milliseconds{1}, Nothing{});
  }
  void on_stop(troupe::stop_reason) override { note(self().name() + " stops"); }
  void on(Nothing) {
    if (its_.does == deed::crash) std::abort();
    stop();
  }
  using handles = troupe::handles<Nothing>;

 private:
  config its_;
};

outcome run_file(const std::string& text, const std::vector<std::string>& more,
                 const std::function<void(program&)>& meanwhile) {
  const scratch_file file(text);
  program running([&] {
    std::vector<std::string> arguments{"service", "run", file.path(), "--log", "none"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    std::vector<char*> argv;
    for (auto& each : arguments) argv.push_back(each.data());
    argv.push_back(nullptr);
    return troupe::main<Doer, Counter>(static_cast<int>(arguments.size()), argv.data());
  });
  meanwhile(running);
  return running.wait();
}

const std::string two_levels = R"([supervisor]
strategy = "one_for_one"

[[supervisor.child]]
name = "first"
actor = "Doer"
args = { says = "hello" }

[[supervisor.child]]
name = "below"
kind = "supervisor"

  [[supervisor.child.child]]
  name = "second"
  actor = "Doer"
  count = 2
)";

TEST_CASE("run starts the tree of a file in its order, with its args, and a signal stops it in the reverse order") {
  const auto ended =
      run_file(two_levels, {"--set", "supervisor.child.below.child.second.args.says=\"you two\""}, [](program& it) {
        CHECK(eventually([] { return notes().size() == 3; }));
        it.signal(SIGTERM);
      });
  CHECK(ended.exit_code == 128 + SIGTERM);
  CHECK(notes() == std::vector<std::string>{"first says hello", "second-1 says you two", "second-2 says you two",
                                            "second-2 stops", "second-1 stops", "first stops"});
}

TEST_CASE("what keeps the program from running at all is said, and its exit code is 1") {
  const scratch_file file(two_levels);
  program running([&] {
    std::promise<void> over;
    std::thread other([&] { over.get_future().wait(); });
    std::string name = "service", run = "run", path = file.path();
    char* arguments[] = {name.data(), run.data(), path.data(), nullptr};
    const int code = troupe::main<Doer, Counter>(3, arguments);
    over.set_value();
    other.join();
    return code;
  });
  const auto ended = running.wait();
  CHECK(ended.exit_code == 1);
  CHECK(ended.log.find("troupe: threads_exist: ") != std::string::npos);
}

TEST_CASE(
    "when the supervisor of the file gives up the program ends with 70, after as many starts as the file allows") {
  const auto ended = run_file(R"([supervisor]
max_restarts = 2

[[supervisor.child]]
name = "bad"
actor = "Doer"
args = { does = "crash", says = "no" }
)",
                              {}, [](program&) {});
  CHECK(ended.exit_code == 70);
  CHECK(notes() == std::vector<std::string>(3, "bad says no"));
}

TEST_CASE("when the supervisor of the file ends by auto_shutdown the program ends with 0") {
  const auto ended = run_file(R"([supervisor]
auto_shutdown = "any_significant"

[[supervisor.child]]
name = "server"
actor = "Counter"

[[supervisor.child]]
name = "job"
actor = "Doer"
restart = "transient"
significant = true
args = { does = "end" }
)",
                              {}, [](program&) {});
  CHECK(ended.exit_code == 0);
  CHECK(noted("job says "));
}

// For a supervisor both ends of a child of its own look alike: shutdown.
TEST_CASE("when the supervisor of a file with auto_shutdown gives up the program ends with 70") {
  const auto ended = run_file(R"([supervisor]
auto_shutdown = "any_significant"
max_restarts = 2

[[supervisor.child]]
name = "bad"
actor = "Doer"
restart = "transient"
significant = true
args = { does = "crash", says = "no" }
)",
                              {}, [](program&) {});
  CHECK(ended.exit_code == 70);
  CHECK(notes() == std::vector<std::string>(3, "bad says no"));
}

TEST_CASE("when a significant supervisor below gives up the program ends with 70, not as if its work were done") {
  const auto ended = run_file(R"([supervisor]
auto_shutdown = "all_significant"

[[supervisor.child]]
name = "job"
actor = "Doer"
restart = "transient"
significant = true
args = { does = "end" }

[[supervisor.child]]
name = "below"
kind = "supervisor"
restart = "transient"
significant = true
max_restarts = 0

  [[supervisor.child.child]]
  name = "bad"
  actor = "Doer"
  args = { does = "crash", says = "no" }
)",
                              {}, [](program&) {});
  CHECK(ended.exit_code == 70);
  CHECK(noted("job says "));
  CHECK(noted("bad says no"));
}

TEST_CASE("a significant child that has used up its budget ends the program with 70") {
  const auto ended = run_file(R"([supervisor]
auto_shutdown = "any_significant"

[[supervisor.child]]
name = "bad"
actor = "Doer"
restart = "transient"
significant = true
budget = { max_restarts = 1 }
args = { does = "crash", says = "no" }
)",
                              {}, [](program&) {});
  CHECK(ended.exit_code == 70);
  CHECK(notes() == std::vector<std::string>(2, "bad says no"));
}

TEST_CASE("a tree with a wrong file does not start: 65, and nobody was there") {
  const auto ended = run_file(two_levels, {"--set", "supervisor.strategy=one"}, [](program&) {});
  CHECK(ended.exit_code == 65);
  CHECK(notes().empty());
  CHECK(ended.log.find("--set supervisor.strategy=one: strategy: expected ") != std::string::npos);
}

}  // namespace
