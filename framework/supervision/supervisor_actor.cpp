#include "supervision/supervisor_actor.hpp"

#include <algorithm>
#include <chrono>

namespace troupe::supervision {
namespace {

policy::call_id* call_of(policy::event& what) {
  return std::visit(
      [](auto& e) -> policy::call_id* {
        if constexpr (requires { e.call; }) return &e.call;
        return nullptr;
      },
      what);
}

/// Carries out what the policy decides. noexcept: an exception of a completion must not end the actor silently.
class turn {
 public:
  turn(desk& d, caf::event_based_actor* self) noexcept : desk_(d), self_(self), does_(d.shared->does) {}

  void take(const mail& m) noexcept {
    if (const auto* inspect = std::get_if<look>(&m.what)) return (*inspect)->pay(&desk_.state);
    if (const auto* what = std::get_if<policy::event>(&m.what)) return take_event(m, *what);
    if (desk_.shared->closing) return;
    if (std::holds_alternative<begin>(m.what)) return begin_life();
    if (const auto* how = std::get_if<end>(&m.what)) return end_life(how->how);
    if (std::holds_alternative<time_is_over>(m.what)) return kill_if(m.life == desk_.life);
    if (std::holds_alternative<vanish>(m.what)) return go();
  }

  void close() noexcept { go(); }

  void operator()(const policy::start& a) {
    adopt(a.id);
    reclaim(a.id);
    if (const auto below = desk_.below.find(a.id); below != desk_.below.end()) return send(below->second.actor, begin{});
    does_.start(a.id);
  }
  void operator()(const policy::stop& a) {
    const shutdown how = desk_.killing ? shutdown::brutal_kill() : a.how;
    if (const auto below = desk_.below.find(a.id); below != desk_.below.end()) return send(below->second.actor, end{how});
    does_.stop(a.id, how, a.comes_again);
  }
  void operator()(const policy::forget& a) {
    const bool comes_again = desk_.parent && !desk_.added.contains(a.id);
    if (!comes_again) return forget_child(desk_, a.id);
    desk_.retired.insert(a.id);
    const auto its = std::ranges::find(desk_.plan.children, a.id, [](const auto& c) { return c.def.id; });
    const bool ended = its != desk_.plan.children.end() && its->def.rules.restart == restart::temporary;
    for_each_from(desk_, a.id, [&](policy::child_id id) { does_.retire(id, ended ? desk_.plan.def.id : 0); });
  }
  void operator()(const policy::down_for_good& a) {
    // At its end one that is somebody's child declares nothing: it may be started again, and mail is kept for that.
    if (desk_.parent && ending()) return does_.rests(a.id);
    const auto below = desk_.below.find(a.id);
    if (below != desk_.below.end()) {
      const bool gave_up = below->second.its->state.how == policy::outcome::gave_up ||
                           a.why == policy::down_because::budget_spent;  // the one below has, not its children
      return declare_down(*below->second.its, gave_up ? policy::down_because::gave_up : a.why);
    }
    does_.down_for_good(a.id, a.why);
  }
  void operator()(const policy::retry_later& a) {
    mail again{.what = policy::event(policy::retry{a.id, a.ticket}), .life = desk_.life};
    if (a.delay.count() == 0) return self_->send(self_, std::move(again));
    const auto later = [&](policy::child_id id) {
      does_.restarts_later(id, std::chrono::ceil<std::chrono::milliseconds>(a.delay));
    };
    const auto below = desk_.below.find(a.id);
    below == desk_.below.end() ? later(a.id)
                               : for_each_below(*below->second.its, below->second.its->plan, later, false);
    self_->delayed_send(self_, a.delay, std::move(again));
  }
  void operator()(const policy::report& a) {
    desk_.spoken_of = desk_.names[a.id];
    does_.report(desk_.plan.def.id, a);
  }
  void operator()(const policy::ended& a) {
    const bool root = desk_.plan.def.id == root_supervisor;
    for (const auto id : root ? std::set<policy::child_id>{} : std::set(desk_.added)) (*this)(policy::forget{id});
    desk_.parent ? tell_parent(a) : does_.ended(desk_.plan.def.id, a.how, a.text);
  }
  void operator()(const policy::answer& a) {
    const auto call = desk_.open.extract(a.call);
    if (!call.empty() && call.mapped()) call.mapped()->pay(a);
  }

 private:
  bool ending() const {
    return desk_.state.now == policy::state::phase::stopping || desk_.state.now == policy::state::phase::ended;
  }

  template <class What>
  void send(const caf::actor& to, What what) {
    self_->send(to, mail{.what = std::move(what)});
  }

