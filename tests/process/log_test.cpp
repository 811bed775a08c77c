#include <poll.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>

#include "process/common.hpp"

using namespace tests;

namespace tests {

struct Say {
  std::string text;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(text);
  }
};
struct Flood {};
struct Shout {
  int bytes;
};
struct LeaveOneBehind {};

/// Prints what it is told to.
struct Talker : troupe::actor {
  int on(Pid) { return ::getpid(); }
  void on(const Say& m) {
    std::cout << "out: " << m.text << "\n";
    std::cerr << "err: " << m.text << "\n";
  }
  void on(Shout m) { std::cerr << std::string(static_cast<std::size_t>(m.bytes), 'x') << std::endl; }
  void on(Flood) {
    const std::string line(100, 'f');
    for (;;) {
      std::fprintf(stderr, "%s\n", line.c_str());
      add(0);
    }
  }
  void on(LeaveOneBehind) {
    if (::fork() == 0) {
      std::fprintf(stderr, "left behind\n");
      set(1, 1);
      while (total(2) == 0) ::poll(nullptr, 0, 1);
      ::_exit(0);
    }
    while (total(1) == 0) ::poll(nullptr, 0, 1);
    std::abort();
  }
  void on(Abort) { std::abort(); }
  using handles = troupe::handles<Pid, Say, Shout, Flood, LeaveOneBehind, Abort>;
};

}  // namespace tests

