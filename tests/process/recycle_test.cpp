#include <poll.h>

#include <algorithm>
#include <thread>

#include "process/common.hpp"
#include "support/holdings.hpp"

using namespace tests;

namespace {

using troupe::death_cause;
using troupe::death_decision;
using std::chrono::milliseconds;

// Counters of the test program. What a test sets to let somebody go on: hold_over, start_over, stop_over, child_over, spare_over.
constexpr std::size_t starts = 1, active_pid = 2, stood_by = 3, spare_pid = 4, senders_over = 5, hold_over = 6,
                      start_over = 7, stop_over = 8, child_over = 9, spare_over = 10, last_of_sender = 16;

void wait_for(std::size_t counter) {
  while (total(counter) == 0) ::poll(nullptr, 0, 1);
}

struct Step {
  std::uint64_t sender;
  std::uint64_t number;
  static constexpr auto delivery = troupe::drop{};
};
struct Sync {
  static constexpr auto delivery = troupe::drop{};
};
struct Touch {};
struct Hold {};
struct HoldAgain {
  static constexpr auto delivery = troupe::redeliver{3};
};
struct Later {};
struct Never {};
struct Release {};
struct AskOther {
  troupe::actor_ref<struct Helper> whom;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(whom);
  }
};
struct CallOther {
  troupe::actor_ref<struct Helper> whom;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(whom);
  }
};

/// Answers when it is told to.
struct Helper : troupe::actor {
  troupe::deferred<int> on(Later) {
    note("helper was asked");
    auto later = self().defer<int>();
    waiting.push_back(later);
    return later;
  }
  void on(Release) {
    for (const auto& each : waiting) each.reply(7);
    waiting.clear();
  }
  using handles = troupe::handles<Later, Release>;
  std::vector<troupe::deferred<int>> waiting;
};

/// What its second life does in on_start, and every life in on_stop. has_one_spare: the first one, and it waits in on_stop.
enum class manner : int { plain, start_fails, start_waits, stop_waits, has_one_spare, has_child };

struct Child : troupe::actor {
  void on_stop(troupe::stop_reason) override {
    note("child stops");
    wait_for(child_over);
    note("child has stopped");
  }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Pid>;
};

struct Server : troupe::actor {
  explicit Server(int how) : how(static_cast<manner>(how)) {}
  void on_standby() override {
    if (how == manner::has_one_spare && total(stood_by) > 0) wait_for(spare_over);
    set(spare_pid, static_cast<std::uint64_t>(::getpid()));
    add(stood_by);
  }
  void on_start() override {
    set(active_pid, static_cast<std::uint64_t>(::getpid()));
    const std::uint64_t life = add(starts);
    note("start " + std::to_string(life));
    if (life == 2 && how == manner::start_fails) throw std::runtime_error("not today");
    if (life == 2 && how == manner::start_waits) wait_for(start_over);
    if (how == manner::has_child) self().spawn<Child>({.name = "child", .shutdown = troupe::shutdown::infinity()});
  }
  void on_stop(troupe::stop_reason) override {
    note("stops");
    if (how == manner::stop_waits || how == manner::has_one_spare) wait_for(stop_over);
  }
  void on(Step m) {
    if (total(last_of_sender + m.sender) + 1 != m.number) note("out of order: " + std::to_string(m.number));
    set(last_of_sender + m.sender, m.number);
  }
  int on(Sync) { return 1; }
  int on(Pid) { return ::getpid(); }
  void on(Touch) {}
  void hold() {
    note("holds");
    wait_for(hold_over);
    note("held");
  }
  void on(Hold) { hold(); }
  void on(HoldAgain) { hold(); }
  troupe::deferred<int> on(Later) {
    waiting.push_back(self().defer<int>());
    return waiting.back();
  }
  troupe::deferred<int> on(Never) {
    never.push_back(self().defer<int>());
    return never.back();
  }
  void on(Release) {
    for (const auto& each : waiting) each.reply(8);
  }
  int on(AskOther m) { return m.whom.ask(Later{}, 60s).get(); }
  void on(CallOther m) {
    m.whom.ask(Later{}, 60s).then([](const troupe::expected<int>& got) {
      note("called back with " + std::to_string(*got));
    });
  }
  using handles = troupe::handles<Step, Sync, Pid, Touch, Hold, HoldAgain, Later, Never, Release, AskOther, CallOther>;
  manner how;
  std::vector<troupe::deferred<int>> waiting, never;
};
using server = troupe::actor_ref<Server>;

