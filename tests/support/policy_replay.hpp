#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <utility>

#include "supervision/policy.hpp"
#include "support/otp_history.hpp"

namespace otp_history {

namespace policy = troupe::supervision::policy;

template <class Enum, std::size_t Count>
Enum value_of(const std::string& word, const std::array<const char*, Count>& names) {
  return Enum(std::find(names.begin(), names.end(), word) - names.begin());
}
inline constexpr std::array strategies{"one_for_one", "rest_for_one", "one_for_all", "simple_one_for_one"};
inline constexpr std::array restarts{"permanent", "transient", "temporary"};
inline constexpr std::array automatics{"never", "any_significant", "all_significant"};
inline constexpr std::array shutdowns{"brutal_kill", "timed", "infinity"};
inline constexpr std::array reasons{"normal", "shutdown", "abnormal"};

/// Lets the policy live through a history, in a world where a start or a stop is over as soon as it is ordered.
class policy_replay {
 public:
  lines run(const lines& history) {
    for (next_ = 0; next_ < history.size() && !over_;) {
      history_ = &history;
      take_line();
      drain();
      if (booted_ && words(history[next_ - 1])[0] != "fates") show();
    }
    return trace_;
  }

 private:
  void take_line() {
    const std::string& line = (*history_)[next_++];
    const auto w = words(line);
    if (w[0] == "fates") return fates_.assign(w.begin() + 1, w.end());
    if (w[0] == "flags") return void(flags_ = flags(w));
    if (w[0] == "child") return children_.push_back(def(w, 1));
    trace_.push_back("op " + line);
    if (w[0] == "exit") return exit(w);
    booted_ = true;
    const policy::child_id id = w.size() > 1 && w[0] != "reload" ? std::stoull(w[1]) : 0;
    const policy::call_id call = ++calls_;
    if (w[0] == "boot") state_.emplace(flags_), post(policy::start_all{call, children_}), boot_ = call;
    if (w[0] == "stop") post(policy::stop_all{call}), stop_ = call;
    if (w[0] == "start") post(policy::start_child{call, def(w, 1)});
    if (w[0] == "restart") post(policy::restart_child{call, id});
    if (w[0] == "delete") post(policy::delete_child{call, id});
    if (w[0] == "terminate") post(policy::terminate_child{call, id}), gone_[call] = known_.contains(id);
    if (w[0] == "reload") {
      policy::reload wanted{call, flags(w), {}};
      for (std::size_t at = 4; at < w.size(); at += 6) wanted.children.push_back(def(w, at));
      post(std::move(wanted));
    }
  }
  static troupe::supervisor_flags flags(const lines& w) {
    return {.strategy = value_of<troupe::strategy>(w[1], strategies),
            .max_restarts = std::uint32_t(std::stoul(w[2])),
            .within = std::chrono::hours(1),
            .auto_shutdown = value_of<troupe::auto_shutdown>(w[3], automatics)};
  }
  /// The manner is kept where the policy does not look.
  static policy::child_def def(const lines& w, std::size_t at) {
    const std::chrono::milliseconds manner{unsigned(value_of<policy::exit_kind>(w[at + 5], reasons))};
    return {std::stoull(w[at]),
            {.restart = value_of<troupe::restart>(w[at + 1], restarts),
             .shutdown = {value_of<troupe::shutdown::kind>(w[at + 4], shutdowns), manner},
             .kind = policy::child_kind(w[at + 3] == "supervisor"),
             .significant = w[at + 2] == "true"}};
  }

  void exit(const lines& w) {
    for (std::size_t i = 1; i < w.size(); i += 2) {
      const policy::child_id id = std::stoull(w[i]);
      const auto why = value_of<policy::exit_kind>(w[i + 1], reasons);
      if (up_.erase(id) != 0) post(policy::exited{.id = id, .why = why});
    }
  }
  void post(policy::event what) { queue_.push_back(std::move(what)); }

  void drain() {
    while (!queue_.empty()) {
      const auto what = queue_.front();
      queue_.pop_front();
      if (const auto* end = std::get_if<policy::exited>(&what); end != nullptr && end->id == slow_)
        say_stop(std::exchange(slow_, 0));
      for (const auto& a : policy::step(*state_, what, std::chrono::hours(1)))
        std::visit([this](const auto& each) { on(each); }, a);
      queue_.insert(queue_.begin(), at_once_.begin(), at_once_.end());
      at_once_.clear();
    }
  }
  void say(const std::string& line) { trace_.push_back(line); }

