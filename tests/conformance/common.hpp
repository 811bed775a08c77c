#pragma once

/// The actors of Erlang/OTP's supervisor_SUITE, and short words for what its cases look at.
///
/// Names of the cases begin with the name of the OTP case. Where Troupe differs on purpose a comment of the case says
/// so. What differs everywhere: names are unique in the program, so children of two supervisors have different names; a
/// supervisor is a description, without an init function; a child that is down keeps its mailbox and its refs.

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "process/common.hpp"

namespace tests {

// What a Kid does when it is started, kept where the test can change it between two starts: one slot for each Kid.
enum class start : std::uint64_t { normally, declines, fails, exits, asks };

inline constexpr int slots = 16;
inline constexpr int no_slot = -1;
inline std::size_t mode_of(int slot) { return static_cast<std::size_t>(slot); }
inline std::size_t starts_of(int slot) { return static_cast<std::size_t>(slots + slot); }
inline std::size_t asking(int slot) { return static_cast<std::size_t>(2 * slots + slot); }
inline std::size_t verdict(int slot) { return static_cast<std::size_t>(3 * slots + slot); }

inline void starts(int slot, start how) { set(mode_of(slot), static_cast<std::uint64_t>(how)); }
/// Starts of this Kid that have begun.
inline std::uint64_t started(int slot) { return total(starts_of(slot)); }
/// A Kid that asks waits in its on_start until this tells it how to go on.
inline void answer(int slot, start how) {
  EXPECT(eventually([&] { return total(asking(slot)) == 1 && total(verdict(slot)) == 0; }));
  set(verdict(slot), static_cast<std::uint64_t>(how) + 1);
  EXPECT(eventually([&] { return total(verdict(slot)) == 0; }));
}
inline bool asks(int slot) {
  return eventually([&] { return total(asking(slot)) == 1; });
}

/// How a Kid ends when it is told to. OTP's reasons: normal; error, which is any of the next three here; kill.
enum class ending : std::uint8_t { normal, exit_code, exception, abort, killed };
inline constexpr std::array abnormal_endings{ending::exit_code, ending::exception, ending::abort, ending::killed};

inline void end_as(ending how) {
  switch (how) {
    case ending::normal:
      return;
    case ending::exit_code:
      ::_exit(3);
    case ending::exception:
      throw std::runtime_error("a wanted exception");
    case ending::abort:
      std::abort();
    case ending::killed:
      ::raise(SIGKILL);
  }
}

struct End {
  ending how;
  static constexpr auto delivery = troupe::drop{};
};
struct Hang {
  static constexpr auto delivery = troupe::drop{};
};
/// Ends by itself as soon as the counter of this slot is not 0.
struct EndWith {
  int slot;
  ending how;
  static constexpr auto delivery = troupe::drop{};
};
struct Unlink {
  static constexpr auto delivery = troupe::drop{};
};

/// supervisor_1, supervisor_3, supervisor_4, supervisor_deadlock and naughty_child of the OTP suite.
struct Kid : troupe::actor {
  explicit Kid(int slot = no_slot, std::string says = {}) : slot_(slot), says_(std::move(says)) {}

  void on_start() override {
    if (slot_ != no_slot) obey();
    note("start " + self().name());
    if (!says_.empty()) self().announce(says_);
  }
  void on_stop(troupe::stop_reason why) override {
    note((why == troupe::stop_reason::self ? "leave " : "stop ") + self().name());
  }
  void on(End m) {
    end_as(m.how);
    stop();
  }
  void on(EndWith m) {
    while (total(mode_of(m.slot)) == 0) ::poll(nullptr, 0, 1);
    on(End{m.how});
  }
  void on(Hang) {
    note("hangs " + self().name());
    for (;;) ::pause();
  }
  void on(Unlink) {
    ::close_range(3, ~0U, 0);
    note("unlinked");
    for (;;) ::pause();
  }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<End, EndWith, Hang, Unlink, Pid>;

 private:
  void obey() const {
    add(starts_of(slot_));
    auto how = static_cast<start>(total(mode_of(slot_)));
    if (how == start::asks) how = ask();
    if (how == start::declines) throw troupe::decline{};
    if (how == start::fails) throw std::runtime_error("start refused");
    if (how == start::exits) ::_exit(4);
  }
  start ask() const {
    set(asking(slot_), 1);
    while (total(verdict(slot_)) == 0) ::poll(nullptr, 0, 1);
    const auto how = static_cast<start>(total(verdict(slot_)) - 1);
    set(asking(slot_), 0);
    set(verdict(slot_), 0);  // last: a test that sees it may look at the next question
    return how;
  }
  int slot_;
  std::string says_;
};
using kid_ref = troupe::actor_ref<Kid>;

/// supervisor_2: takes its time to stop, or for ever if that is below 0; or ends in another way than asked.
struct Leaver : troupe::actor {
  explicit Leaver(int milliseconds, ending how = ending::normal) : milliseconds_(milliseconds), how_(how) {}
  void on_stop(troupe::stop_reason) override {
    note("asked " + self().name());
    while (milliseconds_ < 0) ::pause();
    ::poll(nullptr, 0, milliseconds_);
    end_as(how_);
  }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Pid>;

