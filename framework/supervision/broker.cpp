// Introductions: who may send where, and what they need for it. Frames from workers are a stranger's bytes.

#include <algorithm>

#include "supervision/control.hpp"
#include "supervision/log.hpp"
#include "supervision/slots.hpp"

namespace troupe::supervision {

namespace {

constexpr unsigned frames_at_once = 32;    // of one worker, then the others get their turn
constexpr unsigned heard_at_once = 1024;   // more than a socket holds
constexpr unsigned deepest_hearing = 8;
constexpr std::size_t most_unread = 65536;  // frames for a worker that goes on asking and does not read

/// Puts back at the end of its scope, also when an exception ends it.
template <class T>
struct restored {
  T& what;
  const T before = what;
  ~restored() { what = before; }
};

/// What another process gets of ours: rights and flags of its own. Without a descriptor left it shares ours.
std::shared_ptr<os::fd> opened(const std::shared_ptr<os::fd>& ours, os::opening how) {
  try {
    return std::make_shared<os::fd>(os::open_anew(*ours, how));
  } catch (const error&) {
    return ours;
  }
}

}  // namespace

std::shared_ptr<os::fd> control::for_owner(const std::shared_ptr<os::fd>& doorbell) {
  return opened(doorbell, os::opening::read_write);
}

// ----------------------------------------------------------------------------------------------------- control sockets

void control::enqueue(life& to, std::vector<std::byte> bytes, std::vector<std::shared_ptr<os::fd>> fds) {
  if (to.now == life::stage::dead || !to.control_open) return;
  const bool floods = &to == served_ && to.queue.size() >= most_unread;
  if (floods && &to != main_) return silence(to, "it asks and does not read the answers");
  to.queue.push_back({std::move(bytes), std::move(fds)});
  flush(to);
}

void control::flush(life& to) {
  while (!to.queue.empty()) {
    outgoing_frame& next = to.queue.front();
    if (!next.fds.empty() && to.fds_under_way > 0 && to.fds_under_way + next.fds.size() > wire::fds_under_way) break;
    std::vector<int> numbers;
    for (const auto& each : next.fds) numbers.push_back(each->get());
    const os::io how = os::send_packet(to.control, next.bytes, numbers);
    if (how == os::io::again) {
      if (!to.wants_write) poller_.change(to.control, control_key(to.id), os::poller::read | os::poller::write);
      to.wants_write = true;
      return;
    }
    if (how == os::io::done) {
      to.fds_under_way += static_cast<std::uint32_t>(numbers.size());
      ++to.frames_sent;
      if (to.of->active == &to) to.of->page().attention.store(to.frames_sent, std::memory_order_relaxed);
    }
    to.queue.pop_front();
  }
  if (to.wants_write) poller_.change(to.control, control_key(to.id), os::poller::read);
  to.wants_write = false;
}

/// Some of what is there: a worker that floods its socket delays the others by its share and no more.
void control::serve_control(life& who) {
  for (unsigned left = frames_at_once; left > 0 && serve_frame(who); --left) {
  }
}

/// All that it has said so far. While the frame of another worker is served, too; bounded, as that one may have asked for
/// this to be done again and again.
void control::hear(life& who) {
  if (hearing_ == deepest_hearing) return;
  const restored<unsigned> depth{hearing_};
  if (hearing_++ == 0) left_to_hear_ = heard_at_once;
  while (left_to_hear_ > 0 && serve_frame(who)) --left_to_hear_;
}

bool control::serve_frame(life& who) {
  if (!who.control_open) return false;
  channel::incoming frame;
  const os::io how = channel::receive_frame(who.control, buffer_, frame);
  if (how == os::io::done || how == os::io::lost_fds) {
    if (frame.lost_fds) say_lack();
    const restored<life*> outer{served_};
    served_ = &who;
    take_frame(who, frame);
    return who.control_open;
  }
  // Hung up: it is dying, the pidfd will tell.
  if (how == os::io::hung_up) stop_listening(who);
  if (how == os::io::refused) silence(who, "it sends what is no frame");
  return false;
}

void control::stop_listening(life& who) {
  who.control_open = false;
  poller_.remove(who.control);
}

/// Once in a while: a frame from which descriptors are missing is served, and its sender hears of it from its handler.
void control::say_lack() {
  const auto now = os::clock::now();
  if (now < next_lack_line_) return;
  next_lack_line_ = now + std::chrono::seconds(10);
  log_line("the supervisor process has no descriptors left, so ends of pipes and arguments that are sent get lost: "
           "raise its limit (ulimit -n)",
           log_level::warning);
}

/// It gets no more attention. Main does: without answers it would wait for ever.
void control::silence(life& who, const char* why) {
  if (!who.control_open || &who == main_) return;
  stop_listening(who);
  who.killed_for = death_cause::misbehaved;
  who.asked_by = "its supervisor";
  if (who.pidfd) os::send_signal(who.pidfd, 9);
  log_line(who.of->name + " is killed: " + why, log_level::warning);
}

void control::take_frame(life& who, channel::incoming& frame) {
  wire::number number{};
  wire::leaving leaving{};
  wire::call call{};
  wire::connect connect{};
  wire::subject subject{};
  wire::slot slot{};
  wire::order order{};
  wire::letter letter{};
  wire::deposit deposit{};
  wire::token token{};
  wire::queue queue{};
  wire::process process{};
  wire::purge purge{};
  wire::share share{};
  wire::supervise supervise{};
  switch (frame.type) {
    case wire::frame::attached: return attached(who);
    case wire::frame::ready: return ready(who, frame.text());
    case wire::frame::standing_by: return on_standing_by(who);
    case wire::frame::retiring: return on_retiring(who);
    case wire::frame::suspect:
      if (frame.take(number)) on_suspect(who, number.value);
      return;
    case wire::frame::took:
      if (frame.take(number)) {
        who.fds_under_way -= static_cast<std::uint32_t>(std::min<std::uint64_t>(number.value, who.fds_under_way));
        flush(who);
      }
      return;
    case wire::frame::leaving:
      if (frame.take(leaving)) {
        who.leaving = leaving.how;
        who.leaving_text = frame.text();
      }
      return;
    case wire::frame::find:
      if (frame.take(call)) on_find(who, call.tag, frame.text());
      return;
    case wire::frame::connect:
      if (frame.take(connect)) on_connect(who, connect);
      return;
    case wire::frame::ask_link:
      if (frame.take(subject)) on_ask_link(who, subject.identity);
      return;
    case wire::frame::lane_drained:
      if (frame.take(slot)) on_lane_drained(who, slot);
      return;
    case wire::frame::closed_seen:
      if (frame.take(subject)) on_closed_seen(who, subject.identity);
      return;
    case wire::frame::monitor:
      if (frame.take(subject)) on_monitor(who, subject.identity);
      return;
    case wire::frame::demonitor:
      if (identity* its = frame.take(subject) ? find_identity(subject.identity) : nullptr) its->watchers.erase(who.id);
      return;
    case wire::frame::letter:
      if (frame.take(letter)) on_letter(who, letter, frame.text());
      return;
    case wire::frame::deposit:
      if (frame.take(deposit)) on_deposit(who, deposit, frame);
      return;
    case wire::frame::withdraw:
      if (frame.take(token)) on_withdraw(who, token);
      return;
    case wire::frame::signal:
      if (frame.take(order)) on_signal_order(order);
      return;
    case wire::frame::end:
      if (frame.take(order)) on_end_order(who, order);
      return;
    case wire::frame::queue_make:
      if (frame.take(queue)) on_queue_make(who, queue);
      return;
    case wire::frame::queue_take:
      if (frame.take(call)) on_queue_take(who, call);
      return;
    case wire::frame::queue_hold:
      if (frame.take(subject)) on_queue_hold(who, subject.identity);
      return;
    case wire::frame::queue_drop:
      if (frame.take(subject)) on_queue_drop(who, subject.identity);
      return;
    case wire::frame::segment_make:
      if (frame.take(number)) on_segment_make(who, number.value);
      return;
    case wire::frame::segment_mapped:
      if (frame.take(number)) on_segment_mapped(who, number.value);
      return;
    case wire::frame::segment_share:
      if (frame.take(share)) on_segment_share(who, share);
      return;
    case wire::frame::segment_retired:
      if (frame.take(number)) on_segment_retired(who, number.value);
      return;
    case wire::frame::process_start:
      if (frame.take(process)) on_process_start(who, process, frame);
      return;
    case wire::frame::letters_open:
      if (frame.take(call)) on_letters_open(who, call.tag);
      return;
    case wire::frame::supervise:
      if (frame.take(supervise)) on_supervise(who, supervise, frame);
      return;
    case wire::frame::letters_purge:
      if (frame.take(purge)) on_letters_purge(who, purge);
      return;
    case wire::frame::deaths:
      if (frame.take(call)) on_deaths(who, call, frame.text());
      return;
    default: return;
  }
}

// ------------------------------------------------------------------------------------------------------------- lookup

identity* control::find_identity(wire::identity_id id) {
  const auto found = identities_.find(id);
  return found == identities_.end() ? nullptr : found->second.get();
}

void control::free_name(std::uint64_t of) {
  std::erase_if(names_, [&](const auto& each) { return each.second == of; });
  std::erase_if(kept_names_, [&](const auto& each) { return each.second.id == of; });
}

std::string control::name_of(wire::identity_id id) {
  if (branches_.contains(id)) return branch_name(id);
  identity* its = find_identity(id);
  return its == nullptr ? "an actor that has ended" : its->name;
}

void control::on_find(life& who, std::uint64_t tag, const std::string& name) {
  const auto found = names_.find(name);
  const bool there = found != names_.end() && find_identity(found->second) != nullptr;
  send(who, wire::frame::found,
       wire::answer{tag, there ? found->second : 0, 0, there ? wire::status::ok : wire::status::not_found, 0});
}

// -------------------------------------------------------------------------------------------------------------- lanes

void control::on_connect(life& who, const wire::connect& wanted) {
  identity* to = find_identity(wanted.to);
  const auto refuse = [&](wire::status what, const std::string& why) {
    send(who, wire::frame::connected, wire::connected{wanted.to, 0, 0, what, 0, 0}, why);
  };
  if (who.spare) return refuse(wire::status::refused, "a spare process has no lanes before it has taken over");
  if (to == nullptr || to->closed || to->is_main) {
    if (gave_up_) return refuse(wire::status::gave_up, *gave_up_);
    return refuse(wire::status::closed, to == nullptr ? "the actor has ended" : to->name + " has ended: " + to->closed_because);
  }
  const std::uint32_t ring_bytes = std::uint32_t{1} << wire::ring_log2_of(to->id);
  if (!channel::lane_reader::plausible(wanted.offset, wanted.ring_bytes) || wanted.ring_bytes != ring_bytes) {
    return refuse(wire::status::refused, "the lane lies where no lane can be, or is not as large as lanes to this actor");
  }
  const auto unfinished = std::count_if(to->lanes.begin(), to->lanes.end(),
                                        [&](const auto& each) { return each->sender == who.of->id; });
  if (unfinished >= wire::max_unfinished_lanes || !has_slot(*to)) {
    std::erase_if(to->waiting, [&](const auto& each) { return each.first == who.id || find_life(each.first) == nullptr; });
    to->waiting.emplace_back(who.id, wanted);
    return refuse(wire::status::full, "too many earlier lanes to " + to->name + " are not drained yet");
  }
  const bool has_one = std::any_of(to->lanes.begin(), to->lanes.end(),
                                   [&](const auto& each) { return each->memory->incarnation == who.id; });
  if (has_one) return refuse(wire::status::refused, "there is a lane of this process to " + to->name + " already");
  in_lane* lane = open_lane(*to, who, wanted);
  if (lane == nullptr) return refuse(wire::status::refused, "the mailbox of " + to->name + " is damaged");
  in_lane& made = *lane;
  // First the receiver, so that what the sender publishes can be found as soon as it has been.
  if (to->consumer != nullptr) announce(*to, made);
  const std::uint32_t ends = to->page().ends.load(std::memory_order_relaxed);
  send(who, wire::frame::connected, wire::connected{to->id, made.start, made.slot, wire::status::ok, ends, 0}, to->name,
       {opened(to->cursor_fd, os::opening::read), to->hint_fd, to->status_fd, opened(to->doorbell, os::opening::write)});
  if (to->consumer != nullptr && made.asks) join_link(*to, made);
}

/// Another try for those whom the last one told to wait.
void control::connect_waiting(identity& to) {
  for (const auto& [who, wanted] : std::exchange(to.waiting, {})) {
    if (life* sender = find_life(who)) on_connect(*sender, wanted);
  }
}

/// Not a lane from before the identity's last end: that one is swept, and its sender given its memory back.
void control::announce(identity& to, in_lane& lane) {
  if (lane.closing) return;
  lane.announced = true;
  send(*to.consumer, wire::frame::lane,
       wire::lane{to.id, lane.sender, lane.memory->incarnation, lane.offset, lane.start, lane.ring_bytes, lane.slot,
                  lane.memory->dead ? 1U : 0U, to.taken},
       {}, {lane.memory_fd, opened(lane.doorbell, os::opening::write)});
  for (const auto number : lane.used_segments) {
    hand_segment(*to.consumer, lane.memory->incarnation, *lane.segments, number, to.id, lane.slot);
  }
}

void control::on_ask_link(life& who, wire::identity_id to) {
  identity* callee = find_identity(to);
  if (callee == nullptr) return;
  for (auto& lane : callee->lanes) {
    if (lane->memory->incarnation != who.id) continue;
    if (!std::exchange(lane->asks, true) && callee->consumer != nullptr) join_link(*callee, *lane);
  }
}

/// A pipe of this asker's and this callee's life alone: the callee gets the only write end, the asker the only read end.
void control::join_link(identity& callee, in_lane& lane) {
  life* asker = find_life(lane.memory->incarnation);
  if (asker == nullptr || callee.consumer == nullptr || lane.closing) return;
  lane.unjoined = true;
  try {
    auto [reading, writing] = os::make_pipe();
    send(*callee.consumer, wire::frame::reply_end, wire::reply_end{lane.sender, asker->id, lane.slot, 0}, {},
         {std::make_shared<os::fd>(std::move(writing))});
    send(*asker, wire::frame::link, wire::link{callee.id, callee.consumer->id}, {},
         {std::make_shared<os::fd>(std::move(reading)), callee.consumer->out});
    lane.unjoined = false;
  } catch (const error& e) {
    log_line("no reply pipe between " + asker->of->name + " and " + callee.name + ": " + e.what());
  }
}

void control::on_lane_drained(life& who, const wire::slot& drained) {
  identity* owner = find_identity(drained.owner);
  if (owner == nullptr || owner->consumer != &who) return;
  for (auto& lane : owner->lanes) {
    if (lane->slot != drained.slot || lane->memory->incarnation != drained.sender || !lane->memory->dead) continue;
    return free_lane(*owner, *lane);
  }
}

// ---------------------------------------------------------------------------------------------------- watching, ending

void control::on_monitor(life& who, wire::identity_id to) {
  identity* its = find_identity(to);
  if (its != nullptr && !its->closed) {
    its->watchers.insert(who.id);
    return;
  }
  send(who, wire::frame::down, wire::down{to, 0, -1, 0, wire::down_kind::not_found, 1},
       (its == nullptr ? std::string("?") : its->name) + "\nthere is no such actor any more");
}

void control::on_signal_order(const wire::order& order) {
  identity* its = find_identity(order.subject);
  if (its != nullptr && its->active != nullptr && its->active->pidfd) os::send_signal(its->active->pidfd, order.signal);
}

void control::on_end_order(const life& who, const wire::order& order) {
  identity* its = find_identity(order.subject);
  if (its == nullptr || its->is_main || its->is_queue) return;
  if (order.signal == 0) {
    if (its->role == wire::role::actor) return terminate_for(who.of->name, its->parent, its->id, {});
    its->stop_asker = who.of->name;
    if (its->active != nullptr) stop_life(*its->active, its->spec.shutdown);
    return;
  }
  if (its->active == nullptr) return;
  its->active->kill_asked = true;
  its->active->asked_by = who.of->name;
  if (its->active->pidfd) os::send_signal(its->active->pidfd, 9);
}

}  // namespace troupe::supervision
