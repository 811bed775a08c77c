// Requests of every kind under kills: each ends, by its own answer or by an error that is true.

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <deque>
#include <random>
#include <thread>

#include <troupe/task.hpp>

#include "storm/storm.hpp"
#include "support/program.hpp"

using namespace tests;

namespace {

struct Plain {
  std::uint64_t number = 0, bytes = 0;
};
struct Sure {
  static constexpr auto delivery = troupe::redeliver{troupe::unlimited};
  std::uint64_t number = 0;
};
struct Later {
  std::uint64_t number = 0;
};
struct Due {};
struct Through {
  std::uint64_t number = 0;
};
struct ThroughTask {
  std::uint64_t number = 0;
};
struct ThroughChild {
  std::uint64_t number = 0;
};

std::string text_of(std::uint64_t number, std::uint64_t bytes) {
  return std::string(bytes, static_cast<char>('a' + number % 26)) + std::to_string(number);
}

struct Child : troupe::actor {
  std::uint64_t on(Later m) { return m.number * 3; }
  using handles = troupe::handles<Later>;
};

using plain_ref = troupe::ref<troupe::handles<std::string(Plain), std::uint64_t(Sure)>>;

/// Answers by itself, at once or later, or with what another one says.
class Server : public troupe::actor {
 public:
  Server(std::size_t number, plain_ref other, bool has_child) : number_(number), other_(other), has_child_(has_child) {}
  void on_start() override {
    add(number_);
    if (has_child_) child_ = self().spawn<Child>(self().name() + "-child");
  }

  std::string on(Plain m) { return text_of(m.number, m.bytes); }
  std::uint64_t on(Sure m) { return m.number; }
  troupe::deferred<std::uint64_t> on(Later m) {
    auto answer = self().defer<std::uint64_t>();
    owed_.push_back({m.number, answer});
    after(std::chrono::microseconds(m.number % 3000), Due{});
    return answer;
  }
  void on(Due) {
    owed_.front().second.reply(owed_.front().first);
    owed_.pop_front();
  }
  troupe::deferred<std::uint64_t> on(Through m) {
    auto answer = self().defer<std::uint64_t>();
    if (!other_) return answer.reply(m.number), answer;
    other_.ask(Plain{m.number, 100}, 60s).then([m, answer](troupe::expected<std::string> got) {
      answer.reply(judged(m.number, got));
    });
    return answer;
  }
  troupe::task<std::uint64_t> on(ThroughTask m) {
    if (!other_) co_return m.number;
    auto asked = other_.ask(Plain{m.number, 100}, 60s);
    co_await troupe::sleep_for(std::chrono::microseconds(m.number % 500));
    try {
      co_return co_await asked == text_of(m.number, 100) ? m.number : 0;
    } catch (const troupe::error& e) {
      co_return judged(m.number, tl::unexpected(e));
    }
  }
  std::uint64_t on(ThroughChild m) {
    if (!has_child_) return m.number;
    const auto got = child_.ask(Later{m.number}, 60s).try_get();
    return got && *got != m.number * 3 ? 0 : m.number;
  }
  using handles = troupe::handles<Plain, Sure, Later, Due, Through, ThroughTask, ThroughChild>;

 private:
  static std::uint64_t judged(std::uint64_t number, const troupe::expected<std::string>& got) {
    if (got) return *got == text_of(number, 100) ? number : 0;
    if (got.error().code() != troupe::errc::outcome_unknown) note("through: " + std::string(got.error().what()));
    return number;
  }
  std::size_t number_;
  plain_ref other_;
  bool has_child_;
  troupe::actor_ref<Child> child_;
  std::deque<std::pair<std::uint64_t, troupe::deferred<std::uint64_t>>> owed_;
};
using server = troupe::actor_ref<Server>;

// -------------------------------------------------------------------------------------------------------------- client

/// Requests under way, with the answers that are right.
template <class R>
struct batch {
  std::deque<troupe::asking<R>> asked;
  std::vector<R> right;
  void add(troupe::asking<R> one, R answer) {
    asked.push_back(std::move(one));
    right.push_back(std::move(answer));
  }
};

std::atomic<std::uint64_t> answered, unanswered;

template <class R>
void take_answers(batch<R>& of) {
  for (std::size_t i = 0; i < of.asked.size(); ++i) {
    const auto got = of.asked[i].try_get();
    ++(got ? answered : unanswered);
    if (got && *got != of.right[i]) note("a wrong answer");
    if (!got && got.error().code() != troupe::errc::outcome_unknown) note(got.error().what());
  }
}

/// Up to forty requests at a time.
class client {
 public:
  client(std::vector<server> servers, std::uint64_t seed) : servers_(std::move(servers)), random_(seed) {}
  void go_on() {
    batch<std::string> texts;
    batch<std::uint64_t> numbers, sure;
    for (std::uint64_t left = random_() % 40; left > 0; --left) ask(texts, numbers, sure);
    take_answers(texts);
    take_answers(numbers);
    for (std::size_t i = 0; i < sure.asked.size(); ++i) {
      if (sure.asked[i].get() != sure.right[i]) note("a wrong answer of those that are sure");
    }
  }

