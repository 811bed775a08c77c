// What a child spec lets the kernel refuse to its process.

#include <sys/resource.h>

#include <fstream>

#include "process/common.hpp"

using namespace tests;

namespace {

struct Limit {
  int resource;
};
struct Burn {};
struct Allocate {
  std::uint64_t bytes;
};
struct NewPrivileges {};
struct Started {};
struct StartFails {};

bool says_no_new_privs(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("NoNewPrivs:")) return line.ends_with("1");
  }
  throw broken_expectation("the kernel does not say whether a process has no_new_privs");
}

std::uint64_t soft(int resource) {
  rlimit its{};
  ::getrlimit(static_cast<__rlimit_resource>(resource), &its);
  return its.rlim_cur;
}
std::uint64_t hard(int resource) {
  rlimit its{};
  ::getrlimit(static_cast<__rlimit_resource>(resource), &its);
  return its.rlim_max;
}

int limit_of_child(int resource) { return static_cast<int>(soft(resource)); }
int no_new_privs_of_child() { return says_no_new_privs(::getpid()) ? 1 : 0; }

int exit_code_of(const troupe::process& child) {
  child.join();
  return child.exit_code().value_or(-1);
}

struct Limited : troupe::actor {
  // In the constructor already: limits come before any code of the user's.
  std::uint64_t files_at_birth = soft(RLIMIT_NOFILE);
  bool new_privileges_at_birth = !says_no_new_privs(::getpid());

  std::vector<std::uint64_t> on(Limit m) { return {soft(m.resource), hard(m.resource)}; }
  std::uint64_t on(Started) { return files_at_birth; }
  bool on(NewPrivileges) { return new_privileges_at_birth || !says_no_new_privs(::getpid()); }
  void on(Burn) {
    volatile unsigned spins = 0;
    for (;;) static_cast<void>(spins);
  }
  bool on(Allocate m) {
    try {
      return !std::vector<char>(m.bytes).empty();
    } catch (const std::bad_alloc&) {
      return false;
    }
  }
  int on(Number m) {
    return exit_code_of(m.value < 0 ? troupe::process(no_new_privs_of_child)
                                    : troupe::process(limit_of_child, m.value));
  }
  std::string on(StartFails) {
    return error_of([] { return troupe::process(no_new_privs_of_child).pid(); }).what();
  }
  int on(Pid) { return ::getpid(); }
  void on(Abort) { std::abort(); }
  using handles = troupe::handles<StartFails, Limit, Started, NewPrivileges, Burn, Allocate, Number, Pid, Abort>;
};
using limited = troupe::actor_ref<Limited>;

std::uint64_t soft_of(const limited& actor, int resource) { return actor.ask(Limit{resource}).get().at(0); }

TEST_CASE("limits are in force before any code of the actor runs, and again after each restart" * not_sanitized) {
  in_program<Limited>(quiet(10), [](troupe::system& sys) {
    troupe::child_spec spec{.name = "limited"};
    spec.limits.data = std::uint64_t{1} << 34;
    spec.limits.cpu = std::chrono::seconds(1000);
    spec.limits.files = 123;
    spec.limits.file_size = 1 << 20;
    spec.limits.core = 4096;
    auto actor = sys.spawn<Limited>(spec);
    for (int life = 0; life < 3; ++life) {
      EXPECT_EQ(actor.ask(Started{}).get(), 123UL);
      EXPECT_EQ(soft_of(actor, RLIMIT_DATA), std::uint64_t{1} << 34);
      EXPECT_EQ(soft_of(actor, RLIMIT_CPU), 1000UL);
      EXPECT_EQ(soft_of(actor, RLIMIT_NOFILE), 123UL);
      EXPECT_EQ(soft_of(actor, RLIMIT_FSIZE), std::uint64_t{1} << 20);
      EXPECT_EQ(soft_of(actor, RLIMIT_CORE), 4096UL);
      EXPECT_EQ(actor.ask(Limit{RLIMIT_NOFILE}).get().at(1), 123UL);  // the hard one, too
      crash(sys, actor);
    }
  });
}

TEST_CASE("an actor without limits has those of the program, and may gain privileges") {
  in_program<Limited>([](troupe::system& sys) {
    auto actor = sys.spawn<Limited>("free");
    for (const int each : {RLIMIT_DATA, RLIMIT_CPU, RLIMIT_NOFILE, RLIMIT_FSIZE, RLIMIT_CORE}) {
      EXPECT_EQ(soft_of(actor, each), soft(each));
      EXPECT_EQ(actor.ask(Limit{each}).get().at(1), hard(each));
    }
    EXPECT_EQ(actor.ask(NewPrivileges{}).get(), !says_no_new_privs(::getpid()));
  });
}

