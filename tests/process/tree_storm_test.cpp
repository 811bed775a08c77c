#include <chrono>
#include <cstdlib>
#include <iostream>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "process/common.hpp"

// Trees whose processes are killed, stopped and crashed while main and several actors start, terminate, restart, delete and
// reload what is below them. When that is over each supervisor has to be at rest and right about what runs.

using namespace tests;
using troupe::auto_shutdown;
using troupe::child_state;
using troupe::errc;
using troupe::restart;
using troupe::shutdown;
using troupe::strategy;
using troupe::supervisor;
using steady = std::chrono::steady_clock;

namespace {

constexpr std::size_t calls_made = 1, over = 2;  // counters of the test program

using random_source = std::mt19937_64;
unsigned draw(random_source& from, unsigned below) { return static_cast<unsigned>(from() % below); }
template <class T>
T pick(random_source& from, const std::vector<T>& all) {
  return all[draw(from, static_cast<unsigned>(all.size()))];
}

/// A child of a Node.
struct Leaf : troupe::actor {
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Pid>;
};

/// Starts well, mostly; leaves as it is asked, mostly.
struct Node : troupe::actor {
  explicit Node(unsigned = 0) : random_(std::random_device{}()) {}
  void on_start() override {
    if (total(over) != 0) return;
    const unsigned how = draw(random_, 40);
    if (how == 0) throw std::runtime_error("not now");
    if (how == 1) throw troupe::decline{};
    if (how == 2) ::_exit(3);
    if (how == 3) ::usleep(20'000);  // tidy: allow sleep, because this start is to be slow
    if (draw(random_, 6) == 0) self().spawn<Leaf>({.name = self().name() + " leaf", .shutdown = shutdown::within(100ms)});
    if (draw(random_, 3) == 0) after(std::chrono::milliseconds(draw(random_, 500)), End{});
  }
  void on_stop(troupe::stop_reason) override {
    if (draw(random_, 30) == 0 && total(over) == 0) ::pause();
  }
  struct End {};
  void on(End) {
    if (total(over) != 0) return;
    if (draw(random_, 3) == 0) return stop();
    if (draw(random_, 3) == 0) ::raise(SIGSEGV);
  }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<End, Pid>;

 private:
  random_source random_;
};

troupe::child_spec node(random_source& random, const std::string& name, auto_shutdown above) {
  troupe::child_spec its{.name = name, .shutdown = shutdown::within(100ms)};
  its.restart = pick(random, std::vector{restart::permanent, restart::permanent, restart::transient, restart::temporary});
  if (draw(random, 6) == 0) its.shutdown = shutdown::brutal_kill();
  its.significant = above != auto_shutdown::never && its.restart != restart::permanent && draw(random, 2) == 0;
  if (draw(random, 5) == 0) its.backoff = {.first = 5ms, .max = 40ms};
  if (draw(random, 8) == 0) its.budget = troupe::restart_budget{.max_restarts = draw(random, 4), .within = 1s};
  if (draw(random, 4) == 0) its.standby = 1 + draw(random, 2);
  if (draw(random, 8) == 0) its.mailbox = troupe::mailbox::clear;
  if (draw(random, 10) == 0) its.start_timeout = 2s;
  return its;
}

supervisor tree(random_source& random, const std::string& name, unsigned depth, bool permanent = false) {
  troupe::supervisor_spec its{.name = name, .max_restarts = draw(random, 6), .within = 300ms};
  its.strategy = pick(random, std::vector{strategy::one_for_one, strategy::rest_for_one, strategy::one_for_all});
  if (!permanent) its.restart = pick(random, std::vector{restart::permanent, restart::permanent, restart::transient, restart::temporary});
  its.auto_shutdown =
      pick(random, std::vector{auto_shutdown::never, auto_shutdown::any_significant, auto_shutdown::all_significant});
  if (draw(random, 4) == 0) its.shutdown = shutdown::within(300ms);
  if (draw(random, 6) == 0) its.backoff = {.first = 5ms, .max = 40ms};
  if (draw(random, 6) == 0 && !permanent) {
    its.strategy = strategy::simple_one_for_one;
    its.auto_shutdown = auto_shutdown::never;
    its.max_children = draw(random, 4);
    return supervisor(its).each<Node>(node(random, name + "t", auto_shutdown::never), 0U);
  }
  supervisor made(its);
  for (unsigned i = 0, count = 1 + draw(random, 3); i < count; ++i) {
    const std::string below = name + std::string(1, static_cast<char>('a' + i));
    if (depth < 3 && draw(random, 5) < 2) {
      made.child(tree(random, below, depth + 1));
    } else {
      made.child<Node>(node(random, below, its.auto_shutdown), 0U);
    }
  }
  return made;
}

std::string name_below(random_source& random) {
  std::string name = "t" + std::to_string(draw(random, 3));
  for (unsigned depth = draw(random, 4); depth > 0; --depth) name += static_cast<char>('a' + draw(random, 3));
  return name;
}

/// One call about any part of the trees. What it is refused for is no matter, unless it could never be.
template <class Caller>
void call_once(random_source& random, const Caller& caller) {
  add(calls_made);
  const std::string who = name_below(random);
  try {
    const auto of = caller.find_supervisor(who);
    if (!of) return;
    const std::string child = draw(random, 8) == 0 ? name_below(random) : who + std::string(1, static_cast<char>('a' + draw(random, 4)));
    switch (draw(random, 13)) {
      case 0: return void(of->template start_child<Node>(node(random, child, auto_shutdown::never), 0U));
      case 1: return void(of->start_child(tree(random, child, 3)));
      case 2: return of->terminate_child(child);
      case 3: return void(of->restart_child(child));
      case 4: return of->delete_child(child);
      case 5: return void(of->count_children());
      case 6: return void(of->which_children());
      case 7: return void(of->get_childspec(child));
      case 8: return void(of->template start<Node>());
      case 9: return of->reload(tree(random, who, 3));
      default: return void(of->restart_child(child));
    }
  } catch (const troupe::error& e) {
    constexpr std::array never{errc::corrupt, errc::os, errc::deadlock};
    if (std::ranges::find(never, e.code()) != never.end()) note(std::string("refused: ") + e.what());
  }
}

/// Makes one call after the other.
struct Operator : troupe::actor {
  struct Step {};
  explicit Operator(std::uint64_t seed) : random_(seed) {}
  void on_start() override { every(std::chrono::milliseconds(2), Step{}); }
  void on(Step) {
    if (total(over) == 0) call_once(random_, self());
  }
  using handles = troupe::handles<Step>;

