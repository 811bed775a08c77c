// What the primitives need of the control thread: what is enclosed with messages, queues, processes.

#include <algorithm>

#include "supervision/control.hpp"

namespace troupe::supervision {

// --------------------------------------------------------------------------------------------------------- enclosures

namespace {

/// What one process may make the supervisor keep for it: a share of its descriptors, so that it has some for everybody.
std::size_t share(std::size_t wanted, std::size_t descriptors_each) {
  return std::min(wanted, os::descriptor_limit() / (8 * descriptors_each));
}

}  // namespace

void control::on_deposit(life& who, const wire::deposit& said, channel::incoming& frame) {
  const std::size_t expected_fds = said.queue == 0 ? 1 : 0;
  if (frame.fds.size() != expected_fds) return;
  if (said.to != 0 && !has_lane(who, said.to)) return;  // nobody will ask for it
  os::fd descriptor = frame.fds.empty() ? os::fd{} : std::move(frame.fds[0]);
  deposits_[{who.id, said.number}] = {said.to, said.position, said.tag, said.queue, std::move(descriptor)};
  if (&who == main_ || deposits_of(who) <= share(wire::max_deposits, 1)) return;
  drop_void_deposits();
  if (deposits_of(who) <= share(wire::max_deposits, 1)) return;
  silence(who, "too many ends of pipes and queues are under way in its messages");
}

bool control::has_lane(const life& from, wire::identity_id to) {
  const identity* its = find_identity(to);
  return its != nullptr && std::any_of(its->lanes.begin(), its->lanes.end(), [&](const auto& lane) {
           return lane->memory->incarnation == from.id;
         });
}

std::size_t control::deposits_of(const life& who) const {
  const auto first = deposits_.lower_bound({who.id, 0});
  return static_cast<std::size_t>(std::distance(first, deposits_.lower_bound({who.id + 1, 0})));
}

/// Only who reads the mailbox of the message (or got the arguments) may have what came with it; and its depositor, what
/// nobody has got.
void control::on_withdraw(life& who, const wire::token& token) {
  const deposit_key key{token.from, token.number};
  if (!deposits_.contains(key)) {
    // The depositor wrote its deposit before it told of it, but its socket may not have been read yet.
    if (life* from = find_life(token.from); from != nullptr && from != &who) hear(*from);
  }
  std::vector<std::shared_ptr<os::fd>> fds;
  const auto found = deposits_.find(key);
  if (found != deposits_.end()) {
    const identity* to = find_identity(found->second.to);
    const bool receives = found->second.queue == 0 && to != nullptr && to->consumer == &who;
    const bool takes_back = found->second.to == 0 && token.from == who.id;
    if (found->second.descriptor && (receives || takes_back)) {
      fds.push_back(std::make_shared<os::fd>(std::move(found->second.descriptor)));
    }
    // What a receiver has got stays on record until the message has been handled: a letter of it says so.
    if (takes_back) {
      deposits_.erase(found);
      end_unheld_queues();
    }
  }
  const auto what = fds.empty() ? wire::status::not_found : wire::status::ok;
  send(who, wire::frame::withdrawn, wire::answer{token.tag, 0, 0, what, 0}, {}, std::move(fds));
}

/// Nobody can ask for it any more: the receiver has ended, or its head has passed the message.
bool control::is_void(const deposit_key& key, const enclosed& what) {
  if (what.to == 0) return find_life(key.first) == nullptr;
  identity* to = find_identity(what.to);
  if (to == nullptr) return true;
  if (what.position == 0) return false;
  return std::none_of(to->lanes.begin(), to->lanes.end(), [&](const auto& lane) {
    return lane->memory->incarnation == key.first &&
           to->slot(lane->slot).head.load(std::memory_order_seq_cst) < what.position;
  });
}

void control::drop_void_deposits() {
  std::vector<deposit_key> gone;
  std::vector<wire::incarnation_id> readers;
  for (const auto& [key, what] : deposits_) {
    if (!is_void(key, what)) continue;
    gone.push_back(key);
    const identity* to = find_identity(what.to);
    if (to != nullptr && to->consumer != nullptr) readers.push_back(to->consumer->id);
  }
  // A reader says that it holds a queue before its head passes the message: hear that first.
  for (const auto id : readers) {
    if (life* reader = find_life(id)) hear(*reader);
  }
  for (const auto& key : gone) deposits_.erase(key);
  end_unheld_queues();
}

// ------------------------------------------------------------------------------------------------------------- queues

void control::on_queue_make(life& who, const wire::queue& wanted) {
  const auto refuse = [&](const std::string& why) {
    send(who, wire::frame::queue_made, wire::answer{wanted.tag, 0, 0, wire::status::failed, 0}, why);
  };
  if (owned_by(who) >= share(wire::max_owned, 4)) return refuse("this process has too many queues and processes");
  const auto log2 = static_cast<unsigned>(std::min<std::uint64_t>(wanted.ring_log2, wire::max_ring_log2));
  auto made = add_identity("", child_spec{.name = "queue", .lane_bytes = std::uint32_t{1} << log2});
  if (!made) return refuse(made.error().text());
  (*made)->is_queue = true;
  (*made)->owner = who.id;
  (*made)->name = "the queue";
  (*made)->holders[who.id] = 1;
  send(who, wire::frame::queue_made, wire::answer{wanted.tag, (*made)->id, 0, wire::status::ok, 0});
}

/// Queues and processes that it has made and that are still there.
std::size_t control::owned_by(const life& who) const {
  return static_cast<std::size_t>(std::count_if(identities_.begin(), identities_.end(), [&](const auto& each) {
    return each.second->owner == who.id;
  }));
}

/// The first process that gets is the consumer; after its death the next one.
void control::on_queue_take(life& who, const wire::call& wanted) {
  identity* its = find_identity(wanted.identity);
  const auto refuse = [&](wire::status why) {
    send(who, wire::frame::queue_taken, wire::answer{wanted.tag, wanted.identity, 0, why, 0});
  };
  if (its == nullptr || !its->is_queue || its->closed) return refuse(wire::status::closed);
  if (its->consumer != nullptr && its->consumer != &who) return refuse(wire::status::refused);
  its->consumer = &who;
  its->taken = static_cast<std::uint32_t>(wanted.tag);
  for (auto& lane : its->lanes) announce(*its, *lane);
  send(who, wire::frame::queue_taken, wire::answer{wanted.tag, its->id, 0, wire::status::ok, 0}, {},
       {its->cursor_fd, its->hint_fd, for_owner(its->doorbell)});
}

void control::on_queue_hold(life& who, wire::identity_id queue) {
  identity* its = find_identity(queue);
  if (its != nullptr && its->is_queue && !its->closed) ++its->holders[who.id];
}

void control::on_queue_drop(life& who, wire::identity_id queue) {
  identity* its = find_identity(queue);
  if (its == nullptr || !its->is_queue) return;
  const auto held = its->holders.find(who.id);
  if (held == its->holders.end() || --held->second > 0) return;
  its->holders.erase(held);
  if (its->consumer == &who) release(*its);
  end_unheld_queues();
}

/// A queue ends when no process holds it and no message takes it anywhere.
void control::end_unheld_queues() {
  std::vector<wire::identity_id> unheld;
  for (const auto& [id, each] : identities_) {
    if (!each->is_queue || each->closed || !each->holders.empty()) continue;
    const bool under_way = std::any_of(deposits_.begin(), deposits_.end(),
                                       [queue = id](const auto& deposit) { return deposit.second.queue == queue; });
    if (!under_way) unheld.push_back(id);
  }
  for (const auto id : unheld) {
    identity& its = *find_identity(id);
    its.forgotten = true;
    its.last_down_text = "nobody holds it any more";
    close(its, its.last_down_text);
  }
}

// ---------------------------------------------------------------------------------------------------------- processes

void control::on_process_start(life& who, const wire::process& wanted, channel::incoming& frame) {
  const auto refuse = [&](const std::string& why) {
    std::erase_if(deposits_, [&](const auto& each) {
      return each.first.first == who.id && each.second.to == 0 && each.second.tag == wanted.tag;
    });
    send(who, wire::frame::process_started, wire::answer{wanted.tag, 0, 0, wire::status::failed, 0}, why);
  };
  if (frame.lost_fds) {
    return refuse("the supervisor process has no descriptor left for the arguments: raise its limit (ulimit -n)");
  }
  if (frame.fds.size() != 1 || !os::has_fixed_size(frame.fds[0], wanted.args_bytes)) return refuse("bad arguments");
  if (owned_by(who) >= share(wire::max_owned, 8)) return refuse("this process has too many queues and processes");
  // It may do no more than who starts it.
  auto made = add_identity("", child_spec{.name = "process",
                                          .restart = restart::temporary,
                                          .limits = who.of->spec.limits,
                                          .no_new_privs = who.of->spec.no_new_privs});
  if (!made) return refuse(made.error().text());
  identity& its = **made;
  its.name = "process " + std::to_string(its.id & 0xffffffffffffff);
  its.role = wire::role::process;
  its.owner = who.id;
  its.tag = wanted.tag;
  its.arguments_fd = std::make_shared<os::fd>(std::move(frame.fds[0]));
  its.arguments_bytes = wanted.args_bytes;
  for (auto& [key, what] : deposits_) {
    if (key.first == who.id && what.to == 0 && what.tag == wanted.tag) what.to = its.id;
  }
  start_life(its);
}

/// A process does not outlive who started it.
void control::stop_processes_of(wire::incarnation_id dead) {
  for (auto& [id, who] : lives_) {
    if (who->of->role == wire::role::process && who->of->owner == dead) {
      stop_life(*who, shutdown::within(std::chrono::milliseconds(500)));
    }
  }
}

}  // namespace troupe::supervision
