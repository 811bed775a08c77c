#include <poll.h>

#include "process/common.hpp"

using namespace tests;

namespace {

using troupe::restart;

struct After {
  int value, milliseconds;
};
struct Every {
  int milliseconds;
};
struct Tick {
  int value;
};
struct CancelIt {};
struct StopYourself {};
struct Watch {
  recorder whom;
  bool wanted = true;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(whom, wanted);
  }
};
struct Downs {};

struct Lively : troupe::actor {
  void on(After m) { last = after(std::chrono::milliseconds(m.milliseconds), Tick{m.value}); }
  void on(Every m) { last = every(std::chrono::milliseconds(m.milliseconds), Tick{1}); }
  void on(Tick m) { ticks.push_back(m.value); }
  void on(CancelIt) { last.cancel(); }
  void on(StopYourself) { stop(); }
  void on(const Watch& m) { m.wanted ? self().monitor(m.whom) : self().demonitor(m.whom); }
  void on(Number m) { note("number " + std::to_string(m.value)); }
  std::vector<int> on(Numbers) { return ticks; }
  int on(Pid) { return ::getpid(); }
  void on_start() override { note("start " + self().name()); }
  void on_stop(troupe::stop_reason why) override {
    note("stop " + self().name() + (why == troupe::stop_reason::self ? " self" : " shutdown"));
  }
  void on_down(const troupe::down& d) override {
    note("down " + d.name + " " + std::to_string(static_cast<int>(d.why)) + " " + std::to_string(d.exit_code) + " " +
         std::to_string(d.signal) + (d.for_good ? " for good" : ""));
  }
  using handles = troupe::handles<After, Every, Tick, CancelIt, StopYourself, Watch, Number, Numbers, Pid>;
  troupe::timer last;
  std::vector<int> ticks;
};

/// Does not end at once.
struct Slow : troupe::actor {
  void on(Number) {}
  int on(Pid) { return ::getpid(); }
  void on_stop(troupe::stop_reason) override {
    ::poll(nullptr, 0, 100);
    note("stopped " + self().name());
  }
  using handles = troupe::handles<Number, Pid>;
};

TEST_CASE("timers come in the order of their times, once or again and again, until they are cancelled") {
  in_program<Lively>([](troupe::system& sys) {
    auto one = sys.spawn<Lively>("one");
    one.tell(After{2, 60});
    one.tell(After{1, 20});
    one.tell(After{3, 90});
    EXPECT(eventually([&] { return one.ask(Numbers{}).get().size() == 3; }));
    EXPECT_EQ(one.ask(Numbers{}).get(), range(1, 3));
    one.tell(Every{10});
    EXPECT(eventually([&] { return one.ask(Numbers{}).get().size() >= 8; }));
    one.ask(CancelIt{}).get();
    const auto then = one.ask(Numbers{}).get();
    EXPECT(always([&] { return one.ask(Numbers{}).get() == then; }, 60ms));
    one.tell(After{9, 30});
    one.tell(CancelIt{});
    EXPECT(always([&] { return one.ask(Numbers{}).get() == then; }, 60ms));
  });
}

