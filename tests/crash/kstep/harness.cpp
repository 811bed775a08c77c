#include "crash/kstep/harness.hpp"

#include <algorithm>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <set>

namespace crash {

namespace {

using place = victim::place;

constexpr std::size_t some_stops = 8;
// For every day, of each operation: so many points between those that others can see, and every so manieth pair. Their
// distance from each other differs from operation to operation, so that together they meet all of the code.
constexpr std::size_t some_points = 160, some_pairs = 16;
constexpr std::size_t most_points = 2000;  // of one operation, when everything is run
constexpr std::size_t told_of_each = 3;  // violations of one operation that are written out

/// One operation, again and again.
class runner {
 public:
  runner(const operation& what, const choice& how, tally& counts) : what_(what), how_(how), counts_(counts) {}

  void run() {
    record();
    if (how_.part == 0)
      counts_.sizes.push_back(what_.name + ": " + std::to_string(first_.size()) + " instructions, " +
                              std::to_string(touching(first_).size() - 1) + " that others can see");
    // Most bugs show where others can see something: those points first, when the first violation is all that is asked
    // for.
    if (how_.to_the_first) {
      kills(touching(first_));
      stops(touching(first_));
    } else {
      kills(every(first_));
      stops(every(first_));
      bystanders();
    }
    if (what_.recovery) recoveries();
    if (what_.pairs) pairs();
    if (how_.to_the_first && !enough()) kills(every(first_));
    if (how_.to_the_first && !enough()) stops(every(first_));
  }

 private:
  bool enough() const { return how_.to_the_first && counts_.violations > 0; }
  bool mine() { return next_++ % how_.parts == how_.part; }

  /// A scene with its victim at the begin mark.
  struct stage {
    std::unique_ptr<scene> play;
    life* who = nullptr;
    std::unique_ptr<victim> process;
  };
  stage open() {
    clear_ledger();
    stage made;
    made.play = what_.make();
    made.who = &made.play->begin();
    made.process = start_worker(*made.play, *made.who);
    if (made.process->run_to_begin() != place::begin)
      throw std::runtime_error("the victim does not begin: " + made.process->how());
    made.play->at_begin();
    return made;
  }

  void record() {
    // The first one warms up what a process does once.
    for (int round = 0; round < 2; ++round) {
      stage on = open();
      const auto changed = [&] { return on.play->in.changed(); };
      if (on.process->record(first_, changed) == place::dead)
        throw std::runtime_error("the operation " + on.process->how());
    }
  }

  /// Points that leave different memory behind, and the end.
  static std::vector<std::size_t> touching(const trace& of) {
    std::vector<std::size_t> all;
    for (std::size_t i = 0; i < of.size(); ++i) {
      if (of[i].touches) all.push_back(i);
    }
    all.push_back(of.size());
    return all;
  }

  std::vector<std::size_t> every(const trace& of) const {
    const std::size_t step = 1 + of.size() / (how_.everything ? most_points : some_points);
    std::vector<std::size_t> all;
    for (std::size_t i = 0; i <= of.size(); ++i) {
      const bool beside = (i < of.size() && of[i].touches) || (i > 0 && of[i - 1].touches);
      if (beside || i % step == 0 || i == of.size()) all.push_back(i);
    }
    return all;
  }

  bool worth_a_pair() { return how_.everything || seen_pairs_++ % some_pairs == 0; }

  /// Runs the victim to point `k`, or to its end.
  static place go(victim& process, const trace& of, std::size_t k) {
    return k < of.size() ? process.run_to(of, k) : process.run();
  }

  void check(const std::function<std::string()>& when, const std::function<void(complaints&)>& body) {
    complaints wrong;
    try {
      body(wrong);
    } catch (const stuck& e) {
      throw stuck(when() + ": " + e.what());  // ends the operation: others like it would wait as long
    } catch (const std::exception& e) {
      wrong.push_back(e.what());
    }
    if (wrong.empty()) return;
    ++counts_.violations;
    if (++told_ > told_of_each) return;
    std::string text = what_.name + ", " + when() + ":";
    for (const auto& each : wrong) text += "\n    " + each;
    counts_.said.push_back(std::move(text));
  }

