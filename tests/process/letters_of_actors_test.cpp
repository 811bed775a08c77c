#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>

#include "process/letters_fixture.hpp"

// Dead letters and actors: those that list and replay them, those that die as askers, and lanes that break.

using namespace letters_fixture;

namespace {

struct Look {
  patient at;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(at);
  }
};
struct Replay {
  std::uint64_t number;
  bool die;
};
struct PurgeAll {};

template <class Base>
struct Clerk : Base {
  std::string on(const Look& m) {
    std::string seen;
    for (const auto& each : this->self().dead_letters().list(m.at)) {
      const auto letter = this->self().dead_letters().read(each.number);
      if (letter && letter->template is<Poison>()) seen += letter->template as<Poison>().text + ";";
    }
    return seen;
  }
  bool on(Replay m) {
    const bool done = this->self().dead_letters().replay(m.number);
    if (m.die) ::raise(SIGKILL);
    return done;
  }
  int on(PurgeAll) { return static_cast<int>(this->self().dead_letters().purge_all()); }
  using handles = troupe::handles<std::string(Look), bool(Replay), int(PurgeAll)>;
};
struct PlainClerk : Clerk<troupe::actor> {};
struct CarefulClerk : Clerk<troupe::transactional> {};

TEST_CASE("an actor lists, reads, replays and purges") {
  in_program<Patient, PlainClerk>(quiet(100), [](troupe::system& sys) {
    set(armed, 1);
    auto one = sys.spawn<Patient>("one");
    auto clerk = sys.spawn<PlainClerk>("clerk");
    for (const char* text : {"a", "b", "c"}) one.tell(Poison{text});
    EXPECT(kept(sys, 3));
    EXPECT_EQ(clerk.ask(Look{one}).get(), std::string("a;b;c;"));
    set(armed, 0);
    EXPECT(clerk.ask(Replay{2, false}).get());
    EXPECT(!clerk.ask(Replay{2, false}).get());
    EXPECT(eventually([] { return noted("healthy: b"); }));
    EXPECT_EQ(clerk.ask(PurgeAll{}).get(), 2);
    EXPECT(sys.dead_letters().list().empty());
    // A letter of what the clerk has told names the clerk.
    set(armed, 1);
    one.tell(Poison{"d"});
    EXPECT(kept(sys, 1));
    EXPECT(clerk.ask(Replay{4, false}).get());
    EXPECT(eventually([&] { return sys.count().dead_letters == 5; }));
    EXPECT_EQ(only(sys).sender_name, std::string("clerk"));
  });
}

TEST_CASE("a replay inside a turn happens with the turn or not at all") {
  in_program<Patient, CarefulClerk>(quiet(100), [](troupe::system& sys) {
    set(armed, 1);
    auto one = sys.spawn<Patient>("one");
    auto clerk = sys.spawn<CarefulClerk>("clerk");
    one.tell(Poison{"a"});
    EXPECT(kept(sys, 1));
    set(armed, 0);
    EXPECT_EQ(error_of([&] { return clerk.ask(Replay{1, true}, 60s).get(); }).code(), troupe::errc::outcome_unknown);
    EXPECT(always([&] { return only(sys).number == 1 && notes().empty(); }, 20ms));
    EXPECT(clerk.ask(Replay{1, false}).get());
    EXPECT(eventually([] { return noted("healthy: a"); }));
    EXPECT(kept(sys, 0));
  });
}

struct AskSure {
  patient whom;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(whom);
  }
};
struct Asker : troupe::actor {
  void on(const AskSure& m) {
    m.whom.ask(Sure{9}, 60s).then([](const auto&) {});
    m.whom.ask(Poison{"of the dead"}, 60s).then([](const auto&) {});
    note("asked");
  }
  using handles = troupe::handles<AskSure>;
};

TEST_CASE("a request that is to be handled although its asker is dead: a letter if its receiver ends before that") {
  in_program<Patient, Asker>(quiet(100), [](troupe::system& sys) {
    const troupe::child_spec spec{.name = "one", .shutdown = troupe::shutdown::brutal_kill()};
    auto one = sys.spawn<Patient>(spec);
    auto asker = sys.spawn<Asker>("asker");
    freeze(sys, one);
    asker.tell(AskSure{one});
    EXPECT(eventually([] { return noted("asked"); }));
    crash(sys, asker);
    sys.stop(one);
    EXPECT(kept(sys, 1));
    EXPECT(only(sys).request);
    EXPECT_EQ(only(sys).sender_name, std::string("asker"));
    EXPECT_EQ(sys.dead_letters().read(1)->as<Sure>().value, 9);
  });
}