namespace {

std::vector<std::string> lines_with(const std::string& log, std::string_view text) {
  std::vector<std::string> found;
  std::istringstream from(log);
  for (std::string line; std::getline(from, line);) {
    if (line.find(text) != line.npos) found.push_back(line);
  }
  return found;
}

TEST_CASE("what workers print is in the log, whole lines with the actor's name and incarnation in front") {
  const auto ended = in_program<Talker>(logged(), [](troupe::system& sys) {
    auto one = sys.spawn<Talker>("one");
    one.tell(Say{"hello"});
    pid_of(one);
  });
  INFO(ended.log);
  REQUIRE_EQ(lines_with(ended.log, "out: hello").size(), 1UL);
  CHECK(lines_with(ended.log, "out: hello")[0].starts_with("one("));
  REQUIRE_EQ(lines_with(ended.log, "err: hello").size(), 1UL);
  CHECK(lines_with(ended.log, " one(").size() >= 1UL);
}

TEST_CASE("without a log, and without capture, workers print where the program does") {
  troupe::options uncaptured = logged();
  uncaptured.log.capture = false;
  for (const auto& how : {quiet(), uncaptured}) {
    const auto ended = in_program<Talker>(how, [](troupe::system& sys) {
      auto one = sys.spawn<Talker>("one");
      one.tell(Say{"hello"});
      pid_of(one);
    });
    INFO(ended.log);
    REQUIRE_EQ(lines_with(ended.log, "err: hello").size(), 1UL);
    CHECK_EQ(lines_with(ended.log, "err: hello")[0], "err: hello");
    CHECK_EQ(lines_with(ended.log, "out: hello").at(0), "out: hello");
  }
}

TEST_CASE("a level leaves out the lines below it, and not the certificate's last lines") {
  troupe::options how = logged(5);
  how.log.level = troupe::log_level::warning;
  const auto ended = in_program<Talker>(how, [](troupe::system& sys) {
    auto one = sys.spawn<Talker>("one");
    one.tell(Say{"hello"});
    one.tell(Abort{});
    EXPECT(eventually([&] { return sys.deaths(one).size() == 3; }));  // a tell has three attempts
    pid_of(one);
    EXPECT_EQ(sys.deaths(one)[0].last_lines, (std::vector<std::string>{"err: hello"}));
  });
  INFO(ended.log);
  CHECK(lines_with(ended.log, "hello").empty());
  CHECK_EQ(lines_with(ended.log, "was killed by SIGABRT at ").size(), 3UL);
  CHECK(lines_with(ended.log, "was stopped").empty());
}

TEST_CASE("each death is one line, with message, place and decision; stops only for who wants to know all") {
  troupe::options how = logged(5);
  how.log.level = troupe::log_level::debug;
  const auto ended = in_program<Talker>(how, [](troupe::system& sys) {
    auto one = sys.spawn<Talker>("one");
    EXPECT(!one.ask(Abort{}).try_get().has_value());
    pid_of(one);
  });
  INFO(ended.log);
  const auto deaths = lines_with(ended.log, "was killed by SIGABRT");
  REQUIRE_EQ(deaths.size(), 1UL);
  CHECK(deaths[0].find("invoke<tests::Talker, tests::Abort>") != std::string::npos);
  CHECK(deaths[0].find("while it handled tests::Abort from main, attempt 1; restarted") != std::string::npos);
  CHECK_EQ(lines_with(ended.log, "was stopped").size(), 1UL);
}

TEST_CASE("lines of JSON are JSON, whatever workers print and die of") {
  troupe::options how = logged(5);
  how.log.json = true;
  how.log.level = troupe::log_level::debug;
  const auto ended = in_program<Talker>(how, [](troupe::system& sys) {
    auto one = sys.spawn<Talker>({.name = "o\"ne\\"});
    one.tell(Say{"quote \" slash \\ bell \a bad \xff\xc0\xaf good \xc3\xa4"});
    one.tell(Shout{5000});
    EXPECT(!one.ask(Abort{}).try_get().has_value());
    pid_of(one);
  });
  const std::string file = "/tmp/troupe-log-test-" + std::to_string(::getpid()) + ".json";
  std::ofstream(file) << ended.log;
  const std::string check =
      "import json,sys\n"
      "lines=[json.loads(line) for line in open(sys.argv[1],encoding='utf-8')]\n"
      "assert all(x in each for each in lines for x in ('time','level','text')), lines\n"
      "said=[e for e in lines if e['level']=='out']\n"
      "assert said[0]['text']=='out: quote \" slash \\\\ bell \\a bad \\ufffd\\ufffd\\ufffd good \\u00e4', said\n"
      "assert said[0]['actor']=='o\"ne\\\\' and said[0]['incarnation']>0, said\n"
      "cut=[e for e in lines if e.get('left_out')]\n"
      "assert len(cut)==1 and cut[0]['left_out']==5000-4096 and len(cut[0]['text'])==4096, cut\n"
      "dead=[e['death'] for e in lines if 'death' in e]\n"
      "assert [d['cause'] for d in dead]==['crashed','stopped'], dead\n"
      "assert dead[0]['signal']==6 and dead[0]['decision']=='restarted', dead\n"
      "assert dead[0]['in_flight']['message']=='tests::Abort' and dead[0]['in_flight']['request'], dead\n"
      "assert any('<tests::Talker, tests::Abort>' in f for f in dead[0]['backtrace']), dead\n"
      "assert len(dead[0]['last_lines'])==1 and dead[0]['used']['most_memory']>1000000, dead\n";
  const std::string script = file + ".py";
  std::ofstream(script) << check;
  const int code = std::system(("python3 " + script + " " + file + " >" + file + ".said 2>&1").c_str());
  std::ifstream said_file(file + ".said");
  const std::string said{std::istreambuf_iterator<char>(said_file), {}};
  INFO(ended.log);
  INFO(said);
  CHECK_EQ(code, 0);
  for (const char* each : {"", ".py", ".said"}) std::remove((file + each).c_str());
}

TEST_CASE("a worker that floods slows nobody, and the lines that are left out are counted and said") {
  const auto ended = in_program<Talker>(
      logged(5),
      [](troupe::system& sys) {
        auto calm = sys.spawn<Talker>("calm");
        auto flooder = sys.spawn<Talker>("flooder");
        flooder.tell(Flood{});
        EXPECT(eventually([] { return total(0) > 20'000; }));
        for (int i = 0; i < 100; ++i) pid_of(calm);
        calm.tell(Say{"in between"});
        EXPECT(eventually([] { return total(0) > 100'000; }, 60s));  // it is not blocked for ever
        sys.kill(flooder);
        EXPECT(eventually([&] { return !sys.deaths(flooder).empty(); }));
        EXPECT_EQ(sys.deaths(flooder)[0].last_lines.size(), 20UL);
        sys.stop(flooder);
        EXPECT(eventually([&] { return sys.deaths(flooder).size() == 2; }));
      },
      90s);
  const auto kept = lines_with(ended.log, "ffffffffff");
  CHECK(kept.size() >= 10'000UL);
  CHECK(kept.size() < 100'000UL);
  CHECK_EQ(lines_with(ended.log, "err: in between").size(), 1UL);
  CHECK(lines_with(ended.log, "lines more than the log takes of one worker (1000 a second)").size() >= 1UL);
}

TEST_CASE("a worker's death is known although somebody that it left behind holds its pipes") {
  in_program<Talker>(logged(5), [](troupe::system& sys) {
    auto one = sys.spawn<Talker>("one");
    EXPECT(!one.ask(LeaveOneBehind{}).try_get().has_value());
    EXPECT(eventually([] { return total(1) == 1; }));
    pid_of(one);
    EXPECT_EQ(sys.deaths(one).size(), 1UL);
    set(2, 1);
  });
}

}  // namespace
