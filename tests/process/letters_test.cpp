#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>

#include "process/common.hpp"

// Dead letters as main and actors see them: every way into the store, and every way out of it.

using namespace tests;
using reason = troupe::dead_letter::reason;

namespace {

constexpr std::size_t armed = 0;  // counter: not 0, and poison kills

/// Kills its handler as long as it is armed: in another way at each attempt.
struct Poison {
  std::string text;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(text);
  }
};
/// The same, and its handler is not to try again.
struct Once {
  int value;
  static constexpr auto delivery = troupe::drop{};
};
/// The same as a request that is to be tried twice.
struct Sure {
  int value;
  static constexpr auto delivery = troupe::redeliver{2};
};
/// Writes less than it reads.
struct Lie {
  std::uint32_t value = 7;
  void troupe_encode(troupe::detail::writer& to) const { to.bytes(&value, 1); }
  void troupe_decode(troupe::detail::reader& from) { from.bytes(&value, sizeof value); }
};
struct Unknown {
  int value;
};
struct Large {
  std::vector<std::uint8_t> bytes;
  troupe::payload payload;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(bytes, payload);
  }
};
struct Enclosing {
  troupe::pipe_reader<int> reader;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(reader);
  }
};

void die(unsigned attempt) {
  if (attempt % 3 == 1) ::raise(SIGKILL);
  if (attempt % 3 == 2) ::_exit(3);
  throw std::runtime_error("its own words");
}

struct Patient : troupe::actor {
  void on(const Poison& m) {
    if (total(armed) != 0) die(self().attempt());
    note("healthy: " + m.text);
  }
  void on(Once m) {
    if (total(armed) != 0) die(self().attempt());
    note("once: " + std::to_string(m.value));
  }
  int on(Sure m) {
    if (total(armed) != 0) die(self().attempt());
    note("sure: " + std::to_string(m.value));
    return m.value;
  }
  void on(Lie) { note("believed"); }
  void on(const Large& m) {
    if (total(armed) != 0) die(1);
    unsigned sum = 0;
    for (const auto each : m.bytes) sum += each;
    for (const auto each : m.payload.bytes()) sum += static_cast<unsigned>(each);
    note("large: " + std::to_string(sum));
  }
  void on(const Enclosing&) { die(1); }
  void on(Number m) { note("number " + std::to_string(m.value)); }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Poison, Once, Sure, Lie, Large, Enclosing, Number, Pid>;
};
using patient = troupe::actor_ref<Patient>;

/// Tells the patient what the patient does not know; and waits for replies that do not come.
using stranger = troupe::ref<troupe::handles<Unknown, int(Sure)>>;

bool kept(troupe::system& sys, std::uint64_t count) {
  return eventually([&] { return sys.dead_letters().count().kept == count; });
}
troupe::dead_letter only(troupe::system& sys) {
  const auto all = sys.dead_letters().list();
  EXPECT_EQ(all.size(), 1UL);
  return all.front();
}
std::vector<int> values_of(troupe::system& sys, const std::vector<troupe::dead_letter>& all) {
  std::vector<int> values;
  for (const auto& each : all) values.push_back(sys.dead_letters().read(each.number)->as<Number>().value);
  return values;
}