  static std::string at(const trace& of, std::size_t k) {
    if (k >= of.size()) return "at the end";
    return "before instruction " + std::to_string(k) + " of " + std::to_string(of.size()) + ", in " +
           describe(of[k].address);
  }

  void bury(scene& play, life& who) { play.judged = play.in.bury(who); }

  void kills(const std::vector<std::size_t>& points) {
    for (const std::size_t k : points) {
      if (enough()) return;
      if (!mine()) continue;
      check([&] { return "killed " + at(first_, k); },
            [&](complaints& wrong) {
              stage on = open();
              const place here = go(*on.process, first_, k);
              on.play->killed = here == place::point;
              if (here == place::dead) wrong.push_back("the victim " + on.process->how());
              on.process->kill();
              bury(*on.play, *on.who);
              on.play->verify(wrong);
            });
      ++counts_.kill_points;
    }
  }

  /// Between two instructions that others can see a stop is like any other: some of those will do for every day.
  bool worth_a_stop(std::size_t k) const {
    const bool next_to_one = (k < first_.size() && first_[k].touches) || (k > 0 && first_[k - 1].touches);
    return how_.everything || next_to_one || k % some_stops == 0;
  }

  void stops(const std::vector<std::size_t>& points) {
    for (const std::size_t k : points) {
      if (enough()) return;
      if (!worth_a_stop(k) || !mine()) continue;
      check([&] { return "stopped " + at(first_, k); },
            [&](complaints& wrong) {
              stage on = open();
              place here = go(*on.process, first_, k);
              on.play->meanwhile(wrong);
              if (here == place::point || here == place::asleep) here = on.process->run();
              if (here == place::dead) wrong.push_back("the victim " + on.process->how());
              on.play->killed = false;
              on.play->after_stop(wrong);
              on.process->kill();
              bury(*on.play, *on.who);
              on.play->verify(wrong);
            });
      ++counts_.stops;
    }
  }

  /// Wherever the victim stands still: who does the same beside it needs at most twice the instructions that it needs
  /// beside one that is through (allocator and libc make some difference).
  void bystanders() {
    std::size_t undisturbed = 0;
    const auto all = touching(first_);
    if (how_.part != 0) return;
    for (auto k = all.rbegin(); k != all.rend() && !enough(); ++k) {
      check([&] { return "stopped " + at(first_, *k) + ", a bystander"; },
            [&](complaints& wrong) {
              stage on = open();
              go(*on.process, first_, *k);
              life* other = on.play->bystander();
              if (other == nullptr) return;
              auto process = start_worker(*on.play, *other);
              if (process->run_to_begin() != place::begin) wrong.push_back("the bystander does not begin");
              const std::size_t needed = process->count();
              if (undisturbed == 0) undisturbed = needed;
              if (needed > 2 * undisturbed) {
                wrong.push_back("it needs " + std::to_string(needed) + " instructions instead of " +
                                std::to_string(undisturbed));
              }
            });
    }
  }

  // ------------------------------------------------------------------------------------------------------------ pairs

  /// The first victim is killed at `k` and not buried.
  stage killed_at(std::size_t k) {
    stage on = open();
    go(*on.process, first_, k);
    on.process->kill();
    on.play->in.serve(*on.who);
    return on;
  }

  /// A supervisor that recovers the first one's death.
  static std::unique_ptr<victim> recovery_of(const stage& on) {
    on.who->memory->dead = true;
    on.play->in.share_with_child(*on.who);
    life* who = on.who;
    return std::make_unique<victim>(
        [who] {
          crash_begin_mark();
          supervision::recover_turn(*who->of, *who);
          supervision::judge(*who->of);
          crash_end_mark();
        },
        victim::others{});
  }