TEST_CASE("main hears how an actor ended or died, each time") {
  in_program<Recorder>(quiet(100), [](troupe::system& sys) {
    std::vector<troupe::down> downs;
    const auto hears = [&](const recorder& whom) {
      sys.monitor(whom, [&](const troupe::down& d) { downs.push_back(d); });
    };
    auto one = sys.spawn<Recorder>("one");
    hears(one);
    one.tell(Number{1});
    sys.send_signal(one, SIGKILL);
    EXPECT(eventually([&] { return downs.size() == 1; }));
    EXPECT(downs[0].why == troupe::down::kind::crashed);
    EXPECT_EQ(downs[0].signal, SIGKILL);
    EXPECT_EQ(downs[0].exit_code, -1);
    EXPECT_EQ(downs[0].name, std::string("one"));
    EXPECT_EQ(downs[0].identity, one.identity());
    EXPECT(!downs[0].for_good);
    EXPECT_EQ(error_of([&] { one.ask(Throw{"the text of it"}).get(); }).code(), troupe::errc::outcome_unknown);
    EXPECT(eventually([&] { return downs.size() == 2; }));
    EXPECT(downs[1].why == troupe::down::kind::crashed);
    EXPECT(downs[1].text.find("the text of it") != std::string::npos);
    EXPECT_EQ(error_of([&] { one.ask(Exit{7}).get(); }).code(), troupe::errc::outcome_unknown);
    EXPECT(eventually([&] { return downs.size() == 3; }));
    EXPECT_EQ(downs[2].exit_code, 7);
    sys.stop(one);
    EXPECT(eventually([&] { return downs.size() == 4; }));
    EXPECT(downs[3].why == troupe::down::kind::shutdown);
    EXPECT(downs[3].for_good);
    hears(one);
    EXPECT(eventually([&] { return downs.size() == 5; }));
    EXPECT(downs[4].why == troupe::down::kind::not_found);
  });
}

TEST_CASE("an actor hears of a death, and of none after demonitor") {
  in_program<Recorder, Lively>(quiet(100), [](troupe::system& sys) {
    auto one = sys.spawn<Recorder>("one");
    auto watcher = sys.spawn<Lively>("watcher");
    watcher.ask(Watch{one}).get();
    for (int i = 1; i <= 3; ++i) {
      crash(sys, one);
      pid_of(one);
    }
    EXPECT(eventually([&] { return notes().size() == 4; }));
    watcher.ask(Watch{one, false}).get();
    crash(sys, one);
    pid_of(one);
    pid_of(watcher);
    EXPECT_EQ(notes().size(), 4UL);
    EXPECT(noted("down one 2 -1 9"));
    watcher.ask(Watch{one}).get();
    sys.stop(one);
    EXPECT(eventually([&] { return noted("down one 1 0 0 for good"); }));
  });
}

struct Witness;
struct Burst {
  troupe::ref<troupe::handles<Number>> to;
  int count = 0;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(to, count);
  }
  static constexpr auto delivery = troupe::drop{};
};
struct Burster : troupe::actor {
  void on(const Burst& m) {
    for (int i = 1; i <= m.count; ++i) m.to.tell(Number{i});
    std::abort();
  }
  using handles = troupe::handles<Burst>;
};
struct WatchBurster {
  troupe::actor_ref<Burster> whom;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(whom);
  }
};
struct Witness : troupe::actor {
  void on(const WatchBurster& m) { self().monitor(m.whom); }
  void on(Number m) { last = m.value; }
  void on_down(const troupe::down&) override { note("down after number " + std::to_string(last)); }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<WatchBurster, Number, Pid>;
  int last = 0;
};

TEST_CASE("what a dead actor told comes before the news of its death") {
  in_program<Burster, Witness>(quiet(100), [](troupe::system& sys) {
    auto burster = sys.spawn<Burster>("burster");
    auto witness = sys.spawn<Witness>("witness");
    witness.ask(WatchBurster{burster}).get();
    for (int i = 1; i <= 5; ++i) {
      freeze(sys, witness);
      burster.tell(Burst{witness, 100 * i});
      EXPECT(eventually([&] { return sys.count().deaths == static_cast<unsigned>(i); }));
      sys.send_signal(witness, SIGCONT);
      EXPECT(eventually([&] { return noted("down after number " + std::to_string(100 * i)); }));
    }
    EXPECT_EQ(notes().size(), 5UL);
  });
}

TEST_CASE("an actor that stops itself: on_stop is called, and its restart kind decides") {
  in_program<Lively>(quiet(100), [](troupe::system& sys) {
    auto permanent = sys.spawn<Lively>({.name = "permanent"});
    auto transient = sys.spawn<Lively>({.name = "transient", .restart = restart::transient});
    auto temporary = sys.spawn<Lively>({.name = "temporary", .restart = restart::temporary});
    const pid_t before = pid_of(permanent);
    for (const auto* each : {&permanent, &transient, &temporary}) each->ask(StopYourself{}).get();
    EXPECT(eventually([&] { return sys.count().deaths == 3; }));
    for (const auto* name : {"permanent", "transient", "temporary"}) {
      EXPECT(noted("stop " + std::string(name) + " self"));
    }
    EXPECT(pid_of(permanent) != before);
    EXPECT(eventually([&] { return sys.count().workers == 1; }));
    EXPECT_EQ(error_of([&] { transient.tell(Number{1}); }).code(), troupe::errc::closed);
    EXPECT_EQ(error_of([&] { return pid_of(temporary); }).code(), troupe::errc::closed);
  });
}

