#pragma once

#include <map>
#include <random>
#include <string>
#include <vector>

#include "support/otp_history.hpp"

// Histories of supervisors below supervisors, as text; what is not said here is as in otp_history.hpp.
//
//   sup ID PARENT STRATEGY INTENSITY AUTO_SHUTDOWN RESTART SIGNIFICANT    0 comes first and is nobody's child, 1 is its
//                                                                         child
//   child ID PARENT RESTART SIGNIFICANT SHUTDOWN MANNER                   in the order of their start
//   fates F...                                                            of workers: o, e, i
//   boot                                                                  start_child of 1
//   exit ID REASON [ID REASON ...]                                        of children of one supervisor
//   start PARENT ID RESTART SIGNIFICANT SHUTDOWN MANNER
//   terminate PARENT ID | restart PARENT ID | delete PARENT ID
//   stop
//
// The trace has `which SUPERVISOR ID:STATE ...` for each supervisor that runs.
namespace otp_tree {

using otp_history::lines;
using otp_history::words;

class generator {
 public:
  explicit generator(std::uint64_t seed) : random_(seed) {}

  lines make() {
    all_.push_back("sup 0 - one_for_one " + std::to_string(draw(4)) + " never permanent false");
    supervisors_.push_back(0);
    autos_[0] = "never";
    supervisor(0, 1);
    if (draw(6) == 0) fates();
    all_.emplace_back("boot");
    for (unsigned n = 8 + draw(16); n > 0; --n) operation();
    all_.emplace_back("stop");
    return all_;
  }

 private:
  unsigned draw(unsigned below) { return static_cast<unsigned>(random_() % below); }
  std::string pick(const std::vector<std::string>& from) { return from[draw(static_cast<unsigned>(from.size()))]; }

  /// RESTART SIGNIFICANT
  std::string kind(unsigned parent, bool rises) {
    const std::string restart =
        rises && draw(2) == 0 ? "permanent" : pick({"permanent", "permanent", "transient", "temporary"});
    const bool can = autos_.at(parent) != "never" && restart != "permanent";
    return restart + (can && draw(2) == 0 ? " true" : " false");
  }
  std::string worker(unsigned parent) {
    return kind(parent, false) + " " + pick({"timed", "timed", "infinity", "brutal_kill"}) + " " +
           pick({"shutdown", "shutdown", "shutdown", "normal", "abnormal"});
  }
  void supervisor(unsigned parent, unsigned depth) {
    const unsigned id = ++last_;
    supervisors_.push_back(id);
    children_[parent].push_back(id);
    autos_[id] = pick({"never", "never", "any_significant", "all_significant"});
    all_.push_back("sup " + std::to_string(id) + " " + std::to_string(parent) + " " +
                   pick({"one_for_one", "rest_for_one", "one_for_all"}) + " " + pick({"0", "1", "1", "2", "4"}) + " " +
                   autos_[id] + " " + kind(parent, true));
    for (unsigned n = 1 + draw(3); n > 0; --n) {
      if (depth < 3 && draw(5) < 2) {
        supervisor(id, depth + 1);
      } else {
        children_[id].push_back(++last_);
        all_.push_back("child " + std::to_string(last_) + " " + std::to_string(id) + " " + worker(id));
      }
    }
  }
  void fates() {
    std::string text = "fates";
    for (unsigned n = 1 + draw(5); n > 0; --n) text += " " + pick({"o", "o", "o", "e", "e", "i"});
    all_.push_back(text);
  }
  /// Mostly a child of it.
  std::string child_of(unsigned parent) {
    const auto& own = children_[parent];
    const bool any = own.empty() || draw(8) == 0;
    return std::to_string(any ? 1 + draw(last_) : own[draw(static_cast<unsigned>(own.size()))]);
  }
  std::string reason() { return pick({"normal", "shutdown", "abnormal", "abnormal", "abnormal"}); }

  void operation() {
    const unsigned parent = supervisors_[draw(static_cast<unsigned>(supervisors_.size()))];
    const std::string who = std::to_string(parent) + " ";
    const unsigned what = draw(12);
    if (what == 1) return exits(parent);
    if (draw(3) == 0) fates();
    if (what == 2) return all_.push_back("terminate " + who + child_of(parent));
    if (what == 3) return all_.push_back("restart " + who + child_of(parent));
    if (what == 4) return all_.push_back("delete " + who + child_of(parent));
    if (what == 5 && parent != 0) {
      children_[parent].push_back(++last_);
      return all_.push_back("start " + who + std::to_string(last_) + " " + worker(parent));
    }
    all_.push_back("exit " + std::to_string(1 + draw(last_)) + " " + reason());
  }
  void exits(unsigned parent) {
    std::string text = "exit";
    for (const auto id : children_[parent]) {
      if (draw(2) == 0) text += " " + std::to_string(id) + " " + reason();
    }
    all_.emplace_back("fates");
    if (text != "exit") all_.push_back(text);
  }

  std::mt19937_64 random_;
  lines all_;
  unsigned last_ = 0;
  std::vector<unsigned> supervisors_;
  std::map<unsigned, std::vector<unsigned>> children_;
  std::map<unsigned, std::string> autos_;
};

}  // namespace otp_tree
