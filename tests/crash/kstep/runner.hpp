#pragma once

/// One operation, again and again: each time a scene is made anew and its victim killed or stopped at another point.

#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "crash/kstep/harness.hpp"

namespace crash {

class runner {
 public:
  runner(const operation& what, const choice& how, tally& counts) : what_(what), how_(how), counts_(counts) {}

  /// What is done whatever the time.
  void core();
  /// One more point, none of those before; false: all have been done, or the one violation that was asked for is found.
  bool further();
  const std::string& name() const { return what_.name; }
  /// How long the operation is, and how many of the further points have been done.
  std::string summary() const;

 private:
  using place = victim::place;
  /// A scene with its victim at the begin mark.
  struct stage {
    std::unique_ptr<scene> play;
    life* who = nullptr;
    std::unique_ptr<victim> process;
  };
  /// The first victim's death at point `first` of it, and what comes after that.
  struct death {
    std::size_t first;
    trace second;                 ///< of the recovery, or of the second victim
    std::vector<std::byte> once;  ///< what one whole recovery leaves
  };
  enum class way : std::uint8_t { kill, stop, bystander, recovery, pair, pairs };
  struct job {
    way how;
    std::size_t point;      ///< of the first victim; of recovery and pair: of the second process
    std::size_t after = 0;  ///< of recovery and pair: which of deaths_
  };

  bool enough() const { return how_.to_the_first && counts_.violations > 0; }
  bool mine() { return next_++ % how_.parts == how_.part; }
  stage open();
  void record();
  void plan(const std::vector<std::size_t>& core);
  void plan_second(way how, std::size_t after, const std::vector<std::size_t>& shown, std::size_t every, bool all);
  void plan_bystanders();
  void plan_recoveries();
  void plan_pairs();
  /// The planned core of this kind.
  void perform_all(way how);
  void perform(const job& one);
  void kill(std::size_t k);
  void stop(std::size_t k);
  void beside_one_stopped(std::size_t k);
  std::size_t bystander_needs(std::size_t k, complaints& wrong);
  void recover_twice(death& of);
  void kill_recovery(const death& of, std::size_t j);
  void next_to_its_end(std::size_t k);
  void pairs_behind(std::size_t k);
  void kill_next(const death& of, std::size_t j);

  void check(const std::function<std::string()>& when, const std::function<void(complaints&)>& body);
  void bury(scene& play, life& who) { play.judged = play.in.bury(who); }
  stage killed_at(std::size_t k);
  void next_after(std::size_t k, const std::function<place(victim&, scene&)>& how, complaints& wrong);

  const operation& what_;
  const choice& how_;
  tally& counts_;
  trace first_;
  std::vector<death> deaths_;
  std::vector<job> core_, later_;  ///< later_: in the order in which they are taken
  std::size_t taken_ = 0;          ///< of later_
  std::mt19937 order_{20};         ///< any seed will do, but always the same
  std::size_t alike_ = 0;          ///< pairs that are left out
  std::size_t undisturbed_ = 0;    ///< of a bystander's instructions, beside a victim that is through
  std::size_t changed_by_recovery_ = 0;
  std::size_t told_ = 0;
  std::size_t next_ = 0;
};

}  // namespace crash
