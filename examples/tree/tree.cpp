// A small service whose supervision tree stands in a file, with a menu of faults: ./examples/run tree run
// examples/tree/service.toml, then type a letter and watch in the log how each fault is dealt with.

#include <unistd.h>

#include <actors/program.hpp>
#include <array>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <troupe/main.hpp>
#include <troupe/troupe.hpp>
#include <troupe/watch.hpp>
#include <vector>

struct Job { std::uint64_t number; };
struct Done { std::string worker; template <class Ar> void serialize(Ar& ar) { ar(worker); } };
struct Tick {};
struct Totals {};
struct Crash { static constexpr auto delivery = troupe::drop{}; };  // kills its handler, once
struct Hang { static constexpr auto delivery = troupe::drop{}; };
struct Leak { static constexpr auto delivery = troupe::drop{}; };
struct Poison {};  // kills whoever handles it, each time, and is handled three times

namespace {

/// One that the file names, wherever in it that stands: who starts later is found too.
template <class A>
troupe::actor_ref<A> named(const troupe::self_t& self, const std::string& name) {
  if (const auto found = self.find<A>(name)) return *found;
  throw std::runtime_error("its args name \"" + name + "\", and the file has no actor of this name and class");
}

/// Counts the jobs that were done. The counts outlive its process.
struct Store : troupe::checkpointed<std::map<std::string, std::uint64_t>> {
  void on(const Done& m) { ++state()[m.worker]; }
  std::map<std::string, std::uint64_t> on(Totals) { return state(); }
  using handles = troupe::handles<Done, Totals>;
};

/// Does the jobs, and what the menu asks of it.
struct Worker : troupe::actor {
  struct config {
    std::string store = "store";
    template <class Ar> void serialize(Ar& ar) { ar(CEREAL_NVP(store)); }
  };
  explicit Worker(config c) : its_(std::move(c)) {}
  void on_start() override { store_ = named<Store>(self(), its_.store); }

  void on(Job) { store_.tell(Done{self().name()}); }
  void on(Crash) { std::abort(); }
  void on(Hang) { for (std::atomic<unsigned> i = 0;;) ++i; }
  void on(Leak) {
    for (;;) leaked_.push_back(std::vector<char>(1 << 20, 'x'));  // until the limit of its memory ends it
  }
  void on(Poison) { std::abort(); }
  using handles = troupe::handles<Job, Crash, Hang, Leak, Poison>;

 private:
  config its_;
  troupe::actor_ref<Store> store_;
  std::vector<std::vector<char>> leaked_;
};

/// Makes jobs.
struct Source : troupe::actor {
  struct config {
    std::vector<std::string> workers;
    std::chrono::milliseconds period{10};
    template <class Ar> void serialize(Ar& ar) { ar(CEREAL_NVP(workers), CEREAL_NVP(period)); }
  };
  explicit Source(config c) : its_(std::move(c)) {}
  void on_start() override {
    for (const auto& name : its_.workers) workers_.push_back(named<Worker>(self(), name));
    every(its_.period, Tick{});
  }
  void on(Tick) {
    // A worker that hangs has a full mailbox before long: its share waits for the next turn.
    for (const auto& each : workers_) static_cast<void>(each.try_tell(Job{++made_}));
  }
  using handles = troupe::handles<Tick>;

 private:
  config its_;
  std::vector<troupe::actor_ref<Worker>> workers_;
  std::uint64_t made_ = 0;
};

/// Reads letters from standard input.
struct Menu : troupe::actor {
  struct config {
    std::string victim, store = "store";
    template <class Ar> void serialize(Ar& ar) { ar(CEREAL_NVP(victim), CEREAL_NVP(store)); }
  };
  explicit Menu(config c) : its_(std::move(c)) {}
  void on_start() override {
    victim_ = named<Worker>(self(), its_.victim);
    store_ = named<Store>(self(), its_.store);
    keys_ = self().watch(STDIN_FILENO, troupe::readiness::readable, [this] { read_keys(); });
    say("c crash, h hang, l leak, p poison, s status, q quit");
  }
  using handles = troupe::handles<>;

 private:
  void read_keys() {
    std::array<char, 64> keys{};
    const auto count = ::read(STDIN_FILENO, keys.data(), keys.size());
    if (count <= 0) return keys_.end();
    for (ssize_t i = 0; i < count; ++i) obey(keys[static_cast<std::size_t>(i)]);
  }
  void obey(char key) {
    switch (key) {
      case 'c': return victim_.tell(Crash{});
      case 'h': return victim_.tell(Hang{});
      case 'l': return victim_.tell(Leak{});
      case 'p': return victim_.tell(Poison{});
      case 's': return status();
      case 'q': return stop();
      default: return;
    }
  }
  void status() {
    for (const auto& [worker, jobs] : store_.ask(Totals{}).get()) say(worker + " has done " + std::to_string(jobs) + " jobs");
    for (const auto& letter : self().dead_letters().list()) say("dead letter: " + letter.message_name + ", " + letter.text);
    for (const auto& death : self().deaths(victim_)) {
      say(its_.victim + " " + death.text + ", " + name_of(death.why) + ": " + name_of(death.decision));
    }
  }
  static void say(const std::string& line) { std::cout << line << std::endl; }

  config its_;
  troupe::actor_ref<Worker> victim_;
  troupe::actor_ref<Store> store_;
  troupe::watch keys_;
};

}  // namespace

int main(int argc, char** argv) {
  return troupe::main<Store, Worker, Source, Menu, troupe::actors::program>(argc, argv);
}