TEST_CASE("poison is a letter with each death's certificate; it is read, decoded, and handled when it is replayed") {
  in_program<Patient>(quiet(), [](troupe::system& sys) {
    set(armed, 1);
    auto one = sys.spawn<Patient>("one");
    const auto before = std::chrono::system_clock::now();
    one.tell(Poison{"drink me"});
    EXPECT(kept(sys, 1));

    const auto letter = only(sys);
    EXPECT_EQ(letter.number, 1UL);
    EXPECT(letter.time >= before && letter.time <= std::chrono::system_clock::now());
    EXPECT_EQ(letter.receiver, one.identity());
    EXPECT_EQ(letter.receiver_name, std::string("one"));
    EXPECT_EQ(letter.sender_name, std::string("main"));
    EXPECT(letter.sender != 0 && letter.sender_incarnation != 0);
    EXPECT(letter.is<Poison>() && !letter.is<Number>());
    EXPECT(letter.message_name.find("Poison") != std::string::npos);
    EXPECT(!letter.request);
    EXPECT(letter.why == reason::quarantined);
    EXPECT_EQ(letter.attempts, 3U);
    EXPECT_EQ(letter.deaths.size(), 3UL);
    EXPECT_EQ(letter.deaths[0].signal, SIGKILL);
    EXPECT_EQ(letter.deaths[0].text, std::string("was killed by SIGKILL"));
    EXPECT_EQ(letter.deaths[1].exit_code, 3);
    EXPECT_EQ(letter.deaths[1].signal, 0);
    EXPECT(letter.deaths[2].text.find("its own words") != std::string::npos);
    EXPECT(letter.deaths[0].incarnation < letter.deaths[1].incarnation);
    EXPECT(letter.deaths[1].incarnation < letter.deaths[2].incarnation);
    EXPECT(letter.deaths[0].time <= letter.deaths[2].time && letter.deaths[2].time <= letter.time);

    const auto opened = sys.dead_letters().read(1);
    EXPECT(opened.has_value());
    EXPECT_EQ(opened->as<Poison>().text, std::string("drink me"));
    EXPECT_EQ(error_of([&] { return opened->as<Number>().value; }).code(), troupe::errc::not_allowed);
    EXPECT(!sys.dead_letters().read(2));

    EXPECT(notes().empty());
    set(armed, 0);
    EXPECT(sys.dead_letters().replay(1));
    EXPECT(eventually([] { return noted("healthy: drink me"); }));
    EXPECT(sys.dead_letters().list().empty());
    EXPECT(!sys.dead_letters().replay(1));
    const auto counts = sys.dead_letters().count();
    EXPECT_EQ(counts.total, 1UL);
    EXPECT_EQ(counts.purged, 1UL);
    EXPECT_EQ(sys.count().dead_letters, 1UL);
  });
}

TEST_CASE("a replay comes behind what was told before it, and may become a letter again") {
  in_program<Patient>(quiet(100), [](troupe::system& sys) {
    set(armed, 1);
    auto one = sys.spawn<Patient>("one");
    one.tell(Once{5});
    EXPECT(kept(sys, 1));
    EXPECT(only(sys).why == reason::dropped);
    EXPECT_EQ(only(sys).attempts, 1U);
    EXPECT_EQ(only(sys).deaths.size(), 1UL);
    EXPECT(sys.dead_letters().replay(1));
    EXPECT(eventually([&] { return sys.count().dead_letters == 2; }));
    EXPECT_EQ(only(sys).number, 2UL);
    set(armed, 0);
    freeze(sys, one);
    one.tell(Number{1});
    EXPECT(sys.dead_letters().replay(2));
    one.tell(Number{2});
    sys.send_signal(one, SIGCONT);
    EXPECT(eventually([] { return noted("number 2"); }));
    EXPECT_EQ(notes(), (std::vector<std::string>{"number 1", "once: 5", "number 2"}));
  });
}

TEST_CASE("what an actor that ended for good had not handled: letters with their bytes, which wait for no replay") {
  in_program<Patient>([](troupe::system& sys) {
    const troupe::child_spec spec{.name = "one", .shutdown = troupe::shutdown::brutal_kill()};
    auto one = sys.spawn<Patient>(spec);
    auto other = sys.spawn<Patient>("other");
    freeze(sys, one);
    for (int i = 1; i <= 20; ++i) one.tell(Number{i});
    auto asked = one.ask(Pid{});
    sys.stop(one);
    EXPECT_EQ(error_of([&] { asked.get(); }).code(), troupe::errc::closed);
    EXPECT(kept(sys, 20));
    const auto all = sys.dead_letters().list(one);
    EXPECT_EQ(values_of(sys, all), range(1, 20));
    for (const auto& each : all) {
      EXPECT(each.why == reason::receiver_closed);
      EXPECT(each.deaths.empty());
      EXPECT_EQ(each.attempts, 0U);
    }
    EXPECT(sys.dead_letters().list(other).empty());
    EXPECT_EQ(error_of([&] { return sys.dead_letters().replay(1); }).code(), troupe::errc::closed);
    EXPECT(kept(sys, 20));
  });
}

TEST_CASE("letters are purged one by one, by receiver, or all") {
  in_program<Patient>([](troupe::system& sys) {
    auto one = sys.spawn<Patient>("one"), two = sys.spawn<Patient>("two");
    for (int i = 1; i <= 3; ++i) {
      one.tell(Lie{});
      two.tell(Lie{});
    }
    EXPECT(kept(sys, 6));
    const auto letters = sys.dead_letters();
    const auto first = letters.list(one).front().number;
    EXPECT(letters.purge(first));
    EXPECT(!letters.purge(first));
    EXPECT(!letters.purge(0));
    EXPECT(!letters.purge(7));
    EXPECT_EQ(letters.list().size(), 5UL);
    EXPECT_EQ(letters.purge(two), 3UL);
    EXPECT_EQ(letters.purge(patient{}), 0UL);
    EXPECT(letters.list(two).empty());
    EXPECT_EQ(letters.purge_all(), 2UL);
    EXPECT(letters.list().empty());
    EXPECT_EQ(letters.count().purged, 6UL);
    EXPECT_EQ(letters.count().total, sys.count().dead_letters);
  });
}

