#include "supervision/control.hpp"

#include <array>
#include <future>

#include "os/memory.hpp"
#include "supervision/log.hpp"

namespace troupe::supervision {

namespace {

os::mapping sealed(const os::fd& memory, std::uint64_t bytes) {
  os::mapping writable(memory, bytes, os::access::read_write);
  os::seal_memory(memory, os::seal::one_writer);
  return writable;
}

death_decision decision_of(policy::down_because why) {
  switch (why) {
    case policy::down_because::gave_up: return death_decision::given_up;
    case policy::down_because::budget_spent: return death_decision::budget_spent;
    default: return death_decision::stays_down;
  }
}

}  // namespace

control::control(spawner& spawns, cgroups& groups, std::span<const detail::actor_type* const> types,
                 const dead_letter_limits& limits, const log_options& log, hooks calls)
    : spawner_(spawns),
      cgroups_(groups),
      types_(types),
      hooks_(std::move(calls)),
      bell_(os::make_doorbell()),
      buffer_(wire::max_frame),
      letters_bytes_(letters::memory_bytes(limits)),
      letters_fd_(std::make_shared<os::fd>(os::make_memory("troupe-letters", letters_bytes_))),
      letters_(sealed(*letters_fd_, letters_bytes_), limits.letters),
      output_(log),
      certificates_(log_death) {
  poller_.add(bell_, bell_key);
  poller_.add(spawner_.socket(), spawner_key);
  if (spawner_.twin_socket()) poller_.add(spawner_.twin_socket(), twin_key);
  watching_twin_ = static_cast<bool>(spawner_.twin_socket());
}

control::~control() { finish(); }

control::main_parts control::make_main(std::uint64_t outbox_bytes) {
  auto made = add_identity("main", child_spec{.name = "main", .outbox_bytes = outbox_bytes});
  if (!made) throw error(made.error());
  identity& its = **made;
  its.is_main = true;
  auto who = std::make_unique<life>();
  who->id = next_number_++;
  who->of = &its;
  who->now = life::stage::up;
  auto [ours, theirs] = os::packet_pair();
  who->control = std::move(ours);
  os::fd out = os::make_memory("troupe-out", wire::out_memory_bytes);
  os::mapping writable(out, wire::out_memory_bytes, os::access::read_write);
  os::seal_memory(out, os::seal::one_writer);
  writable.at<wire::out_header>()->layout = wire::layout_version;
  writable.at<wire::out_header>()->incarnation = who->id;
  who->memory = std::make_shared<channel::peer_memory>();
  who->memory->map = os::mapping(out, wire::out_memory_bytes, os::access::read_only);
  who->memory->incarnation = who->id;
  who->out = std::make_shared<os::fd>(std::move(out));
  who->attached = true;
  main_ = who.get();
  its.active = main_;
  poller_.add(main_->control, control_key(main_->id));
  main_parts parts{its.id, who->id, std::move(theirs), std::move(writable), its.doorbell->duplicate()};
  lives_.emplace(who->id, std::move(who));
  return parts;
}

void control::start(supervisors& decides, os::fd signals) {
  supervisors_ = &decides;
  branches_[root_supervisor].id = root_supervisor;
  signals_ = std::move(signals);
  poller_.add(signals_, signals_key);
  thread_ = std::thread([this] { run(); });
}

// --------------------------------------------------------------------------------------------------------- the thread

void control::post(command what) {
  {
    const std::lock_guard lock(commands_mutex_);
    commands_.push_back(std::move(what));
  }
  os::ring(bell_);
}

void control::run() {
  os::name_thread("troupe-control");
  next_sweep_ = os::clock::now() + std::chrono::seconds(1);
  std::array<os::poller::event, 64> events;
  while (!finishing_ || workers_ > 0) {
    const std::size_t count = poller_.wait(events, next_deadline());
    for (std::size_t i = 0; i < count; ++i) {
      guarded([&] { serve(events[i]); });
    }
    run_commands();
    guarded([&] { on_timer(); });
  }
  certificates_.close();
  guarded([&] { say_what_is_left(); });
}

/// Lack of descriptors or memory costs what was being done, never the thread that everybody depends on.
void control::guarded(const std::function<void()>& what) noexcept {
  try {
    what();
  } catch (const std::exception& e) {
    log_line(std::string("the supervisor could not do something: ") + e.what(), log_level::error);
  }
}

void control::serve(const os::poller::event& event) {
  if (event.key == bell_key) return os::hush(bell_);
  if (event.key == signals_key) {
    for (int number = os::read_signal(signals_); number != 0; number = os::read_signal(signals_)) {
      signalled_ = true;
      hooks_.on_signal(number);
    }
    return;
  }
  if (event.key == spawner_key) return serve_spawner();
  if (event.key == twin_key) {
    poller_.remove(spawner_.twin_socket());
    watching_twin_ = false;
    spawner_.replace_twin();
    look_for_strays_ = 5;  // one that is being debugged is dead before it can be reaped
    return;
  }
  const std::uint64_t number = event.key - first_life_key;
  if (number % 2 == 1) {
    const auto dead = lives_.find(number / 2);
    return dead == lives_.end() ? void() : on_death(*dead->second);
  }
  life* who = find_life(number / 2);
  if (who == nullptr) return;
  if (event.writable) flush(*who);
  if (event.readable) serve_control(*who);
}

void control::serve_spawner() {
  bool alive = spawner_alive_;
  while (auto reply = alive ? spawner_.answer(alive) : std::nullopt) on_spawned(*reply);
  if (!alive && spawner_alive_) spawner_died();
  if (watching_twin_ || !spawner_.twin_socket()) return;
  poller_.add(spawner_.twin_socket(), twin_key);
  watching_twin_ = true;
}

void control::run_commands() {
  std::vector<command> now;
  {
    const std::lock_guard lock(commands_mutex_);
    now.swap(commands_);
  }
  for (auto& each : now) guarded(each);
}

std::optional<os::time_point> control::next_deadline() const {
  auto next = next_sweep_;
  for (const auto& [id, who] : lives_) {
    if (who->kill_at && *who->kill_at < next) next = *who->kill_at;
    if (who->next_look && *who->next_look < next) next = *who->next_look;
  }
  if (const auto look = next_look(); look && *look < next) next = *look;
  return next;
}

void control::on_timer() {
  const auto now = os::clock::now();
  for (auto& [id, who] : lives_) {
    if (!who->kill_at || *who->kill_at > now) continue;
    who->kill_at.reset();
    who->killed_after_grace = true;
    if (who->pidfd) os::send_signal(who->pidfd, 9);
  }
  look_at_suspects(now);
  look_after_spares(now);
  const bool sweeps = now >= next_sweep_;
  look_at_workers(now, sweeps);
  if (!sweeps) return;
  next_sweep_ = now + std::chrono::seconds(1);
  sweep();
  reap_strays();
  if (spawner_alive_) spawner_.keep_twin();
  cgroups_.sweep();
  look_for_due();
}

/// Bounds what a lost hint can cost: a sleeper with a deliverable record, a sender that wants room and has it; and what a
/// lack of descriptors can: a request that waits for its reply pipe.
void control::sweep() {
  for (auto& [id, each] : identities_) {
    if (!each->consumer && !each->active) continue;
    const bool sleeping = (each->cursor.at<wire::cursor_header>()->sleeping.load(std::memory_order_seq_cst) & 1) != 0;
    bool deliverable = false;
    for (auto& lane : each->lanes) {
      auto reader = reader_of(*each, *lane);
      channel::record ignored;
      if (sleeping && !deliverable) deliverable = reader.peek(ignored) == channel::lane_reader::state::ready;
      if (lane->doorbell && reader.owes_room() != 0) os::ring(*lane->doorbell);
      if (lane->unjoined && !lane->memory->dead) join_link(*each, *lane);
    }
    if (deliverable) os::ring(*each->doorbell);
  }
  drop_void_deposits();
  say_unlogged_letters();
  certificates_.say_undecided(os::clock::now());
}

// ------------------------------------------------------------------------------------------------- from other threads

void control::kill_all() {
  for (auto& [id, who] : lives_) {
    if (who->pidfd) os::send_signal(who->pidfd, 9);
  }
}

void control::finish() {
  if (!thread_.joinable()) return;
  post([this] {
    finishing_ = true;
    for (auto& [id, who] : lives_) {
      who->of->stop_asker = who->asked_by = "the end of the program";
      who->kill_asked = true;
      if (who->of->role == wire::role::process) {
        stop_life(*who, shutdown::within(std::chrono::milliseconds(500)));
      } else if (who->pidfd) {
        os::send_signal(who->pidfd, 9);
      }
    }
  });
  thread_.join();
}

void control::start(policy::child_id id) {
  post([this, id] {
    if (identity* its = find_identity(id)) start_life(*its);
  });
}

void control::stop(policy::child_id id, shutdown how, bool comes_again) {
  post([this, id, how, comes_again] {
    identity* its = find_identity(id);
    if (its == nullptr) return;
    const shutdown wanted = is_killed_with(its->parent) ? shutdown::brutal_kill() : how;
    if (its->active == nullptr) its->stop_unanswered = true;
    if (its->active != nullptr) stop_life(*its->active, wanted);
    if (wanted.how == shutdown::kind::brutal_kill) kill_children_of(id);
    if (!comes_again) stop_spares(*its);
  });
}

void control::rests(policy::child_id id) {
  post([this, id] {
    if (identity* its = find_identity(id)) stop_spares(*its);
  });
}

void control::forget(policy::child_id id) {
  post([this, id] { forget_now(id); });
}

void control::forget_now(policy::child_id id) {
  free_name(id);
  branches_.erase(id);
  identity* its = find_identity(id);
  if (its == nullptr) return;
  certificates_.decide(id, death_decision::forgotten);
  certificates_.ended(id);
  tell_watchers(*its, true);
  its->forgotten = true;
  close(*its, its->last_down_text.empty() ? "it has been removed" : its->last_down_text);
}

void control::retire(policy::child_id id, supervisor_id keeper) {
  post([this, id, keeper] {
    free_name(id);
    if (keeper != 0) kept_names_[name_of(id)] = {id, keeper};
    identity* its = find_identity(id);
    if (its == nullptr) return;
    certificates_.decide(id, death_decision::forgotten);
    tell_watchers(*its, true);
    close(*its, its->last_down_text.empty() ? "it has ended" : its->last_down_text);
  });
}

void control::reclaim(policy::child_id id) {
  post([this, id] {
    free_name(id);
    if (parent_of(id) == 0 || names_.emplace(name_of(id), id).second || !branches_.contains(id)) return;
    log_line("supervisor " + branch_name(id) + " cannot be found by its name, which has been given to another meanwhile",
             log_level::warning);
  });
}

void control::down_for_good(policy::child_id id, policy::down_because why) {
  post([this, id, why] {
    identity* its = find_identity(id);
    if (its == nullptr) return;
    certificates_.decide(id, decision_of(why));
    std::string text = its->last_down_text;
    if (why == policy::down_because::stopping) text = "the program is being stopped";
    if (why == policy::down_because::gave_up) text = "its supervisor gave up restarting";
    if (why == policy::down_because::budget_spent) text = "it has used up its restarts; last: it " + text;
    tell_watchers(*its, true);
    close(*its, text);
  });
}

void control::report(supervisor_id of, const policy::report& line) {
  post([this, of, line] {
    const std::string who = name_of(line.id);
    switch (line.what) {
      case policy::report_kind::child_terminated: return;  // its death certificate is logged
      case policy::report_kind::shutdown_error: return;    // so is this one's
      case policy::report_kind::start_error: return log_line(who + " failed to start: " + line.text, log_level::warning);
      case policy::report_kind::budget_spent:
        return log_line(who + " has used up its restarts and stays down; last: it " + line.text, log_level::error);
      case policy::report_kind::gave_up:
        if (of == root_supervisor) gave_up_ = "the supervisor gave up after too many restarts; last: " + who + " " + line.text;
        return log_line("too many restarts: " + branch_name(of) + " gives up; last: " + who + " " + line.text,
                        log_level::error);
    }
  });
}

void control::ended(supervisor_id which, policy::outcome how, const std::string& text) {
  post([this, which, how, text] {
    if (which == root_supervisor) return hooks_.on_ended(how, text);
    branch_ended(which, text);
  });
}

}  // namespace troupe::supervision
