// Counts the words of text with a pipeline of worker processes:
//
//   reader -> splitters -> counters, each with a share of the words -> collector
//
// With --chaos a further actor kills one of them every 20 to 50 ms. The result is compared with a plain count.

#include <CLI/CLI.hpp>
#include <actors/chaos.hpp>
#include <chrono>
#include <iostream>
#include <numeric>
#include <troupe/troupe.hpp>

#include "input.hpp"
#include "pipeline.hpp"

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using troupe::actors::chaos;

namespace {

struct job {
  std::vector<std::string> inputs{"/usr/share/common-licenses"};
  bool with_chaos = false;
  bool log = false;
  std::uint32_t splitters = 3;
  std::uint32_t counters = 3;
  std::uint32_t passes = 1;
  std::uint64_t kills = 120;
  std::uint32_t top = 10;
  std::uint64_t seed = 1;
};

/// Spawns; once more if the worker was killed while it started, which as in Erlang is the caller's to decide.
template <class Actor, class... Arguments>
troupe::actor_ref<Actor> spawn_stage(troupe::system& sys, const std::string& name, const Arguments&... arguments) {
  const troupe::child_spec spec{.name = name, .lane_bytes = 512 * 1024};
  for (int left = 20;; --left) {
    try {
      return sys.spawn<Actor>(spec, arguments...);
    } catch (const troupe::error& e) {
      if (e.code() != troupe::errc::start_failed || left == 0) throw;
    }
  }
}

/// The pipeline, from its end to its beginning, so that each stage knows the next.
struct pipeline {
  troupe::actor_ref<Collector> collector;
  std::vector<troupe::actor_ref<Counter>> counters;
  std::vector<troupe::actor_ref<Splitter>> splitters;
  troupe::actor_ref<Reader> reader;
  std::vector<std::string> names;

  pipeline(troupe::system& sys, const job& what, const std::vector<std::string>& files, std::uint32_t passes) {
    const auto named = [&](const std::string& name) { return names.emplace_back(name); };
    collector = spawn_stage<Collector>(sys, named("collector"));
    for (std::uint32_t i = 1; i <= what.counters; ++i) {
      counters.push_back(
          spawn_stage<Counter>(sys, named("counter-" + std::to_string(i)), collector, what.splitters));
    }
    for (std::uint32_t i = 1; i <= what.splitters; ++i) {
      splitters.push_back(spawn_stage<Splitter>(sys, named("splitter-" + std::to_string(i)), counters));
    }
    reader = spawn_stage<Reader>(sys, named("reader"), files, splitters, passes);
  }

  /// Words counted so far. An answer that a kill took away is no answer: the last one counts.
  std::uint64_t words() {
    known_.resize(counters.size());
    for (std::size_t i = 0; i < counters.size(); ++i) {
      if (const auto now = counters[i].ask(Progress{}, 1s).try_get()) known_[i] = *now;
    }
    return std::accumulate(known_.begin(), known_.end(), std::uint64_t{0});
  }

 private:
  std::vector<std::uint64_t> known_;
};

/// An ask that is repeated when a kill took the answer away: these requests only read.
template <class Ref, class Message>
auto insist(const Ref& ref, const Message& message) {
  for (;;) {
    auto answer = ref.ask(message, 10s).try_get();
    if (answer) return *answer;
    if (answer.error().code() == troupe::errc::stopping || answer.error().code() == troupe::errc::gave_up) {
      throw troupe::error(answer.error());
    }
  }
}

class progress_line {
 public:
  void show(std::uint64_t words, const troupe::system::counts& now) {
    const auto time = steady_clock::now();
    if (time - last_ < 500ms) return;
    last_ = time;
    const double seconds = std::chrono::duration<double>(time - start_).count();
    std::cerr << "\r" << words << " words, " << static_cast<std::uint64_t>(static_cast<double>(words) / seconds)
              << " words/s, kills " << now.deaths << ", restarts " << now.restarts << "   " << std::flush;
    shown_ = true;
  }
  ~progress_line() {
    if (shown_) std::cerr << "\n";
  }