  void take_event(const mail& m, policy::event what) {
    if (std::holds_alternative<policy::retry>(what) && m.life != desk_.life) return;
    if (auto* call = call_of(what)) {
      *call = ++desk_.last_call;
      desk_.open.emplace(*call, m.done);
      if (desk_.shared->closing) return (*this)(policy::answer{*call, policy::result::stopping, {}});
      if (const auto* wanted = std::get_if<policy::start_child>(&what)) want(m, wanted->child.id, *call);
      if (const auto* wanted = std::get_if<policy::reload>(&what)) want(m, *wanted, *call);
    }
    if (desk_.shared->closing) return;
    step(what);
    const bool alone = !desk_.parent && desk_.plan.def.id != root_supervisor;
    if (alone && desk_.state.now == policy::state::phase::ended) go();
  }

  void step(const policy::event& what) {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    for (const auto& action : policy::step(desk_.state, what, now)) std::visit(*this, action);
    if (const auto* death = std::get_if<policy::exited>(&what); death && waits_for_others(death->id))
      does_.restarts_with_others(death->id);
    if (std::holds_alternative<policy::taken_over>(what)) desk_.takeover->settle();
    desk_.takeover->allow(policy::may_take_over(desk_.state, now));
  }

  bool waits_for_others(policy::child_id id) const {
    const auto place = desk_.state.place_of.find(id);
    if (place == desk_.state.place_of.end() || desk_.below.contains(id)) return false;
    return desk_.state.children.at(place->second).is == policy::child_state::waiting;
  }

  /// The plan of what a call wants to start, until the policy does so. One that is refused is never started.
  void want(const mail& m, policy::child_id id, policy::call_id call) {
    if (!desk_.wanted.emplace(id, m.child).second) return;
    desk_.open[call] = owe([its = &desk_, id, done = m.done](const policy::answer& a) {
      its->wanted.erase(id);
      done->pay(a);
    });
  }

  /// New flags and children, also for later lives.
  void want(const mail& m, const policy::reload& what, policy::call_id call) {
    desk_.open[call] = owe([its = &desk_, flags = what.flags, all = m.child.children, done = m.done](const auto& a) {
      if (a.what == policy::result::ok) take_over(*its, flags, all);
      done->pay(a);
    });
  }
  static void take_over(desk& its, const supervisor_flags& flags, const std::vector<child_plan>& all) {
    its.plan.flags = flags;
    if (flags.strategy == strategy::simple_one_for_one) return;
    if (its.parent) replace_plan(its, all);
    for (const auto& each : all) {
      const bool is_new = its.names.emplace(each.def.id, each.name).second;
      if (is_new && !its.parent) its.wanted.emplace(each.def.id, each);
    }
  }
  /// What is not described any more lasts as long as this life of the supervisor.
  static void replace_plan(desk& its, const std::vector<child_plan>& with) {
    auto old = std::exchange(its.plan.children, {});
    for (const auto& each : with) {
      its.added.erase(each.def.id);
      const auto known = std::ranges::find(old, each.def.id, [](const auto& c) { return c.def.id; });
      its.plan.children.push_back(known == old.end() ? each : *known);
      its.plan.children.back().def = {each.def.id, each.def.rules};
      if (known != old.end()) old.erase(known);
    }
    for (const auto& each : old) {
      its.added.insert(each.def.id);
      if (its.retired.contains(each.def.id)) forget_child(its, each.def.id);
    }
  }

  /// Before a child's first start.
  void adopt(policy::child_id id) {
    if (auto plan = desk_.wanted.extract(id); !plan.empty()) {
      desk_.added.insert(id);
      return place(plan.mapped());
    }
    const auto known = std::ranges::find(desk_.plan.children, id, [](const auto& c) { return c.def.id; });
    if (known != desk_.plan.children.end()) place(*known);
  }

  void place(const child_plan& child) {
    desk_.names[child.def.id] = child.name;
    if (child.def.rules.kind != policy::child_kind::supervisor || desk_.below.contains(child.def.id)) return;
    const auto its = std::make_shared<desk>(desk_.shared, child, caf::actor_cast<caf::actor>(self_));
    desk_.below[child.def.id] = {
        make_actor(*desk_.shared, child.def.id, its->takeover, [&] { return self_->system().spawn(work, its); }), its};
  }

  // -- one that is somebody's child

  void begin_life() {
    ++desk_.life;
    desk_.killing = false;
    desk_.state = policy::state(desk_.plan.flags, desk_.plan.def.id + desk_.life);
    policy::start_all all;
    for (const auto& child : desk_.plan.children) all.children.push_back(child.def);
    all.call = ++desk_.last_call;
    desk_.open.emplace(all.call, owe([its = &desk_](const policy::answer& a) {
      if (a.what == policy::result::ok) send_up(*its, policy::started{its->plan.def.id});
    }));
    // At once: whoever looks for their names while those before them start must not find them free.
    for (const auto& child : desk_.plan.children) reclaim(child.def.id);
    step(all);
  }