TEST_CASE("no_new_privs is in force before any code of the actor runs, and again after a restart") {
  in_program<Limited>(quiet(10), [](troupe::system& sys) {
    auto actor = sys.spawn<Limited>({.name = "plain", .no_new_privs = true});
    EXPECT(!actor.ask(NewPrivileges{}).get());
    EXPECT(says_no_new_privs(pid_of(actor)));
    crash(sys, actor);
    EXPECT(!actor.ask(NewPrivileges{}).get());
  });
}

TEST_CASE("a process that a limited actor starts has its limits") {
  in_program<Limited>([](troupe::system& sys) {
    troupe::child_spec spec{.name = "limited", .no_new_privs = true};
    spec.limits.files = 77;
    auto actor = sys.spawn<Limited>(spec);
    EXPECT_EQ(actor.ask(Number{RLIMIT_NOFILE}).get(), 77);
    EXPECT_EQ(actor.ask(Number{-1}).get(), 1);
  });
}

TEST_CASE("a limit that the kernel refuses makes spawn fail with the limit's name, and the name of the actor is free") {
  in_program<Limited>([](troupe::system& sys) {
    troupe::child_spec spec{.name = "greedy"};
    spec.limits.core = 0;
    spec.limits.files = std::uint64_t{1} << 40;  // more than the kernel gives anybody, root included
    const auto refused = error_of([&] { return sys.spawn<Limited>(spec); });
    EXPECT_EQ(refused.code(), troupe::errc::start_failed);
    EXPECT(refused.text().find("limits.files = 1099511627776") != std::string::npos);
    EXPECT_EQ(sys.count().workers, 0UL);
    EXPECT(pid_of(sys.spawn<Limited>("greedy")) > 0);
  });
}

TEST_CASE("a worker that has too few descriptors to start says so, and what to do" * not_sanitized) {
  in_program<Limited>([](troupe::system& sys) {
    troupe::child_spec spec{.name = "poor"};
    spec.limits.files = 4;
    const auto refused = error_of([&] { return sys.spawn<Limited>(spec); });
    EXPECT_EQ(refused.code(), troupe::errc::start_failed);
    EXPECT(refused.text().find("raise limits.files") != std::string::npos);
    EXPECT(pid_of(sys.spawn<Limited>("poor")) > 0);
  });
}

TEST_CASE("memory that the limit of a file's size forbids is an error that says what to do, and no signal") {
  in_program<Limited>([](troupe::system& sys) {
    troupe::child_spec spec{.name = "limited"};
    spec.limits.file_size = 0;
    auto actor = sys.spawn<Limited>(spec);
    const pid_t before = pid_of(actor);
    EXPECT(actor.ask(StartFails{}).get().find("raise limits.file_size, or ulimit -f") != std::string::npos);
    EXPECT_EQ(pid_of(actor), before);
  });
}

TEST_CASE("a program whose files may not be as large as its memory cannot start, and says what to do") {
  program started([] {
    const rlimit a_megabyte{1 << 20, 1 << 20};
    ::setrlimit(RLIMIT_FSIZE, &a_megabyte);
    const auto failed =
        error_of([] { return troupe::run<Limited>(0, nullptr, quiet(), [](troupe::system&) { note("body"); }); });
    EXPECT_EQ(failed.code(), troupe::errc::os);
    EXPECT(std::string(failed.what()).find("raise limits.file_size, or ulimit -f") != std::string::npos);
    note("refused");
    return 0;
  });
  CHECK_EQ(started.wait().exit_code, 0);
  CHECK(notes() == std::vector<std::string>{"refused"});
}

TEST_CASE("processor time beyond the limit ends the process, and the certificate says so") {
  const auto ended = in_program<Limited>(logged(), [](troupe::system& sys) {
    troupe::child_spec spec{.name = "burner", .restart = troupe::restart::temporary};
    spec.limits.cpu = std::chrono::seconds(1);
    auto actor = sys.spawn<Limited>(spec);
    const auto how = error_of([&] { actor.ask(Burn{}, 60s).get(); });
    EXPECT(how.text().find("SIGXCPU") != std::string::npos);
  });
  CHECK(ended.log.find("SIGXCPU") != std::string::npos);
}

TEST_CASE("memory beyond the limit is refused to the actor, which lives on") {
#if defined(__SANITIZE_ADDRESS__)
  return;  // the sanitizer takes terabytes for itself
#else
  in_program<Limited>([](troupe::system& sys) {
    troupe::child_spec spec{.name = "modest"};
    spec.limits.data = 64 << 20;
    auto actor = sys.spawn<Limited>(spec);
    EXPECT(actor.ask(Allocate{1 << 20}).get());
    EXPECT(!actor.ask(Allocate{1 << 30}).get());
    EXPECT(pid_of(actor) > 0);
  });
#endif
}

}  // namespace
