// Birth and death of processes.

#include <algorithm>

#include "os/clone.hpp"
#include "os/memory.hpp"
#include "supervision/control.hpp"
#include "supervision/log.hpp"

namespace troupe::supervision {

namespace {

unsigned log2_of(std::uint32_t bytes) {
  unsigned log2 = wire::min_ring_log2;
  while (log2 < wire::max_ring_log2 && (std::uint32_t{1} << log2) < bytes) ++log2;
  return log2;
}

std::shared_ptr<os::fd> shared_memory(const char* label, std::uint64_t size, os::seal how, os::mapping& map) {
  os::fd memory = os::make_memory(label, size);
  map = os::mapping(memory, size, os::access::read_write);
  os::seal_memory(memory, how);
  return std::make_shared<os::fd>(std::move(memory));
}

}  // namespace

// ----------------------------------------------------------------------------------------------------------- identity

expected<identity*> control::add_identity(const std::string& name, const child_spec& spec) {
  if (!name.empty() && names_.contains(name)) {
    return tl::unexpected(error(errc::name_taken, "there is an actor or a supervisor called \"" + name +
                                                      "\" already; a name is free when its actor has ended for good"));
  }
  auto made = std::make_unique<identity>();
  identity& its = *made;
  its.id = wire::make_identity(next_number_++, log2_of(spec.lane_bytes));
  its.name = name;
  its.spec = spec;
  try {
    os::mapping hints;
    its.cursor_fd = shared_memory("troupe-cursor", wire::cursor_bytes, os::seal::size_only, its.cursor);
    its.hint_fd = shared_memory("troupe-hints", wire::hint_bytes, os::seal::size_only, hints);
    its.status_fd = shared_memory("troupe-status", wire::status_bytes, os::seal::one_writer, its.status);
    its.doorbell = std::make_shared<os::fd>(os::make_doorbell());
  } catch (const error& e) {
    return tl::unexpected(error(errc::spawn_failed, (name.empty() ? "" : name + ": ") + e.what()));
  }
  auto* page = its.cursor.at<wire::cursor_header>();
  page->layout = wire::layout_version;
  page->identity = its.id;
  its.page().layout = wire::layout_version;
  its.page().identity = its.id;
  identities_.emplace(its.id, std::move(made));
  if (!name.empty()) names_.emplace(name, its.id);
  return &its;
}

// -------------------------------------------------------------------------------------------------------------- birth

void control::start_life(identity& of) {
  if (of.parent != 0 && names_.emplace(of.name, of.id).first->second != of.id) {
    log_line(of.name + " was deleted, and is not started again: its name has been given to another", log_level::warning);
    return supervisors_->post(of.parent, policy::declined{of.id});
  }
  of.stop_unanswered = false;
  of.closed = false;  // for new lanes: what is in those from before is swept when their senders have acknowledged the end
  clear_mailbox(of);
  if (of.last_down) restarts_.fetch_add(1, std::memory_order_relaxed);
  certificates_.decide(of.id, death_decision::restarted);
  tell_watchers(of, false);
  if (life* spare = ready_spare(of)) return activate(of, *spare);
  if (!spawner_alive_) return start_failed(of, errc::spawn_failed, "the spawner process has died");
  try {
    bear(of, false);
  } catch (const error& e) {
    start_failed(of, errc::spawn_failed, e.what());
  }
}

/// Asks for a process. Throws error(errc::os).
void control::bear(identity& of, bool spare) {
  // They were dropped while the child was temporary, and the reload that made it another could not keep them again.
  if (!of.arguments_fd) throw error(errc::os, "the arguments of " + of.name + " are not kept any more");
  auto who = std::make_unique<life>();
  who->id = next_number_++;
  who->of = &of;
  who->born = os::clock::now();
  who->spare = spare;
  who->rules = rules_of_process(of.spec);
  who->out = std::make_shared<os::fd>(os::make_memory("troupe-out", wire::out_memory_bytes));
  who->memory = std::make_shared<channel::peer_memory>();
  who->memory->map = os::mapping(*who->out, wire::out_memory_bytes, os::access::read_only);
  who->memory->incarnation = who->id;
  auto [ours, theirs] = os::packet_pair();
  who->control = std::move(ours);
  poller_.add(who->control, control_key(who->id));
  cgroups::seat seat = cgroups_.make(who->id, of.spec.limits.memory, os::clones_into_cgroups());
  const os::fd cgroup = std::move(seat.born_in);
  life& born = *who;
  lives_.emplace(born.id, std::move(who));
  ++of.lives;
  spare ? of.spares.push_back(&born) : static_cast<void>(of.active = &born);
  workers_.fetch_add(1, std::memory_order_relaxed);
  boot(born, std::move(seat));
  if (!spawner_.request(born.id, theirs, cgroup)) spawner_died();
}

void control::on_spawned(const wire::spawn_reply& reply) {
  life* who = find_life(reply.incarnation);
  if (who == nullptr || who->now != life::stage::spawning) return;
  identity& of = *who->of;
  if (reply.pid <= 0) {
    const error why(errc::spawn_failed, "fork a worker", -reply.pid, "no process can be made for " + of.name);
    look_for_strays_ = 5;
    if (who->spare) return on_spare_death(*who, why.what());
    end_life(*who);
    return start_failed(of, errc::spawn_failed, why.what());
  }
  try {
    who->pid = reply.pid;
    who->pidfd = os::open_pidfd(reply.pid);
    // Now, since there may be no descriptor left when it is ready, and its starter waits for this.
    if (of.role == wire::role::process) who->sentinel = std::make_shared<os::fd>(who->pidfd.duplicate());
    poller_.add(who->pidfd, pidfd_key(who->id));
  } catch (const error& e) {
    look_for_strays_ = 5;
    if (who->spare) return on_spare_death(*who, e.what());
    end_life(*who);  // closes its control socket, upon which it exits
    return start_failed(of, errc::spawn_failed, e.what());
  }
  who->now = life::stage::booting;
  who->next_look = os::clock::now();
  if (!who->spare) of.page().pid.store(static_cast<std::uint32_t>(reply.pid), std::memory_order_relaxed);
  if (who->kill_asked || who->killed_after_grace || finishing_) os::send_signal(who->pidfd, 9);
  if (who->attached_early) attached(*who);
}

/// Queues what the worker needs to be born; it reads it when it is there.
void control::boot(life& who, cgroups::seat&& seat) {
  identity& of = *who.of;
  std::vector<std::shared_ptr<os::fd>> fds{who.out,       of.cursor_fd, of.hint_fd,
                                           of.status_fd, for_owner(of.doorbell), of.arguments_fd};
  if (of.checkpoint_fd) fds.push_back(of.checkpoint_fd);
  wire::boot frame{};
  frame.identity = of.id;
  frame.incarnation = who.id;
  frame.checkpoint_bytes = of.checkpoint_bytes;
  frame.args_bytes = of.arguments_bytes;
  frame.what = of.role;
  frame.actor_type = of.type_index;
  frame.outbox_bytes = who.rules.outbox_bytes;
  capture_output(who, frame, fds);
  confine(frame, fds, of.spec, std::move(seat));
  frame.canary = who.rules.canary ? 1 : 0;
  frame.spare = who.spare ? 1 : 0;
  send(who, wire::frame::boot, frame, of.name, std::move(fds));
  who.frames_sent = 0;  // the worker counts from the next one
  if (!who.spare) of.page().attention.store(0, std::memory_order_relaxed);
}

void control::attached(life& who) {
  // The worker may be quicker than the spawner's answer; without its pidfd its death would go unseen.
  who.attached_early = who.now == life::stage::spawning;
  if (who.now != life::stage::booting) return;
  os::seal_memory(*who.out, os::seal::one_writer);
  who.attached = true;
  if (!who.spare) return let_go(who);
  who.now = life::stage::warming;
  send(who, wire::frame::stand_by, wire::nothing{});
}

/// It is the one that runs its identity from now on.
void control::let_go(life& who) {
  identity& of = *who.of;
  of.has_run = true;
  of.consumer = &who;
  who.handled_before = of.cursor.at<wire::cursor_header>()->handled.load(std::memory_order_relaxed);
  of.page().active.store(who.id, std::memory_order_relaxed);
  for (auto& lane : of.lanes) announce(of, *lane);
  for (auto& lane : of.lanes) {
    if (lane->asks && !lane->memory->dead) join_link(of, *lane);
  }
  who.now = life::stage::starting;
  send(who, wire::frame::go, wire::nothing{});
}

void control::ready(life& who, const std::string& said) {
  if (who.now != life::stage::starting) return;
  who.now = life::stage::up;
  who.next_look = os::clock::now();
  identity& of = *who.of;
  of.said_at_start = said;
  failures_.erase(of.id);
  of.refilling.renew();
  stop_spares_too_many(of);
  refills_.erase(of.id);  // one that was put off because others had failed
  plan_refill(of);
  tell_whom_to_watch(of);
  note_start(who);
  if (of.role == wire::role::actor) return supervisors_->post(of.parent, policy::started{of.id});
  if (life* owner = find_life(of.owner)) {
    send(*owner, wire::frame::process_started,
         wire::answer{of.tag, of.id, static_cast<std::uint64_t>(who.pid), wire::status::ok, 0}, {},
         {std::move(who.sentinel)});
  }
}

// -------------------------------------------------------------------------------------------------------------- death

void control::stop_life(life& who, shutdown how) {
  const std::string asker = who.spare ? std::string{} : std::exchange(who.of->stop_asker, {});
  if (!std::exchange(who.stop_asked, true)) who.asked_by = asker.empty() ? "its supervisor" : asker;
  if (how.how == shutdown::kind::brutal_kill) {
    who.kill_asked = true;
    if (who.pidfd) os::send_signal(who.pidfd, 9);
    return;
  }
  send(who, wire::frame::stop, wire::number{static_cast<std::uint64_t>(wire::stop_reason::shutdown)});
  if (how.how == shutdown::kind::timed) who.kill_at = os::clock::now() + policy::bounded(how.grace);
}

void control::on_death(life& who) {
  const auto status = os::reap(who.pidfd);
  if (!status) return;
  if (who.now == life::stage::dead || who.spare) {
    identity& of = *who.of;
    if (!who.spare) of.busy_processor = -1;
    hear(who);
    who.spare ? on_spare_death(who, certify(who, *status).text) : forget_life(who);
    return remove_if_done(of);
  }
  died(who, *status);
}

/// No instruction of it will run again. It is reaped, or its memory is still being taken apart.
void control::died(life& who, const os::exit_status& status) {
  hear(who);  // what it said before it died
  const bool of_ours = who.killed_for || who.kill_asked || who.killed_after_grace;
  who.out_of_memory = status.signal == 9 && !of_ours && cgroups_.killed_for_memory(who.id) > 0;
  certificate how = certify(who, status);
  how.last_lines = output_.close(who.id);
  who.memory->dead = true;
  after_death(who, how);
  drop_void_deposits();
}

void control::after_death(life& who, const certificate& how) {
  identity& of = *who.of;
  const bool function_ended = of.role == wire::role::process && how.kind == policy::exit_kind::normal;
  if (!who.stop_asked && !who.retired && !function_ended) deaths_.fetch_add(1, std::memory_order_relaxed);
  if (!who.attached) os::seal_memory(*who.out, os::seal::one_writer);
  recover_turn(of, who);
  const noted_death death{who.id, ns_since_1970(), how.status.code, how.status.signal, how.text};
  const auto records = judge(of, [&](const judged_record& what, in_lane& lane, const channel::record& record) {
    after_flight(of, lane, record, what, death);
  });
  const policy::charge paid = charge_for(who, records);
  file(who, how, records);
  tell_askers(of, who, how.text);
  finish_lanes_of(who);
  for (auto& [id, each] : identities_) pay_rings(who, *each);
  of.last_down = wire::down{of.id, who.id, how.status.code, how.status.signal, how.down, 0};
  of.last_down_text = how.text;
  const bool failed_start = who.now < life::stage::up && !who.stop_asked;
  const std::string said = who.leaving == wire::leave::start_failed ? who.leaving_text : how.text;
  const bool declined = who.leaving == wire::leave::declined;
  const end_of_life end{of.id,          how,         paid,            failed_start, declined,
                        who.stop_asked, who.retired, who.unannounced, said};
  const supervisor_id own = who.own_supervisor;
  end_life(who);
  after_own_children(own, [this, end] { tell_end(end); });
}

/// The asker reads its pipe empty first; then the head says which requests were started and which go on.
void control::tell_askers(identity& of, const life& dead, const std::string& how) {
  for (auto& lane : of.lanes) {
    if (!lane->asks || lane->memory->dead) continue;
    life* asker = find_life(lane->memory->incarnation);
    if (asker == nullptr) continue;
    const std::uint64_t head = of.slot(lane->slot).head.load(std::memory_order_seq_cst);
    send(*asker, wire::frame::verdict, wire::verdict{of.id, dead.id, head, head}, how);
  }
}

/// The dead one's own lanes: their tails are final now. Their receivers drain them and say so; where nobody reads, an
/// empty one is freed at once.
void control::finish_lanes_of(const life& dead) {
  for (auto& [id, each] : identities_) {
    for (std::size_t i = 0; i < each->lanes.size();) {
      in_lane& lane = *each->lanes[i];
      const std::size_t before = each->lanes.size();
      if (lane.memory->incarnation == dead.id) {
        lane.memory->dead = true;
        if (lane.closing) {
          sweep_lane(*each, lane);
        } else if (each->consumer != nullptr && lane.announced && each->consumer->id != dead.id) {
          send(*each->consumer, wire::frame::lane_final, wire::slot{lane.slot, 0, each->id, dead.id});
        } else {
          auto reader = reader_of(*each, lane);
          channel::record ignored;
          if (reader.peek(ignored) == channel::lane_reader::state::empty) free_lane(*each, lane);
        }
      }
      if (each->lanes.size() == before) ++i;
    }
  }
  std::vector<wire::identity_id> ending;
  for (auto& [id, each] : identities_) {
    if (each->forgotten) ending.push_back(id);
  }
  for (const auto id : ending) {
    if (identity* each = find_identity(id)) remove_if_done(*each);
  }
}

void control::end_life(life& who) {
  identity& of = *who.of;
  for (auto& [id, each] : identities_) {
    each->watchers.erase(who.id);
    each->holders.erase(who.id);
    if (each->consumer == &who) release(*each);
  }
  stop_processes_of(who.id);
  output_.close(who.id);
  std::erase(of.spares, &who);
  if (of.active == &who) {
    of.active = nullptr;
    of.page().pid.store(0, std::memory_order_relaxed);
    of.page().active.store(0, std::memory_order_relaxed);
  }
  poller_.remove(who.control);
  who.control_open = false;
  who.kill_at.reset();
  who.now = life::stage::dead;
  if (!who.dying) forget_life(who);
}

void control::forget_life(life& who) {
  if (who.pidfd) poller_.remove(who.pidfd);
  workers_.fetch_sub(1, std::memory_order_relaxed);
  cgroups_.end(who.id);
  --who.of->lives;
  lives_.erase(who.id);
}

/// Nobody reads the mailbox now.
void control::release(identity& which) {
  which.consumer = nullptr;
  for (auto& lane : which.lanes) lane->announced = false;
  auto& sleeping = which.cursor.at<wire::cursor_header>()->sleeping;
  const std::uint64_t last = sleeping.load(std::memory_order_relaxed);
  sleeping.store(last + (last & 1), std::memory_order_seq_cst);
}

life* control::find_life(wire::incarnation_id id) {
  const auto found = lives_.find(id);
  return found == lives_.end() || found->second->now == life::stage::dead ? nullptr : found->second.get();
}

}  // namespace troupe::supervision
