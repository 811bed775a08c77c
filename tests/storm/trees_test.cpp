// Four threads of main, and an actor, that start, stop, restart, delete, kill and ask for the same children at the same
// time, some of which do not start: each call ends, with an answer that can be true.

#include <signal.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>

#include "storm/storm.hpp"
#include "support/program.hpp"

using namespace tests;

namespace {

struct Add {
  int value = 0;
};
struct Sum {};
struct Die {};

/// One start in twelve fails, another one declines.
struct Adder : troupe::actor {
  explicit Adder(int start) : sum_(start) {}
  void on_start() override {
    switch (add(0) % 12) {
      case 3: throw std::runtime_error("not today");
      case 7: throw troupe::decline{};
      default: return;
    }
  }
  void on(Add m) { sum_ += m.value; }
  int on(Sum) { return sum_; }
  void on(Die) { std::abort(); }
  using handles = troupe::handles<Add, Sum, Die>;

 private:
  int sum_;
};
using adder = troupe::actor_ref<Adder>;

using errors = std::vector<troupe::errc>;

/// What it throws is one of `allowed`.
template <class Call>
void attempt(const char* what, const errors& allowed, Call call) {
  try {
    call();
  } catch (const troupe::error& e) {
    if (std::find(allowed.begin(), allowed.end(), e.code()) == allowed.end()) note(what + std::string(": ") + e.what());
  }
}

/// Makes children of its own, from a template, and is killed itself.
struct Maker : troupe::actor {
  void on_start() override {
    troupe::supervisor kids({.name = "kids", .strategy = troupe::strategy::simple_one_for_one, .max_restarts = 100'000});
    kids.each<Adder, int>({.name = "kid", .restart = troupe::restart::temporary});
    kids_ = self().spawn(kids);
  }
  void on(Add m) {
    for (int i = 0; i < m.value; ++i) attempt("kid", {troupe::errc::start_failed, troupe::errc::closed}, [&] { make(i); });
  }
  using handles = troupe::handles<Add>;

 private:
  void make(int number) {
    const auto kid = kids_.start<Adder, int>(int{number});
    if (kid.declined()) return;
    kid.tell(Add{number});
    number % 2 == 0 ? kid.tell(Die{}) : kids_.terminate_child(kid);
  }
  troupe::supervisor_ref kids_;
};

class player {
 public:
  player(troupe::system& sys, std::uint64_t seed) : sys_(sys), random_(seed), tree_(*sys.find_supervisor("tree")) {}

  void play() {
    using enum troupe::errc;
    const std::string name = "actor-" + std::to_string(up_to(11)), child = "child-" + std::to_string(up_to(7));
    const auto found = sys_.find<Adder>(name);
    switch (up_to(12)) {
      case 0:
      case 1: return attempt("spawn", {name_taken, start_failed}, [&] { keep(sys_.spawn<Adder>(spec(name), 5)); });
      case 2: return with(found, "stop", {not_found}, [&] { sys_.stop(*found); });
      case 3: return with(found, "ask", {closed, outcome_unknown}, [&] { found->ask(Sum{}, 60s).get(); });
      case 4: return with(found, "kill", {}, [&] { sys_.kill(*found); });
      case 5: return with(found, "signal", {}, [&] { sys_.send_signal(*found, SIGSEGV); });
      case 6: return with(known(), "tell", {closed}, [&] { known()->tell(Add{1}, 60s); });
      case 7: return attempt("look", {}, [&] { look(name); });
      case 8:
        return attempt("start_child", {already_started, already_present, start_failed},
                       [&] { keep(tree_.start_child<Adder>(spec(child), 4)); });
      case 9: return attempt("terminate_child", {not_found}, [&] { tree_.terminate_child(child); });
      case 10:
        return attempt("restart_child", {running, restarting, not_found, start_failed}, [&] { tree_.restart_child(child); });
      case 11: return attempt("delete_child", {running, restarting, not_found}, [&] { tree_.delete_child(child); });
      default: return attempt("maker", {}, [&] { sys_.find<Maker>("maker")->tell(Add{6}, 60s); });
    }
  }

 private:
  std::uint64_t up_to(std::uint64_t most) { return random_() % (most + 1); }
  troupe::child_spec spec(const std::string& name) {
    return {.name = name, .restart = static_cast<troupe::restart>(up_to(2)), .standby = up_to(3) == 0 ? 1U : 0U};
  }
  void keep(const adder& which) {
    if (known_.size() == 30) known_.erase(known_.begin());
    known_.push_back(which);
  }
  /// One that may have ended, or been forgotten, meanwhile.
  std::optional<adder> known() const { return known_.empty() ? std::nullopt : std::optional(known_.front()); }
  template <class Call>
  void with(const std::optional<adder>& whom, const char* what, const errors& allowed, Call call) {
    if (whom) attempt(what, allowed, call);
  }
  void look(const std::string& name) {
    sys_.deaths(name);
    sys_.dead_letters().list();
    sys_.root().which_children();
    const auto counts = tree_.count_children();
    EXPECT(counts.active <= counts.specs);
  }

  troupe::system& sys_;
  std::mt19937_64 random_;
  troupe::supervisor_ref tree_;
  std::vector<adder> known_;
};

void play(std::uint64_t seed, std::chrono::seconds length) {
  INFO("STORM_SEED=", seed);
  storm::forbid_core_dumps();
  in_program<Adder, Maker>(
      logged(1'000'000),
      [&](troupe::system& sys) {
        const auto which = static_cast<troupe::strategy>(seed % 3);
        sys.spawn(troupe::supervisor({.name = "tree", .strategy = which, .max_restarts = 1'000'000}));
        const auto maker = sys.spawn<Maker>("maker");
        std::atomic<std::uint64_t> rounds = 0;
        std::vector<std::jthread> players;
        for (std::uint64_t i = 0; i < 4; ++i) {
          players.emplace_back([&, i](const std::stop_token& over) {
            for (player one(sys, seed * 4 + i); !over.stop_requested(); ++rounds) one.play();
          });
        }
        const auto until = std::chrono::steady_clock::now() + length;
        for (int i = 0; std::chrono::steady_clock::now() < until; ++i) {
          sys.poll(20ms);
          if (i % 20 == 19) sys.send_signal(maker, SIGKILL);
        }
        players.clear();
        EXPECT_EQ(notes(), std::vector<std::string>{});
        EXPECT(rounds > 100);
      },
      length + 100s);
}

TEST_CASE("four threads and an actor that change the same trees at once get true answers") {
  play(storm::planned({}).seed, 2s);
}

TEST_SUITE("long") {
  TEST_CASE("four threads and an actor that change the same trees at once get true answers, for a minute") {
    play(storm::planned({}).seed, 60s);
  }
}

}  // namespace
