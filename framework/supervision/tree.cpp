// Supervisors below the root, and what main and actors ask of supervisors. Frames from workers are a stranger's bytes.

#include <algorithm>

#include "os/memory.hpp"
#include "supervision/control.hpp"
#include "supervision/log.hpp"

namespace troupe::supervision {

namespace {

constexpr std::uint64_t most_bytes = std::uint64_t{16} << 20;  // of a description

std::shared_ptr<os::fd> sealed_copy(std::span<const std::byte> bytes) {
  os::fd memory = os::make_memory("troupe-answer", bytes.size());
  std::copy(bytes.begin(), bytes.end(), os::mapping(memory, bytes.size(), os::access::read_write).data());
  os::seal_memory(memory, os::seal::one_writer);
  return std::make_shared<os::fd>(std::move(memory));
}

/// A copy, since whoever sent it may write to it. Throws error(errc::spawn_failed).
std::optional<std::vector<std::byte>> bytes_of(const wire::supervise& asked, channel::incoming& frame) {
  if (asked.bytes == 0) {
    const std::string text = frame.text();
    const auto bytes = std::as_bytes(std::span(text));
    return std::vector<std::byte>(bytes.begin(), bytes.end());
  }
  if (frame.lost_fds) {
    throw error(errc::spawn_failed,
                "the supervisor process has no descriptor left for the description: raise its limit (ulimit -n)");
  }
  if (asked.bytes > most_bytes || frame.fds.size() != 1) return std::nullopt;
  if (!os::has_fixed_size(frame.fds[0], asked.bytes)) return std::nullopt;
  const os::mapping map(frame.fds[0], asked.bytes, os::access::read_only);
  return std::vector<std::byte>(map.data(), map.data() + asked.bytes);
}

bool waits_for_supervisor(wire::supervise_op what) {
  return what != wire::supervise_op::find && what != wire::supervise_op::which && what != wire::supervise_op::count &&
         what != wire::supervise_op::spec;
}

/// Whether this supervisor is among those that wait for the start of `who`: its own, and those that wait for that one.
template <class Branches, class Lives>
bool waits_for_start(supervisor_id id, const life& who, const Branches& branches, const Lives& lives) {
  if (who.now >= life::stage::up) return false;
  for (auto each = branches.find(who.of->parent); each != branches.end(); each = branches.find(each->second.parent)) {
    if (each->first == id) return true;
    const auto owner = lives.find(each->second.owner);
    if (owner != lives.end()) return waits_for_start(id, *owner->second, branches, lives);
  }
  return false;
}

child_state state_of(policy::child_state is) {
  switch (is) {
    case policy::child_state::starting: return child_state::starting;
    case policy::child_state::up: return child_state::up;
    case policy::child_state::restarting:
    case policy::child_state::retrying: return child_state::restarting;
    case policy::child_state::stopping: return child_state::stopping;
    default: return child_state::down;
  }
}

/// What a call that a supervisor refuses fails with.
errc code_of(policy::result what) {
  switch (what) {
    case policy::result::already_present: return errc::already_present;
    case policy::result::already_started: return errc::already_started;
    case policy::result::running: return errc::running;
    case policy::result::restarting: return errc::restarting;
    case policy::result::not_found: return errc::not_found;
    case policy::result::gave_up: return errc::gave_up;
    case policy::result::bad_spec: return errc::bad_spec;
    case policy::result::too_many: return errc::full;
    case policy::result::simple_one_for_one: return errc::not_allowed;
    case policy::result::start_failed: return errc::start_failed;
    default: return errc::closed;
  }
}

}  // namespace

// -------------------------------------------------------------------------------------------------------------- answers

void control::answer(const call& to, errc code, const std::string& text) {
  if (life* who = find_life(to.from)) {
    send(*who, wire::frame::supervised, wire::supervised{to.tag, 0, 0, static_cast<std::uint32_t>(code) + 1, 0}, text);
  }
}

void control::answer(const call& to, std::uint64_t subject, std::string_view info, bool declined) {
  if (life* who = find_life(to.from)) {
    send(*who, wire::frame::supervised, wire::supervised{to.tag, subject, 0, 0, declined ? 1U : 0U}, info);
  }
}

void control::answer(const call& to, std::span<const std::byte> bytes) {
  life* who = find_life(to.from);
  if (who == nullptr) return;
  if (bytes.size() <= wire::max_text) {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return send(*who, wire::frame::supervised, wire::supervised{to.tag, 0, 0, 0, 0}, text);
  }
  try {
    send(*who, wire::frame::supervised, wire::supervised{to.tag, 0, bytes.size(), 0, 0}, {}, {sealed_copy(bytes)});
  } catch (const error& e) {
    answer(to, errc::os, e.what());
  }
}

// ---------------------------------------------------------------------------------------------------------------- calls

void control::on_supervise(life& who, const wire::supervise& asked, channel::incoming& frame) {
  const call from{who.id, asked.tag};
  const std::string name = frame.text();
  if (who.spare) {
    return answer(from, errc::not_allowed, "a spare process can call no supervisor, and has no children, before it has "
                                           "taken over: do that in on_start");
  }
  if (asked.what == wire::supervise_op::find) {
    if (asked.supervisor == wire::own_supervisor) return answer(from, own_supervisor(who));
    const auto found = names_.find(name);
    if (found != names_.end() && branches_.contains(found->second)) return answer(from, found->second);
    return answer(from, errc::not_found, "no supervisor is called \"" + name + "\"");
  }
  branch* of = find_branch(who, asked);
  if (of == nullptr) {
    const bool child = asked.supervisor == wire::supervisor_of_child;
    return answer(from, child ? errc::not_found : errc::closed,
                  child ? "there is no such actor or supervisor any more" : "there is no such supervisor any more");
  }
  if (waits_for_supervisor(asked.what) && waits_for_start(of->id, who, branches_, lives_)) {
    return answer(from, errc::deadlock, branch_name(of->id) + " waits for the start of " + who.of->name +
                                            ", which must not wait for it: call it after on_start");
  }
  try {
    const auto bytes = bytes_of(asked, frame);
    if (!bytes) return answer(from, errc::corrupt, "a description that is too large, or in no memory of that size");
    supervise(who, *of, asked, name, *bytes);
  } catch (const error& e) {
    answer(from, e.code(), e.text().empty() ? e.what() : e.text());
  }
}

void control::supervise(life& who, branch& of, const wire::supervise& asked, const std::string& name,
                        std::span<const std::byte> bytes) {
  const call from{who.id, asked.tag};
  switch (asked.what) {
    case wire::supervise_op::spawn:
    case wire::supervise_op::start:
      return start_described(
          {from, of.id, asked.what == wire::supervise_op::spawn, channel::unpack_child(bytes, types_)});
    case wire::supervise_op::start_from: return start_from_template(who, of, asked, bytes);
    case wire::supervise_op::which: return list_children(from, of);
    case wire::supervise_op::count: return count_children(from, of);
    case wire::supervise_op::reload: return reload(who, from, of, channel::unpack_child(bytes, types_));
    default: return call_for_child(from, of, asked, name);
  }
}

branch* control::find_branch(life& who, const wire::supervise& asked) {
  supervisor_id id = asked.supervisor;
  if (id == wire::own_supervisor) id = own_supervisor(who);
  if (id == wire::supervisor_of_child) {
    const auto known = branches_.find(asked.child);
    const identity* its = find_identity(asked.child);
    id = known != branches_.end() ? known->second.parent : its != nullptr ? its->parent : 0;
  }
  const auto found = branches_.find(id);
  return found == branches_.end() ? nullptr : &found->second;
}

/// 0: it has no such child.
policy::child_id control::find_child(const branch& of, policy::child_id child, const std::string& name) {
  if (child == 0) {
    const auto named = names_.find(name);
    if (named == names_.end()) return 0;
    child = named->second;
  }
  const auto known = branches_.find(child);
  const identity* its = find_identity(child);
  const supervisor_id parent = known != branches_.end() ? known->second.parent : its != nullptr ? its->parent : 0;
  return parent == of.id ? child : 0;
}

void control::call_for_child(const call& from, branch& of, const wire::supervise& asked, const std::string& name) {
  const policy::child_id child = find_child(of, asked.child, name);
  if (child == 0) {
    // As in OTP: who has ended is as terminated as one can be. A dynamic child is known by its number alone.
    const bool ended = of.from_template && asked.child != 0 && find_identity(asked.child) == nullptr;
    if (ended && asked.what == wire::supervise_op::terminate) return answer(from, asked.child);
    return answer(from, errc::not_found, branch_name(of.id) + " has no child " +
                                             (name.empty() ? "of this number" : "called \"" + name + "\""));
  }
  const auto done = [this, from, its = child_plan{.def = {.id = child}, .name = name_of(child)}](const auto& got) {
    post([this, from, its, got] { child_answered(from, its, got); });
  };
  switch (asked.what) {
    case wire::supervise_op::terminate:
      return terminate_for(find_life(from.from)->of->name, of.id, child, done);
    case wire::supervise_op::restart: return supervisors_->restart_child(of.id, child, done);
    case wire::supervise_op::remove: return supervisors_->delete_child(of.id, child, done);
    case wire::supervise_op::spec: return describe_child(from, child);
    default: return answer(from, errc::not_allowed, "there is no such call to a supervisor");
  }
}

/// The wish ends with the call: where there was nothing to stop it must not be that of the next stop.
void control::terminate_for(const std::string& asker, supervisor_id of, policy::child_id child, supervisors::completion done) {
  if (identity* its = find_identity(child)) its->stop_asker = asker;
  supervisors_->terminate_child(of, child, [this, asker, child, done = std::move(done)](const policy::answer& got) {
    post([this, asker, child] {
      identity* its = find_identity(child);
      if (its != nullptr && its->stop_asker == asker) its->stop_asker.clear();
    });
    if (done) done(got);
  });
}

void control::child_answered(const call& to, const child_plan& child, const policy::answer& got) {
  const auto failed = failures_.extract(child.def.id);
  if (got.what == policy::result::ok || got.what == policy::result::ignored) {
    const identity* its = find_identity(child.def.id);
    return answer(to, child.def.id, its == nullptr ? "" : its->said_at_start, got.what == policy::result::ignored);
  }
  if (got.what == policy::result::start_failed) {
    return answer(to, failed.empty() ? errc::start_failed : failed.mapped(), child.name + " could not start: " + got.text);
  }
  const bool ending = got.what == policy::result::stopping && (signalled_ || (main_ != nullptr && finishing_));
  const std::string text = got.text.empty() && got.what == policy::result::stopping
                               ? "its supervisor does not run, or is being stopped"
                               : got.text;
  answer(to, ending ? errc::stopping : code_of(got.what), text.empty() ? child.name : text);
}

void control::list_children(const call& to, const branch& of) {
  supervisors_->inspect(of.id, [this, to, id = of.id](const policy::state* state) {
    const bool runs = state != nullptr && state->now != policy::state::phase::ended;
    post([this, to, id, runs, seen = runs ? policy::which_children(*state) : std::vector<policy::child_view>{}] {
      if (!runs) return answer(to, errc::closed, branch_name(id) + " does not run");
      std::vector<child_info> all;
      for (const auto& each : seen) {
        child_info made{name_of(each.id), each.id, static_cast<child_kind>(each.kind), state_of(each.is)};
        if (const identity* its = find_identity(each.id); its != nullptr && its->active != nullptr) {
          made.pid = its->active->pid;
          made.incarnation = its->active->id;
        }
        all.push_back(std::move(made));
      }
      answer(to, channel::pack_list(all));
    });
  });
}

void control::count_children(const call& to, const branch& of) {
  supervisors_->inspect(of.id, [this, to, id = of.id](const policy::state* state) {
    const bool runs = state != nullptr && state->now != policy::state::phase::ended;
    post([this, to, id, runs, counted = runs ? policy::count_children(*state) : policy::child_count{}] {
      if (!runs) return answer(to, errc::closed, branch_name(id) + " does not run");
      answer(to, channel::pack_counts({counted.specs, counted.active, counted.supervisors, counted.workers}));
    });
  });
}

void control::describe_child(const call& to, policy::child_id child) {
  detail::tree_child described;
  if (const auto known = branches_.find(child); known != branches_.end()) {
    described.supervisor = std::make_shared<const detail::tree_node>(detail::tree_node{known->second.spec, {}});
  } else {
    described.spec = find_identity(child)->spec;
  }
  answer(to, channel::pack_child(described, {}));
}

// ------------------------------------------------------------------------------------------------- an actor's own children

/// Main's are the root's.
supervisor_id control::own_supervisor(life& who) {
  if (&who == main_) return root_supervisor;
  if (who.own_supervisor == 0) {
    who.own_supervisor = next_number_++;
    branch& made = branches_[who.own_supervisor];
    made.id = who.own_supervisor;
    made.owner = who.id;
    made.actor = who.of->id;
    supervisors_->add(made.id, {});
  }
  return who.own_supervisor;
}

/// What a dead actor had started ends before anybody hears of its own end.
void control::after_own_children(supervisor_id own, std::function<void()> then) {
  const auto found = branches_.find(own);
  if (own == 0 || found == branches_.end()) return then();
  found->second.when_ended = std::move(then);
  supervisors_->stop_all(own, {});
}

/// Whoever is killed takes along what he has started, and what that has.
void control::kill_children_of(wire::identity_id actor) {
  bool any = false;
  for (auto& [id, each] : branches_) {
    if (each.actor == actor) any = each.killing = true;
  }
  if (!any) return;
  for (auto& [id, who] : lives_) {
    if (who->of->active == who.get() && is_killed_with(who->of->parent)) stop_life(*who, shutdown::brutal_kill());
  }
}

/// Whether this supervisor is below an actor that has been killed with its children.
bool control::is_killed_with(supervisor_id which) {
  for (auto each = branches_.find(which); each != branches_.end();) {
    if (each->second.killing) return true;
    const identity* actor = find_identity(each->second.actor);
    each = branches_.find(actor != nullptr ? actor->parent : each->second.parent);
  }
  return false;
}

void control::branch_ended(supervisor_id which, const std::string& text) {
  const auto ended = branches_.extract(which);
  if (ended.empty()) return;
  if (ended.mapped().when_ended) return ended.mapped().when_ended();
  life* owner = find_life(ended.mapped().owner);
  if (owner == nullptr) return;
  owner->own_supervisor = 0;
  owner->killed_for = death_cause::children_failed;
  log_line(owner->of->name + " is killed: the supervisor of its children gave up; last: " + text);
  if (owner->pidfd) os::send_signal(owner->pidfd, 9);
}

std::string control::branch_name(supervisor_id id) {
  const auto found = branches_.find(id);
  if (found == branches_.end()) return "a supervisor that has ended";
  if (!found->second.name.empty()) return found->second.name;
  const life* owner = find_life(found->second.owner);
  return owner == nullptr ? "the supervisor" : "the supervisor of " + owner->of->name + "'s children";
}

}  // namespace troupe::supervision
