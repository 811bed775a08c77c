// Foreign programs under supervision: cat, sh, python3.

#include <actors/program.hpp>

#include <fstream>
#include <troupe/main.hpp>

#include "process/common.hpp"
#include "support/cgroups.hpp"

using namespace tests;
using troupe::program_options;

namespace {

using program = troupe::actors::program;  // not the one of the tests
using subject = troupe::actor_ref<program>;

struct Said {};

/// Keeps what a program writes.
struct Listener : troupe::actor {
  void on(const program::output& m) { said.push_back(m.more ? m.bytes + "..." : m.bytes); }
  std::vector<std::string> on(Said) { return said; }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<program::output, Said, Pid>;
  std::vector<std::string> said;
};
using listener = troupe::actor_ref<Listener>;
using lines = std::vector<std::string>;

program_options sh(const std::string& script, const std::string& protocol = "lines") {
  return {.exec = {"sh", "-c", script}, .protocol = protocol};
}
program_options python(const std::string& script, const std::string& protocol = "lines") {
  return {.exec = {"python3", "-c", script}, .protocol = protocol};
}

bool said(const listener& by, const lines& wanted) {
  return eventually([&] { return by.ask(Said{}).get() == wanted; });
}
pid_t pid_of_program(const subject& its) { return its.ask(program::process_id{}).get(); }
bool gone(pid_t pid) { return state_of(pid) == 0 || state_of(pid) == 'Z'; }

template <class Body>
outcome with_listener(const troupe::options& how, Body body) {
  return in_program<program, Listener>(how, [&](troupe::system& sys) { body(sys, sys.spawn<Listener>("listener")); });
}

TEST_CASE("lines that a program is told it reads, and what it writes is told to its readers") {
  with_listener(quiet(), [](troupe::system& sys, const listener& to) {
    auto cat = sys.spawn<program>("cat", program_options{.exec = {"cat"}, .protocol = "lines"}, to);
    cat.tell(program::input{"one"});
    cat.tell(program::input{""});
    cat.tell(program::input{std::string(200'000, 'x')});
    EXPECT(said(to, {"one", "", std::string(200'000, 'x')}));
  });
}

TEST_CASE("frames travel with their length, of one, two or four bytes") {
  for (const std::string protocol : {"frames1", "frames2", "frames4"}) {
    with_listener(quiet(), [&](troupe::system& sys, const listener& to) {
      auto cat = sys.spawn<program>("cat", program_options{.exec = {"cat"}, .protocol = protocol}, to);
      const std::string binary("\0\n\xff", 3);
      cat.tell(program::input{binary});
      cat.tell(program::input{""});
      cat.tell(program::input{"end"});
      EXPECT(said(to, {binary, "", "end"}));
    });
  }
}

TEST_CASE("a program sees the frames as Erlang's ports write them") {
  with_listener(quiet(), [](troupe::system& sys, const listener& to) {
    auto echo = sys.spawn<program>("echo",
                                   python(R"(
import sys, struct
while True:
    head = sys.stdin.buffer.read(2)
    if not head: break
    body = sys.stdin.buffer.read(struct.unpack('>H', head)[0])
    sys.stdout.buffer.write(struct.pack('>H', len(body)) + body[::-1]); sys.stdout.flush()
)",
                                          "frames2"),
                                   to);
    echo.tell(program::input{"abc"});
    EXPECT(said(to, {"cba"}));
  });
}

TEST_CASE("the end of its input ends a program that reads to it: a normal end, after the last line") {
  with_listener(quiet(), [](troupe::system& sys, const listener& to) {
    auto sorter = sys.spawn<program>({.name = "sorter", .restart = troupe::restart::transient},
                                     program_options{.exec = {"sort"}, .protocol = "lines"}, to);
    bool normal = false;
    sys.monitor(sorter, [&](const troupe::down& how) { normal = how.why == troupe::down::kind::normal && how.for_good; });
    for (const char* each : {"c", "a", "b"}) sorter.tell(program::input{each});
    sorter.tell(program::close_input{});
    EXPECT(said(to, {"a", "b", "c"}));
    EXPECT(eventually([&] { return normal; }));
  });
}

TEST_CASE("a worker ends as its program ends: the same exit code, or by name the signal, and is restarted") {
  const outcome how = with_listener(logged(10), [](troupe::system& sys, const listener&) {
    auto its = sys.spawn<program>("its", sh("read line; eval \"$line\""));
    const auto end_by = [&](const std::string& what) {
      const auto restarts = sys.count().restarts;
      its.tell(program::input{what});
      EXPECT(eventually([&] { return sys.count().restarts > restarts; }));
      EXPECT(pid_of_program(its) > 0);
    };
    end_by("exit 3");
    end_by("kill -SEGV $$");
    end_by("exit 0");
    ::kill(pid_of_program(its), SIGKILL);
    EXPECT(eventually([&] { return sys.count().restarts == 4; }));
  });
  CHECK(how.log.find("exited with code 3") != std::string::npos);
  CHECK(how.log.find("sh was killed by SIGSEGV") != std::string::npos);
  CHECK(how.log.find("sh was killed by SIGKILL") != std::string::npos);
}

TEST_CASE("what cannot be executed is a failed start at once, with the system's reason") {
  in_program<program>([](troupe::system& sys) {
    const auto start = [&](program_options how) {
      return error_of(
          [&] { return sys.spawn<program>({.name = "wrong", .restart = troupe::restart::temporary}, how); });
    };
    const auto none = start({.exec = {"there-is-no-such-program"}});
    EXPECT_EQ(none.code(), troupe::errc::start_failed);
    EXPECT(none.text().find("No such file or directory: there-is-no-such-program") != std::string::npos);
    EXPECT(start({.exec = {"/etc/passwd"}}).text().find("Permission denied: /etc/passwd") != std::string::npos);
    EXPECT(start({.exec = {"true"}, .directory = "/nowhere"}).text().find("directory: /nowhere") != std::string::npos);
    EXPECT(start({}).text().find("program_options::exec: ") != std::string::npos);
    EXPECT(start({.exec = {"cat"}, .protocol = "morse"}).text().find("no protocol \"morse\"") != std::string::npos);
  });
}

TEST_CASE("environment and directory are the program's, and no descriptor or signal of the worker's comes with them") {
  with_listener(quiet(), [](troupe::system& sys, const listener& to) {
    program_options how =
        sh("echo $GREETING $HOME; pwd; ls /proc/self/fd | tr '\\n' ' '; echo; "
           "grep -E 'SigBlk|SigIgn' /proc/self/status | tr -d '\\t\\n'; echo");
    how.environment = {{"GREETING", "hello"}, {"HOME", "/home/of-nobody"}};
    how.directory = "/usr";
    sys.spawn<program>({.name = "its", .restart = troupe::restart::transient}, how, to);
    EXPECT(said(to, {"hello /home/of-nobody", "/usr", "0 1 2 3 ", "SigBlk:0000000000000000SigIgn:0000000000000000"}));
  });
}

TEST_CASE("a program with a descriptor for readiness is up when it has written a newline to it") {
  in_program<program>([](troupe::system& sys) {
    program_options how = sh("sleep 0.1; : > \"$FLAG\"; echo >&7; exec sleep 100", "none");
    how.ready_fd = 7;
    const std::string flag = "/tmp/troupe-ready-" + std::to_string(::getpid());
    how.environment = {{"FLAG", flag}};
    sys.spawn<program>("its", how);
    EXPECT(std::ifstream(flag).good());  // it had come so far when spawn returned
    ::unlink(flag.c_str());
  });
}

TEST_CASE("a program that ends or hangs up before it is ready is a failed start") {
  in_program<program>([](troupe::system& sys) {
    const auto start = [&](const std::string& script) {
      program_options how = sh(script, "none");
      how.ready_fd = 5;
      return error_of([&] { return sys.spawn<program>({.name = "its", .restart = troupe::restart::temporary}, how); });
    };
    EXPECT(start("exit 4").text().find("sh exited with code 4 before it was ready") != std::string::npos);
    EXPECT(start("exec 5>&-; exec sleep 100").text().find("sh closed descriptor 5") != std::string::npos);
  });
}

TEST_CASE("a program that does not end when it is stopped is killed after its grace") {
  in_program<program>([](troupe::system& sys) {
    program_options how = sh("trap '' TERM; while :; do sleep 1; done", "none");
    how.grace = 100ms;
    auto its = sys.spawn<program>("its", how);
    const pid_t pid = pid_of_program(its);
    EXPECT(eventually([&] {  // the trap is set
      std::ifstream status("/proc/" + std::to_string(pid) + "/status");
      for (std::string line; std::getline(status, line);) {
        if (line.starts_with("SigIgn:")) return line.find_first_of("4567cdefCDEF", line.size() - 4) == line.size() - 4;
      }
      return false;
    }));
    sys.stop(its);
    EXPECT(gone(pid));
  });
}

TEST_CASE("a program that is stopped ends by the signal of its choice, and what it says then is heard") {
  with_listener(quiet(), [](troupe::system& sys, const listener& to) {
    program_options how = sh("trap 'echo bye; exit 0' USR1; echo ready; while :; do sleep 0.05; done");
    how.stop_signal = SIGUSR1;
    auto its = sys.spawn<program>("its", how, to);
    EXPECT(said(to, {"ready"}));
    sys.stop(its);
    EXPECT(said(to, {"ready", "bye"}));
  });
}

TEST_CASE("with its worker a program dies, however that dies, and with the program its process group") {
  const bool with_cgroups = cgroups_here();
  in_program<program>(quiet(10), [with_cgroups](troupe::system& sys) {
    auto its = sys.spawn<program>("its", sh("sleep 1000 & sleep 1000 & wait", "none"));
    const pid_t pid = pid_of_program(its);
    EXPECT(eventually([&] { return children_of(pid, "sleep").size() == 2; }));
    const auto sleepers = children_of(pid, "sleep");
    sys.send_signal(its, SIGKILL);
    EXPECT(eventually([&] { return gone(pid); }));
    if (with_cgroups) {
      EXPECT(eventually([&] { return gone(sleepers[0]) && gone(sleepers[1]); }));
    } else {
      for (const pid_t each : sleepers) ::kill(each, SIGKILL);
    }
    const pid_t second = pid_of_program(its);
    EXPECT(eventually([&] { return children_of(second, "sleep").size() == 2; }));
    const auto others = children_of(second, "sleep");
    sys.stop(its);
    EXPECT(gone(second));
    EXPECT(eventually([&] { return gone(others[0]) && gone(others[1]); }));
  });
}

TEST_CASE("what a program has started in sessions of its own dies with it, too") {
  if (!cgroups_here()) return;
  with_listener(quiet(10), [](troupe::system& sys, const listener& to) {
    auto its = sys.spawn<program>("its", python(R"(
import os, time
for i in range(20):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(1, b"%d\n" % os.getpid())
            time.sleep(1000)
        os._exit(0)
time.sleep(1000)
)"),
                                  to);
    EXPECT(eventually([&] { return to.ask(Said{}).get().size() == 20; }));
    sys.send_signal(its, SIGKILL);
    for (const auto& each : to.ask(Said{}).get()) {
      EXPECT(eventually([&] { return gone(std::stoi(each)); }));
    }
  });
}

TEST_CASE("a program that makes processes as fast as it can is killed with all of them") {
  if (!cgroups_here()) return;
  in_program<program>(quiet(10), [](troupe::system& sys) {
    // Each lives as long as three others are started, so there are a few hundred at most.
    auto its = sys.spawn<program>("bomb", python(R"(
import os, time
end = time.time() + 5
while time.time() < end:
    if os.fork() == 0:
        os.setsid()
        time.sleep(0.2)
        os._exit(0)
    time.sleep(0.002)
)",
                                                 "none"));
    EXPECT(eventually([&] { return children_of(pid_of_program(its)).size() > 20; }));
    sys.stop(its);
    EXPECT(eventually([&] { return children_of(::getpid(), "python3").empty(); }));
  });
}

TEST_CASE("a program that does not read its input holds up its messages, then its worker says so and ends") {
  const outcome how = with_listener(logged(10), [](troupe::system& sys, const listener&) {
    program_options deaf = sh("sleep 1000");
    deaf.max_pending = 1000;
    deaf.input_patience = 50ms;
    auto its = sys.spawn<program>("its", deaf);
    const pid_t first = pid_of_program(its);
    its.tell(program::input{std::string(200'000, 'x')});  // more than the pipe holds: the rest waits
    its.tell(program::input{"y"});
    EXPECT(eventually([&] { return sys.count().restarts == 1; }));
    EXPECT(pid_of_program(its) != first);
  });
  CHECK(how.log.find("sh has not read its input for 50 ms") != std::string::npos);
}

TEST_CASE("a program that reads only when its output is read is not waited for in vain") {
  with_listener(quiet(), [](troupe::system& sys, const listener& to) {
    program_options how{.exec = {"cat"}, .protocol = "lines"};
    how.max_pending = 1000;
    auto its = sys.spawn<program>("its", how, to);
    for (int i = 0; i < 50; ++i) its.tell(program::input{std::string(20'000, 'x')});
    EXPECT(eventually([&] { return to.ask(Said{}).get().size() == 50; }));
  });
}

TEST_CASE("a program that ends normally while its input still comes has ended normally") {
  in_program<program>(quiet(), [](troupe::system& sys) {
    auto head = sys.spawn<program>({.name = "head", .restart = troupe::restart::transient}, sh("read line; exit 0"));
    std::vector<troupe::down> ends;
    sys.monitor(head, [&](const troupe::down& how) { ends.push_back(how); });
    try {
      for (int i = 0; i < 20'000; ++i) head.tell(program::input{"line"});
    } catch (const troupe::error& e) {
      EXPECT_EQ(e.code(), troupe::errc::closed);
    }
    EXPECT(eventually([&] { return !ends.empty(); }));
    EXPECT(ends[0].why == troupe::down::kind::normal);
  });
}

TEST_CASE("a program that closes its input lives on, and what it is told is gone") {
  with_listener(quiet(), [](troupe::system& sys, const listener& to) {
    auto deaf = sys.spawn<program>("deaf", sh("exec 0<&-; echo deaf; while :; do sleep 1; done"), to);
    EXPECT(said(to, {"deaf"}));
    const pid_t pid = pid_of_program(deaf);
    for (int i = 0; i < 10; ++i) deaf.tell(program::input{"line"});
    EXPECT_EQ(pid_of_program(deaf), pid);
  });
}

TEST_CASE("a tree in a file finds the class that runs programs among a program's actor classes") {
  const bool without = troupe::detail::foreign_of<Listener>() != nullptr;
  CHECK_FALSE(without);
  const auto make = troupe::detail::foreign_of<Listener, program>();
  const bool with = make != nullptr;
  REQUIRE(with);
  using value = troupe::detail::config_value;
  value exec{.is = value::kind::list, .members = {}};
  exec.items.push_back({.is = value::kind::string, .text = "cat", .members = {}});
  troupe::detail::config_problems problems;
  CHECK_EQ(make({.name = "its"}, {"exec", exec, problems}).spec.name, "its");
  CHECK_EQ(problems.errors(), 0);
  std::vector<std::string> fields;
  for (const auto& each : troupe::detail::list_config<program>()) fields.push_back(each.name);
  CHECK_EQ(fields, std::vector<std::string>{"exec", "environment", "directory", "protocol", "ready_fd", "stop_signal",
                                            "grace", "max_pending", "input_patience", "max_message"});
}

TEST_CASE("a reader that comes later hears what has been written before") {
  with_listener(quiet(), [](troupe::system& sys, const listener& to) {
    auto its = sys.spawn<program>("its", sh("echo early; cat"));
    its.tell(program::subscribe{to});
    EXPECT(said(to, {"early"}));
    its.tell(program::input{"late"});
    EXPECT(said(to, {"early", "late"}));
    its.tell(program::send_signal{SIGTERM});
    EXPECT(eventually([&] { return sys.count().restarts == 1; }));
  });
}

}  // namespace
