#include <poll.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "process/common.hpp"

using namespace tests;

namespace {

using text_queue = troupe::queue<std::string>;
using number_queue = troupe::queue<int>;

void greet(text_queue q) { q.put("hello"); }
void put_range(number_queue q, int producer, int count) {
  for (int i = 0; i < count; ++i) q.put(producer * 1'000'000 + i);
}
/// Puts as many as fit, says how many, and is killed.
void put_and_die(number_queue q) {
  int count = 0;
  while (q.try_put(count)) ++count;
  add(0, static_cast<std::uint64_t>(count));
  ::raise(SIGKILL);
}
void put_and_count(number_queue q, std::size_t counter) {
  for (int i = 0;; ++i) {
    q.put(i);
    add(counter);
  }
}
void get_and_die(number_queue q, int count) {
  for (int i = 0; i < count; ++i) note("got " + std::to_string(q.get()));
  ::raise(SIGKILL);
}
void get_all(number_queue q, int count) {
  for (int i = 0; i < count; ++i) add(1, static_cast<std::uint64_t>(q.get()));
}
int get_refused(number_queue q) {
  return error_of([&] { return q.get(); }).code() == troupe::errc::not_allowed ? 0 : 1;
}
void put_after(number_queue q, int value, troupe::pipe_reader<int> go) {
  go.recv();
  q.put(value);
}

struct Use {
  number_queue q;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(q);
  }
};
struct Put {
  int value;
};
struct Next {};
struct Holder : troupe::actor {
  Holder() = default;
  explicit Holder(number_queue given) : q(std::move(given)) {}
  void on(const Use& m) { q = m.q; }
  void on(Put m) { q.put(m.value); }
  int on(Next) { return q.get(); }
  void on(Abort) { ::_exit(1); }
  using handles = troupe::handles<Use, Put, Next, Abort>;
  number_queue q;
};

enum word : std::size_t { first_taken = 10, stalls, drop_it, dropped, take_it };

void until(word which) {
  while (total(which) == 0) ::poll(nullptr, 0, 1);  // tidy: allow sleep, because it must not be served meanwhile
}
void get_twice(troupe::queue<Use> jobs) {
  {
    const Use job = jobs.get();
    note("got " + std::to_string(job.q.get()));
    set(first_taken, 1);
    until(drop_it);
  }
  set(dropped, 1);
  until(take_it);
  for (const Use job = jobs.get();;) note("got " + std::to_string(job.q.get()));
}

struct Stall : Use {
  static constexpr auto delivery = troupe::drop{};
};
struct Staller : troupe::transactional {
  /// Puts what nobody will see, since the turn does not end.
  void on(const Stall& m) {
    m.q.put(99);
    set(stalls, 1);
    for (;;) ::pause();
  }
  int on(const Use& m) {
    m.q.put(7);
    return 7;
  }
  using handles = troupe::handles<Stall, int(Use)>;
};

std::vector<int> drain(const number_queue& q, std::chrono::milliseconds patience = 100ms) {
  std::vector<int> all;
  while (auto item = q.get(patience)) all.push_back(*item);
  return all;
}

}  // namespace

TEST_CASE("a greeting comes through a queue") {
  in_program([](troupe::system&) {
    auto q = text_queue::make();
    troupe::process child(greet, q);
    EXPECT_EQ(q.get(), "hello");
  });
}

TEST_CASE("items of several producers arrive all, each one's in their order") {
  in_program([](troupe::system&) {
    constexpr int producers = 5, count = 20'000;
    auto q = number_queue::make(4096);
    std::vector<troupe::process> all;
    for (int i = 0; i < producers; ++i) all.emplace_back(put_range, q, i, count);
    std::array<int, producers> next{};
    for (int i = 0; i < producers * count; ++i) {
      const int item = q.get();
      EXPECT_EQ(item % 1'000'000, next.at(static_cast<std::size_t>(item / 1'000'000))++);
    }
    EXPECT(!q.get(20ms));
  });
}

