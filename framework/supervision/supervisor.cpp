#include "supervision/supervisor.hpp"

#include <atomic>
#include <chrono>
#include <future>
#include <thread>
#include <unordered_map>
#include <utility>
#include <variant>

#include <caf/all.hpp>

namespace troupe::supervision {
namespace {

using look = std::function<void(const policy::state&)>;

/// What the actor's mailbox holds.
struct mail {
  std::variant<policy::event, look> what;
  supervisor::completion done;  // of a call
};
struct quit {};

}  // namespace
}  // namespace troupe::supervision

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::supervision::mail)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::supervision::quit)

namespace troupe::supervision {
namespace {

/// What the actor works on; shared, since an actor that CAF failed to end may outlive the supervisor.
struct desk {
  desk(executor& executor, supervisor_flags flags) : does(executor), state(flags) {}

  executor& does;
  policy::state state;
  std::unordered_map<policy::call_id, supervisor::completion> open;
  policy::call_id last_call = 0;
  std::atomic<bool> closing{false};  // set by ~supervisor: what is left in the mailbox is not carried out any more
  std::promise<void> closed;
};

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
  turn(desk& d, caf::event_based_actor* self) noexcept : desk_(d), self_(self) {}

  void take(const mail& m) noexcept {
    if (auto* inspect = std::get_if<look>(&m.what)) return (*inspect)(desk_.state);
    auto what = std::get<policy::event>(m.what);
    if (auto* call = call_of(what)) {
      *call = ++desk_.last_call;
      desk_.open.emplace(*call, m.done);
      if (desk_.closing) return (*this)(policy::answer{*call, policy::result::stopping, {}});
    }
    if (desk_.closing) return;
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    for (const auto& action : policy::step(desk_.state, what, now)) std::visit(*this, action);
  }

  void close() noexcept {
    for (const auto& [call, done] : std::exchange(desk_.open, {}))
      if (done) done(policy::answer{call, policy::result::stopping, {}});
    self_->quit();
    desk_.closed.set_value();
  }

  void operator()(const policy::start& a) { desk_.does.start(a.id); }
  void operator()(const policy::stop& a) { desk_.does.stop(a.id, a.how); }
  void operator()(const policy::forget& a) { desk_.does.forget(a.id); }
  void operator()(const policy::down_for_good& a) { desk_.does.down_for_good(a.id, a.why); }
  void operator()(const policy::retry_later& a) {
    const mail again{policy::retry{a.id, a.ticket}, {}};
    a.delay.count() == 0 ? self_->send(self_, again) : self_->delayed_send(self_, a.delay, again);
  }
  void operator()(const policy::report& a) { desk_.does.report(a); }
  void operator()(const policy::ended& a) { desk_.does.ended(a.how, a.text); }
  void operator()(const policy::answer& a) {
    const auto call = desk_.open.extract(a.call);
    if (!call.empty() && call.mapped()) call.mapped()(a);
  }

 private:
  desk& desk_;
  caf::event_based_actor* self_;
};

caf::behavior work(caf::event_based_actor* self, const std::shared_ptr<desk>& d) {
  return {
      [=](const mail& m) { turn(*d, self).take(m); },
      [=](const quit&) { turn(*d, self).close(); },
  };
}

/// No CLI, no file: those are read by parse(), which is not called.
struct quiet_config : caf::actor_system_config {
  quiet_config() {
    set("scheduler.policy", caf::atom("sharing"));  // work stealing polls when idle
    set("scheduler.max-threads", std::int64_t{1});
    set("logger.verbosity", caf::atom("quiet"));
    set("logger.console", caf::atom("none"));
  }
};

struct caf_runtime {
  quiet_config config;
  caf::actor_system system{config};
};

/// Ends CAF's threads, from a thread of its own, since that may hang.
void end_within(std::unique_ptr<caf_runtime> runtime, std::chrono::steady_clock::time_point limit) {
  std::promise<void> ended;
  auto end = ended.get_future();
  std::thread helper([runtime = std::move(runtime), ended = std::move(ended)]() mutable {
    runtime.reset();
    ended.set_value();
  });
  end.wait_until(limit) == std::future_status::ready ? helper.join() : helper.detach();
}

}  // namespace

struct supervisor::impl {
  impl(executor& does, supervisor_flags flags)
      : shared(std::make_shared<desk>(does, flags)), actor(runtime->system.spawn(work, shared)) {
    // Making a system or an actor leaves a reference to the system's logger with this thread. The end of the system
    // waits until it is given back, and would hang, since that end comes in another thread.
    caf::logger::set_current_actor_system(nullptr);
  }

  ~impl() {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    auto closed = shared->closed.get_future();
    shared->closing = true;
    caf::anon_send(actor, quit{});
    closed.wait_until(limit);
    actor = nullptr;
    end_within(std::move(runtime), limit);
  }

  void send(decltype(mail::what) what, completion done) {
    caf::anon_send(actor, mail{std::move(what), std::move(done)});
  }

  std::unique_ptr<caf_runtime> runtime = std::make_unique<caf_runtime>();
  std::shared_ptr<desk> shared;
  caf::actor actor;
};

supervisor::supervisor(executor& does, supervisor_flags flags) : impl_(std::make_unique<impl>(does, flags)) {}
supervisor::~supervisor() = default;

void supervisor::post(policy::event what) { impl_->send(std::move(what), {}); }

void supervisor::start_all(std::vector<policy::child_def> children, completion done) {
  impl_->send(policy::start_all{0, std::move(children)}, std::move(done));
}
void supervisor::stop_all(completion done) { impl_->send(policy::stop_all{0}, std::move(done)); }
void supervisor::start_child(policy::child_id id, policy::child_rules rules, completion done) {
  impl_->send(policy::start_child{0, {id, rules}}, std::move(done));
}
void supervisor::terminate_child(policy::child_id id, completion done) {
  impl_->send(policy::terminate_child{0, id}, std::move(done));
}
void supervisor::restart_child(policy::child_id id, completion done) {
  impl_->send(policy::restart_child{0, id}, std::move(done));
}
void supervisor::delete_child(policy::child_id id, completion done) {
  impl_->send(policy::delete_child{0, id}, std::move(done));
}

void supervisor::inspect(std::function<void(const policy::state&)> look) { impl_->send(std::move(look), {}); }

}  // namespace troupe::supervision
