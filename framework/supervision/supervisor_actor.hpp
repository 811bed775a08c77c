#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>

#include <caf/all.hpp>

#include "supervision/permit.hpp"
#include "supervision/supervisor.hpp"

/// One supervisor as a CAF actor. Included by supervisor.cpp and supervisor_actor.cpp only: CAF's headers are expensive.
namespace troupe::supervision {

/// A function that is called once, whatever becomes of the message that brings it: an actor that ends drops its mail.
template <class Argument>
class owed {
 public:
  owed(std::function<void(Argument)> call, Argument at_last) : call_(std::move(call)), at_last_(std::move(at_last)) {}
  owed(const owed&) = delete;
  owed& operator=(const owed&) = delete;
  ~owed() { pay(at_last_); }
  void pay(Argument with) noexcept {
    if (const auto call = std::exchange(call_, {})) call(with);
  }

 private:
  std::function<void(Argument)> call_;
  const std::remove_cvref_t<Argument> at_last_;
};
using answer_owed = std::shared_ptr<owed<const policy::answer&>>;
using look = std::shared_ptr<owed<const policy::state*>>;

inline answer_owed owe(supervisors::completion done) {
  return std::make_shared<owed<const policy::answer&>>(std::move(done), policy::answer{0, policy::result::stopping, {}});
}

// From a supervisor to one below it.
struct begin {};
struct end {
  shutdown how;
};
struct time_is_over {};
struct vanish {};

/// What an actor's mailbox holds. `life` is set for what concerns one life of a supervisor that may have several.
struct mail {
  std::variant<policy::event, begin, end, time_is_over, vanish, look> what;
  answer_owed done = {};  // of a call
  child_plan child = {};  // of start_child
  std::uint64_t life = 0;
};
struct quit {};

}  // namespace troupe::supervision

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::supervision::mail)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::supervision::quit)

namespace troupe::supervision {

/// What all supervisors share.
struct hub {
  explicit hub(executor& executor) : does(executor) {}

  executor& does;
  std::atomic<bool> closing{false};  // what is left in the mailboxes is not carried out any more
  std::mutex mutex;                  // guards what follows
  std::unordered_map<supervisor_id, caf::actor> all;
  std::unordered_map<supervisor_id, std::shared_ptr<permit>> permits;
  std::size_t alive = 0;
  std::promise<void> none_left;

  caf::actor find(supervisor_id id) {
    const std::lock_guard lock(mutex);
    const auto found = all.find(id);
    return found == all.end() ? nullptr : found->second;
  }
  void remove(supervisor_id id) {
    const std::lock_guard lock(mutex);
    all.erase(id);
    permits.erase(id);
    if (--alive == 0) none_left.set_value();
  }
};

struct desk;
/// A supervisor that is a child. Its desk is looked at only while it does not live.
struct lower {
  caf::actor actor;
  std::shared_ptr<desk> its;
};

/// What an actor works on; shared, since an actor that CAF failed to end may outlive the supervisors. All actors run on
/// one thread.
struct desk {
  desk(std::shared_ptr<hub> common, child_plan its, caf::actor above)
      : shared(std::move(common)), plan(std::move(its)), parent(std::move(above)), state(plan.flags, plan.def.id) {
    if (parent) state.now = policy::state::phase::ended;  // until it is told to begin
  }

  const std::shared_ptr<hub> shared;
  child_plan plan;
  caf::actor parent;  // none: nobody's child
  policy::state state;
  const std::shared_ptr<permit> takeover = std::make_shared<permit>();
  std::uint64_t life = 0;
  bool killing = false;  // children are killed, not asked
  std::map<policy::child_id, lower> below;
  std::map<policy::child_id, std::string> names;
  std::string spoken_of;  // the child of the last report
  std::map<policy::child_id, child_plan> wanted;  // by start_child, not started yet
  std::set<policy::child_id> added;               // at run time, or not described any more
  std::set<policy::child_id> retired;             // ended for good, and started again in the next life
  std::unordered_map<policy::call_id, answer_owed> open;
  policy::call_id last_call = 0;
};

caf::behavior work(caf::event_based_actor* self, const std::shared_ptr<desk>& d);

template <class Run>
caf::actor make_actor(hub& all, supervisor_id id, std::shared_ptr<permit> takeover, Run run) {
  const std::lock_guard lock(all.mutex);
  ++all.alive;
  all.permits[id] = std::move(takeover);
  return all.all[id] = run();
}

}  // namespace troupe::supervision