TEST_CASE("what put accepted arrives although the producers were killed, and nobody had got anything yet") {
  in_program([](troupe::system&) {
    auto q = number_queue::make(4096);
    for (int i = 0; i < 3; ++i) {
      troupe::process child(put_and_die, q);
      child.join();
      EXPECT_EQ(child.exit_code().value_or(0), -SIGKILL);
    }
    EXPECT_EQ(drain(q).size(), total(0));
    troupe::process again(put_and_die, q);
    again.join();
    EXPECT_EQ(drain(q).size(), total(0) / 4);
  });
}

TEST_CASE("what put accepted arrives from producers that are killed at any moment") {
  in_program([](troupe::system&) {
    for (std::size_t round = 0; round < 20; ++round) {
      auto q = number_queue::make(4096);
      const std::size_t counter = 10 + round;
      troupe::process producer(put_and_count, q, counter);
      int next = 0;
      for (std::size_t i = 0; i < 50 * round * round; ++i) EXPECT_EQ(q.get(), next++);
      producer.kill();
      producer.join();
      for (const int item : drain(q, 10ms)) EXPECT_EQ(item, next++);
      const auto accepted = static_cast<int>(total(counter));
      EXPECT(next == accepted || next == accepted + 1);
    }
  });
}

TEST_CASE("a full queue refuses, waits for as long as it may, and goes on when there is room") {
  in_program([](troupe::system&) {
    auto q = number_queue::make(4096);
    int count = 0;
    while (q.try_put(count)) ++count;
    EXPECT(count > 50);
    EXPECT_EQ(q.try_put(0).error().code(), troupe::errc::full);
    EXPECT_EQ(error_of([&] { return q.put(0, 30ms), 0; }).code(), troupe::errc::full);
    std::thread gets([&] {
      for (int i = 0; i < count; ++i) EXPECT_EQ(q.get(), i);
    });
    q.put(count);
    gets.join();
    EXPECT_EQ(q.get(), count);
  });
}

TEST_CASE("get and try_get say that nothing has come") {
  in_program([](troupe::system&) {
    auto q = text_queue::make();
    EXPECT_EQ(q.try_get().error().code(), troupe::errc::empty);
    EXPECT(!q.get(20ms));
    EXPECT(!q.get(0ms));
    q.put("x");
    EXPECT_EQ(q.try_get().value_or(""), "x");
    q.put("y", 0ms);
    EXPECT_EQ(q.get(0ms).value_or(""), "y");
    EXPECT(q.try_put(std::string(1'000'000, 'z')));
    EXPECT_EQ(q.get().size(), std::size_t{1'000'000});
  });
}

TEST_CASE("a getter that sleeps is woken by a producer that comes later") {
  in_program([](troupe::system&) {
    auto q = number_queue::make();
    auto [reader, writer] = troupe::pipe<int>();
    troupe::process child(put_after, q, 3, std::move(reader));
    std::thread later([&out = writer] { out.send(1); });
    EXPECT_EQ(q.get(), 3);
    later.join();
    std::thread here([&] { q.put(4); });
    EXPECT_EQ(q.get(), 4);
    here.join();
  });
}

TEST_CASE("only one process gets; the next one goes on where it was killed") {
  in_program([](troupe::system&) {
    auto q = number_queue::make();
    for (int i = 0; i < 10; ++i) q.put(i);
    troupe::process consumer(get_and_die, q, 4);
    consumer.join();
    EXPECT(noted("got 3") && !noted("got 4"));
    EXPECT_EQ(q.get(), 4);
    troupe::process other(get_refused, q);
    other.join();
    EXPECT_EQ(other.exit_code().value_or(-1), 0);
    EXPECT(drain(q) == range(5, 9));
  });
}

TEST_CASE("a consumer that has ended in order is followed by the next one") {
  in_program([](troupe::system&) {
    auto q = number_queue::make();
    for (int i = 1; i <= 9; ++i) {
      q.put(i);
      troupe::process consumer(get_all, q, 1);
      consumer.join();
    }
    EXPECT_EQ(total(1), 45U);
  });
}

TEST_CASE("consumers are killed one after the other while items come; none is lost") {
  in_program([](troupe::system&) {
    auto q = number_queue::make(4096);
    troupe::process producer(put_range, q, 0, 3000);
    for (int i = 0; i < 30; ++i) {
      troupe::process consumer(get_and_die, q, 100);
      consumer.join();
    }
    EXPECT(!q.get(50ms));
    for (int i = 0; i < 3000; ++i) EXPECT(noted("got " + std::to_string(i)));
  });
}

