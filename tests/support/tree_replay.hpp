#pragma once

#include <algorithm>
#include <array>
#include <deque>
#include <future>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "supervision/supervisor.hpp"
#include "support/otp_tree.hpp"

namespace otp_tree {

namespace policy = troupe::supervision::policy;
using troupe::supervision::child_plan;
using troupe::supervision::supervisor_id;

/// Lets supervisors live through histories, with children that exist on paper only: a start or a stop is over as soon as
/// it is ordered.
class tree_replay final : public troupe::supervision::executor {
 public:
  lines run(const lines& history) {
    {
      const std::lock_guard lock(mutex_);
      base_ += 1000;
      its_ = {};
    }
    plans_.clear(), order_.clear();
    for (const auto& line : history) {
      take(line, words(line));
      if (is_over()) break;
    }
    settle();
    const std::lock_guard lock(mutex_);
    return its_.trace;
  }

 private:
  struct paper {
    lines trace;
    std::deque<std::string> fates;
    std::set<policy::child_id> up;
    std::map<policy::child_id, supervisor_id> parent;
    std::map<policy::child_id, policy::exit_kind> manner;
    bool over = false;
  };

  // -- the history
  void take(const std::string& line, const lines& w) {
    if (w[0] == "sup") return add_supervisor(w);
    if (w[0] == "child") return children_of(w[2]).push_back(worker(w[1], w[2], w, 3));
    if (w[0] == "fates") return hold([&] { its_.fates.assign(w.begin() + 1, w.end()); });
    say("op " + line);
    inject(w);
    settle();
    if (is_over()) return say("ended");
    for (const auto& each : order_) show(each);
  }
  void inject(const lines& w) {
    if (w[0] == "boot") {
      boss_.add(id("0"), plans_["0"].flags);
      return boss_.start_child(id("0"), whole(plans_["0"].children.at(0)), answered(true));
    }
    if (w[0] == "stop") return boss_.stop_all(id("0"), {});
    if (w[0] == "exit") return exits(w);
    bool runs = false;
    look_at(w[1], runs);
    if (w[0] == "start") return boss_.start_child(id(w[1]), worker(w[2], w[1], w, 3), answered(runs));
    if (w[0] == "terminate") return boss_.terminate_child(id(w[1]), id(w[2]), answered(runs));
    if (w[0] == "restart") return boss_.restart_child(id(w[1]), id(w[2]), answered(runs));
    if (w[0] == "delete") return boss_.delete_child(id(w[1]), id(w[2]), answered(runs));
  }
  void exits(const lines& w) {
    std::vector<std::pair<supervisor_id, policy::exited>> all;
    hold([&] {
      for (std::size_t i = 1; i < w.size(); i += 2) {
        const auto its = id(w[i]);
        const policy::exit_kind why = value(w[i + 1], std::array{"normal", "shutdown", "abnormal"});
        if (its_.up.erase(its) != 0) all.push_back({its_.parent.at(its), {.id = its, .why = why}});
      }
    });
    for (auto& [of, what] : all) boss_.post(of, what);
  }

  // -- descriptions
  struct value {
    template <std::size_t Count>
    value(const std::string& word, const std::array<const char*, Count>& names)
        : at(std::find(names.begin(), names.end(), word) - names.begin()) {}
    template <class Enum>
    operator Enum() const { return Enum(at); }
    std::ptrdiff_t at;
  };
  policy::child_id id(const std::string& word) const { return base_ + std::stoull(word); }
  std::vector<child_plan>& children_of(const std::string& parent) { return plans_[parent].children; }

  void add_supervisor(const lines& w) {
    order_.push_back(w[1]);
    child_plan& made = plans_[w[1]];
    made.def = {id(w[1]),
                {.restart = value(w[6], restarts),
                 .shutdown = troupe::shutdown::infinity(),
                 .kind = policy::child_kind::supervisor,
                 .significant = w[7] == "true"}};
    made.name = w[1];
    made.flags = {.strategy = value(w[3], std::array{"one_for_one", "rest_for_one", "one_for_all"}),
                  .max_restarts = std::uint32_t(std::stoul(w[4])),
                  .within = std::chrono::hours(1),
                  .auto_shutdown = value(w[5], std::array{"never", "any_significant", "all_significant"})};
    if (w[2] != "-") children_of(w[2]).push_back(made);
  }
  child_plan worker(const std::string& name, const std::string& parent, const lines& w, std::size_t at) {
    const auto its = id(name);
    hold([&] {
      its_.parent[its] = id(parent);
      its_.manner[its] = value(w[at + 3], std::array{"normal", "shutdown", "abnormal"});
    });
    return {.def = {its,
                    {.restart = value(w[at], restarts),
                     .shutdown = {value(w[at + 2], std::array{"brutal_kill", "timed", "infinity"})},
                     .significant = w[at + 1] == "true"}},
            .name = name};
  }
  /// With all that is below it.
  child_plan whole(child_plan of) const {
    const auto known = plans_.find(of.name);
    if (of.def.rules.kind == policy::child_kind::supervisor) of.children = known->second.children;
    for (auto& each : of.children) each = whole(each);
    return of;
  }

