// Children that are described, on their way to a supervisor: names, mailboxes and memory exist before anything starts.

#include <algorithm>

#include "os/memory.hpp"
#include "supervision/control.hpp"
#include "supervision/description.hpp"

namespace troupe::supervision {

namespace {

constexpr std::uint64_t page = 4096;

os::fd filled(const char* label, std::span<const std::byte> bytes) {
  os::fd memory = os::make_memory(label, bytes.size());
  std::copy(bytes.begin(), bytes.end(), os::mapping(memory, bytes.size(), os::access::read_write).data());
  os::seal_memory(memory, os::seal::one_writer);
  return memory;
}

}  // namespace

void control::start_described(newcomer its, bool again) {
  life* who = find_life(its.from.from);
  if (who == nullptr || !branches_.contains(its.under)) return answer(its.from, errc::closed, "the supervisor has ended");
  if (const auto wrong = wrong_with(its.what.child); !wrong.empty()) return answer(its.from, errc::bad_spec, joined(wrong));
  const auto user = names_.find(its.what.child.name());
  if (user != names_.end() && its.spawned && !again && is_spawned(user->second))
    return make_room(std::move(its), user->second);
  if (user != names_.end() && parent_of(user->second) == its.under)
    return name_in_use(std::move(its), user->second);
  if (branches_.at(its.under).from_template)
    return answer(its.from, errc::not_allowed, branch_name(its.under) + " makes its children from a template: use start()");
  std::span<const std::uint64_t> tags(its.what.tags);
  auto planned = plan(its.what.child, its.under, *who, tags);
  if (!planned) return answer(its.from, planned.error().code(), planned.error().text());
  start_planned(its.from, its.under, std::move(*planned));
}

/// By a child of the same supervisor: what is said about it depends on what it does.
void control::name_in_use(newcomer its, policy::child_id by) {
  if (its.spawned || its.forgotten == by)
    return answer(its.from, errc::name_taken, "there is an actor or a supervisor called \"" + its.what.child.name() +
                                                  "\" already; a name is free when its actor has ended for good");
  const supervisor_id under = its.under;
  supervisors_->inspect(under, [this, its = std::move(its), by](const policy::state* state) {
    auto is = policy::child_state::absent;
    if (state != nullptr) {
      for (const auto& each : policy::which_children(*state)) {
        if (each.id == by) is = each.is;
      }
    }
    post([this, its, by, is]() mutable {
      const std::string name = its.what.child.name();
      if (is == policy::child_state::absent) {
        its.forgotten = by;  // by now here, too; another may have the name already
        return start_described(std::move(its), true);
      }
      const bool runs = is == policy::child_state::up || is == policy::child_state::stopping ||
                        is == policy::child_state::starting;
      answer(its.from, runs ? errc::already_started : errc::already_present, name);
    });
  });
}

void control::start_from_template(life& who, branch& of, const wire::supervise& asked, std::span<const std::byte> bytes) {
  const call from{who.id, asked.tag};
  if (!of.from_template) return answer(from, errc::not_allowed, branch_name(of.id) + " has no template: use start_child()");
  if (of.from_template->further != asked.further)
    return answer(from, errc::bad_spec, "children of " + of.name + " take further arguments of other types");
  detail::tree_child child = *of.from_template;
  child.spec.name += "-" + std::to_string(++of.last_from_template);
  child.arguments.bytes.insert(child.arguments.bytes.end(), bytes.begin(), bytes.end());
  auto planned = plan_actor(child, of.id, who, asked.child);
  if (!planned) return answer(from, planned.error().code(), planned.error().text());
  start_planned(from, of.id, std::move(*planned));
}

void control::start_planned(const call& from, supervisor_id under, child_plan planned) {
  const auto done = [this, from, planned](const policy::answer& got) {
    post([this, from, planned, got] {
      // The policy forgets what it has begun to start; of a child that was refused before that it knows nothing.
      const bool known = got.what == policy::result::ok || got.what == policy::result::ignored ||
                         got.what == policy::result::start_failed || got.begun;
      if (!known) take_back(planned);
      if (got.what == policy::result::ok) drop_arguments(planned.def);
      child_answered(from, planned, got);
    });
  };
  supervisors_->start_child(under, std::move(planned), done);
}

// ---------------------------------------------------------------------------------------------------------------- plans

expected<child_plan> control::plan(const detail::tree_child& described, supervisor_id under, life& who,
                                   std::span<const std::uint64_t>& tags) {
  if (described.supervisor) return plan_supervisor(described, under, who, tags);
  const std::uint64_t tag = tags.front();
  tags = tags.subspan(1);
  return plan_actor(described, under, who, tag);
}

expected<child_plan> control::plan_actor(const detail::tree_child& described, supervisor_id under, life& who,
                                         std::uint64_t tag) {
  const child_spec& spec = described.spec;
  if (&who != main_ && owned_by(who) >= wire::max_owned)
    return tl::unexpected(error(errc::spawn_failed, who.of->name + " has started too many actors"));
  if (const auto fits = look_for_keeper(spec.name, under); !fits) return tl::unexpected(fits.error());
  auto made = add_identity(spec.name, spec);
  if (!made) return tl::unexpected(made.error());
  identity& its = **made;
  its.parent = under;
  if (&who != main_) its.owner = who.id;
  its.type = described.type;
  its.type_index = static_cast<std::uint32_t>(std::find(types_.begin(), types_.end(), its.type) - types_.begin());
  try {
    give_memory(its, described.arguments.bytes);
  } catch (const error& e) {
    take_back({.def = {.id = its.id}});
    return tl::unexpected(error(errc::spawn_failed, spec.name + ": " + e.what()));
  }
  claim_deposits(who.id, tag, its.id);
  return child_plan{.def = {its.id, rules_of(spec)}, .name = spec.name};
}

void control::claim_deposits(wire::incarnation_id from, std::uint64_t tag, wire::identity_id to) {
  for (auto& [key, what] : deposits_) {
    if (tag != 0 && key.first == from && what.to == 0 && what.tag == tag) what.to = to;
  }
}

/// A temporary child that has been up is never started again (OTP 5.9), unless a reload has named it meanwhile.
void control::drop_arguments(const policy::child_def& started) {
  identity* its = find_identity(started.id);
  if (its != nullptr && !its->reloaded && started.rules.restart == restart::temporary) its->arguments_fd.reset();
}

void control::give_arguments(identity& its, std::span<const std::byte> arguments) {
  its.arguments_fd = std::make_shared<os::fd>(filled("troupe-args", arguments));
  its.arguments_bytes = arguments.size();
}

void control::give_memory(identity& its, std::span<const std::byte> arguments) {
  give_arguments(its, arguments);
  if (its.type->works_in != detail::turns::checkpointed) return;
  its.checkpoint_bytes = (its.spec.checkpoint_bytes + page - 1) / page * page;
  os::fd buffers = os::make_memory("troupe-checkpoint", 2 * its.checkpoint_bytes);
  os::seal_memory(buffers, os::seal::size_only);
  its.checkpoint_fd = std::make_shared<os::fd>(std::move(buffers));
}

expected<child_plan> control::plan_supervisor(const detail::tree_child& described, supervisor_id under, life& who,
                                              std::span<const std::uint64_t>& tags) {
  const detail::tree_node& node = *described.supervisor;
  const std::string& name = node.spec.name;
  if (const auto fits = look_for_keeper(name, under); !fits) return tl::unexpected(fits.error());
  const supervisor_id id = next_number_++;
  if (!names_.emplace(name, id).second)
    return tl::unexpected(error(errc::name_taken, "there is an actor or a supervisor called \"" + name + "\" already"));
  child_plan planned{.def = {id, rules_of(node.spec)}, .name = name, .flags = node.spec.flags()};
  branch& made = branches_[id];
  made.id = id;
  made.name = name;
  made.parent = under;
  made.spec = node.spec;
  if (node.spec.strategy == strategy::simple_one_for_one) {
    made.from_template = node.children.front();
    tags = tags.subspan(channel::actors_of(node.children.front()).size());
    return planned;
  }
  for (const auto& each : node.children) {
    auto below = plan(each, id, who, tags);
    if (!below) {
      take_back(planned);
      return tl::unexpected(below.error());
    }
    planned.children.push_back(std::move(*below));
  }
  return planned;
}

/// 0: it is nobody's child.
supervisor_id control::parent_of(policy::child_id id) {
  if (const auto known = branches_.find(id); known != branches_.end()) return known->second.parent;
  const identity* its = find_identity(id);
  return its == nullptr ? 0 : its->parent;
}

/// By main or by an actor: no supervisor that may be started again has described it.
bool control::is_spawned(policy::child_id id) {
  const supervisor_id parent = parent_of(id);
  return parent != 0 && parent_of(parent) == 0;
}

/// As in Erlang/OTP a child that has ended for good stays known; one that was spawned does not keep its name from the next
/// that is.
void control::make_room(newcomer its, policy::child_id by) {
  const supervisor_id of = parent_of(by);
  supervisors_->inspect(of, [this, its = std::move(its), of, by](const policy::state* state) {
    const bool over = state != nullptr && policy::has_ended_for_good(*state, by);
    const auto start = [this, its](const policy::answer&) { post([this, its] { start_described(its, true); }); };
    over ? supervisors_->delete_child(of, by, start) : start({});
  });
}

/// One that is not there now, and comes again under its name with its supervisor.
expected<void> control::look_for_keeper(const std::string& name, supervisor_id under) {
  const auto kept = kept_names_.find(name);
  if (kept == kept_names_.end()) return {};
  for (supervisor_id each = under; each != 0; each = parent_of(each)) {
    if (each == kept->second.keeper) return {};
  }
  return tl::unexpected(error(errc::name_taken, "\"" + name + "\" is the name of a child of " +
                                                    branch_name(kept->second.keeper) + ", which starts it again when it " +
                                                    "is started again itself"));
}

void control::take_back(const child_plan& planned) {
  for (const auto& each : planned.children) take_back(each);
  forget_now(planned.def.id);
}

}  // namespace troupe::supervision