 private:
  int milliseconds_;
  ending how_;
};

/// One of many: leaves no note.
struct Extra : troupe::actor {
  explicit Extra(int = 0, std::string = {}) {}
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Pid>;
};

// -------------------------------------------------------------------------------------------------------------
// descriptions

inline troupe::child_spec spec(const std::string& name, troupe::restart restart = troupe::restart::permanent,
                               troupe::shutdown shutdown = troupe::shutdown::within(5s)) {
  return {.name = name, .restart = restart, .shutdown = shutdown};
}
inline troupe::child_spec significant(const std::string& name, troupe::restart restart) {
  return {.name = name, .restart = restart, .significant = true};
}

/// Transient, so that its end, which is always a shutdown, is not followed by a restart by the root.
inline troupe::supervisor_spec flags(troupe::strategy how, std::uint32_t max_restarts = 2,
                                     std::chrono::milliseconds within = 3600s) {
  return {.name = "sup",
          .strategy = how,
          .max_restarts = max_restarts,
          .within = within,
          .restart = troupe::restart::transient};
}
inline troupe::supervisor sup(troupe::strategy how = troupe::strategy::one_for_one, std::uint32_t max_restarts = 2,
                              std::chrono::milliseconds within = 3600s) {
  return troupe::supervisor(flags(how, max_restarts, within));
}

// --------------------------------------------------------------------------------------------------- what a supervisor
// says

/// specs, active, supervisors, workers
inline std::vector<int> counts(const troupe::supervisor_ref& of) {
  const auto its = of.count_children();
  return {static_cast<int>(its.specs), static_cast<int>(its.active), static_cast<int>(its.supervisors),
          static_cast<int>(its.workers)};
}
using numbers = std::vector<int>;
using lines = std::vector<std::string>;

inline std::string shown(const troupe::child_info& child) {
  constexpr std::array words{"down", "starting", "up", "restarting", "stopping"};
  return child.name + " " + words[static_cast<std::size_t>(child.state)];
}
/// "name state", newest first.
inline lines children(const troupe::supervisor_ref& of) {
  lines all;
  for (const auto& each : of.which_children()) all.push_back(shown(each));
  return all;
}
inline kid_ref kid(troupe::system& sys, const std::string& name) {
  const auto found = sys.find<Kid>(name);
  EXPECT(found.has_value());
  return *found;
}
/// 0: it does not run, or its supervisor does not.
inline std::uint64_t incarnation(const troupe::supervisor_ref& of, const std::string& name) {
  try {
    const auto its = of.which_child(name);
    return its && its->state == troupe::child_state::up ? its->incarnation : 0;
  } catch (const troupe::error& e) {
    if (e.code() != troupe::errc::closed) throw;
    return 0;
  }
}
inline int pid(const troupe::supervisor_ref& of, const std::string& name) {
  const auto its = of.which_child(name);
  return its ? its->pid : 0;
}
/// Up, in another process than this incarnation's.
inline bool restarted(const troupe::supervisor_ref& of, const std::string& name, std::uint64_t old) {
  return eventually([&] {
    const auto now = incarnation(of, name);
    return now != 0 && now != old;
  });
}
inline bool is_down(const troupe::supervisor_ref& of, const std::string& name) {
  return eventually([&] {
    const auto its = of.which_child(name);
    return its && its->state == troupe::child_state::down;
  });
}
inline bool is_gone(const troupe::supervisor_ref& of, const std::string& name) {
  return eventually([&] { return !of.which_child(name); });
}
/// The supervisor has ended.
inline bool ended(const troupe::supervisor_ref& which, std::chrono::milliseconds limit = 10s) {
  const auto answers_closed = [&] {
    try {
      which.count_children();
      return false;
    } catch (const troupe::error& e) {
      return e.code() == troupe::errc::closed;
    }
  };
  return eventually(answers_closed, limit);
}

/// Ends a child by itself and waits for its replacement; gives the incarnation of that.
inline std::uint64_t restart_by(troupe::system& sys, const troupe::supervisor_ref& of, const std::string& name,
                                ending how) {
  const auto old = incarnation(of, name);
  EXPECT(old != 0);
  kid(sys, name).tell(End{how});
  EXPECT(restarted(of, name, old));
  return incarnation(of, name);
}

/// How an actor ended each time, since this was made.
class obituary {
 public:
  template <class A>
  obituary(troupe::system& sys, const troupe::actor_ref<A>& of) {
    sys.monitor(of, [all = all_](const troupe::down& d) { all->push_back(d); });
  }
  /// The first.
  troupe::down wait() const {
    EXPECT(eventually([this] { return !all_->empty(); }));
    return all_->front();
  }
  bool empty() const { return all_->empty(); }

 private:
  std::shared_ptr<std::vector<troupe::down>> all_ = std::make_shared<std::vector<troupe::down>>();
};

}  // namespace tests