  // -- the trace
  template <class Do>
  void hold(Do what) {
    const std::lock_guard lock(mutex_);
    what();
  }
  void say(const std::string& line) {
    hold([&] { its_.trace.push_back(line); });
  }
  std::string local(policy::child_id of) const { return std::to_string(of - base_); }
  bool is_over() {
    const std::lock_guard lock(mutex_);
    return its_.over;
  }
  /// One that ends over a call does not answer it in OTP.
  troupe::supervision::supervisors::completion answered(bool runs) {
    return [this, runs](const policy::answer& a) {
      constexpr std::array names{"ok",        "already_present", "already_started", "running", "restarting",
                                 "not_found", "start_failed",    "gave_up",         "stopping", "ignored"};
      const std::string name = names.at(std::size_t(a.what));
      const bool refused = name == "gave_up" || name == "stopping";
      if (!refused || !runs) say("answer " + (refused ? "closed" : name));
    };
  }

  std::vector<policy::child_view> look_at(const std::string& supervisor, bool& runs) {
    std::promise<std::vector<policy::child_view>> seen;
    boss_.inspect(id(supervisor), [&](const policy::state* state) {
      runs = state != nullptr && state->now != policy::state::phase::ended;
      seen.set_value(runs ? policy::which_children(*state) : std::vector<policy::child_view>{});
    });
    return seen.get_future().get();
  }
  void show(const std::string& supervisor) {
    bool runs = false;
    const auto all = look_at(supervisor, runs);
    if (!runs) return;
    std::string text = "which " + supervisor;
    for (const auto& each : all) {
      const bool down = each.is == policy::child_state::down;
      text += " " + local(each.id) + (each.is == policy::child_state::up ? ":up" : down ? ":down" : ":odd");
    }
    say(text);
  }
  bool is_busy(const std::string& supervisor) {
    bool runs = false;
    return std::ranges::any_of(look_at(supervisor, runs), [](const auto& each) {
      return each.is != policy::child_state::up && each.is != policy::child_state::down;
    });
  }
  /// Until nothing has happened while each was looked at often: what goes from one to the next needs one look for each.
  void settle() {
    std::size_t before = 0;
    for (int quiet = 0; quiet < 12;) {
      bool busy = false;
      for (const auto& each : order_) busy = is_busy(each) || busy;
      const std::lock_guard lock(mutex_);
      quiet = busy || its_.trace.size() != before ? 0 : quiet + 1;
      before = its_.trace.size();
    }
  }

  // -- executor, on CAF's thread
  void start(policy::child_id child) override {
    std::optional<std::pair<supervisor_id, policy::event>> news;
    hold([&] {
      std::string fate = "o";
      if (!its_.fates.empty()) fate = its_.fates.front(), its_.fates.pop_front();
      its_.trace.push_back("start " + local(child) + " " + fate);
      const auto of = its_.parent.at(child);
      if (fate == "o") its_.up.insert(child), news.emplace(of, policy::started{child});
      if (fate == "i") news.emplace(of, policy::declined{child});
      if (fate == "e") news.emplace(of, policy::start_failed{.id = child, .text = "no"});
    });
    boss_.post(news->first, news->second);
  }
  void stop(policy::child_id child, troupe::shutdown how, bool) override {
    policy::exited end{.id = child};
    supervisor_id of = 0;
    hold([&] {
      if (its_.up.erase(child) == 0) return;
      const bool killed = how.how == troupe::shutdown::kind::brutal_kill;
      if (!killed) its_.trace.push_back("stop " + local(child));
      end.why = killed ? policy::exit_kind::abnormal : its_.manner.at(child);
      of = its_.parent.at(child);
    });
    if (of != 0) boss_.post(of, end);
  }
  void forget(policy::child_id) override {}
  void retire(policy::child_id, supervisor_id) override {}
  void reclaim(policy::child_id) override {}
  void down_for_good(policy::child_id, policy::down_because) override {}
  void rests(policy::child_id) override {}
  void report(supervisor_id, const policy::report& line) override {
    constexpr std::array names{"child_terminated", "start_error", "shutdown_error", "gave_up", "budget_spent"};
    say(std::string("report ") + names[std::size_t(line.what)] + " " + local(line.id));
  }
  void ended(supervisor_id, policy::outcome, const std::string&) override {
    hold([&] { its_.over = true; });
  }

  static constexpr std::array restarts{"permanent", "transient", "temporary"};
  std::mutex mutex_;
  paper its_;  // guarded by it
  policy::child_id base_ = 1000;
  std::map<std::string, child_plan> plans_;
  lines order_;
  troupe::supervision::supervisors boss_{*this, {}};
};

}  // namespace otp_tree