server spawn_server(troupe::system& sys, const troupe::child_spec& spec, manner how = manner::plain) {
  return sys.spawn<Server>(spec, static_cast<int>(how));
}
troupe::child_spec after_messages(std::uint64_t count) { return {.name = "one", .recycle = {.messages = count}}; }

bool started(std::uint64_t count) {
  return eventually([&] { return total(starts) >= count; }, 60s);
}
bool said(const char* line) {
  return eventually([&] { return noted(line); });
}
void make_due(const server& one, int messages) {
  for (int i = 0; i < messages; ++i) one.tell(Touch{});
}
/// Waits until so many spares have come to stand by, since the program's start, and the supervisor knows of them.
void expect_stood_by(troupe::system& sys, std::uint64_t count) {
  EXPECT(eventually([&] { return total(stood_by) >= count; }));
  EXPECT(eventually([&] { return state_of(static_cast<pid_t>(total(spare_pid))) == 'S'; }));
  sys.find<Server>("nobody");  // what was said to the supervisor before this has been heard
}
troupe::death_certificate last_death(troupe::system& sys, const server& one) {
  std::vector<troupe::death_certificate> all;
  EXPECT(eventually([&] {
    all = sys.deaths(one);
    return !all.empty() && all.back().decision != death_decision::undecided;
  }));
  return all.back();
}

/// Tells and asks as fast as it is answered, until it is told that it is enough.
struct Sender : troupe::actor {
  Sender(server whom, std::uint64_t number) : whom(whom), number(number) {}
  std::uint64_t on(Pid) {
    std::uint64_t sent = 0;
    while (total(senders_over) == 0) {
      whom.tell(Step{number, ++sent}, 60s);
      if (sent % 50 == 0) EXPECT_EQ(whom.ask(Sync{}, 60s).get(), 1);
    }
    return sent;
  }
  using handles = troupe::handles<Pid>;
  server whom;
  std::uint64_t number;
};

TEST_CASE("while an actor is recycled, what it is told is handled once each, in order, and who asks is answered") {
  in_program<Server, Sender>(
      quiet(0),
      [](troupe::system& sys) {
        auto one = spawn_server(sys, after_messages(100));
        std::vector<troupe::actor_ref<Sender>> senders;
        std::uint64_t reported = 0;
        for (std::uint64_t i = 0; i < 4; ++i) {
          senders.push_back(sys.spawn<Sender>("sender " + std::to_string(i), one, i));
          senders.back().ask(Pid{}, 120s).then([i, &reported](const troupe::expected<std::uint64_t>& sent) {
            set(last_of_sender + 8 + i, sent.value());
            ++reported;
          });
        }
        EXPECT(started(5));
        set(senders_over, 1);
        EXPECT(eventually([&] { return reported == 4; }, 60s));
        EXPECT_EQ(one.ask(Sync{}, 60s).get(), 1);
        for (std::uint64_t i = 0; i < 4; ++i) {
          EXPECT(total(last_of_sender + i) > 0);
          EXPECT_EQ(total(last_of_sender + i), total(last_of_sender + 8 + i));
        }
        EXPECT(std::ranges::none_of(notes(), [](const auto& line) { return line.starts_with("out of order"); }));
        EXPECT_EQ(sys.count().deaths, 0UL);
        EXPECT_EQ(sys.count().dead_letters, 0UL);
      },
      120s);
}

