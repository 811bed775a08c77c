// New flags and specs for a supervisor that runs (OTP 5.10).

#include "supervision/control.hpp"
#include "supervision/description.hpp"

namespace troupe::supervision {

std::string control::lasts_beyond(const branch& of, const detail::tree_child& described) {
  const policy::child_id known = find_child(of, 0, described.name());
  if (known == 0) return {};
  const std::string who = "child \"" + described.name() + "\" ";
  const std::string to_do = "; a reload cannot change that: terminate and delete it first, or take another name";
  const identity* actor = find_identity(known);
  if ((actor == nullptr) != (described.supervisor != nullptr))
    return who + (actor == nullptr ? "is a supervisor, and no actor" : "is an actor, and no supervisor") + to_do;
  return actor == nullptr || actor->type == described.type ? "" : who + "is an actor of another class" + to_do;
}

/// Why this supervisor cannot become what is described; empty: it can.
std::string control::wrong_with_renewal(const branch& of, const detail::tree_node& node) {
  if (const auto wrong = wrong_with(node); !wrong.empty()) return joined(wrong);
  const bool simple = node.spec.strategy == strategy::simple_one_for_one;
  if (of.id == root_supervisor && simple) return joined(wrong_with_root(node.spec.flags()));
  if (simple != of.from_template.has_value())
    return "a reload cannot make simple_one_for_one of another strategy, or the reverse";
  for (const auto& each : node.children) {
    if (simple) continue;
    if (auto wrong = lasts_beyond(of, each); !wrong.empty()) return wrong;
  }
  return {};
}

/// In simple_one_for_one the template stands for all children.
expected<void> control::plan_renewal(renewal& its, life& who, const branch& of) {
  const detail::tree_node& node = *its.what.child.supervisor;
  if (of.from_template) {
    its.all.push_back({.def = {0, rules_of(node.children.front())}, .name = node.children.front().name()});
    return {};
  }
  std::span<const std::uint64_t> tags(its.what.tags);
  for (const auto& each : node.children) {
    if (const policy::child_id known = find_child(of, 0, each.name())) {
      if (!each.supervisor) its.tag_of[known] = tags.front();
      tags = tags.subspan(channel::actors_of(each).size());
      its.all.push_back({.def = {known, rules_of(each), true}, .name = each.name()});
      continue;
    }
    auto planned = plan(each, of.id, who, tags);
    if (!planned) return tl::unexpected(planned.error());
    its.added.push_back(*planned);
    its.all.push_back(std::move(*planned));
  }
  return {};
}

void control::reload(life& who, const call& from, branch& of, const channel::described& what) {
  if (!what.child.supervisor) return answer(from, errc::bad_spec, "a supervisor is reloaded from a supervisor's description");
  const detail::tree_node& node = *what.child.supervisor;
  if (const auto wrong = wrong_with_renewal(of, node); !wrong.empty()) return answer(from, errc::bad_spec, wrong);
  renewal its{from, of.id, what, {}, {}, {}};
  if (const auto planned = plan_renewal(its, who, of); !planned) {
    for (const auto& one : its.added) take_back(one);
    return answer(from, planned.error().code(), planned.error().text());
  }
  auto all = its.all;
  supervisors_->reload(of.id, node.spec.flags(), std::move(all), [this, its](const policy::answer& got) {
    post([this, its, got] { reloaded(its, got); });
  });
}

void control::reloaded(const renewal& its, const policy::answer& got) {
  const auto known = branches_.find(its.of);
  if (got.what == policy::result::not_found) return reload_again(its);
  if (got.what != policy::result::ok || known == branches_.end()) {
    for (const auto& one : its.added) take_back(one);
    return child_answered(its.from, {.def = {.id = its.of}, .name = branch_name(its.of)}, got);
  }
  branch& of = known->second;
  const detail::tree_node& node = *its.what.child.supervisor;
  of.spec = node.spec;
  if (of.from_template) {
    of.from_template = node.children.front();
    for (auto& [id, each] : identities_) {
      if (each->parent == its.of) renew_from(node.children.front().spec, *each);
    }
    return answer(its.from, its.of);
  }
  std::optional<error> first;
  for (const auto& each : node.children) {
    try {
      renew_child(its, of, each);
    } catch (const error& e) {
      if (!first) first = e;
    }
  }
  first ? answer(its.from, first->code(), first->text()) : answer(its.from, its.of);
}

/// A child was known here and not any more there. By now it is not known here, either.
void control::reload_again(const renewal& its) {
  for (const auto& one : its.added) {
    unclaim_deposits(one);
    take_back(one);
  }
  life* who = find_life(its.from.from);
  const auto of = branches_.find(its.of);
  if (who == nullptr || of == branches_.end()) return answer(its.from, errc::closed, "the supervisor has ended");
  reload(*who, its.from, of->second, its.what);
}

/// They are for whoever is planned next under their tag.
void control::unclaim_deposits(const child_plan& planned) {
  for (const auto& each : planned.children) unclaim_deposits(each);
  for (auto& [key, what] : deposits_) {
    if (what.to == planned.def.id && what.position == 0) what.to = 0;
  }
}

void control::renew(identity& which, const child_spec& with) {
  const std::string name = which.spec.name;
  which.spec = with;
  which.spec.name = name;
  renew_spares(which);
}

/// Of one that was temporary the arguments may be gone, and the policy knows that it stays so.
void control::renew_from(child_spec from_template, identity& which) {
  if (which.spec.restart == restart::temporary) from_template.restart = restart::temporary;
  renew(which, from_template);
}

void control::renew_child(const renewal& its, const branch& of, const detail::tree_child& described) {
  const policy::child_id id = find_child(of, 0, described.name());
  if (const auto below = branches_.find(id); below != branches_.end() && described.supervisor)
    take_rules(below->second.spec, described.supervisor->spec);
  identity* child = find_identity(id);
  if (child == nullptr || described.supervisor) return;
  renew(*child, described.spec);
  child->reloaded = true;
  if (child->arguments_fd) return;
  try {
    give_arguments(*child, described.arguments.bytes);
  } catch (const error& e) {
    throw error(e.code(), child->name + " cannot be started again: " + e.what());
  }
  if (const auto tag = its.tag_of.find(id); tag != its.tag_of.end()) claim_deposits(its.from.from, tag->second, id);
}

}  // namespace troupe::supervision
