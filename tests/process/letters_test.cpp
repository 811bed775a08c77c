#include <algorithm>

#include "process/letters_fixture.hpp"

// Dead letters as main sees them: every way into the store, and every way out of it.

using namespace letters_fixture;

namespace {

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

TEST_CASE("a letter has the deaths of its own message, and none of the one before it") {
  in_program<Patient>(quiet(10), [](troupe::system& sys) {
    set(armed, 1);
    auto one = sys.spawn<Patient>("one");
    for (std::size_t i = 1; i <= 3; ++i) {
      one.tell(Poison{"again"});
      EXPECT(kept(sys, i));
    }
    std::uint64_t last = 0;
    for (const auto& letter : sys.dead_letters().list()) {
      EXPECT_EQ(letter.deaths.size(), 3UL);
      for (const auto& each : letter.deaths) {
        EXPECT(each.incarnation > last);
        last = each.incarnation;
      }
    }
  });
}

/// Cannot read something else than its message.
struct Clerk : troupe::actor {
  void on(Number) { throw troupe::error(troupe::errc::corrupt, "what it keeps elsewhere"); }
  using handles = troupe::handles<Number>;
};

TEST_CASE("a handler that throws that something is corrupt ends its process; its message has been decoded") {
  in_program<Clerk>(quiet(10), [](troupe::system& sys) {
    auto clerk = sys.spawn<Clerk>("clerk");
    clerk.tell(Number{1});
    EXPECT(kept(sys, 1));
    EXPECT(only(sys).why == reason::quarantined);
    EXPECT_EQ(sys.count().deaths, 3UL);
  });
}

struct Twins {
  troupe::payload one, other;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(one, other);
  }
};
/// Notes what its payloads begin with.
struct Midwife : troupe::actor {
  void on(const Twins& m) {
    if (total(armed) != 0) die(1);
    const auto first = [](const troupe::payload& of) { return std::to_string(static_cast<int>(of.bytes()[0])); };
    note(first(m.one) + " and " + first(m.other) + " of " + std::to_string(m.other.size()));
  }
  using handles = troupe::handles<Twins>;
};

TEST_CASE("several payloads come back in a replay, each in its place") {
  in_program<Midwife>(quiet(10), [](troupe::system& sys) {
    set(armed, 1);
    auto one = sys.spawn<Midwife>("one");
    Twins both{sys.payload(100), sys.payload(3000)};
    both.one.data()[0] = std::byte{1};
    both.other.data()[0] = std::byte{2};
    one.tell(both);
    EXPECT(kept(sys, 1));
    set(armed, 0);
    EXPECT(sys.dead_letters().replay(1));
    EXPECT(eventually([] { return noted("1 and 2 of 3000"); }));
  });
}

TEST_CASE("of two messages of one sender only that which hands over an end cannot be replayed") {
  in_program<Patient>([](troupe::system& sys) {
    const troupe::child_spec spec{.name = "one", .shutdown = troupe::shutdown::brutal_kill()};
    auto one = sys.spawn<Patient>(spec);
    freeze(sys, one);
    auto [reader, writer] = troupe::pipe<int>();
    one.tell(Number{1});
    one.tell(Enclosing{std::move(reader)});
    one.tell(Number{2});
    sys.stop(one);
    EXPECT(kept(sys, 3));
    const auto letters = sys.dead_letters().list();
    EXPECT(!letters[0].enclosed && letters[1].enclosed && !letters[2].enclosed);
  });
}

TEST_CASE("a message whose handlers died after they had the end of a pipe cannot be replayed, and says so") {
  in_program<Patient>(quiet(100), [](troupe::system& sys) {
    set(armed, 1);
    auto one = sys.spawn<Patient>("one");
    auto [reader, writer] = troupe::pipe<int>();
    one.tell(Enclosing{std::move(reader)});
    EXPECT(kept(sys, 1));
    EXPECT(only(sys).enclosed);
    EXPECT_EQ(error_of([&] { return sys.dead_letters().replay(1); }).code(), troupe::errc::not_allowed);
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

}  // namespace