 private:
  random_source random_;
};

/// Signals for the workers of this program, until it ends; then none is left stopped.
class weather {
 public:
  weather(pid_t program, std::uint64_t seed) : program_(program), random_(seed), thread_([this](const auto& stop) { run(stop); }) {}

 private:
  void run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      ::usleep(1000 + draw(random_, 8000));  // tidy: allow sleep, because that is how often it strikes
      strike();
      wake(steady::now());
    }
    wake(steady::time_point::max());
  }
  void strike() {
    auto all = children_of(program_);
    std::erase_if(all, [](pid_t pid) { return name_of_process(pid) == "troupe-spawner"; });
    if (all.empty()) return;
    for (unsigned burst = draw(random_, 8) == 0 ? 4 : 1; burst > 0; --burst) {
      const pid_t whom = pick(random_, all);
      const int signal = pick(random_, std::vector{SIGKILL, SIGKILL, SIGKILL, SIGSEGV, SIGSTOP, SIGABRT});
      ::kill(whom, signal);
      if (signal == SIGSTOP) stopped_.emplace(steady::now() + 50ms, whom);
    }
  }
  void wake(steady::time_point now) {
    while (!stopped_.empty() && stopped_.begin()->first <= now) {
      ::kill(stopped_.begin()->second, SIGCONT);
      stopped_.erase(stopped_.begin());
    }
  }

  pid_t program_;
  random_source random_;
  std::multimap<steady::time_point, pid_t> stopped_;
  std::jthread thread_;
};

