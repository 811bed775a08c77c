#pragma once

/// An operation that is interrupted, and what must hold afterwards. A scene is made anew for every kill.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "crash/kstep/cast.hpp"
#include "crash/kstep/stepper.hpp"
#include "crash/kstep/world.hpp"

namespace crash {

/// What is wrong, in the user's words; empty: nothing.
using complaints = std::vector<std::string>;

class scene {
 public:
  virtual ~scene() = default;

  /// The world before the operation; the victim is booted and its process not there yet.
  virtual life& begin() = 0;
  /// What the victim does, from before its begin mark to its end mark; none: it is a worker.
  virtual std::function<void()> act() { return {}; }
  /// The victim stands at its begin mark.
  virtual void at_begin() {}
  /// The victim sleeps for ever; true: something that was to come has been done for it.
  virtual bool wake() { return false; }
  /// Stop mode: the victim is stopped somewhere inside, and the others go on.
  virtual void meanwhile(complaints&) {}
  /// Stop mode: the victim has run on to its end, is alive, and sleeps or has passed the end mark.
  virtual void after_stop(complaints&) {}
  /// The victim is dead and buried.
  virtual void verify(complaints& wrong) = 0;
  /// Somebody who does the same to the same receiver while the victim stands still; none: there is no such one.
  virtual life* bystander() { return nullptr; }
  /// Pairs: who is killed second, after the first is buried; none: nobody.
  virtual life* second() { return nullptr; }

  world in{all_types()};
  std::vector<supervision::judged_record> judged;  ///< of the last burial
  bool killed = true;                              ///< false: it has come to its end
  bool recovered = false;                          ///< the supervisor had begun to recover it before, and died
};

using scene_maker = std::function<std::unique_ptr<scene>()>;
struct operation {
  std::string name;
  scene_maker make;
  bool pairs = false;     ///< has a second victim
  bool recovery = false;  ///< its recovery is killed at every instruction too
  bool changes = false;   ///< some of these recoveries change what the cursor page says
};
std::vector<operation> all_operations();

// What the scenes are made of.

/// A process that runs this life's worker.
std::unique_ptr<victim> start_worker(scene& of, life& who);
/// The messages that a mailbox still holds, in the order in which its next owner would handle them, all of which are
/// done with then. `check`: complaints about damaged bytes go there.
std::vector<std::uint64_t> take_all(world& in, identity& at, complaints& wrong);
/// The mailbox's owner goes to sleep; false: something is there.
bool go_to_sleep(world& in, identity& at);
bool rung(const os::fd& doorbell);
std::string list(const std::vector<std::uint64_t>& numbers);

// The operations, by file.
void add_sending(std::vector<operation>& to);
void add_receiving(std::vector<operation>& to);
void add_turns(std::vector<operation>& to);
void add_keeping(std::vector<operation>& to);

}  // namespace crash