  void recoveries() {
    std::set<std::size_t> lengths;
    for (const std::size_t k : touching(first_)) {
      if (enough()) return;
      if (!mine()) continue;
      trace second;
      std::vector<std::byte> once;
      check([&] { return "killed " + at(first_, k) + ", recovered twice"; },
            [&](complaints& wrong) {
              stage on = killed_at(k);
              auto process = recovery_of(on);
              process->run();
              process->record(second, [&] { return on.play->in.changed(); });
              once = world::cursor_image(*on.who->of);
              process->kill();
              bury(*on.play, *on.who);
              if (world::cursor_image(*on.who->of) != once) {
                wrong.push_back("a second recovery changes what the first one left");
              }
            });
      const bool all = lengths.insert(second.size()).second;
      const auto points = all ? every(second) : touching(second);
      for (const std::size_t j : points) {
        if (enough()) return;
        if (!all && !worth_a_pair()) continue;
        check([&] { return "killed " + at(first_, k) + ", its recovery killed " + at(second, j); },
              [&](complaints& wrong) {
                stage on = killed_at(k);
                auto process = recovery_of(on);
                process->run();
                go(*process, second, j);
                process->kill();
                on.play->recovered = true;
                bury(*on.play, *on.who);
                if (world::cursor_image(*on.who->of) != once)
                  wrong.push_back("half a recovery and a whole one leave something else than one");
                on.play->verify(wrong);
              });
        ++counts_.pairs;
      }
    }
  }

  void pairs() {
    for (const std::size_t k : touching(first_)) {
      if (enough()) return;
      if (!mine()) continue;
      trace second;
      check(
          [&] { return "killed " + at(first_, k) + ", then the next one to its end"; },
          [&](complaints& wrong) {
            next_after(
                k,
                [&](victim& process, scene& play) { return process.record(second, [&] { return play.in.changed(); }); },
                wrong);
          });
      for (const std::size_t j : touching(second)) {
        if (enough()) return;
        if (!worth_a_pair()) continue;
        check([&] { return "killed " + at(first_, k) + ", then the next one " + at(second, j); },
              [&](complaints& wrong) {
                next_after(
                    k, [&](victim& process, scene&) { return go(process, second, j); }, wrong);
              });
        ++counts_.pairs;
      }
    }
  }

  void next_after(std::size_t k, const std::function<place(victim&, scene&)>& how, complaints& wrong) {
    stage on = killed_at(k);
    bury(*on.play, *on.who);
    life* who = on.play->second();
    auto process = start_worker(*on.play, *who);
    place here = process->run();
    if (here == place::begin) here = how(*process, *on.play);
    if (here == place::dead) wrong.push_back("the victim " + process->how());
    process->kill();
    bury(*on.play, *who);
    on.play->verify(wrong);
  }

  const operation& what_;
  const choice& how_;
  tally& counts_;
  trace first_;
  std::size_t seen_pairs_ = 0;
  std::size_t told_ = 0;
  std::size_t next_ = 0;
};

}  // namespace

tally run(const std::vector<operation>& operations, const choice& what) {
  share_one_processor();
  limit_waits();
  tally counts;
  for (const auto& each : operations) {
    if (each.only_long && !what.everything) continue;
    if (each.name.find(what.only) == each.name.npos) continue;
    if (what.to_the_first && counts.violations > 0) break;
    try {
      runner(each, what, counts).run();
    } catch (const std::exception& e) {
      ++counts.violations;
      counts.said.push_back(each.name + ": " + e.what());
    }
  }
  return counts;
}

std::string why_not() {
#if !defined(__x86_64__)
  return "instructions are stepped on x86-64 only";
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return "a sanitizer's own code would be stepped, not what ships";
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(undefined_behavior_sanitizer)
  return "a sanitizer's own code would be stepped, not what ships";
#else
  return "";
#endif
#else
  return "";
#endif
}

}  // namespace crash