TEST_CASE("its certificate says that it was recycled and why, and who monitors it hears of no end for good") {
  in_program<Server>(quiet(0), [](troupe::system& sys) {
    auto one = spawn_server(sys, after_messages(21));
    std::vector<troupe::down> downs;
    sys.monitor(one, [&](const troupe::down& told) { downs.push_back(told); });
    const pid_t first = pid_of(one);
    make_due(one, 20);
    EXPECT(started(2));
    EXPECT(eventually([&] { return !downs.empty(); }));
    const auto how = last_death(sys, one);
    EXPECT_EQ(how.pid, first);
    EXPECT(how.why == death_cause::recycled);
    EXPECT_EQ(how.text, "was recycled: it had handled 21 messages");
    EXPECT_EQ(how.asked_by, "its supervisor");
    EXPECT(how.decision == death_decision::restarted);
    EXPECT(downs.at(0).why == troupe::down::kind::shutdown);
    EXPECT(!downs.at(0).for_good);
    EXPECT(pid_of(one) != first);
    EXPECT_EQ(sys.count().deaths, 0UL);
    EXPECT_EQ(sys.count().restarts, 0UL);
    EXPECT(eventually([&] { return sys.count().workers == 1; }));
  });
}

TEST_CASE("an actor that has not handled so many messages is not recycled, nor is a temporary one") {
  in_program<Server>(quiet(0), [](troupe::system& sys) {
    auto few = sys.spawn<Server>({.name = "few", .recycle = {.messages = 100}}, 0);
    auto temporary =
        sys.spawn<Server>({.name = "temporary", .restart = troupe::restart::temporary, .recycle = {.messages = 1}}, 0);
    make_due(few, 98);
    make_due(temporary, 50);
    EXPECT(pid_of(few) > 0);
    EXPECT(pid_of(temporary) > 0);
    EXPECT(always([] { return total(starts) == 2 && total(stood_by) == 0; }, 2500ms));
    make_due(few, 1);
    EXPECT(started(3));
  });
}

struct Bump {
  static constexpr auto delivery = troupe::drop{};
};
struct Get {};
struct Sum {
  long value = 0;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(value);
  }
};
struct Tally : troupe::checkpointed<Sum> {
  void on_start() override { add(starts); }
  void on(Bump) { ++state().value; }
  long on(Get) { return state().value; }
  using handles = troupe::handles<Bump, Get>;
};

TEST_CASE("the state that is checkpointed goes on from one process to the next") {
  in_program<Tally>(
      quiet(0),
      [](troupe::system& sys) {
        auto one = sys.spawn<Tally>({.name = "one", .recycle = {.messages = 10}});
        long count = 0;
        while (total(starts) < 4) {
          for (int i = 0; i < 20; ++i, ++count) one.tell(Bump{}, 60s);
          EXPECT_EQ(one.ask(Get{}, 60s).get(), count);
        }
        EXPECT_EQ(sys.count().dead_letters, 0UL);
      },
      120s);
}

struct Leak {
  std::uint64_t mib;
};
struct Leaker : troupe::actor {
  void on_start() override { add(starts); }
  std::uint64_t on(Leak m) {
    lost.emplace_back(m.mib << 20, 'x');
    return lost.size();
  }
  using handles = troupe::handles<Leak>;
  std::vector<std::string> lost;
};

TEST_CASE("an actor that uses more and more private memory is recycled when it uses as much as it may") {
  in_program<Leaker>(quiet(0), [](troupe::system& sys) {
    auto one = sys.spawn<Leaker>({.name = "one", .recycle = {.memory = 128ULL << 20}});
    EXPECT_EQ(one.ask(Leak{16}).get(), 1UL);
    EXPECT(always([] { return total(starts) == 1; }, 2500ms));
    EXPECT_EQ(one.ask(Leak{128}).get(), 2UL);
    EXPECT(started(2));
    EXPECT_EQ(one.ask(Leak{1}).get(), 1UL);
    const auto how = sys.deaths(one).back();
    EXPECT(how.why == death_cause::recycled);
    EXPECT(how.text.starts_with("was recycled: it used "));
    EXPECT(how.text.ends_with(" KiB of private memory"));
  });
}

TEST_CASE("an actor that uses so much private memory when it starts is not recycled for it, and the log says so") {
  const auto ended = in_program<Leaker>(logged(0), [](troupe::system& sys) {
    auto one = sys.spawn<Leaker>({.name = "one", .recycle = {.memory = 4096}});
    EXPECT_EQ(one.ask(Leak{16}).get(), 1UL);
    EXPECT(always([] { return total(starts) == 1; }, 2500ms));
  });
  CHECK(ended.log.find("it is not recycled for its memory; its recycle.memory is 4 KiB") != std::string::npos);
}