TEST_CASE("an actor that crashes: its restart kind decides") {
  in_program<Recorder>(quiet(100), [](troupe::system& sys) {
    auto permanent = sys.spawn<Recorder>({.name = "permanent"});
    auto transient = sys.spawn<Recorder>({.name = "transient", .restart = restart::transient});
    auto temporary = sys.spawn<Recorder>({.name = "temporary", .restart = restart::temporary});
    for (const auto* each : {&permanent, &transient, &temporary}) {
      EXPECT_EQ(error_of([&] { each->ask(Abort{}).get(); }).code(), troupe::errc::outcome_unknown);
    }
    EXPECT(pid_of(permanent) > 0);
    EXPECT(pid_of(transient) > 0);
    EXPECT_EQ(error_of([&] { return pid_of(temporary); }).code(), troupe::errc::closed);
    EXPECT_EQ(sys.count().restarts, 2UL);
  });
}

TEST_CASE("stop ends an actor in order, and returns when it is down") {
  in_program<Lively>([](troupe::system& sys) {
    auto one = sys.spawn<Lively>("one");
    const pid_t pid = pid_of(one);
    sys.stop(one);
    EXPECT_EQ(state_of(pid), '\0');
    EXPECT(noted("stop one shutdown"));
    EXPECT_EQ(sys.count().deaths, 0UL);
    EXPECT_EQ(error_of([&] { one.tell(Number{1}); }).code(), troupe::errc::closed);
  });
}

TEST_CASE("an actor that does not stop in time is killed; one with brutal_kill is not asked") {
  in_program<Lively>([](troupe::system& sys) {
    auto slow = sys.spawn<Lively>({.name = "slow", .shutdown = troupe::shutdown::within(100ms)});
    freeze(sys, slow);
    sys.stop(slow);
    auto brutal = sys.spawn<Lively>({.name = "brutal", .shutdown = troupe::shutdown::brutal_kill()});
    sys.stop(brutal);
    EXPECT(!noted("stop slow shutdown"));
    EXPECT(!noted("stop brutal shutdown"));
    EXPECT_EQ(sys.count().workers, 0UL);
  });
}

TEST_CASE("the longest time to shut down that can be written is not over at once") {
  in_program<Slow>([](troupe::system& sys) {
    constexpr auto longest = troupe::shutdown::within(std::chrono::milliseconds::max());
    const auto one = sys.spawn<Slow>({.name = "one", .shutdown = longest});
    sys.stop(one);
    EXPECT(noted("stopped one"));
    sys.spawn(troupe::supervisor({.name = "team", .shutdown = longest})
                  .child<Slow>({.name = "two", .shutdown = troupe::shutdown::infinity()}));
    sys.root().terminate_child("team");
    EXPECT(noted("stopped two"));
    const auto three = sys.spawn<Slow>({.name = "three", .shutdown = longest, .recycle = {.messages = 1}});
    three.tell(Number{1});
    EXPECT(eventually([] { return noted("stopped three"); }));
  });
}

TEST_CASE("kill through the API counts against no budget") {
  in_program<Recorder>(quiet(0), [](troupe::system& sys) {
    auto one = sys.spawn<Recorder>("one");
    for (int i = 0; i < 5; ++i) {
      const pid_t before = pid_of(one);
      sys.kill(one);
      EXPECT(eventually([&] { return state_of(before) == 0; }));
      EXPECT(pid_of(one) != before);
    }
    EXPECT_EQ(sys.count().restarts, 5UL);
  });
}

}  // namespace