TEST_CASE("requests of a dead asker are passed over, unless they are to be handled all the same") {
  in_program<Patient, Asker>(quiet(100), [](troupe::system& sys) {
    auto one = sys.spawn<Patient>("one");
    auto asker = sys.spawn<Asker>("asker");
    freeze(sys, one);
    asker.tell(AskSure{one});
    EXPECT(eventually([] { return noted("asked"); }));
    crash(sys, asker);
    sys.send_signal(one, SIGCONT);
    EXPECT(eventually([] { return noted("sure: 9"); }));
    EXPECT(always([] { return notes().size() == 2; }, 20ms));
    EXPECT_EQ(sys.count().dead_letters, 0UL);
  });
}

/// A request that is to be handled whoever lives, and cannot be decoded.
struct SureLie {
  std::uint32_t value = 7;
  void troupe_encode(troupe::detail::writer& to) const { to.bytes(&value, 1); }
  void troupe_decode(troupe::detail::reader& from) { from.bytes(&value, sizeof value); }
  static constexpr auto delivery = troupe::redeliver{2};
};
struct Strict : troupe::actor {
  int on(SureLie) { return 1; }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<SureLie, Pid>;
};
struct AskLie {
  troupe::actor_ref<Strict> whom;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(whom);
  }
};
struct LyingAsker : troupe::actor {
  void on(const AskLie& m) {
    m.whom.ask(SureLie{}, 60s).then([](const auto&) {});
    note("asked");
  }
  using handles = troupe::handles<AskLie>;
};

TEST_CASE("a request of a dead asker that is to be handled all the same, and cannot be decoded, is a letter") {
  in_program<Strict, LyingAsker>(quiet(100), [](troupe::system& sys) {
    auto one = sys.spawn<Strict>("one");
    auto asker = sys.spawn<LyingAsker>("asker");
    freeze(sys, one);
    asker.tell(AskLie{one});
    EXPECT(eventually([] { return noted("asked"); }));
    crash(sys, asker);
    sys.send_signal(one, SIGCONT);
    EXPECT(kept(sys, 1));
    EXPECT(only(sys).why == reason::undecodable);
    EXPECT(only(sys).request);
  });
}

/// Where this process's own out-memory lies.
std::span<std::byte> own_out_memory() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find("memfd:troupe-out") == std::string::npos || line.find(" rw-s ") == std::string::npos) continue;
    std::uintptr_t begin = 0, end = 0;
    char dash = 0;
    std::istringstream(line) >> std::hex >> begin >> dash >> end;
    return {reinterpret_cast<std::byte*>(begin), end - begin};
  }
  throw broken_expectation("this process has no out-memory");
}

/// As a sender that writes where it should not: over the length of the Once that waits in its lane.
void break_lane() {
  const auto memory = own_out_memory().first(1 << 20);
  const std::uint64_t message = troupe::message_id<Once>();
  const auto* bytes = reinterpret_cast<const std::byte*>(&message);
  const auto found = std::search(memory.begin(), memory.end(), bytes, bytes + sizeof message);
  EXPECT(found != memory.end());
  const std::uint32_t nonsense = 3;
  std::memcpy(&*found - 16, &nonsense, sizeof nonsense);
}

TEST_CASE("a lane that holds no messages any more is a letter, and its receiver hears the others") {
  in_program<Patient>(quiet(100), [](troupe::system& sys) {
    auto one = sys.spawn<Patient>("one");
    one.tell(Number{1});
    EXPECT(eventually([] { return noted("number 1"); }));
    freeze(sys, one);
    one.tell(Once{77});
    one.tell(Number{2});
    break_lane();
    sys.send_signal(one, SIGCONT);
    EXPECT(kept(sys, 1));
    const auto letter = only(sys);
    EXPECT(letter.why == reason::lane_broken);
    EXPECT_EQ(letter.sender_name, std::string("main"));
    EXPECT(letter.bytes > 64);
    EXPECT_EQ(error_of([&] { return sys.dead_letters().replay(1); }).code(), troupe::errc::not_allowed);
    EXPECT(always([&] { return sys.count().dead_letters == 1 && notes().size() == 1; }, 20ms));
    // Its replacement finds the same, which is the same letter.
    crash(sys, one);
    EXPECT(eventually([&] { return sys.count().restarts == 1; }));
    sys.stop(one);
    EXPECT(always([&] { return sys.count().dead_letters == 1; }, 20ms));
  });
}