TEST_CASE("bytes that cannot be decoded and messages without a handler are letters; who asks is told") {
  in_program<Patient>([](troupe::system& sys) {
    auto one = sys.spawn<Patient>("one");
    one.tell(Lie{});
    const stranger strange(one.identity());
    strange.tell(Unknown{5});
    one.tell(Number{1});
    EXPECT(eventually([] { return noted("number 1"); }));
    const auto all = sys.dead_letters().list();
    EXPECT_EQ(all.size(), 2UL);
    EXPECT(all[0].why == reason::undecodable);
    EXPECT(all[0].text.find("ends before its last field") != std::string::npos);
    EXPECT_EQ(all[0].attempts, 1U);
    EXPECT_EQ(all[0].bytes, 1UL);
    EXPECT_EQ(error_of([&] { return sys.dead_letters().read(1)->as<Lie>().value; }).code(), troupe::errc::corrupt);
    EXPECT(all[1].why == reason::unhandled);
    EXPECT_EQ(sys.dead_letters().read(2)->as<Unknown>().value, 5);
    // Replayed it comes to the same again: under a new number.
    EXPECT(sys.dead_letters().replay(1));
    EXPECT(eventually([&] { return sys.count().dead_letters == 3; }));

    const troupe::ref<troupe::handles<int(Lie), int(Unknown)>> asked(one.identity());
    EXPECT_EQ(error_of([&] { return asked.ask(Lie{}).get(); }).code(), troupe::errc::corrupt);
    EXPECT_EQ(error_of([&] { return asked.ask(Unknown{1}).get(); }).code(), troupe::errc::unhandled);
    EXPECT(always([&] { return sys.count().dead_letters == 3; }, 20ms));
  });
}

TEST_CASE("a request that is tried again up to its limit: its asker is told, and it is a letter that can be told") {
  in_program<Patient>(quiet(100), [](troupe::system& sys) {
    set(armed, 1);
    auto one = sys.spawn<Patient>("one");
    EXPECT_EQ(error_of([&] { return one.ask(Sure{4}, 60s).get(); }).code(), troupe::errc::outcome_unknown);
    EXPECT(kept(sys, 1));
    const auto letter = only(sys);
    EXPECT(letter.request);
    EXPECT(letter.why == reason::quarantined);
    EXPECT_EQ(letter.attempts, 2U);
    EXPECT_EQ(letter.deaths.size(), 2UL);
    set(armed, 0);
    EXPECT(sys.dead_letters().replay(letter.number));
    EXPECT(eventually([] { return noted("sure: 4"); }));
    EXPECT_EQ(one.ask(Sure{5}).get(), 5);
  });
}

TEST_CASE("a request that was to be handled once at most leaves an error, and no letter") {
  in_program<Patient>(quiet(100), [](troupe::system& sys) {
    set(armed, 1);
    auto one = sys.spawn<Patient>("one");
    const troupe::ref<troupe::handles<void(Once), void(Poison)>> asked(one.identity());
    EXPECT_EQ(error_of([&] { return asked.ask(Once{1}, 60s).get(), 0; }).code(), troupe::errc::outcome_unknown);
    EXPECT_EQ(error_of([&] { return asked.ask(Poison{"x"}, 60s).get(), 0; }).code(), troupe::errc::outcome_unknown);
    EXPECT(pid_of(one) > 0);
    EXPECT_EQ(sys.count().dead_letters, 0UL);
  });
}

TEST_CASE("the oldest letters make room for the newest, and are counted") {
  auto few = quiet();
  few.dead_letters = {.letters = 5};
  in_program<Patient>(few, [](troupe::system& sys) {
    const troupe::child_spec spec{.name = "one", .shutdown = troupe::shutdown::brutal_kill()};
    auto one = sys.spawn<Patient>(spec);
    freeze(sys, one);
    for (int i = 1; i <= 20; ++i) one.tell(Number{i});
    sys.stop(one);
    EXPECT(eventually([&] { return sys.count().dead_letters == 20; }));
    EXPECT_EQ(values_of(sys, sys.dead_letters().list()), range(16, 20));
    const auto counts = sys.dead_letters().count();
    EXPECT_EQ(counts.kept, 5UL);
    EXPECT_EQ(counts.evicted, 15UL);
    EXPECT(!sys.dead_letters().read(15));
    EXPECT(!sys.dead_letters().replay(15));
  });
}

