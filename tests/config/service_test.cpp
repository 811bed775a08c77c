#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "support/program.hpp"

#include <actors/program.hpp>
#include <troupe/main.hpp>

#include "config/common.hpp"

// Files that recycle their actors and run foreign programs, through troupe::main as a user's program would.

using namespace tests;
using lines = std::vector<std::string>;

namespace {

/// Counters of the test program, for two sinks: what has been told, what has been handled, and how often one started.
constexpr std::size_t told = 0, handled = 2, starts = 4;

struct Step {
  std::uint64_t number;
};

/// Handles steps that must come in their order, and grows with each.
struct Sink : troupe::actor {
  struct config {
    std::uint32_t number = 0;
    troupe::byte_count grows;
    template <class Ar>
    void serialize(Ar& ar) {
      ar(CEREAL_NVP(number), CEREAL_NVP(grows));
    }
  };
  explicit Sink(config c) : its_(c) {}
  void on_start() override { add(starts + its_.number); }
  void on(Step m) {
    if (add(handled + its_.number) != m.number) note("not in order");
    grown_.append(its_.grows.bytes, 'x');
  }
  using handles = troupe::handles<Step>;

 private:
  config its_;
  std::string grown_;
};

/// Tells one of them steps until its third process has started, and some more.
struct Source : troupe::actor {
  struct config {
    std::string to;
    std::uint32_t number = 0;
    template <class Ar>
    void serialize(Ar& ar) {
      ar(CEREAL_NVP(to), CEREAL_NVP(number));
    }
  };
  explicit Source(config c) : its_(std::move(c)) {}
  void on_start() override { on(Nothing{}); }
  void on(Nothing) {
    const auto sink = self().find<Sink>(its_.to);
    const bool last = total(starts + its_.number) >= 3;
    for (int i = 0; i < 10; ++i) sink->tell(Step{add(told + its_.number)});
    if (!last) return static_cast<void>(after(std::chrono::milliseconds{5}, Nothing{}));
    for (const auto& each : self().deaths(its_.to))
      note(its_.to + " " + each.text.substr(0, each.text.find_first_of("0123456789")));
    note(its_.to + " was told all");
    stop();
  }
  using handles = troupe::handles<Nothing>;

 private:
  config its_;
};

/// `arguments`: of the command line, behind the file.
outcome service(const std::string& command, const std::string& text, const std::vector<std::string>& more,
                const std::function<void(program&)>& meanwhile) {
  const scratch_file file(text);
  program running([&] {
    std::vector<std::string> arguments{"service", command, file.path()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    std::vector<char*> argv;
    for (auto& each : arguments) argv.push_back(each.data());
    argv.push_back(nullptr);
    return troupe::main<Sink, Source, troupe::actors::program>(static_cast<int>(arguments.size()), argv.data());
  });
  meanwhile(running);
  return running.wait(120s);
}

const std::string recycling = R"([supervisor]
max_restarts = 0

[[supervisor.child]]
name = "old"
actor = "Sink"
recycle = { messages = 100 }
args = { number = 0 }

[[supervisor.child]]
name = "large"
actor = "Sink"
recycle = { memory = "24MiB" }
args = { number = 1, grows = "64KiB" }

[[supervisor.child]]
name = "source-of-old"
actor = "Source"
restart = "transient"
args = { to = "old", number = 0 }

[[supervisor.child]]
name = "source-of-large"
actor = "Source"
restart = "transient"
args = { to = "large", number = 1 }
)";

TEST_CASE("actors of a file are recycled for their messages and for their memory, and no message is lost") {
  // Under AddressSanitizer a process uses more than the file's 24 MiB from its start.
  const lines more = slowness > 1 ? lines{"--set", "supervisor.child.large.recycle.memory=96MiB"} : lines{};
  const auto ended = service("run", recycling, more, [](program& it) {
    CHECK(eventually([] { return noted("old was told all") && noted("large was told all"); }, 40s));
    for (const auto sink : {0U, 1U})
      CHECK(eventually([&] { return total(handled + sink) >= total(told + sink); }, 40s));
    it.signal(SIGTERM);
  });
  CHECK(ended.exit_code == 128 + SIGTERM);
  CHECK(!noted("not in order"));
  for (const auto sink : {0U, 1U}) {
    CHECK(total(starts + sink) >= 3);
    CHECK(total(handled + sink) == total(told + sink));
  }
  const auto all = notes();
  const auto deaths_of = [&](const std::string& sink) {
    return std::ranges::count_if(
        all, [&](const auto& line) { return line.starts_with(sink + " was ") && !line.ends_with("told all"); });
  };
  CHECK(deaths_of("old") == std::ranges::count(all, "old was recycled: it had handled "));
  CHECK(deaths_of("old") >= 2);
  CHECK(deaths_of("large") == std::ranges::count(all, "large was recycled: it used "));
  CHECK(deaths_of("large") >= 2);
}

/// A folder of its own, gone at the end of the scope.
class scratch_folder {
 public:
  scratch_folder() {
    std::string made = (std::filesystem::temp_directory_path() / "troupe_service.XXXXXX").string();
    REQUIRE(::mkdtemp(made.data()) != nullptr);
    path_ = made;
  }
  ~scratch_folder() { std::filesystem::remove_all(path_); }
  scratch_folder(const scratch_folder&) = delete;
  scratch_folder& operator=(const scratch_folder&) = delete;
  std::string path() const { return path_; }
  lines of(const std::string& file) const {
    std::ifstream in(path_ / file);
    lines all;
    for (std::string line; std::getline(in, line);) all.push_back(line);
    return all;
  }