struct Sabotage {
  patient whom;
  bool only_lie = false;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(whom, only_lie);
  }
  static constexpr auto delivery = troupe::drop{};
};
struct Saboteur : troupe::actor {
  void on(const Sabotage& m) {
    if (m.only_lie) return m.whom.tell(Lie{});
    m.whom.tell(Once{77});
    break_lane();
    ::raise(SIGKILL);
  }
  using handles = troupe::handles<Sabotage>;
};

TEST_CASE("a lane that holds no messages any more is a letter, also when its receiver ends before it has looked") {
  in_program<Patient>(quiet(100), [](troupe::system& sys) {
    auto one = sys.spawn<Patient>({.name = "one", .shutdown = troupe::shutdown::brutal_kill()});
    freeze(sys, one);
    one.tell(Number{1});
    one.tell(Once{77});
    break_lane();
    sys.stop(one);
    EXPECT(kept(sys, 2));
    const auto letters = sys.dead_letters().list();
    EXPECT(letters[0].why == reason::receiver_closed);
    EXPECT(letters[1].why == reason::lane_broken);
  });
}

TEST_CASE("a lane that holds no messages any more is a letter, also when its sender dies while nobody reads") {
  in_program<Patient, Saboteur>(quiet(100), [](troupe::system& sys) {
    auto one = sys.spawn<Patient>({.name = "one", .backoff = {.first = 600s, .max = 600s}});
    auto saboteur = sys.spawn<Saboteur>("saboteur");
    crash(sys, one);
    const auto deaths = sys.count().deaths;
    saboteur.tell(Sabotage{one});
    EXPECT(eventually([&] { return sys.count().deaths > deaths; }));
    sys.stop(one);
    EXPECT(eventually([&] { return sys.dead_letters().list(one).size() == 1; }));
    EXPECT(sys.dead_letters().list(one).front().why == reason::lane_broken);
    EXPECT_EQ(sys.dead_letters().list(one).front().sender_name, std::string("saboteur"));
  });
}

TEST_CASE("the letters of a lane are not taken for those of a broken lane that lay there before") {
  in_program<Patient, Saboteur>(quiet(100), [](troupe::system& sys) {
    auto one = sys.spawn<Patient>("one");
    auto saboteur = sys.spawn<Saboteur>("saboteur");
    freeze(sys, one);
    saboteur.tell(Sabotage{one});
    EXPECT(eventually([&] { return sys.count().restarts == 1; }));
    sys.send_signal(one, SIGCONT);
    EXPECT(eventually([&] { return sys.dead_letters().list(one).size() == 1; }));
    EXPECT(pid_of(one) > 0);
    EXPECT(sys.dead_letters().list(one).front().why == reason::lane_broken);
    for (std::size_t i = 2; i <= 4; ++i) {
      saboteur.tell(Sabotage{one, true});
      EXPECT(eventually([&] { return sys.dead_letters().list(one).size() == i; }));
    }
  });
}

TEST_CASE("messages that wait when the program ends are in the log") {
  const auto ended = in_program<Patient>(logged(), [](troupe::system& sys) {
    const troupe::child_spec spec{.name = "one", .shutdown = troupe::shutdown::brutal_kill()};
    auto one = sys.spawn<Patient>(spec);
    freeze(sys, one);
    for (int i = 0; i < 7; ++i) one.tell(Number{i});
  });
  INFO(ended.log);
  CHECK(ended.log.find("7 of the messages to one were not handled: the program ends") != std::string::npos);
}

TEST_CASE("letters of many receivers at once are all there, each once") {
  in_program<Patient>(quiet(1000), [](troupe::system& sys) {
    std::vector<patient> all;
    for (int i = 0; i < 5; ++i) all.push_back(sys.spawn<Patient>("p" + std::to_string(i)));
    set(armed, 1);
    for (int i = 0; i < 10; ++i) {
      for (auto& each : all) each.tell(Once{i});
    }
    EXPECT(eventually([&] { return sys.count().dead_letters == 50; }, 60s));
    set(armed, 0);
    for (auto& each : all) {
      const auto letters = sys.dead_letters().list(each);
      EXPECT_EQ(letters.size(), 10UL);
      for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(sys.dead_letters().read(letters[static_cast<std::size_t>(i)].number)->as<Once>().value, i);
      }
    }
    for (const auto& each : sys.dead_letters().list()) EXPECT(sys.dead_letters().replay(each.number));
    EXPECT(eventually([] { return notes().size() == 50; }));
  });
}

}  // namespace
