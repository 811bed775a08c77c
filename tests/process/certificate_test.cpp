#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

#include "process/common.hpp"

using namespace tests;
using troupe::death_cause;
using troupe::death_certificate;
using troupe::death_decision;

namespace tests {

struct Overflow {};
struct WildWrite {};
struct BreakHeap {};
struct CrashInPrint {};
struct Divide {
  int by;
};
struct Hang {};
struct Complain {
  int lines;
};
struct StopYourself {};
struct OwnHandler {};

__attribute__((noinline)) int recurse_for_ever(int depth) {
  if (depth < 0) return 0;
  volatile char frame[512];
  frame[depth % 512] = static_cast<char>(depth);
  return recurse_for_ever(depth + 1) + frame[(depth + 1) % 512];
}

__attribute__((noinline)) void write_where_nothing_is(volatile int* where) { *where = 1; }

/// Dies in each way that a certificate tells apart.
struct Mortal : troupe::actor {
  int on(Pid) { return ::getpid(); }
  void on(Abort) { std::abort(); }
  void on(Exit m) { std::exit(m.code); }
  void on(const Throw& m) { throw std::runtime_error(m.text); }
  void on(Overflow) { note(std::to_string(recurse_for_ever(0))); }
  void on(WildWrite) { write_where_nothing_is(reinterpret_cast<volatile int*>(0x1234)); }
  void on(BreakHeap) {
    auto* volatile first = static_cast<volatile std::uintptr_t*>(std::malloc(24));
    void* volatile second = std::malloc(24);
    std::free(second);
    std::free(const_cast<std::uintptr_t*>(first));
    // Where malloc keeps the next free piece, a place where none can be.
    first[0] = (reinterpret_cast<std::uintptr_t>(first) >> 12) ^ 0x1237;
    for (int i = 0; i < 3; ++i) second = std::malloc(24);
    note(std::to_string(reinterpret_cast<std::uintptr_t>(second)));
  }
  void on(Hang) {
    note("hangs");
    for (;;) ::pause();
  }
  void on(Complain m) {
    for (int i = 1; i <= m.lines; ++i) std::cerr << "complaint " << i << "\n";
    std::cerr << "unfinished";
    std::abort();
  }
  void on(StopYourself) { stop(); }
  void on(OwnHandler) {
    ::signal(SIGSEGV, [](int) { ::_exit(7); });
    write_where_nothing_is(reinterpret_cast<volatile int*>(0x1234));
  }
  using handles = troupe::handles<Pid, Abort, Exit, Throw, Overflow, WildWrite, BreakHeap, Hang, Complain, StopYourself,
                                  OwnHandler>;
};
using mortal = troupe::actor_ref<Mortal>;

/// Asks the supervisor what killed another, and kills others itself.
struct Coroner : troupe::actor {
  struct Inquest {
    std::string name;
    template <class Ar>
    void serialize(Ar& ar) {
      ar(name);
    }
  };
  struct Execute {
    mortal whom;
    bool kill;
    template <class Ar>
    void serialize(Ar& ar) {
      ar(whom, kill);
    }
  };
  std::string on(const Inquest& m) {
    const auto all = self().deaths(m.name);
    return all.empty() ? "nothing" : all.back().text + " / " + all.back().backtrace().at(0);
  }
  void on(const Execute& m) { m.kill ? self().send_signal(m.whom, SIGKILL) : self().stop(m.whom); }
  using handles = troupe::handles<Inquest, Execute>;
};

}  // namespace tests