TEST_CASE("actors put and get; a queue is an argument or a message; it outlives restarts") {
  in_program<Holder>(quiet(5), [](troupe::system& sys) {
    auto q = number_queue::make();
    auto producer = sys.spawn<Holder>("producer");
    auto consumer = sys.spawn<Holder>("consumer", q);
    producer.tell(Use{q});
    q.put(1);
    q = {};
    producer.tell(Put{2});
    EXPECT_EQ(consumer.ask(Next{}).get() + consumer.ask(Next{}).get(), 3);
    consumer.tell(Abort{});
    producer.tell(Put{3});
    EXPECT_EQ(consumer.ask(Next{}).get(), 3);
  });
}

TEST_CASE("a consumer that drops the queue and takes it again hears of no lane that has gone meanwhile") {
  in_program<Holder, Staller>(quiet(10), [](troupe::system& sys) {
    auto q = number_queue::make();
    auto jobs = troupe::queue<Use>::make();
    auto other = sys.spawn<Holder>("other", q);
    auto stalled = sys.spawn<Staller>("stalled");
    other.tell(Put{1});
    jobs.put(Use{q});
    jobs.put(Use{q});
    troupe::process consumer(get_twice, jobs);
    EXPECT(eventually([] { return total(first_taken) == 1; }));
    stalled.tell(Stall{q});
    EXPECT(eventually([] { return total(stalls) == 1; }));
    set(drop_it, 1);
    EXPECT(eventually([] { return total(dropped) == 1; }));
    for (int i = 0; i < 4; ++i) sys.find<Holder>("other");  // by then the supervisor has heard of it
    // Both leave an empty lane. The next one is the one that was freed last, so the other stays free.
    crash(sys, stalled);
    crash(sys, other);
    stalled.ask(Use{q}).get();
    set(take_it, 1);
    EXPECT(eventually([] { return noted("got 7"); }));
    consumer.kill();
  });
}

TEST_CASE("an item that is of another type or cannot be decoded is an error, and the next one is delivered") {
  in_program([](troupe::system&) {
    auto q = number_queue::make();
    std::array<std::byte, 8> bytes{};
    troupe::detail::writer to(bytes.data(), bytes.size());
    q.troupe_encode(to);
    text_queue same;
    troupe::detail::reader from(bytes.data(), bytes.size());
    same.troupe_decode(from);
    same.put("no number");
    q.put(1);
    EXPECT_EQ(error_of([&] { return q.get(); }).code(), troupe::errc::corrupt);
    EXPECT_EQ(q.get(), 1);
  });
}

struct Piece {
  troupe::payload body;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(body);
  }
};

TEST_CASE("a payload is refused as an item, and the queue goes on") {
  in_program<Recorder>([](troupe::system& sys) {
    auto q = troupe::queue<Piece>::make();
    const auto refused = error_of([&] {
      q.put(Piece{sys.payload(100)});
      return 0;
    });
    EXPECT_EQ(refused.code(), troupe::errc::not_allowed);
    q.put(Piece{});
    EXPECT_EQ(q.get().body.size(), std::size_t{0});
  });
}

struct With {
  number_queue results;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(results);
  }
};
struct Taker : troupe::actor {
  void on(const With&) {}
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<With, Pid>;
};
struct Rounds {
  int count;
};
struct Giver : troupe::actor {
  explicit Giver(troupe::actor_ref<Taker> whom) : to(whom) {}
  int on(Rounds m) {
    auto q = number_queue::make();
    for (int round = 0; round < m.count; ++round) {
      for (int i = 0; i < 100; ++i) to.tell(With{q});
      to.ask(Pid{}, 30s).get();  // all of them have been handled
    }
    q.put(1);
    return q.get();
  }
  using handles = troupe::handles<Rounds>;
  troupe::actor_ref<Taker> to;
};

TEST_CASE("messages that hold a queue count as long as they are under way, and no longer") {
  in_program<Taker, Giver>([](troupe::system& sys) {
    auto taker = sys.spawn<Taker>("taker");
    auto giver = sys.spawn<Giver>("giver", taker);
    EXPECT_EQ(giver.ask(Rounds{100}, 60s).get(), 1);
  });
}