/// The supervisors of the trees that run now.
void collect(const troupe::supervisor_ref& of, std::map<std::uint64_t, std::vector<troupe::child_info>>& into) {
  std::vector<troupe::child_info> all;
  try {
    all = of.which_children();
  } catch (const troupe::error& e) {
    if (e.code() == errc::closed) return;
    throw;
  }
  into[of.id()] = all;
  for (const auto& each : all) {
    if (each.kind == troupe::child_kind::supervisor) collect(troupe::supervisor_ref(each.identity), into);
  }
}

std::string text_of(const std::vector<troupe::child_info>& children) {
  std::string text;
  for (const auto& each : children)
    text += " " + each.name + "=" + std::to_string(int(each.state)) + (each.pid != 0 ? "p" : "");
  return text;
}

/// What is wrong about a child, seen from outside; empty: nothing.
std::string wrong_with(const troupe::child_info& child, bool runs, troupe::system& sys) {
  if (child.state != child_state::up && child.state != child_state::down) return "is not at rest";
  const bool up = child.state == child_state::up;
  if (child.kind == troupe::child_kind::supervisor) return runs == up ? "" : "is thought to be otherwise";
  if ((child.pid != 0) != up) return "has no process, or one too many";
  if (!child.name.starts_with("t")) return "";
  const troupe::actor_ref<Node> actor(child.identity);
  const auto pid = actor.ask(Pid{}, 20s).try_get();
  if (!up) return !pid && pid.error().code() == errc::closed ? "" : "is down, and talks";
  if (!pid) return pid.error().what();
  return *pid == child.pid && sys.find<Node>(child.name) == actor ? "" : "is another";
}

/// The first thing that is wrong in all trees; empty: nothing.
std::string wrong_now(troupe::system& sys) {
  std::map<std::uint64_t, std::vector<troupe::child_info>> all;
  collect(sys.root(), all);
  std::set<int> pids;
  for (const auto& [id, children] : all) {
    for (const auto& each : children) {
      const auto wrong = wrong_with(each, all.contains(each.identity), sys);
      if (!wrong.empty()) return each.name + " " + wrong + text_of(children);
      if (each.pid != 0 && !pids.insert(each.pid).second) return each.name + " shares its process";
    }
  }
  return "";
}

void expect_right(troupe::system& sys) {
  std::string wrong;
  const bool right = eventually([&] {
    wrong = wrong_now(sys);
    return wrong.empty();
  }, 30s);
  if (!right) std::cerr << wrong << std::endl;
  EXPECT(right);
}

void storm(std::uint64_t seed, std::chrono::milliseconds length) {
  std::cout << "TROUPE_SEED=" << seed << std::endl;
  troupe::options how = quiet(1'000'000'000);
  how.supervisor.within = 1s;
  if (std::getenv("TROUPE_LOG") != nullptr) how.log = true;
  in_program<Node, Leaf, Operator>(
      how,
      [&](troupe::system& sys) {
        random_source random(seed);
        for (unsigned i = 0; i < 3; ++i) {
          for (bool made = false; !made;) {
            try {
              sys.spawn(tree(random, "t" + std::to_string(i), 1, true));
              made = true;
            } catch (const troupe::error& e) {
              EXPECT(e.code() == errc::start_failed || e.code() == errc::name_taken);
            }
          }
        }
        for (unsigned i = 0; i < 3; ++i) sys.spawn<Operator>("operator-" + std::to_string(i), seed + i);
        {
          const weather bad(::getpid(), seed);
          const auto end = steady::now() + length;
          while (steady::now() < end) {
            const auto before = steady::now();
            call_once(random, sys);
            if (steady::now() - before > 20s) note("a call has taken more than 20 s");
            sys.poll();
          }
          set(over, 1);
        }
        for (const auto& line : notes()) EXPECT_EQ(line, std::string());
        expect_right(sys);
        EXPECT(total(calls_made) > 100);
      },
      length + 120s);
}

TEST_CASE("supervisors are right about what runs after a storm of kills, stops, crashes and calls") {
  const char* given = std::getenv("TROUPE_SEED");
  const char* wanted = std::getenv("TROUPE_SECONDS");
  storm(given != nullptr ? std::stoull(given) : std::random_device{}(),
        wanted != nullptr ? std::chrono::seconds(std::stoul(wanted)) : 4s);
}

}  // namespace
