#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <vector>

// Histories of one supervisor, as text: what a real Erlang supervisor, a model of it, and the policy live through
// alike.
//
//   flags STRATEGY INTENSITY AUTO_SHUTDOWN        the first line
//   child CHILD                                   the children that it starts with; CHILD is
//     ID RESTART SIGNIFICANT TYPE SHUTDOWN MANNER SHUTDOWN: timed, infinity, brutal_kill; MANNER: the reason with which it
//                                                 ends when it is asked to, as in `exit`
//   fates F...                                    how the next starts go, in turn: o up, e error, i ignore; p: an
//                                                 error, and before it the next operation comes in, ahead of the retry;
//                                                 h: as p, s: as p, but it comes up. Later ones come up. If h or s is a
//                                                 restart and the next operation terminates just that child, the policy
//                                                 takes it in the middle of the start, and so ends h.
//   boot                                          all children are started
//   exit ID REASON [ID REASON ...]                children end by themselves, all before the supervisor sees the first;
//                                                 REASON: normal, shutdown, abnormal, which is a kill
//   start CHILD                                   start_child; in simple_one_for_one all children are like the first, or
//                                                 like that of the last reload
//   terminate ID | restart ID | delete ID
//   reload STRATEGY INTENSITY AUTO_SHUTDOWN CHILD...
//   stop
//
// Starts and stops take no time, and no time passes at all. After each line `op TEXT` the trace says what happened:
// `start ID FATE`, `stop ID` (not of one that is killed at once), `report KIND ID`, `answer RESULT`, and then what there is: `which ID:STATE ...`,
// `count SPECS ACTIVE SUPERVISORS WORKERS`; or `ended`.
namespace otp_history {

using lines = std::vector<std::string>;

/// Makes up a history. Everything that can be told apart occurs, what does so rarely more often than at random.
class generator {
 public:
  explicit generator(std::uint64_t seed) : random_(seed) {}

  lines make() {
    strategy_ = pick({"one_for_one", "rest_for_one", "one_for_all", "simple_one_for_one"});
    simple_ = strategy_ == "simple_one_for_one";
    auto_ = simple_ ? "never" : pick({"never", "any_significant", "all_significant"});
    kind_ = pick({"permanent", "transient", "temporary"});
    stop_ = stop();
    lines all{"flags " + flags()};
    const unsigned children = simple_ ? 0 : draw(6);
    for (unsigned id = 1; id <= children; ++id) all.push_back("child " + child(id));
    if (draw(3) == 0 && !simple_) all.push_back(fates("oooooooei"));
    all.emplace_back("boot");
    for (unsigned n = 10 + draw(30); n > 0; --n) operation(all);
    all.emplace_back("stop");
    return all;
  }

 private:
  unsigned draw(unsigned below) { return static_cast<unsigned>(random_() % below); }
  std::string pick(std::vector<std::string> from) { return from[draw(static_cast<unsigned>(from.size()))]; }
  std::string id() { return std::to_string(1 + draw(simple_ ? last_ + 1 : 7)); }
  std::string flags() { return strategy_ + " " + std::to_string(draw(4) == 0 ? draw(3) : 3 + draw(8)) + " " + auto_; }

  /// A kill leaves no trace, and in simple_one_for_one the stop of a child that has been replaced is looked for.
  std::string stop() {
    return pick({"timed", "timed", "timed", "infinity", simple_ ? "timed" : "brutal_kill"}) + " " +
           pick({"shutdown", "shutdown", "shutdown", "normal", "abnormal"});
  }
  std::string child(unsigned id) {
    const std::string restart = simple_ ? kind_ : pick({"permanent", "transient", "temporary"});
    const bool significant = auto_ != "never" && restart != "permanent" && draw(2) == 0;
    return std::to_string(id) + " " + restart + (significant ? " true " : " false ") +
           (simple_ || draw(4) != 0 ? "worker " : "supervisor ") + (simple_ ? stop_ : stop());
  }
  /// Now and then one that is refused.
  std::string any_child() {
    if (simple_) return child(++last_);  // a new one is always another
    if (draw(10) != 0) return child(1 + draw(7));
    return id() + " " + pick({"permanent", "transient"}) + " true worker " + stop();
  }
  std::string fates(const std::string& from) {
    std::string all = "fates";
    for (unsigned n = 1 + draw(5); n > 0; --n) all += std::string(" ") + from[draw(static_cast<unsigned>(from.size()))];
    return all;
  }

  void operation(lines& all) {
    if (draw(3) == 0) all.push_back(fates(simple_ ? "ooeep" : "ooeeppi"));
    switch (draw(12)) {
      case 0:
      case 1:
        all.push_back("start " + any_child());
        break;
      case 2:
        all.push_back("terminate " + id());
        break;
      case 3:
        all.push_back("restart " + id());
        break;
      case 4:
        all.push_back("delete " + id());
        break;
      case 5:
        draw(3) == 0 ? (simple_ ? reload_template(all) : reload(all)) : exits(all);
        break;
      case 6:
        simple_ ? exits(all) : hanging_start(all);
        break;
      default:
        exits(all);
    }
  }
  void exits(lines& all) {
    std::string text = "exit";
    std::set<std::string> ids;
    for (unsigned n = draw(4) == 0 ? 2 + draw(4) : 1; n > 0; --n) {
      const auto one = id();
      if (ids.insert(one).second) text += " " + one + " " + pick({"normal", "shutdown", "abnormal", "abnormal"});
    }
    all.push_back(text);
  }
  /// In a restart of one or several the start of one is long, and terminate comes in the middle of it.
  void hanging_start(lines& all) {
    const unsigned dead = 1 + draw(5), before = draw(3);
    std::string starts = "fates";
    for (unsigned i = 0; i < before; ++i) starts += " o";
    all.push_back(starts + (draw(3) == 0 ? " s" : " h") + (draw(2) == 0 ? " o e" : ""));
    all.push_back("exit " + std::to_string(dead) + " abnormal");
    all.push_back("terminate " + std::to_string(draw(3) == 0 ? 1 + draw(7) : dead + before));
  }
  void reload(lines& all) {
    const auto before = std::pair(strategy_, auto_);
    strategy_ = pick({"one_for_one", "rest_for_one", "one_for_all"});
    auto_ = pick({"never", "any_significant", "all_significant"});
    std::string text = "reload " + flags();
    std::vector<unsigned> ids{1, 2, 3, 4, 5, 6, 7};
    std::shuffle(ids.begin(), ids.end(), random_);
    ids.resize(draw(6));
    for (const auto each : ids) text += " " + child(each);
    if (draw(8) == 0) text += " 7 permanent true worker " + stop(), std::tie(strategy_, auto_) = before;
    all.push_back(text);
  }

  /// OTP keeps children that were temporary at first in a way in which they cannot become anything else.
  void reload_template(lines& all) {
    if (kind_ != "temporary") kind_ = pick({"permanent", "transient"});
    stop_ = stop();
    all.push_back("reload " + flags() + " " + child(0));
  }

  std::mt19937_64 random_;
  std::string strategy_, auto_, kind_, stop_;
  bool simple_ = false;
  unsigned last_ = 0;
};

inline lines words(const std::string& line) {
  std::istringstream in(line);
  lines all;
  for (std::string word; in >> word;) all.push_back(word);
  return all;
}

}  // namespace otp_history
