#include "supervision/supervisor.hpp"

#include <chrono>
#include <future>
#include <thread>
#include <utility>

#include "supervision/supervisor_actor.hpp"

namespace troupe::supervision {
namespace {

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

struct supervisors::impl {
  impl(executor& does, supervisor_flags flags) : shared(std::make_shared<hub>(does)) {
    add(root_supervisor, flags);
    // Making a system or an actor leaves a reference to the system's logger with this thread. The end of the system
    // waits until it is given back, and would hang, since that end comes in another thread.
    caf::logger::set_current_actor_system(nullptr);
  }

  ~impl() {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    shared->closing = true;
    auto none_left = shared->none_left.get_future();
    {
      const std::lock_guard lock(shared->mutex);
      for (const auto& [id, actor] : shared->all) caf::anon_send(actor, quit{});
      if (shared->alive == 0) shared->none_left.set_value();
    }
    none_left.wait_until(limit);
    end_within(std::move(runtime), limit);
  }

  void add(supervisor_id id, supervisor_flags flags) {
    child_plan its{.def = {.id = id}, .flags = flags};
    const auto d = std::make_shared<desk>(shared, std::move(its), nullptr);
    make_actor(*shared, id, d->takeover, [&] { return runtime->system.spawn(work, d); });
  }

  void send(supervisor_id to, mail what) {
    if (const auto actor = shared->find(to)) caf::anon_send(actor, std::move(what));
  }

  std::unique_ptr<caf_runtime> runtime = std::make_unique<caf_runtime>();
  std::shared_ptr<hub> shared;
};

supervisors::supervisors(executor& does, supervisor_flags root) : impl_(std::make_unique<impl>(does, root)) {}
supervisors::~supervisors() = default;

void supervisors::add(supervisor_id id, supervisor_flags flags) {
  impl_->add(id, flags);
  caf::logger::set_current_actor_system(nullptr);
}

void supervisors::post(supervisor_id of, policy::event what) { impl_->send(of, {.what = std::move(what)}); }

bool supervisors::spend_permit(supervisor_id of) noexcept {
  const std::lock_guard lock(impl_->shared->mutex);
  const auto found = impl_->shared->permits.find(of);
  return found != impl_->shared->permits.end() && found->second->spend();
}

void supervisors::start_child(supervisor_id of, child_plan child, completion done) {
  policy::event what = policy::start_child{0, child.def};
  impl_->send(of, {.what = std::move(what), .done = owe(std::move(done)), .child = std::move(child)});
}
void supervisors::terminate_child(supervisor_id of, policy::child_id id, completion done) {
  impl_->send(of, {.what = policy::event(policy::terminate_child{0, id}), .done = owe(std::move(done))});
}
void supervisors::restart_child(supervisor_id of, policy::child_id id, completion done) {
  impl_->send(of, {.what = policy::event(policy::restart_child{0, id}), .done = owe(std::move(done))});
}
void supervisors::delete_child(supervisor_id of, policy::child_id id, completion done) {
  impl_->send(of, {.what = policy::event(policy::delete_child{0, id}), .done = owe(std::move(done))});
}
void supervisors::reload(supervisor_id of, supervisor_flags flags, std::vector<child_plan> children, completion done) {
  policy::reload what{0, flags, {}};
  for (const auto& each : children) what.children.push_back(each.def);
  impl_->send(of, {.what = policy::event(std::move(what)), .done = owe(std::move(done)), .child = {.children = std::move(children)}});
}
void supervisors::stop_all(supervisor_id of, completion done) {
  impl_->send(of, {.what = policy::event(policy::stop_all{0}), .done = owe(std::move(done))});
}

void supervisors::inspect(supervisor_id of, std::function<void(const policy::state*)> look) {
  impl_->send(of, {.what = std::make_shared<owed<const policy::state*>>(std::move(look), nullptr)});
}

}  // namespace troupe::supervision
