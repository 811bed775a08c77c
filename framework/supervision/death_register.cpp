#include "supervision/death_register.hpp"

#include <algorithm>

namespace troupe::supervision {

namespace {
constexpr std::chrono::seconds patience{1};
}

void death_register::add(death_certificate what, os::time_point now) {
  auto& its = all_[what.identity];
  if (its.size() == most_each) {
    say(its.front());
    its.pop_front();
  }
  its.push_back({std::move(what), now});
}

void death_register::decide(wire::identity_id which, death_decision what, std::chrono::milliseconds delay) {
  const auto found = all_.find(which);
  if (found == all_.end()) return;
  for (auto& each : found->second) {
    const bool open = each.what.decision == death_decision::undecided ||
                      (each.what.decision == death_decision::restarts_later && what != death_decision::forgotten);
    if (!open) continue;
    each.what.decision = what;
    each.what.delay = delay;
    say(each);
  }
}

void death_register::ended(wire::identity_id which) {
  if (!all_.contains(which)) return;
  ended_.push_back(which);
  if (ended_.size() <= most_ended) return;
  all_.erase(ended_.front());
  ended_.pop_front();
}

void death_register::say_undecided(os::time_point now) {
  for (auto& [id, its] : all_) {
    for (auto& each : its) {
      if (now - each.added >= patience) say(each);
    }
  }
}

void death_register::close() {
  for (auto& [id, its] : all_) {
    for (auto& each : its) say(each);
  }
}

void death_register::say(entry& which) {
  if (std::exchange(which.said, true)) return;
  say_(which.what);
}

std::vector<death_certificate> death_register::of(wire::identity_id which) const {
  std::vector<death_certificate> found;
  if (const auto its = all_.find(which); its != all_.end()) {
    for (const auto& each : its->second) found.push_back(each.what);
  }
  return found;
}

std::vector<death_certificate> death_register::of(const std::string& name) const {
  std::vector<const entry*> named;
  for (const auto& [id, its] : all_) {
    for (const auto& each : its) {
      if (each.what.name == name) named.push_back(&each);
    }
  }
  std::sort(named.begin(), named.end(), [](const auto* a, const auto* b) { return a->what.incarnation < b->what.incarnation; });
  if (named.size() > most_each) named.erase(named.begin(), named.end() - most_each);
  std::vector<death_certificate> found;
  for (const auto* each : named) found.push_back(each->what);
  return found;
}

}  // namespace troupe::supervision