TEST_CASE("a message in hand is handled to its end before the process is replaced, also if it waits for another") {
  in_program<Server, Helper>(quiet(0), [](troupe::system& sys) {
    auto one = spawn_server(sys, after_messages(10));
    auto helper = sys.spawn<Helper>("helper");
    make_due(one, 10);
    auto answer = one.ask(AskOther{helper}, 60s);
    EXPECT(said("helper was asked"));
    expect_stood_by(sys, 1);
    EXPECT(always([] { return total(starts) == 1; }, 1500ms));
    helper.tell(Release{});
    EXPECT_EQ(answer.get(), 7);
    EXPECT(started(2));
  });
}

TEST_CASE("a process is not replaced while a reply that it has deferred is waited for, or a callback") {
  in_program<Server, Helper>(quiet(0), [](troupe::system& sys) {
    auto one = spawn_server(sys, after_messages(10));
    auto helper = sys.spawn<Helper>("helper");
    auto answer = one.ask(Later{}, 60s);
    one.tell(CallOther{helper});
    make_due(one, 10);
    EXPECT(said("helper was asked"));
    expect_stood_by(sys, 1);
    EXPECT(always([&] { return pid_of(one) > 0 && total(starts) == 1; }, 1500ms));
    one.tell(Release{});
    EXPECT_EQ(answer.get(), 8);
    EXPECT(always([&] { return pid_of(one) > 0 && total(starts) == 1; }, 500ms));
    helper.tell(Release{});
    EXPECT(said("called back with 7"));
    EXPECT(started(2));
  });
}

TEST_CASE("a reply that is never given holds a process no longer than its asker waits") {
  in_program<Server>(quiet(0), [](troupe::system& sys) {
    auto one = spawn_server(sys, after_messages(10));
    make_due(one, 10);
    // At the deadline: whichever comes first to the asker, its own clock or the news that the process has left.
    const auto code = error_of([&] { return one.ask(Never{}, 3s).get(); }).code();
    EXPECT((code == troupe::errc::timeout || code == troupe::errc::outcome_unknown));
    EXPECT(started(2));
  });
}

TEST_CASE("a process that is killed while its replacement stands by is replaced by that one, as after any crash") {
  in_program<Server>(quiet(1), [](troupe::system& sys) {
    auto one = spawn_server(sys, after_messages(10));
    make_due(one, 10);
    one.tell(HoldAgain{});
    EXPECT(said("holds"));
    expect_stood_by(sys, 1);
    EXPECT_EQ(::kill(static_cast<pid_t>(total(active_pid)), SIGKILL), 0);
    set(hold_over, 1);
    EXPECT(said("held"));
    EXPECT_EQ(static_cast<std::uint64_t>(pid_of(one)), total(spare_pid));
    EXPECT(last_death(sys, one).why == death_cause::crashed);
    EXPECT(eventually([&] { return sys.count().workers == 1; }));
  });
}

TEST_CASE("a replacement that is killed while it stands by is replaced, and so is the process that it stood by for") {
  in_program<Server>(quiet(0), [](troupe::system& sys) {
    auto one = spawn_server(sys, after_messages(10));
    make_due(one, 10);
    one.tell(Hold{});
    EXPECT(said("holds"));
    expect_stood_by(sys, 1);
    EXPECT_EQ(::kill(static_cast<pid_t>(total(spare_pid)), SIGKILL), 0);
    expect_stood_by(sys, 2);
    set(hold_over, 1);
    EXPECT(started(2));
    EXPECT_EQ(static_cast<std::uint64_t>(pid_of(one)), total(spare_pid));
    EXPECT(last_death(sys, one).why == death_cause::recycled);
    EXPECT(noted("held"));
    EXPECT(eventually([&] { return sys.count().workers == 1; }));
  });
}

