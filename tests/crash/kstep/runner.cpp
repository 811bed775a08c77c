#include "crash/kstep/runner.hpp"

#include <algorithm>
#include <exception>
#include <unordered_map>
#include <utility>

namespace crash {

namespace {

// What is done whatever the time. Bystanders and second victims are stepped through, which is what takes long.
constexpr std::size_t some_pairs = 16;  // every so manieth pair
constexpr std::size_t some_recoveries = 4;
constexpr std::size_t some_deaths = 6;  // of the first victim, spread evenly, with pairs, and with bystanders
constexpr std::uint32_t some_rounds = 8;
constexpr std::size_t told_of_each = 3;  // violations of one operation that are written out

/// Some of them, spread evenly, the last one among them.
std::vector<std::size_t> some_of(const std::vector<std::size_t>& points, std::size_t count) {
  std::vector<std::size_t> some;
  for (std::size_t i = 1; i <= count && !points.empty(); ++i) some.push_back(points[(points.size() * i - 1) / count]);
  some.erase(std::unique(some.begin(), some.end()), some.end());
  return some;
}

/// Points that leave different memory behind, and the end.
std::vector<std::size_t> touching(const trace& of) {
  std::vector<std::size_t> all;
  for (std::size_t i = 0; i < of.size(); ++i) {
    if (of[i].touches) all.push_back(i);
  }
  all.push_back(of.size());
  return all;
}

/// Of a loop that copies a body the first rounds, the last one, and some between: the others leave nothing else behind.
std::vector<std::size_t> without_most_rounds(const trace& of, std::vector<std::size_t> points) {
  std::unordered_map<std::uint64_t, std::uint32_t> rounds;
  for (const auto& each : of) rounds[each.address] = each.occurrence;
  std::erase_if(points, [&](std::size_t i) {
    if (i == of.size()) return false;
    const auto round = of[i].occurrence;
    return round > some_rounds && round % (64 * some_rounds) != 0 && round != rounds[of[i].address];
  });
  return points;
}

/// The begin, and before and behind each point that leaves different memory behind.
std::vector<std::size_t> beside(const trace& of) {
  std::vector<std::size_t> all{0};
  for (const std::size_t i : without_most_rounds(of, touching(of))) {
    all.push_back(i);
    if (i < of.size()) all.push_back(i + 1);
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

bool holds(const std::vector<std::size_t>& sorted, std::size_t point) {
  return std::binary_search(sorted.begin(), sorted.end(), point);
}

std::string at(const trace& of, std::size_t k) {
  if (k >= of.size()) return "at the end";
  return "before instruction " + std::to_string(k) + " of " + std::to_string(of.size()) + ", in " +
         describe(of[k].address);
}

/// Runs the victim to point `k`, or to its end.
victim::place go(victim& process, const trace& of, std::size_t k) {
  return k < of.size() ? process.run_to(of, k) : process.run();
}

/// A supervisor that does what is due after this death, and again.
std::unique_ptr<victim> recovery_of(scene& play, life& who) {
  play.in.share_with_child();
  return std::make_unique<victim>(
      [&play, &who] {
        crash_begin_mark();
        for (int twice = 0; twice < 2; ++twice) {
          play.in.bury(who);
          crash_end_mark();
        }
      },
      victim::others{});
}

}  // namespace

// ----------------------------------------------------------------------------------------------------------- what to do

void runner::core() {
  record();
  plan(beside(first_));
  // Most bugs show in a kill.
  perform_all(way::kill);
  perform_all(way::stop);
  plan_bystanders();
  perform_all(way::bystander);
  if (what_.recovery) plan_recoveries();
  perform_all(way::recovery);
  if (what_.pairs) plan_pairs();
  perform_all(way::pair);
  std::shuffle(later_.begin(), later_.end(), order_);
}

void runner::perform_all(way how) {
  for (std::size_t i = 0; i < core_.size() && !enough(); ++i) {
    if (core_[i].how == how) perform(core_[i]);
  }
}

bool runner::further() {
  if (taken_ == later_.size() || enough()) return false;
  perform(later_[taken_++]);
  return true;
}

std::string runner::summary() const {
  std::string text = what_.name + ": " + std::to_string(first_.size()) + " instructions, " +
                     std::to_string(touching(first_).size() - 1) + " that others can see; of " +
                     std::to_string(later_.size()) + " further points and pairs " + std::to_string(taken_) + " done";
  if (alike_ > 0) text += "; without " + std::to_string(alike_) + " pairs that leave the same memory as one beside them";
  return text;
}

runner::stage runner::open() {
  clear_ledger();
  stage made;
  made.play = what_.make();
  made.who = &made.play->begin();
  const auto act = made.play->act();
  made.process = act ? std::make_unique<victim>(act, victim::others{}) : start_worker(*made.play, *made.who);
  if (made.process->run_to_begin() != place::begin)
    throw std::runtime_error("the victim does not begin: " + made.process->how());
  made.play->at_begin();
  return made;
}

void runner::record() {
  // The first one warms up what a process does once.
  for (int round = 0; round < 2; ++round) {
    stage on = open();
    const auto changed = [&] { return on.play->in.changed(); };
    if (on.process->record(first_, changed) == place::dead)
      throw std::runtime_error("the operation " + on.process->how());
  }
}

void runner::plan(const std::vector<std::size_t>& core) {
  for (std::size_t k = 0; k <= first_.size(); ++k) {
    if (!mine()) continue;
    for (const way how : {way::kill, way::stop}) (holds(core, k) ? core_ : later_).push_back({how, k});
  }
}

/// Of the second process after death `after`: every `every`th of `shown` is done now, the others later. `all`: and all
/// else, though nobody sees a difference.
void runner::plan_second(way how, std::size_t after, const std::vector<std::size_t>& shown, std::size_t every,
                         bool all) {
  const std::size_t length = deaths_[after].second.size();
  std::size_t seen = after;  // so that other points come with each death
  for (std::size_t j = 0; j <= length; ++j) {
    if (!holds(shown, j)) {
      all ? later_.push_back({how, j, after}) : static_cast<void>(++alike_);
    } else {
      (seen++ % every == 0 ? core_ : later_).push_back({how, j, after});
    }
  }
}

void runner::plan_recoveries() {
  std::set<std::size_t> lengths;
  for (const std::size_t k : without_most_rounds(first_, touching(first_))) {
    if (enough()) return;
    if (!mine()) continue;
    deaths_.push_back({k, {}, {}});
    recover_twice(deaths_.back());
    // A recovery that takes another way is taken at every instruction.
    const bool another = lengths.insert(deaths_.back().second.size()).second;
    plan_second(way::recovery, deaths_.size() - 1, beside(deaths_.back().second), another ? 1 : some_recoveries,
                another);
  }
  if (what_.changes && changed_by_recovery_ == 0) throw std::runtime_error("no recovery has anything to do");
}

void runner::plan_pairs() {
  const auto all = without_most_rounds(first_, touching(first_));
  const auto now = some_of(all, some_deaths);
  for (const std::size_t k : all) {
    if (enough()) return;
    if (!mine()) continue;
    next_to_its_end(k);
    if (holds(now, k)) {
      pairs_behind(k);
    } else {
      later_.push_back({way::pairs, k});
    }
  }
}

void runner::plan_bystanders() {
  const auto all = without_most_rounds(first_, touching(first_));
  const auto now = some_of(all, some_deaths);
  for (const std::size_t k : all) {
    if (mine()) (holds(now, k) ? core_ : later_).push_back({way::bystander, k});
  }
}

// ------------------------------------------------------------------------------------------------------- one of each kind

void runner::perform(const job& one) {
  switch (one.how) {
    case way::kill:
      return kill(one.point);
    case way::stop:
      return stop(one.point);
    case way::bystander:
      return beside_one_stopped(one.point);
    case way::recovery:
      return kill_recovery(deaths_[one.after], one.point);
    case way::pair:
      return kill_next(deaths_[one.after], one.point);
    case way::pairs:
      pairs_behind(one.point);
      return std::shuffle(later_.begin() + static_cast<std::ptrdiff_t>(taken_), later_.end(), order_);
  }
}

void runner::check(const std::function<std::string()>& when, const std::function<void(complaints&)>& body) {
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

void runner::kill(std::size_t k) {
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

void runner::stop(std::size_t k) {
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

/// Wherever the victim stands still: who does the same beside it needs no more instructions of its own than beside one
/// that is through.
void runner::beside_one_stopped(std::size_t k) {
  check([&] { return "stopped " + at(first_, k) + ", a bystander"; },
        [&](complaints& wrong) {
          if (undisturbed_ == 0) undisturbed_ = bystander_needs(first_.size(), wrong);
          const std::size_t needed = bystander_needs(k, wrong);
          if (needed > undisturbed_) {
            wrong.push_back("it needs " + std::to_string(needed) + " instructions instead of " +
                            std::to_string(undisturbed_));
          }
        });
}

std::size_t runner::bystander_needs(std::size_t k, complaints& wrong) {
  stage on = open();
  go(*on.process, first_, k);
  life* other = on.play->bystander();
  if (other == nullptr) return 0;
  auto process = start_worker(*on.play, *other);
  if (process->run_to_begin() != place::begin) wrong.push_back("the bystander does not begin");
  return process->count();
}

// --------------------------------------------------------------------------------------------------------------- pairs

/// The first victim is killed at `k` and not buried.
runner::stage runner::killed_at(std::size_t k) {
  stage on = open();
  go(*on.process, first_, k);
  on.process->kill();
  on.play->in.serve(*on.who);
  return on;
}

/// By the same supervisor, which knows what it has judged, and by one that knows nothing.
void runner::recover_twice(death& of) {
  check([&] { return "killed " + at(first_, of.first) + ", recovered twice"; },
        [&](complaints& wrong) {
          stage on = killed_at(of.first);
          const auto image = [&] { return world::cursor_image(*on.who->of); };
          const auto before = image();
          auto process = recovery_of(*on.play, *on.who);
          process->run();
          process->record(of.second, [&] { return on.play->in.changed(); });
          of.once = image();
          changed_by_recovery_ += of.once != before ? 1 : 0;
          process->run();  // recorded up to the mark, it has not passed it
          if (process->run() != place::end) wrong.push_back("the second recovery " + process->how());
          if (image() != of.once) wrong.push_back("a second recovery changes what the first one left");
          process->kill();
          bury(*on.play, *on.who);
          if (image() != of.once) wrong.push_back("another supervisor's recovery changes what the first one left");
        });
}

void runner::kill_recovery(const death& of, std::size_t j) {
  check([&] { return "killed " + at(first_, of.first) + ", its recovery killed " + at(of.second, j); },
        [&](complaints& wrong) {
          stage on = killed_at(of.first);
          auto process = recovery_of(*on.play, *on.who);
          process->run();
          go(*process, of.second, j);
          process->kill();
          on.play->recovered = true;
          bury(*on.play, *on.who);
          if (world::cursor_image(*on.who->of) != of.once)
            wrong.push_back("half a recovery and a whole one leave something else than one");
          on.play->verify(wrong);
        });
  ++counts_.pairs;
}

void runner::next_to_its_end(std::size_t k) {
  check([&] { return "killed " + at(first_, k) + ", then the next one to its end"; },
        [&](complaints& wrong) {
          next_after(k, [](victim& process, scene&) { return process.run(); }, wrong);
        });
  ++counts_.pairs;
}

/// What the second victim does after this death of the first, and so where it can be killed.
void runner::pairs_behind(std::size_t k) {
  deaths_.push_back({k, {}, {}});
  death& of = deaths_.back();
  check([&] { return "killed " + at(first_, k) + ", then the next one step by step"; },
        [&](complaints& wrong) {
          const auto to_its_end = [&](victim& process, scene& play) {
            return process.record(of.second, [&] { return play.in.changed(); });
          };
          next_after(k, to_its_end, wrong);
        });
  plan_second(way::pair, deaths_.size() - 1, touching(of.second), some_pairs, false);
}

void runner::kill_next(const death& of, std::size_t j) {
  check([&] { return "killed " + at(first_, of.first) + ", then the next one " + at(of.second, j); },
        [&](complaints& wrong) {
          next_after(of.first, [&](victim& process, scene&) { return go(process, of.second, j); }, wrong);
        });
  ++counts_.pairs;
}

void runner::next_after(std::size_t k, const std::function<place(victim&, scene&)>& how, complaints& wrong) {
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

}  // namespace crash