 private:
  std::filesystem::path path_;
};

/// Each writes its pid into a file of its name when it starts. The last one fails twice, when the tree is up.
std::string programs_in(const std::string& folder) {
  const auto child = [&](const std::string& name, const std::string& restart, const std::string& then) {
    return "[[supervisor.child]]\nname = \"" + name + "\"\nrestart = \"" + restart +
           "\"\nexec = [\"/bin/sh\", \"-c\", '''cd \"" + folder + "\"; echo $$ >> " + name + "; " + then + "''']\n\n";
  };
  return "[supervisor]\nmax_restarts = 3\nwithin = \"1h\"\n\n" + child("once", "temporary", "exit 1") +
         child("stays", "permanent", "exec sleep 1000") + child("tries", "transient", "test $(wc -l < tries) -ge 3");
}

TEST_CASE("foreign programs of a file are restarted by the rules of the file, and end with it") {
  const scratch_folder folder;
  pid_t last = 0;
  const auto ended = service("run", programs_in(folder.path()), {"--log", "none"}, [&](program& it) {
    CHECK(eventually([&] { return folder.of("tries").size() == 3 && folder.of("stays").size() == 1; }));
    CHECK(::kill(std::stoi(folder.of("stays")[0]), SIGKILL) == 0);
    CHECK(eventually([&] { return folder.of("stays").size() == 2; }));
    last = std::stoi(folder.of("stays")[1]);
    CHECK(always([&] { return folder.of("tries").size() == 3 && folder.of("once").size() == 1; }, 300ms));
    it.signal(SIGTERM);
  });
  CHECK(ended.exit_code == 128 + SIGTERM);
  CHECK(::kill(last, 0) == -1);
  CHECK(folder.of("tries").size() == 3);
  CHECK(folder.of("once").size() == 1);
  CHECK(folder.of("stays").size() == 2);
}

TEST_CASE("a foreign program that fails more often than the file allows ends the program with 70") {
  const scratch_folder folder;
  const auto ended = service("run", programs_in(folder.path()), {"--log", "none", "--set", "supervisor.max_restarts=1"},
                             [](program&) {});
  CHECK(ended.exit_code == 70);
  CHECK(folder.of("tries").size() == 2);
}

TEST_CASE("check takes files with recycling and foreign programs, and starts nothing") {
  const scratch_folder folder;
  auto ended = service("check", recycling, {}, [](program&) {});
  CHECK(ended.exit_code == 0);
  CHECK(ended.log.find("no errors; 1 supervisor, 4 actors") != std::string::npos);
  ended = service("check", programs_in(folder.path()), {}, [](program&) {});
  CHECK(ended.exit_code == 0);
  CHECK(ended.log.find("no errors; 1 supervisor, 3 actors") != std::string::npos);
  CHECK(std::filesystem::is_empty(folder.path()));
  ended = service("check", recycling, {"--set", "supervisor.child.old.recycle.messages=0"}, [](program&) {});
  CHECK(ended.exit_code == 65);
  CHECK(ended.log.find("recycle.messages=0: ") != std::string::npos);
}

}  // namespace