TEST_CASE("if the replacement dies when the old process is leaving, the actor is started again, and that is free") {
  for (const auto restarted : {troupe::restart::permanent, troupe::restart::transient}) {
    in_program<Server>(quiet(0), [restarted](troupe::system& sys) {
      auto spec = after_messages(10);
      spec.restart = restarted;
      auto one = spawn_server(sys, spec, manner::has_one_spare);
      make_due(one, 10);
      EXPECT(said("stops"));
      const auto spare = static_cast<pid_t>(total(spare_pid));
      EXPECT_EQ(::kill(spare, SIGKILL), 0);
      EXPECT(eventually([&] { return state_of(spare) == 0; }));
      set(stop_over, 1);
      EXPECT(started(2));
      EXPECT(pid_of(one) > 0);
      EXPECT(sys.deaths(one).at(0).why == death_cause::recycled);
      EXPECT(eventually([&] { return sys.count().workers == 1; }));
    });
  }
}

TEST_CASE("a process that dies in on_stop, or takes too long there, is replaced all the same, and that is free") {
  for (const bool killed : {true, false}) {
    in_program<Server>(quiet(0), [killed](troupe::system& sys) {
      auto spec = after_messages(10);
      spec.shutdown = killed ? troupe::shutdown::infinity() : troupe::shutdown::within(200ms);
      auto one = spawn_server(sys, spec, manner::stop_waits);
      make_due(one, 10);
      EXPECT(said("stops"));
      if (killed) EXPECT_EQ(::kill(static_cast<pid_t>(total(active_pid)), SIGKILL), 0);
      EXPECT(started(2));
      EXPECT_EQ(static_cast<std::uint64_t>(pid_of(one)), total(spare_pid));
      EXPECT(sys.deaths(one).at(0).why == (killed ? death_cause::crashed : death_cause::grace_exceeded));
      EXPECT_EQ(sys.count().deaths, 0UL);
      set(stop_over, 1);  // of the new one
    });
  }
}

TEST_CASE("a replacement whose on_start fails is started again as any child, and the failure is free") {
  in_program<Server>(quiet(0), [](troupe::system& sys) {
    auto one = spawn_server(sys, after_messages(10), manner::start_fails);
    make_due(one, 10);
    EXPECT(started(3));
    EXPECT(pid_of(one) > 0);
    const auto all = sys.deaths(one);
    EXPECT_EQ(all.size(), 2UL);
    EXPECT(all.at(0).why == death_cause::recycled);
    EXPECT(all.at(1).why == death_cause::start_failed);
    EXPECT(eventually([&] { return sys.count().workers == 1; }));
  });
}

/// Stops it in the middle: nothing of it is left, and its name is free. It is let go on when the stop has come to its spare.
void expect_stop(troupe::system& sys, const server& one) {
  std::thread let_go_on([spare = static_cast<pid_t>(total(spare_pid)), starting = total(starts) == 2] {
    while (!starting && state_of(spare) != 0) ::poll(nullptr, 0, 1);
    for (const auto each : {hold_over, stop_over, child_over}) set(each, 1);
  });
  sys.stop(one);
  let_go_on.join();
  EXPECT(eventually([&] { return sys.count().workers == 0; }));
  EXPECT_EQ(error_of([&] { return pid_of(one); }).code(), troupe::errc::closed);
  EXPECT(!sys.find<Server>("one"));
}

TEST_CASE("a stop ends an actor at any step of its recycling") {
  struct moment {
    manner how;
    const char* seen;
  };
  // The replacement stands by; the old one leaves; neither runs, since the old one's child ends; the new one starts.
  for (const auto& [how, seen] : {moment{manner::plain, "holds"}, moment{manner::stop_waits, "stops"},
                                  moment{manner::has_child, "child stops"}, moment{manner::start_waits, "start 2"}}) {
    in_program<Server, Child>(quiet(0), [how = how, seen = seen](troupe::system& sys) {
      auto spec = after_messages(10);
      spec.shutdown = how == manner::start_waits ? troupe::shutdown::within(500ms) : troupe::shutdown::infinity();
      auto one = spawn_server(sys, spec, how);
      make_due(one, 10);
      if (how == manner::plain) one.tell(Hold{});
      EXPECT(said(seen));
      expect_stood_by(sys, 1);
      expect_stop(sys, one);
      EXPECT(total(starts) == (how == manner::start_waits ? 2UL : 1UL));
    });
  }
}