namespace {

/// The last of so many certificates, when it is decided.
death_certificate decided(troupe::system& sys, const mortal& whom, std::size_t count = 1) {
  std::vector<death_certificate> all;
  EXPECT(eventually([&] {
    all = sys.deaths(whom);
    return all.size() == count && all.back().decision != death_decision::undecided;
  }));
  return all.back();
}

template <class Message>
death_certificate die_of(const Message& message, const troupe::options& how = quiet(5)) {
  death_certificate found;
  std::string text;
  const auto ended = in_program<Mortal>(how, [&](troupe::system& sys) {
    auto one = sys.spawn<Mortal>("one");
    const pid_t pid = pid_of(one);
    EXPECT(!one.ask(message).try_get().has_value());
    const auto what = decided(sys, one);
    EXPECT_EQ(what.pid, pid);
    EXPECT_EQ(what.identity, one.identity());
    EXPECT_EQ(what.name, "one");
    EXPECT(what.incarnation > 0);
    EXPECT(what.lived > 0ns);
    EXPECT(what.used.most_memory > 1024 * 1024);
    EXPECT(what.used.minor_faults > 0);
    troupe::detail::writer probe(nullptr, 0);
    what.troupe_encode(probe);
    std::string bytes(probe.size(), ' ');
    troupe::detail::writer to(reinterpret_cast<std::byte*>(bytes.data()), bytes.size());
    what.troupe_encode(to);
    // At once: the log goes to the same file, and its lines may come between two writes.
    const std::string whole = "certificate " + std::to_string(bytes.size()) + "\n" + bytes;
    EXPECT_EQ(::write(STDOUT_FILENO, whole.data(), whole.size()), static_cast<ssize_t>(whole.size()));
    note(what.trace.empty() ? "no trace" : "trace");
    for (const auto& line : what.backtrace()) note("at " + line);
  });
  const auto at = ended.log.find("certificate ");
  REQUIRE(at != std::string::npos);
  const std::size_t size = std::stoul(ended.log.substr(at + 12));
  const auto begin = ended.log.find('\n', at) + 1;
  troupe::detail::reader from(reinterpret_cast<const std::byte*>(ended.log.data() + begin), size);
  found.troupe_decode(from);
  return found;
}

/// Whether a function of this name is in the backtrace of the program that die_of ran last.
bool was_in(const std::string& function) {
  const auto all = notes();
  return std::any_of(all.begin(), all.end(),
                     [&](const auto& line) { return line.starts_with("at ") && line.find(function) != line.npos; });
}

TEST_CASE("a certificate of a wild write has the signal, the address and the function's name") {
  const auto what = die_of(WildWrite{});
  CHECK(what.why == death_cause::crashed);
  CHECK_EQ(what.signal, SIGSEGV);
  CHECK_EQ(what.exit_code, -1);
  CHECK_EQ(what.asked_by, "");
  CHECK_EQ(what.text.find("was killed by SIGSEGV"), 0UL);
  CHECK_EQ(what.fault_address, 0x1234UL);
  CHECK(what.decision == death_decision::restarted);
  CHECK(!what.out_of_memory);
  REQUIRE(what.in_flight.has_value());
  CHECK_EQ(what.in_flight->name, "tests::WildWrite");
  CHECK_EQ(what.in_flight->sender, "main");
  CHECK_EQ(what.in_flight->attempt, 1U);
  CHECK(what.in_flight->request);
  CHECK(!what.in_flight->again);
  INFO(notes());
  CHECK(was_in("tests::write_where_nothing_is"));
  CHECK(was_in("<tests::Mortal, tests::WildWrite>"));
}

TEST_CASE("an overflow of the stack is recorded on the stack that was prepared for it") {
  const auto what = die_of(Overflow{});
  CHECK_EQ(what.signal, SIGSEGV);
  CHECK(what.trace.size() > 50);
  INFO(notes());
  CHECK(was_in("tests::recurse_for_ever(int)"));
}

TEST_CASE("an abort is an abort, with the function that called it") {
  const auto what = die_of(Abort{});
  CHECK_EQ(what.signal, SIGABRT);
  CHECK_EQ(what.fault_address, 0UL);
  INFO(notes());
  CHECK(was_in("abort"));
  CHECK(was_in("<tests::Mortal, tests::Abort>"));
}

TEST_CASE("a crash inside malloc is recorded like any other" * not_sanitized) {
  const auto what = die_of(BreakHeap{});
  CHECK((what.signal == SIGABRT || what.signal == SIGSEGV));
  INFO(notes());
  CHECK(was_in("<tests::Mortal, tests::BreakHeap>"));
}

TEST_CASE("an exit code and an exception are no crash with a trace") {
  const auto code = die_of(Exit{3});
  CHECK(code.why == death_cause::crashed);
  CHECK_EQ(code.exit_code, 3);
  CHECK_EQ(code.signal, 0);
  CHECK(code.trace.empty());
  CHECK_EQ(code.text, "exited with code 3");
  const auto thrown = die_of(Throw{"no such luck"});
  CHECK(thrown.why == death_cause::crashed);
  CHECK_EQ(thrown.text, "ended by an exception: no such luck");
  CHECK(thrown.trace.empty());
}

TEST_CASE("a handler that an actor sets itself takes the place of the recording one") {
  const auto what = die_of(OwnHandler{});
  CHECK_EQ(what.exit_code, 7);
  CHECK(what.trace.empty());
}

TEST_CASE("the last lines of standard error are in the certificate, the unfinished one too") {
  const auto what = die_of(Complain{30}, logged(5));
  CHECK_EQ(what.signal, SIGABRT);
  REQUIRE_EQ(what.last_lines.size(), 20UL);
  CHECK_EQ(what.last_lines.front(), "complaint 12");
  CHECK_EQ(what.last_lines.at(18), "complaint 30");
  CHECK_EQ(what.last_lines.back(), "unfinished");
}

TEST_CASE("a certificate tells who wanted a death") {
  in_program<Mortal, Coroner>(quiet(9), [](troupe::system& sys) {
    auto coroner = sys.spawn<Coroner>("coroner");
    auto one = sys.spawn<Mortal>("one");
    pid_of(one);
    sys.kill(one);
    auto what = decided(sys, one, 1);
    EXPECT(what.why == death_cause::killed);
    EXPECT_EQ(what.asked_by, "main");
    EXPECT_EQ(what.signal, SIGKILL);
    EXPECT(what.decision == death_decision::restarted);
    pid_of(one);  // a signal needs a process
    coroner.tell(Coroner::Execute{one, true});
    what = decided(sys, one, 2);
    EXPECT(what.why == death_cause::crashed);  // a signal that somebody sends counts as a crash
    EXPECT_EQ(what.asked_by, "");
    EXPECT(what.trace.empty());
    pid_of(one);
    coroner.tell(Coroner::Execute{one, false});
    what = decided(sys, one, 3);
    EXPECT(what.why == death_cause::stopped);
    EXPECT_EQ(what.asked_by, "coroner");
    EXPECT_EQ(what.exit_code, 0);
    EXPECT(what.decision == death_decision::stays_down);
    auto two = sys.spawn<Mortal>("two");
    sys.stop(two);
    const auto all = sys.deaths("two");
    EXPECT_EQ(all.size(), 1UL);
    EXPECT(all[0].why == death_cause::stopped);
    EXPECT_EQ(all[0].asked_by, "main");
    EXPECT(all[0].decision == death_decision::stays_down || all[0].decision == death_decision::forgotten);
  });
}

troupe::supervisor below(troupe::supervisor_spec flags) {
  flags.max_restarts = 0;
  troupe::supervisor made(flags);
  made.child<Recorder>({.name = "one"}).child<Recorder>({.name = "two"});
  return made;
}

/// Of the last death of one and of two, when one has crashed and their supervisor has given up.
std::string decisions_when_it_gives_up(const troupe::supervisor_spec& flags, troupe::system& sys) {
  sys.spawn(below(flags));
  const auto one = *sys.find<Recorder>("one");
  const auto two = *sys.find<Recorder>("two");
  crash(sys, one);
  std::string all;
  for (const auto& each : {one, two}) {
    EXPECT(eventually([&] {
      const auto last = sys.deaths(each);
      return !last.empty() && last.back().decision != death_decision::undecided;
    }));
    all += (all.empty() ? "" : " ") + std::string(name_of(sys.deaths(each).back().decision));
  }
  return all;
}

TEST_CASE("what becomes of the children of a supervisor that gives up is in their certificates") {
  in_program<Recorder>(quiet(9), [](troupe::system& sys) {
    EXPECT_EQ(decisions_when_it_gives_up({.name = "below"}, sys), "restarted restarted");
  });
  in_program<Recorder>(quiet(9), [](troupe::system& sys) {
    EXPECT_EQ(decisions_when_it_gives_up({.name = "below", .restart = troupe::restart::transient}, sys),
              "given_up given_up");
    EXPECT_EQ(error_of([&] { return pid_of(*sys.find<Recorder>("one")); }).code(), troupe::errc::closed);
  });
  in_program<Recorder>(quiet(9), [](troupe::system& sys) {
    EXPECT_EQ(decisions_when_it_gives_up({.name = "below", .restart = troupe::restart::temporary}, sys),
              "forgotten forgotten");
  });
  in_program<Recorder>(quiet(9), [](troupe::system& sys) {
    const troupe::backoff late{.first = 60s, .max = 60s, .jitter = 0};
    EXPECT_EQ(decisions_when_it_gives_up({.name = "below", .backoff = late}, sys), "restarts_later restarts_later");
    EXPECT_EQ(sys.deaths("one").back().delay, 60s);
  });
}

TEST_CASE("a stop that takes too long, a brutal kill and an end of one's own have causes of their own") {
  in_program<Mortal>(quiet(9), [](troupe::system& sys) {
    auto slow = sys.spawn<Mortal>({.name = "slow", .shutdown = troupe::shutdown::within(50ms)});
    slow.tell(Hang{});
    EXPECT(eventually([&] { return noted("hangs"); }));
    sys.stop(slow);
    const auto late = sys.deaths("slow").back();
    EXPECT(late.why == death_cause::grace_exceeded);
    EXPECT_EQ(late.signal, SIGKILL);
    EXPECT_EQ(late.asked_by, "main");
    EXPECT_EQ(late.in_flight.value().name, "tests::Hang");
    EXPECT(late.in_flight.value().again);
    auto brutal = sys.spawn<Mortal>({.name = "brutal", .shutdown = troupe::shutdown::brutal_kill()});
    sys.stop(brutal);
    EXPECT(sys.deaths("brutal").back().why == death_cause::killed);
    auto own = sys.spawn<Mortal>({.name = "own", .restart = troupe::restart::temporary});
    own.tell(StopYourself{});
    EXPECT(eventually([&] { return !sys.deaths("own").empty(); }));
    EXPECT(eventually([&] { return sys.deaths(own).back().decision == death_decision::forgotten; }));
    EXPECT(sys.deaths(own).back().why == death_cause::ended);
  });
}

TEST_CASE("a worker that is killed as hung has a certificate that says so, with the message's age") {
  in_program<Mortal>(quiet(9), [](troupe::system& sys) {
    auto one = sys.spawn<Mortal>({.name = "one", .deadline = 200ms});
    EXPECT(!one.ask(Hang{}).try_get().has_value());
    const auto what = decided(sys, one);
    EXPECT(what.why == death_cause::hung);
    EXPECT_EQ(what.signal, SIGKILL);
    EXPECT_EQ(what.in_flight.value().name, "tests::Hang");
    EXPECT(what.in_flight.value().age.value() >= 100ms);
    EXPECT(what.decision == death_decision::restarted);
  });
}

TEST_CASE("actors read certificates too, and turn addresses into names") {
  in_program<Mortal, Coroner>(quiet(9), [](troupe::system& sys) {
    auto coroner = sys.spawn<Coroner>("coroner");
    auto one = sys.spawn<Mortal>("one");
    EXPECT_EQ(coroner.ask(Coroner::Inquest{"one"}).get(), "nothing");
    one.tell(WildWrite{});
    EXPECT(eventually([&] { return !sys.deaths(one).empty(); }));
    const std::string text = coroner.ask(Coroner::Inquest{"one"}).get();
    EXPECT(text.starts_with("was killed by SIGSEGV"));
    EXPECT(text.find("tests::write_where_nothing_is") != text.npos);
  });
}

TEST_CASE("the last eight certificates of an actor are kept, and those of processes that have ended") {
  in_program<Recorder>(quiet(100), [](troupe::system& sys) {
    auto one = sys.spawn<Recorder>("one");
    for (int code = 1; code <= 10; ++code) {
      one.tell(Exit{code});
      one.ask(Numbers{}).get();
    }
    EXPECT(eventually([&] { return sys.count().deaths >= 10; }));
    const auto all = sys.deaths(one);
    EXPECT_EQ(all.size(), 8UL);
    for (std::size_t i = 1; i < all.size(); ++i) EXPECT(all[i - 1].incarnation < all[i].incarnation);
    troupe::process job([] { return 5; });
    job.join();
    const auto ended = sys.deaths(job);
    EXPECT_EQ(ended.size(), 1UL);
    EXPECT_EQ(ended[0].exit_code, 5);
    EXPECT(ended[0].decision == death_decision::forgotten);
    EXPECT(sys.deaths("nobody").empty());
  });
}

}  // namespace