TEST_CASE("a consumer that drops its handles, and lives on, is followed by the next one") {
  in_program<Holder>([](troupe::system& sys) {
    auto q = number_queue::make();
    auto holder = sys.spawn<Holder>("holder");
    holder.tell(Use{q});
    for (int i = 1; i <= 3; ++i) q.put(i);
    EXPECT_EQ(holder.ask(Next{}).get(), 1);
    EXPECT_EQ(error_of([&] { return q.get(); }).code(), troupe::errc::not_allowed);
    holder.ask(Use{}).get();
    EXPECT_EQ(q.get(), 2);
    EXPECT_EQ(q.get(), 3);
  });
}

TEST_CASE("a queue that nobody holds but a message under way does not end, nor what it holds") {
  in_program<Holder>([](troupe::system& sys) {
    auto holder = sys.spawn<Holder>("holder");
    sys.send_signal(holder, SIGSTOP);
    const pid_t worker = children_of(::getpid(), "holder").at(0);
    EXPECT(eventually([&] { return state_of(worker) == 'T'; }));
    {
      auto q = number_queue::make();
      q.put(5);
      holder.tell(Use{q});
    }
    EXPECT(!sys.find<Holder>("nobody"));  // answered when the end of the handle has been heard
    sys.send_signal(holder, SIGCONT);
    EXPECT_EQ(holder.ask(Next{}).get(), 5);
    EXPECT_EQ(sys.count().dead_letters, 0UL);
  });
}

void put_and_hang(number_queue q) {
  q.put(1);
  note("put");
  for (;;) ::pause();
}

TEST_CASE("a queue ends although who held it was killed") {
  in_program([](troupe::system& sys) {
    auto q = number_queue::make();
    troupe::process child(put_and_hang, q);
    EXPECT(eventually([] { return noted("put"); }));
    q = {};
    EXPECT(always([&] { return sys.count().dead_letters == 0; }, 20ms));
    child.kill();
    child.join();
    // What nobody can take any more is a letter.
    EXPECT(eventually([&] { return sys.count().dead_letters == 1; }));
  });
}

TEST_CASE("a handle of no queue says so") {
  in_program([](troupe::system&) {
    number_queue none;
    EXPECT(!none);
    EXPECT_EQ(error_of([&] { return none.put(1), 0; }).code(), troupe::errc::not_allowed);
    EXPECT_EQ(error_of([&] { return none.get(); }).code(), troupe::errc::not_allowed);
  });
}

TEST_CASE("a waiting get ends when the program is stopped") {
  auto started = start_program(quiet(), [](troupe::system&) {
    auto q = number_queue::make();
    troupe::process other(get_all, number_queue::make(), 1);
    note("waiting");
    EXPECT_EQ(error_of([&] { return q.get(); }).code(), troupe::errc::stopping);
    return 0;
  });
  CHECK(eventually([] { return noted("waiting"); }));
  started->signal(SIGINT);
  CHECK_EQ(started->wait().exit_code, 128 + SIGINT);
}

TEST_CASE("queues leave no descriptor behind") {
  in_program<Holder>([](troupe::system& sys) {
    auto holder = sys.spawn<Holder>("holder");
    const pid_t worker = children_of(::getpid(), "holder").at(0);
    const auto round = [&] {
      auto q = number_queue::make();
      holder.tell(Use{q});
      holder.tell(Put{1});
      troupe::process child(put_range, q, 0, 1);
      EXPECT_EQ(q.get() + q.get(), 1);
    };
    round();
    const std::size_t here = descriptors_of(::getpid()).size(), there = descriptors_of(worker).size();
    for (int i = 0; i < 100; ++i) round();
    // The actor still holds the last queue, and with it perhaps the lane of its dead producer; nothing grows with the
    // rounds, each of which takes more than these few.
    constexpr std::size_t last_queue = 4;
    EXPECT(eventually([&] {
      return descriptors_of(::getpid()).size() <= here + last_queue &&
             descriptors_of(worker).size() <= there + last_queue;
    }));
  });
}