  void reclaim(policy::child_id child) {
    if (desk_.retired.erase(child) > 0) for_each_from(desk_, child, [this](policy::child_id id) { does_.reclaim(id); });
  }

  void end_life(shutdown how) {
    if (desk_.state.now == policy::state::phase::ended) return;  // its end has been posted
    if (how.how == shutdown::kind::brutal_kill) desk_.killing = true;
    if (how.how == shutdown::kind::timed)
      self_->delayed_send(self_, policy::bounded(how.grace), mail{.what = time_is_over{}, .life = desk_.life});
    const bool under_way = ending();
    step(policy::stop_all{++desk_.last_call});
    kill_if(desk_.killing && under_way);
  }

  /// Whatever still runs below.
  void kill_if(bool wanted) {
    if (!wanted || desk_.state.now == policy::state::phase::ended) return;
    desk_.killing = true;
    for (const auto& child : policy::which_children(desk_.state)) {
      if (child.is == policy::child_state::stopping) (*this)(policy::stop{child.id, shutdown::brutal_kill()});
    }
  }

  static void send_up(const desk& from, policy::event what) {
    if (from.parent) caf::anon_send(from.parent, mail{.what = std::move(what)});
  }

  void tell_parent(const policy::ended& a) {
    const auto id = desk_.plan.def.id;
    if (a.how == policy::outcome::start_failed) return send_up(desk_, policy::start_failed{id, desk_.spoken_of + ": " + a.text});
    policy::exited news{.id = id, .why = policy::exit_kind::shutdown, .text = "was stopped"};
    news.gave_up = a.how == policy::outcome::gave_up;
    if (news.gave_up) news.text = "gave up after too many restarts; last: " + desk_.spoken_of + " " + a.text;
    if (a.how == policy::outcome::auto_shutdown) {
      news.gave_up = !a.text.empty();
      news.text = news.gave_up ? a.text : "shut down with its significant children";
    }
    if (desk_.killing) news.why = policy::exit_kind::abnormal, news.text = "was killed";
    send_up(desk_, std::move(news));
  }

  void declare_down(const desk& of, policy::down_because why) {
    for_each_below(of, of.plan, [&](policy::child_id id) { does_.down_for_good(id, why); }, false);
  }
  /// So is everything below it.
  static void forget_child(desk& its, policy::child_id id) {
    for_each_from(its, id, [&](policy::child_id each) { its.shared->does.forget(each); });
    const auto below = its.below.extract(id);
    if (!below.empty()) caf::anon_send(below.mapped().actor, mail{.what = vanish{}});
    its.added.erase(id);
    its.retired.erase(id);
    its.names.erase(id);
    its.wanted.erase(id);
  }
  /// A child, after what is below it.
  template <class Visit>
  static void for_each_from(const desk& of, policy::child_id id, const Visit& visit) {
    const auto known = std::ranges::find(of.plan.children, id, [](const auto& c) { return c.def.id; });
    const auto wanted = of.wanted.find(id);
    if (const auto below = of.below.find(id); below != of.below.end())
      for_each_below(*below->second.its, below->second.its->plan, visit, true);
    else if (known != of.plan.children.end())
      for_each_below(of, *known, visit, true);
    else if (wanted != of.wanted.end())
      for_each_below(of, wanted->second, visit, true);
    visit(id);
  }
  /// Children that a supervisor knows from its plan, those of supervisors among them first; some of these have never
  /// been started.
  template <class Visit>
  static void for_each_below(const desk& of, const child_plan& plan, const Visit& visit, bool supervisors_too) {
    for (const auto& child : plan.children) {
      const auto lower = of.below.find(child.def.id);
      const bool begun = lower != of.below.end();
      const desk& its = begun ? *lower->second.its : of;
      for_each_below(its, begun ? its.plan : child, visit, supervisors_too);
      if (supervisors_too || child.def.rules.kind != policy::child_kind::supervisor) visit(child.def.id);
    }
  }

  void go() {
    for (const auto& [id, below] : std::exchange(desk_.below, {})) send(below.actor, vanish{});
    desk_.open.clear();
    desk_.parent = nullptr;
    desk_.shared->remove(desk_.plan.def.id);
    self_->quit();
  }

  desk& desk_;
  caf::event_based_actor* self_;
  executor& does_;
};

}  // namespace

caf::behavior work(caf::event_based_actor* self, const std::shared_ptr<desk>& d) {
  return {
      [=](const mail& m) { turn(*d, self).take(m); },
      [=](const quit&) { turn(*d, self).close(); },
  };
}

}  // namespace troupe::supervision