 private:
  steady_clock::time_point start_ = steady_clock::now();
  steady_clock::time_point last_ = start_;
  bool shown_ = false;
};

/// Standard input, cut between words, told to the reader; returns the whole text for the comparison.
std::string feed_standard_input(pipeline& line) {
  std::string whole;
  Block block;
  for (int c = 0; (c = std::cin.get()) != EOF;) {
    whole.push_back(static_cast<char>(c));
    block.text.push_back(static_cast<char>(c));
    if (block.text.size() < 64 * 1024 || in_word(static_cast<unsigned char>(c))) continue;
    line.reader.tell(block, 60s);
    block.text.clear();
  }
  if (!block.text.empty()) line.reader.tell(block, 60s);
  return whole;
}

void multiply(counts_t& counts, std::uint64_t by) {
  for (auto& [word, count] : counts) count *= by;
}

int count_words(troupe::system& sys, const job& what) {
  const bool from_stdin = what.inputs.size() == 1 && what.inputs[0] == "-";
  const auto files = from_stdin ? std::vector<std::string>{} : text_files(what.inputs);
  std::uint32_t passes = from_stdin ? 0 : what.passes;
  pipeline line(sys, what, files, passes);
  progress_line progress;
  troupe::actor_ref<chaos> killer;
  if (what.with_chaos) {
    killer = sys.spawn<chaos>("chaos", what.seed);
    chaos::unleash order;
    order.victims = line.names;
    killer.tell(order);
  }
  counts_t expected;
  if (from_stdin) count_plainly(feed_standard_input(line), expected);
  // More input until there were enough kills.
  while (what.with_chaos && !files.empty() && sys.count().deaths < what.kills) {
    progress.show(line.words(), sys.count());
    if (insist(line.reader, Progress{}) >= 2) {
      sys.poll(20ms);
      continue;
    }
    line.reader.tell(Pass{}, 60s);
    ++passes;
  }
  line.reader.tell(Finish{}, 60s);
  while (insist(line.collector, Progress{}) < what.counters) {
    progress.show(line.words(), sys.count());
    sys.poll(20ms);
  }
  if (what.with_chaos) killer.ask(chaos::leash{}).get();
  const auto counted = insist(line.collector, Result{});
  const auto totals = sys.count();
  if (!from_stdin) {
    expected = count_plainly(files);
    multiply(expected, passes);
  }
  std::uint64_t words = 0;
  for (const auto& [word, count] : counted) words += count;
  line.collector.ask(Print{what.top}).get();
  const bool identical = counted == expected;
  std::cout << "kills " << totals.deaths << ", restarts " << totals.restarts << ", words " << words << ": "
            << (identical ? "identical" : "DIFFERENT from the plain count") << std::endl;
  return identical ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  job what;
  CLI::App app("Counts words with a pipeline of worker processes");
  app.add_option("inputs", what.inputs, "files and directories, or - for standard input")->capture_default_str();
  app.add_flag("--chaos", what.with_chaos, "kill a random worker every 20 to 50 ms");
  app.add_option("--kills", what.kills, "with --chaos: repeat the input until there were so many")->capture_default_str();
  app.add_option("--passes", what.passes, "read the input so many times")->check(CLI::Range(1, 100000));
  app.add_option("--splitters", what.splitters)->check(CLI::Range(1, 64))->capture_default_str();
  app.add_option("--counters", what.counters)->check(CLI::Range(1, 64))->capture_default_str();
  app.add_option("--top", what.top, "words to print")->capture_default_str();
  app.add_option("--seed", what.seed, "of the choice of victims")->capture_default_str();
  app.add_flag("--log", what.log, "show the supervisor's log");
  CLI11_PARSE(app, argc, argv);

  // Chaos is not poison: a budget that no amount of kills exhausts.
  troupe::options how{.supervisor = {.max_restarts = 1'000'000, .within = 1s}, .log = what.log || !what.with_chaos};
  how.log.capture = false;  // what the collector prints is the program's output
  return troupe::run<Collector, Counter, Splitter, Reader, chaos>(argc, argv, how, [&](troupe::system& sys) {
    try {
      return count_words(sys, what);
    } catch (const troupe::error&) {
      throw;
    } catch (const std::exception& e) {
      std::cerr << "wordcount: " << e.what() << "\n";
      return 2;
    }
  });
}
