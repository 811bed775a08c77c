// What becomes of those who need a descriptor when their process, or the supervisor's, has none left.

#include "process/common.hpp"
#include "process/few_descriptors.hpp"

using namespace tests;

namespace {

struct Take {
  troupe::pipe_reader<int> end;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(end);
  }
};
/// Says what it has received.
struct Receiver : troupe::actor {
  std::string on(Take m) {
    try {
      return std::to_string(m.end.recv());
    } catch (const troupe::error& e) {
      return e.text();
    }
  }
  using handles = troupe::handles<Take>;
};
struct Give {
  troupe::actor_ref<Receiver> to;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(to);
  }
};
struct Giver : troupe::actor {
  std::string on(Give m) {
    auto [reader, writer] = troupe::pipe<int>();
    writer.send(42);
    return m.to.ask(Take{std::move(reader)}).get();
  }
  using handles = troupe::handles<Give>;
};

TEST_CASE("an end of a pipe for which the supervisor has no descriptor left is lost, and nobody dies of it" *
          not_sanitized) {
  const auto ended = in_program<Giver, Receiver>(logged(0), [](troupe::system& sys) {
    const auto receiver = sys.spawn<Receiver>("receiver");
    const auto giver = sys.spawn<Giver>("giver");
    EXPECT_EQ(giver.ask(Give{receiver}).get(), std::string("42"));
    {
      const no_descriptors none;
      EXPECT(giver.ask(Give{receiver}).get().find("the end was lost") != std::string::npos);
    }
    EXPECT_EQ(giver.ask(Give{receiver}).get(), std::string("42"));
    EXPECT_EQ(sys.count().deaths, 0UL);
  });
  CHECK(ended.log.find("no descriptors left") != std::string::npos);
}

std::size_t times(const std::string& word, const std::string& in) {
  std::size_t count = 0;
  for (auto at = in.find(word); at != in.npos; at = in.find(word, at + 1)) ++count;
  return count;
}

/// While it lives, so many descriptors are left in a table that is full otherwise.
class full_table {
 public:
  explicit full_table(std::size_t more) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit now{512, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &now);
    for (int number = ::dup(0); number >= 0; number = ::dup(0)) all_.push_back(number);
    for (; more > 0; --more, all_.pop_back()) ::close(all_.back());
  }
  ~full_table() {
    for (const int number : all_) ::close(number);
    ::setrlimit(RLIMIT_NOFILE, &before_);
  }
  full_table(const full_table&) = delete;
  full_table& operator=(const full_table&) = delete;

 private:
  rlimit before_{};
  std::vector<int> all_;
};

TEST_CASE("main may start a process without a descriptor left for it: that is a typed error, and main goes on" *
          not_sanitized) {
  in_program<Recorder>(quiet(0), [](troupe::system& sys) {
    for (std::size_t more = 1; more < 6; ++more) {
      const full_table few(more);
      const auto refused = error_of([&] { return troupe::process([] {}).pid(); });
      EXPECT_EQ(refused.code(), troupe::errc::spawn_failed);
      EXPECT_EQ(times("spawn_failed", refused.what()), 1UL);
      EXPECT_EQ(times("look at", refused.what()), 1UL);
      EXPECT(refused.text().find(more == 1 ? "ulimit" : "Too many open files") != std::string::npos);
    }
    EXPECT(troupe::process([] {}).pid() > 0);
    EXPECT(pid_of(sys.spawn<Recorder>("one")) > 0);
  });
}

struct AskAll {
  std::vector<recorder> whom;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(whom);
  }
};
struct Fan : troupe::actor {
  int on(const AskAll& m) {
    int all = 0;
    for (const auto& each : m.whom) all += each.ask(Pid{}).get() > 0 ? 1 : 0;
    return all;
  }
  using handles = troupe::handles<AskAll>;
};

TEST_CASE("an actor that has no descriptor left for one more receiver says so with its end" * not_sanitized) {
  const auto ended = in_program<Recorder, Fan>(logged(0), [](troupe::system& sys) {
    AskAll all;
    for (int i = 0; i < 20; ++i) all.whom.push_back(sys.spawn<Recorder>("one " + std::to_string(i)));
    troupe::child_spec spec{.name = "fan", .restart = troupe::restart::temporary};
    spec.limits.files = 24;
    const auto died = error_of([&] { return sys.spawn<Fan>(spec).ask(all).get(); });
    EXPECT_EQ(died.code(), troupe::errc::outcome_unknown);
    EXPECT(died.text().find("raise limits.files") != std::string::npos);
  });
  CHECK(ended.log.find("ended by an exception: this process has no descriptors left") != std::string::npos);
}

bool reaped(pid_t pid) { return ::kill(pid, 0) != 0; }

TEST_CASE("a spawner or a twin that dies while no descriptor is left is replaced when there are some again" *
          not_sanitized) {
  in_program<Recorder>(quiet(0), [](troupe::system& sys) {
    const auto one = sys.spawn<Recorder>("one");
    pid_of(one);
    const auto spawners = [] { return children_of(::getpid(), "troupe-spawner"); };
    for (const std::size_t dies : {0UL, 1UL, 0UL, 1UL}) {
      EXPECT(eventually([&] { return spawners().size() == 2; }));
      sys.stop(sys.spawn<Recorder>("other"));  // the twin is told of before this one is
      const pid_t pid = spawners().at(dies);
      {
        const no_descriptors none;
        ::kill(pid, SIGKILL);
        EXPECT(eventually([&] { return reaped(pid); }));
        EXPECT_EQ(error_of([&] { return sys.spawn<Recorder>("other"); }).code(), troupe::errc::spawn_failed);
        EXPECT(pid_of(one) > 0);
      }
      const auto other = sys.spawn<Recorder>("other");
      EXPECT(pid_of(other) > 0);
      sys.stop(other);
    }
    EXPECT(eventually([&] { return spawners().size() == 2; }));
  });
}

struct Start {};
struct Starter : troupe::actor {
  std::string on(Start) {
    try {
      troupe::process([] {}).join();
      return "ended";
    } catch (const troupe::error& e) {
      return std::string(troupe::name(e.code()));
    }
  }
  using handles = troupe::handles<Start>;
};

TEST_CASE("whenever during the start of a process the descriptors run out, its starter gets an answer" *
          not_sanitized) {
  in_program<Starter>(quiet(0), [](troupe::system& sys) {
    const auto starter = sys.spawn<Starter>("starter");
    EXPECT_EQ(starter.ask(Start{}).get(), std::string("ended"));
    for (int round = 0; round < 100; ++round) {
      const auto until = std::chrono::steady_clock::now() + round * 50us;
      auto started = starter.ask(Start{}, 10s);
      while (std::chrono::steady_clock::now() < until) {
      }
      const no_descriptors none;
      const std::string how = started.get();
      EXPECT(how == "ended" || how == "spawn_failed");
    }
    EXPECT_EQ(starter.ask(Start{}).get(), std::string("ended"));
  });
}

}  // namespace