TEST_CASE("bodies and payloads are kept up to 64 KiB and come back in a replay; what is larger says that it does not") {
  in_program<Patient>(quiet(100), [](troupe::system& sys) {
    set(armed, 1);
    auto one = sys.spawn<Patient>({.name = "one", .lane_bytes = 64 * 1024});
    const auto send = [&](std::size_t body, std::size_t payload) {
      Large m{std::vector<std::uint8_t>(body, 1), payload > 0 ? sys.payload(payload) : troupe::payload{}};
      if (payload > 0) std::memset(m.payload.data().data(), 2, payload);
      one.tell(m);
      const auto letters = sys.count().dead_letters + 1;
      EXPECT(eventually([&] { return sys.count().dead_letters == letters; }));
      return letters;
    };
    const auto plain = send(1000, 0), outbox = send(60'000, 0), with_payload = send(100, 60'000);
    const auto large_body = send(100'000, 0), large_payload = send(100, 100'000);

    const auto letters = sys.dead_letters();
    EXPECT_EQ(letters.read(outbox)->as<Large>().bytes.size(), 60'000UL);
    const auto opened = letters.read(with_payload);
    EXPECT_EQ(opened->as<Large>().payload.size(), 60'000UL);
    EXPECT_EQ(opened->payloads.front(), 60'000UL);
    const auto cut = letters.read(large_body);
    EXPECT_EQ(cut->kept, 65'536UL);
    EXPECT(cut->bytes >= 100'000UL);
    EXPECT_EQ(error_of([&] { return cut->as<Large>().bytes.size(); }).code(), troupe::errc::not_allowed);
    const auto refused = error_of([&] { return letters.replay(large_body); });
    EXPECT_EQ(refused.code(), troupe::errc::not_allowed);
    EXPECT(refused.text().find("only 65536 of the " + std::to_string(cut->bytes) + " bytes") != std::string::npos);
    const auto without = error_of([&] { return letters.replay(large_payload); });
    EXPECT_EQ(without.code(), troupe::errc::not_allowed);
    EXPECT(without.text().find("payloads of 100000 bytes") != std::string::npos);

    set(armed, 0);
    for (const auto number : {plain, outbox, with_payload}) EXPECT(letters.replay(number));
    EXPECT(eventually([] { return notes().size() == 3; }));
    EXPECT_EQ(notes(), (std::vector<std::string>{"large: 1000", "large: 60000", "large: 120100"}));
    EXPECT_EQ(letters.list().size(), 2UL);
  });
}

TEST_CASE("a message that hands over the end of a pipe cannot be replayed, and says so") {
  in_program<Patient>([](troupe::system& sys) {
    const troupe::child_spec spec{.name = "one", .shutdown = troupe::shutdown::brutal_kill()};
    auto one = sys.spawn<Patient>(spec);
    freeze(sys, one);
    auto [reader, writer] = troupe::pipe<int>();
    one.tell(Enclosing{std::move(reader)});
    sys.stop(one);
    EXPECT(kept(sys, 1));
    EXPECT(only(sys).enclosed);
    const auto refused = error_of([&] { return sys.dead_letters().replay(1); });
    EXPECT_EQ(refused.code(), troupe::errc::not_allowed);
    EXPECT(refused.text().find("pipe") != std::string::npos);
  });
}

TEST_CASE("what nobody took out of a queue that nobody holds any more is in the letters") {
  in_program<Patient>([](troupe::system& sys) {
    {
      auto queue = troupe::queue<std::string>::make();
      queue.put("first");
      queue.put("second");
      EXPECT_EQ(queue.get(), std::string("first"));
    }
    EXPECT(kept(sys, 1));
    const auto letter = sys.dead_letters().read(only(sys).number);
    EXPECT_EQ(letter->receiver_name, std::string("the queue"));
    EXPECT(letter->why == reason::receiver_closed);
    EXPECT_EQ(letter->as<std::string>(), std::string("second"));
  });
}

// ------------------------------------------------------------------------------------------------------- from an actor

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

// ----------------------------------------------------------------------------------------------------------- the rest

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