  void on(const policy::start& a) {
    std::string fate = "o";
    if (!fates_.empty()) fate = fates_.front(), fates_.pop_front();
    say("start " + std::to_string(a.id) + " " + fate);
    const auto& its = state_->children.at(state_->place_of.at(a.id)).def.rules;
    manners_[a.id] = policy::exit_kind(its.shutdown.grace.count());
    const bool is_long = fate == "h" || fate == "s";
    if (is_long && is_terminated_next(a.id)) return end_in_the_middle(a.id, fate == "h");
    if (fate == "p" || is_long) let_in();
    if (fate == "o" || fate == "s") up_.insert(a.id), known_.insert(a.id), at_once_.emplace_back(policy::started{a.id});
    if (fate == "i") at_once_.emplace_back(policy::declined{a.id});
    if (fate == "e" || fate == "p" || fate == "h")
      at_once_.emplace_back(policy::start_failed{.id = a.id, .text = "no"});
  }
  /// And nothing else comes before that.
  bool is_terminated_next(policy::child_id id) const {
    if (!queue_.empty() || next_ >= history_->size()) return false;
    const auto all = policy::which_children(*state_);
    const auto its = std::ranges::find(all, id, &policy::child_view::id);
    const bool restarts = its != all.end() && its->is == policy::child_state::restarting;
    return restarts && (*history_)[next_] == "terminate " + std::to_string(id);
  }
  void end_in_the_middle(policy::child_id id, bool hangs) {
    (hangs ? hanging_ : slow_) = id;
    take_line();
    at_once_.push_back(queue_.back());
    queue_.pop_back();
  }
  /// In OTP a start that hangs has to fail by itself, which is reported; one that is slow comes up and is stopped then.
  void stop_start(const policy::stop& a) {
    if (a.id == slow_) {
      known_.insert(a.id), at_once_.emplace_back(policy::started{a.id});
      return at_once_.push_back(end_of_stop(a));
    }
    say("report start_error " + std::to_string(std::exchange(hanging_, 0)));
    const bool killed = a.how.how == troupe::shutdown::kind::brutal_kill;
    at_once_.emplace_back(
        policy::exited{.id = a.id, .why = killed ? policy::exit_kind::abnormal : policy::exit_kind::shutdown});
  }
  policy::exited end_of_stop(const policy::stop& a) {
    const bool killed = a.how.how == troupe::shutdown::kind::brutal_kill;
    if (killed) killed_.insert(a.id);
    return {.id = a.id, .why = killed ? policy::exit_kind::abnormal : manners_.at(a.id)};
  }
  void say_stop(policy::child_id id) {
    if (killed_.erase(id) == 0) say("stop " + std::to_string(id));
  }
  /// The next operation comes in before the retry does.
  void let_in() {
    if (state_->now == policy::state::phase::booting || next_ >= history_->size()) return;
    const std::string what = words((*history_)[next_])[0];
    if (what == "exit" || what == "start" || what == "terminate" || what == "restart" || what == "delete") take_line();
  }
  void on(const policy::stop& a) {
    if (a.id == hanging_ || a.id == slow_) return stop_start(a);
    if (up_.erase(a.id) != 0) {
      at_once_.push_back(end_of_stop(a));
      return say_stop(a.id);
    }
    const auto died = std::find_if(queue_.begin(), queue_.end(), [&](const auto& what) {
      const auto* exit = std::get_if<policy::exited>(&what);
      return exit != nullptr && exit->id == a.id;
    });
    if (died == queue_.end()) return say("stop of what does not run " + std::to_string(a.id));
    at_once_.push_back(*died);
    queue_.erase(died);
  }
  void on(const policy::retry_later& a) { post(policy::retry{a.id, a.ticket}); }
  void on(const policy::forget&) {}
  void on(const policy::down_for_good&) {}
  void on(const policy::report& a) {
    constexpr std::array names{"child_terminated", "start_error", "shutdown_error", "gave_up", "budget_spent"};
    say(std::string("report ") + names[std::size_t(a.what)] + (is_simple() ? "" : " " + std::to_string(a.id)));
  }
  void on(const policy::answer& a) {
    constexpr std::array names{"ok",        "already_present", "already_started",   "running",  "restarting",
                               "not_found", "start_failed",    "gave_up",           "stopping", "ignored",
                               "bad_spec",  "too_many",        "simple_one_for_one"};
    if (a.call == boot_ || a.call == stop_ || over_) return;
    std::string name = names[std::size_t(a.what)];
    if (name == "gave_up" || name == "stopping") return;
    if (const auto g = gone_.find(a.call); g != gone_.end() && g->second && is_simple() && name == "not_found")
      name = "ok";
    say("answer " + name);
  }
  void on(const policy::ended&) {
    over_ = true;
    say("ended");
  }

  bool is_simple() const { return flags_.strategy == troupe::strategy::simple_one_for_one; }
  void show() {
    if (over_) return;
    auto all = policy::which_children(*state_);
    if (is_simple()) std::ranges::sort(all, {}, &policy::child_view::id);
    std::string text = "which";
    for (const auto& c : all) {
      const bool restarts = c.is == policy::child_state::retrying;
      const char* is = c.is == policy::child_state::up ? ":up" : c.is == policy::child_state::down ? ":down" : ":odd";
      text += " " + std::to_string(c.id) + (restarts ? ":restarting" : is);
    }
    say(text);
    const auto n = policy::count_children(*state_);
    say("count " + std::to_string(n.specs) + " " + std::to_string(n.active) + " " + std::to_string(n.supervisors) +
        " " + std::to_string(n.workers));
  }

  const lines* history_ = nullptr;
  std::size_t next_ = 0;
  troupe::supervisor_flags flags_;
  std::vector<policy::child_def> children_;
  std::optional<policy::state> state_;
  std::deque<policy::event> queue_;
  std::vector<policy::event> at_once_;
  std::deque<std::string> fates_;
  std::set<policy::child_id> up_, known_, killed_;
  std::map<policy::child_id, policy::exit_kind> manners_;  // of what runs
  std::map<policy::call_id, bool> gone_;
  policy::call_id calls_ = 0, boot_ = 0, stop_ = 0;
  policy::child_id hanging_ = 0, slow_ = 0;
  bool booted_ = false, over_ = false;
  lines trace_;
};

}  // namespace otp_history