 private:
  void ask(batch<std::string>& texts, batch<std::uint64_t>& numbers, batch<std::uint64_t>& sure) {
    const server& to = servers_[random_() % servers_.size()];
    const std::uint64_t number = random_() % 100'000, bytes = random_() % 2 == 0 ? 10 : random_() % 50'000;
    switch (random_() % 6) {
      case 0: return texts.add(to.ask(Plain{number, bytes}, 60s), text_of(number, bytes));
      case 1: return sure.add(to.ask(Sure{number}, 60s), number);
      case 2: return numbers.add(to.ask(Later{number}, 60s), number);
      case 3: return numbers.add(to.ask(Through{number}, 60s), number);
      case 4: return numbers.add(to.ask(ThroughTask{number}, 60s), number);
      default: return numbers.add(to.ask(ThroughChild{number}, 60s), number);
    }
  }
  std::vector<server> servers_;
  std::mt19937_64 random_;
};

struct company {
  std::vector<server> servers;
  std::vector<std::string> victims;
};

/// Each but the first has the one before to ask.
company hire(troupe::system& sys, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  company all;
  for (std::size_t i = 0; i < 4; ++i) {
    const std::string name = "server-" + std::to_string(i);
    troupe::child_spec spec{.name = name};
    spec.standby = static_cast<std::uint32_t>(random() % 2);
    if (random() % 3 == 0) spec.backoff = {.first = 1ms, .max = 5ms, .reset_after = 20ms};
    if (random() % 2 == 0) spec.deadline = 3s;
    if (random() % 2 == 0) spec.recycle.messages = 200 + random() % 2000;
    const plain_ref other = i == 0 ? plain_ref() : plain_ref(all.servers.back());
    all.servers.push_back(sys.spawn<Server>(spec, i, other, random() % 2 == 0));
    all.victims.insert(all.victims.end(), {name, name + "-child"});
  }
  return all;
}

void calls_under_kills(std::uint64_t seed, std::uint64_t kills) {
  INFO("STORM_SEED=", seed);
  storm::forbid_core_dumps();
  in_program<Server, Child>(
      logged(1'000'000),
      [&](troupe::system& sys) {
        const company all = hire(sys, seed);
        std::vector<std::uint64_t> downs(all.servers.size());
        for (std::size_t i = 0; i < downs.size(); ++i) {
          sys.monitor(all.servers[i], [&downs, i](const troupe::down&) { ++downs[i]; });
        }
        std::atomic<bool> over = false;
        std::vector<std::jthread> clients;
        for (std::uint64_t i = 0; i < 3; ++i) {
          clients.emplace_back([&, i] {
            for (client one(all.servers, seed * 3 + i); !over;) one.go_on();
          });
        }
        storm::killer killer(::getpid(), all.victims, {12, 2, 2, 2, 4}, 80, seed);
        storm::while_attacked(std::move(killer), kills, [&] { sys.poll(10ms); });
        over = true;
        clients.clear();
        EXPECT_EQ(notes(), std::vector<std::string>{});
        EXPECT(answered > 100 && unanswered > 0);
        for (std::size_t i = 0; i < downs.size(); ++i) {
          EXPECT_EQ(all.servers[i].ask(Sure{i}, 60s).get(), i);
          EXPECT(eventually([&] { return downs[i] + 1 >= total(i); }));  // one for each start but the first
        }
        EXPECT_EQ(sys.count().dead_letters, 0UL);
      },
      400s);
}

TEST_CASE("calls of every kind, under kills, end by their own answer or by an error that is true") {
  calls_under_kills(storm::planned({}).seed, 60);
}

TEST_SUITE("long") {
  TEST_CASE("ten companies of servers that call each other under kills answer, or say the truth") {
    const std::uint64_t seed = storm::planned({}).seed;
    for (std::uint64_t i = 0; i < 10; ++i) calls_under_kills(seed + i, 300);
  }
}

}  // namespace