TEST_CASE("a group that is restarted while one of it is being recycled comes up, and can be stopped") {
  in_program<Server, Child>(quiet(0), [](troupe::system& sys) {
    auto spec = after_messages(10);
    spec.shutdown = troupe::shutdown::infinity();
    const auto top = sys.spawn(troupe::supervisor({.name = "top", .strategy = troupe::strategy::rest_for_one})
                                   .child<Server>({.name = "zero"}, static_cast<int>(manner::plain))
                                   .child<Server>(spec, static_cast<int>(manner::has_child)));
    const auto zero = *sys.find<Server>("zero"), one = *sys.find<Server>("one");
    make_due(one, 10);
    EXPECT(said("child stops"));  // its parent has died, and nothing runs in its place yet
    crash(sys, zero);
    const auto stopping = [&] {
      const auto all = top.which_children();
      return std::ranges::any_of(all, [](const auto& each) { return each.name == "one" && each.pid == 0; }) &&
             std::ranges::any_of(all, [](const auto& each) { return each.name == "zero" && each.pid == 0; });
    };
    EXPECT(eventually(stopping));
    set(child_over, 1);
    EXPECT(pid_of(zero) > 0);
    EXPECT(pid_of(one) > 0);
  });
}

TEST_CASE("what the old process has spawned has ended before the new one starts, and is spawned anew there") {
  in_program<Server, Child>(quiet(0), [](troupe::system& sys) {
    auto one = spawn_server(sys, after_messages(10), manner::has_child);
    const pid_t child = pid_of(*sys.find<Child>("child"));
    set(child_over, 1);
    make_due(one, 10);
    EXPECT(started(2));
    EXPECT(pid_of(one) > 0);
    const auto all = notes();
    EXPECT(std::ranges::find(all, "child has stopped") < std::ranges::find(all, "start 2"));
    EXPECT(pid_of(*sys.find<Child>("child")) != child);
  });
}

TEST_CASE("an actor with a spare is replaced by that one, and gets another") {
  in_program<Server>(quiet(0), [](troupe::system& sys) {
    auto spec = after_messages(10);
    spec.standby = 1;
    auto one = spawn_server(sys, spec);
    expect_stood_by(sys, 1);
    const auto spare = total(spare_pid);
    make_due(one, 10);
    EXPECT(started(2));
    EXPECT_EQ(static_cast<std::uint64_t>(pid_of(one)), spare);
    expect_stood_by(sys, 2);
    EXPECT(eventually([&] { return sys.count().workers == 2; }));
    EXPECT_EQ(total(stood_by), 2UL);
  });
}

TEST_CASE("a process that does not come to an end with its message is not killed for being due") {
  in_program<Server>(quiet(0), [](troupe::system& sys) {
    auto spec = after_messages(10);
    spec.shutdown = troupe::shutdown::within(100ms);
    auto one = spawn_server(sys, spec);
    make_due(one, 10);
    one.tell(Hold{});
    expect_stood_by(sys, 1);
    EXPECT(always([] { return total(starts) == 1; }, 2500ms));
    EXPECT(sys.deaths(one).empty());
    set(hold_over, 1);
    EXPECT(started(2));
    EXPECT(noted("held"));
  });
}

TEST_CASE("recycling leaves no descriptor, mapping or process behind") {
  in_program<Server>(
      quiet(0),
      [](troupe::system& sys) {
        auto one = spawn_server(sys, after_messages(10));
        std::uint64_t lives = 1;
        const auto round = [&] {
          make_due(one, 10);
          EXPECT(started(++lives));
          EXPECT(pid_of(one) > 0);
          EXPECT(eventually([&] { return sys.count().workers == 1; }));
        };
        for (int i = 0; i < 3; ++i) round();
        const holdings here(::getpid()), his(pid_of(one));
        for (int i = 0; i < 5; ++i) round();
        here.expect_no_more(::getpid());
        his.expect_no_more(pid_of(one));
      },
      120s);
}

}  // namespace
