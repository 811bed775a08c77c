#include "crash/kstep/world.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <stdexcept>

#include "supervision/slots.hpp"

namespace crash {

namespace {

std::shared_ptr<os::fd> memory(const char* label, std::uint64_t size, os::seal how, os::mapping& map) {
  os::fd made = os::make_memory(label, size);
  map = os::mapping(made, size, os::access::read_write);
  os::seal_memory(made, how);
  return std::make_shared<os::fd>(std::move(made));
}

bool readable(const os::fd& what) { return os::wait_ready(what.get(), os::poller::read, os::time_point{}); }

}  // namespace

// ------------------------------------------------------------------------------------------------------------- readers

reader::reader(identity& of, std::vector<std::unique_ptr<in_lane>>& lanes)
    : mail(of.id, os::mapping(*of.cursor_fd, wire::cursor_bytes, os::access::read_write),
           os::mapping(*of.hint_fd, wire::hint_bytes, os::access::read_only), of.doorbell->duplicate()),
      of_(of) {
  for (auto& lane : lanes) add(*lane);
}

void reader::add(const in_lane& lane) {
  auto memory = std::make_shared<channel::peer_memory>();
  memory->map = os::mapping(*lane.memory_fd, wire::out_memory_bytes, os::access::read_only);
  memory->incarnation = lane.memory->incarnation;
  memory->dead = lane.memory->dead.load();
  mail.add({of_.id, lane.sender, lane.memory->incarnation, lane.offset, lane.start, lane.ring_bytes, lane.slot,
            lane.memory->dead ? 1U : 0U, 0},
           std::move(memory), lane.doorbell->duplicate());
}

void reader::final(std::uint32_t slot) {
  channel::inbound* lane = mail.find(slot);
  if (lane == nullptr) return;
  lane->memory->dead = true;
  mail.look_again(slot);
}

reader& world::open(identity& of) {
  readers_[of.id] = std::make_unique<reader>(of, of.lanes);
  for (auto& lane : of.lanes) lane->announced = true;
  return *readers_[of.id];
}

void world::shut(identity& of) {
  readers_.erase(of.id);
  for (auto& lane : of.lanes) lane->announced = false;
  of.cursor.at<wire::cursor_header>()->sleeping.store(0, std::memory_order_seq_cst);
}

// --------------------------------------------------------------------------------------------------------------- birth

identity& world::add(const std::string& name, const troupe::detail::actor_type* type,
                     const std::vector<std::byte>& arguments) {
  auto made = std::make_unique<identity>();
  identity& its = *made;
  its.id = wire::make_identity(next_number_++, wire::min_ring_log2);
  its.name = name;
  its.type = type;
  its.cursor_fd = memory("kstep-cursor", wire::cursor_bytes, os::seal::size_only, its.cursor);
  its.hint_fd = memory("kstep-hints", wire::hint_bytes, os::seal::size_only, hints_[its.id]);
  its.status_fd = memory("kstep-status", wire::status_bytes, os::seal::one_writer, its.status);
  its.doorbell = std::make_shared<os::fd>(os::make_doorbell());
  its.cursor.at<wire::cursor_header>()->identity = its.id;
  if (!arguments.empty()) give_arguments(its, arguments);
  if (type != nullptr) {
    its.type_index = static_cast<std::uint32_t>(std::find(types_.begin(), types_.end(), type) - types_.begin());
    if (type->works_in == troupe::detail::turns::checkpointed) {
      its.checkpoint_bytes = 4096;
      its.checkpoint_fd = memory("kstep-state", 2 * its.checkpoint_bytes, os::seal::size_only, checkpoints_[its.id]);
    }
  }
  identities_.emplace(its.id, std::move(made));
  return its;
}

void world::give_arguments(identity& of, const std::vector<std::byte>& arguments) {
  os::mapping map;
  of.arguments_fd = memory("kstep-args", arguments.size(), os::seal::size_only, map);
  std::memcpy(map.data(), arguments.data(), arguments.size());
  of.arguments_bytes = arguments.size();
}

life& world::bear(identity& of) {
  auto who = std::make_unique<life>();
  who->id = next_number_++;
  who->of = &of;
  who->out = std::make_shared<os::fd>(os::make_memory("kstep-out", wire::out_memory_bytes));
  who->memory = std::make_shared<channel::peer_memory>();
  who->memory->map = os::mapping(*who->out, wire::out_memory_bytes, os::access::read_only);
  who->memory->incarnation = who->id;
  auto [ours, other] = os::packet_pair();
  who->control = std::move(ours);
  theirs_[who->id] = std::move(other);
  life& born = *who;
  lives_.emplace(born.id, std::move(who));
  of.active = &born;
  return born;
}

void world::boot(life& who) {
  identity& of = *who.of;
  std::vector<std::shared_ptr<os::fd>> fds;
  fds.reserve(wire::boot_fds);
  for (const auto* each : {&who.out, &of.cursor_fd, &of.hint_fd, &of.status_fd, &of.doorbell, &of.arguments_fd}) {
    fds.push_back(*each);
  }
  if (of.checkpoint_fd) fds.push_back(of.checkpoint_fd);
  wire::boot frame{};
  frame.identity = of.id;
  frame.incarnation = who.id;
  frame.checkpoint_bytes = of.checkpoint_bytes;
  frame.args_bytes = of.arguments_bytes;
  frame.what = of.role;
  frame.actor_type = of.type_index;
  send(who, wire::frame::boot, frame, of.name, fds);
  of.page().attention.store(0, std::memory_order_relaxed);  // the worker counts from the next frame
  of.consumer = &who;
  of.page().active.store(who.id, std::memory_order_relaxed);
  for (auto& lane : of.lanes) announce(of, *lane);
  who.now = life::stage::starting;
  send(who, wire::frame::go, wire::nothing{});
}

void world::send_packed(life& to, const std::vector<std::byte>& packed,
                        const std::vector<std::shared_ptr<os::fd>>& fds) {
  std::vector<int> numbers;
  for (const auto& each : fds) numbers.push_back(each->get());
  os::send_packet(to.control, packed, numbers);
  to.of->page().attention.fetch_add(1, std::memory_order_relaxed);
}

// ------------------------------------------------------------------------------------------------------------- broker

void world::serve(life& who) {
  std::array<std::byte, wire::max_frame> buffer;
  channel::incoming frame;
  while (channel::receive_frame(who.control, buffer, frame) == os::io::done) take_frame(who, frame);
}

void world::take_frame(life& who, channel::incoming& frame) {
  wire::connect connect{};
  wire::slot slot{};
  switch (frame.type) {
    case wire::frame::attached:
      os::seal_memory(*who.out, os::seal::one_writer);
      return;
    case wire::frame::ready:
      who.now = life::stage::up;
      return;
    case wire::frame::connect:
      if (frame.take(connect)) answer_connect(who, connect);
      return;
    case wire::frame::lane_drained:
      if (!frame.take(slot) || slot.owner != who.of->id) return;
      for (auto& lane : who.of->lanes) {
        if (lane->slot != slot.slot || lane->memory->incarnation != slot.sender || !lane->memory->dead) continue;
        return supervision::close_lane(*who.of, *lane);
      }
      return;
    default:
      return;
  }
}

in_lane& world::connect(life& who, identity& to, std::uint64_t offset, std::uint32_t ring) {
  in_lane* lane = supervision::open_lane(to, who, {to.id, offset, ring, 0});
  if (lane == nullptr) throw std::runtime_error("the head of a free slot is where no lane can begin");
  return *lane;
}

void world::answer_connect(life& who, const wire::connect& wanted) {
  identity& to = by_id(wanted.to);
  in_lane& lane = connect(who, to, wanted.offset, wanted.ring_bytes);
  announce(to, lane);
  send(who, wire::frame::connected, wire::connected{to.id, lane.start, lane.slot, wire::status::ok, 0, 0}, to.name,
       {to.cursor_fd, to.hint_fd, to.status_fd, to.doorbell});
}

void world::announce(identity& to, in_lane& lane) {
  if (const auto here = readers_.find(to.id); here != readers_.end()) {
    lane.announced = true;
    return here->second->add(lane);
  }
  if (to.consumer == nullptr) return;
  lane.announced = true;
  send(*to.consumer, wire::frame::lane,
       wire::lane{to.id, lane.sender, lane.memory->incarnation, lane.offset, lane.start, lane.ring_bytes, lane.slot,
                  lane.memory->dead ? 1U : 0U, 0},
       {}, {lane.memory_fd, lane.doorbell});
}

bool world::nothing_there(const life& who) const {
  return !readable(*who.of->doorbell) && !readable(theirs_.at(who.id));
}

// --------------------------------------------------------------------------------------------------------------- death

std::vector<supervision::judged_record> world::bury(life& who) {
  identity& of = *who.of;
  serve(who);
  who.memory->dead = true;
  recover_turn(of, who);
  auto judged = judge(of);
  finish_lanes_of(who);
  for (auto& [id, each] : identities_) supervision::pay_rings(who, *each);
  if (of.consumer == &who) {
    of.consumer = nullptr;
    for (auto& lane : of.lanes) lane->announced = false;
    of.cursor.at<wire::cursor_header>()->sleeping.store(0, std::memory_order_seq_cst);
  }
  of.active = nullptr;
  who.now = life::stage::dead;
  return judged;
}

void world::share_with_child() {
  const auto share = [](const os::mapping& map) { ::madvise(map.data(), map.size(), MADV_DOFORK); };
  for (const auto& [id, each] : identities_) share(each->cursor);
  for (const auto& [id, who] : lives_) share(who->memory->map);
}

void world::finish_lanes_of(const life& dead) {
  for (auto& [id, each] : identities_) {
    for (std::size_t i = 0; i < each->lanes.size();) {
      in_lane& lane = *each->lanes[i];
      const std::size_t before = each->lanes.size();
      if (lane.memory->incarnation == dead.id) {
        if (const auto here = readers_.find(id); here != readers_.end()) {
          here->second->final(lane.slot);
        } else if (each->consumer != nullptr && lane.announced && each->consumer != &dead) {
          send(*each->consumer, wire::frame::lane_final, wire::slot{lane.slot, 0, each->id, dead.id});
        } else {
          auto left = reader_of(*each, lane);
          channel::record ignored;
          if (left.peek(ignored) == channel::lane_reader::state::empty) supervision::close_lane(*each, lane);
        }
      }
      if (each->lanes.size() == before) ++i;
    }
  }
}

void world::drained(identity& of, std::uint32_t slot) {
  for (auto& lane : of.lanes) {
    if (lane->slot == slot && lane->memory->dead) return supervision::close_lane(of, *lane);
  }
}

// -------------------------------------------------------------------------------------------------------------- images

std::vector<std::byte> world::cursor_image(const identity& of) {
  constexpr std::size_t slots = 8 * sizeof(wire::cursor_slot);
  constexpr std::size_t base = offsetof(wire::cursor_header, base_length);
  constexpr std::size_t front = sizeof(wire::cursor_header) - base;
  std::vector<std::byte> image(front + slots);
  std::copy_n(of.cursor.data() + base, front, image.begin());
  std::copy_n(of.cursor.data() + wire::cursor_slots_offset, slots, image.begin() + front);
  return image;
}

std::uint32_t world::hint(const identity& of, std::uint32_t slot) const {
  return hints_.at(of.id).at<const std::atomic<std::uint32_t>>()[slot].load(std::memory_order_relaxed);
}

bool world::changed() {
  std::size_t at = 0;
  bool differs = false;
  const auto look = [&](const std::byte* from, std::size_t size) {
    if (seen_.size() < at + size) seen_.resize(at + size);
    if (std::memcmp(seen_.data() + at, from, size) != 0) {
      std::memcpy(seen_.data() + at, from, size);
      differs = true;
    }
    at += size;
  };
  for (auto& [id, each] : identities_) {
    look(each->cursor.data(), sizeof(wire::cursor_header));
    look(each->cursor.data() + wire::cursor_slots_offset, 8 * sizeof(wire::cursor_slot));
    look(hints_.at(id).data(), 8 * sizeof(std::uint32_t));
    for (std::uint64_t i = 0; each->checkpoint_bytes > 0 && i < 2; ++i) {
      look(checkpoints_.at(id).data() + i * each->checkpoint_bytes, 256);
    }
  }
  for (auto& [id, who] : lives_) {
    if (who->memory->dead) continue;
    look(who->memory->map.data(), sizeof(wire::out_header));
    look(who->memory->map.data() + wire::out_header_bytes, 3 * wire::lane_bytes(ring_bytes));
    look(who->memory->map.data() + wire::out_lanes_end, 4096);
  }
  for (const auto* memory : watched_) look(memory->data(), memory->size());
  return differs;
}

// --------------------------------------------------------------------------------------------------------------- hands

hand::hand(world& in, identity& from, identity& to)
    : who(in.bear(from)),
      out_(*who.out, wire::out_memory_bytes, os::access::read_write),
      hints_(*to.hint_fd, wire::hint_bytes, os::access::read_write),
      in_(in),
      to_(to),
      lane_(in.connect(who, to, wire::out_header_bytes, ring_bytes)),
      writer_(out_.data() + lane_.offset, ring_bytes, lane_.start, &to.slot(lane_.slot)) {
  out_.at<wire::out_header>()->incarnation = who.id;
  os::seal_memory(*who.out, os::seal::one_writer);
}

void hand::announce() { in_.announce(to_, lane_); }

bool hand::tell(const troupe::detail::outgoing& what) {
  troupe::detail::writer probe(nullptr, 0);
  what.encode(what.body, probe);
  wire::record_header header{};
  header.kind = wire::record_kind::tell;
  header.body_bytes = static_cast<std::uint32_t>(probe.size());
  header.bytes = static_cast<std::uint32_t>(sizeof header + wire::align8(probe.size()));
  header.message = what.message;
  const auto space = writer_.reserve(header.bytes);
  if (space.empty()) return false;
  std::memcpy(space.data(), &header, sizeof header);
  troupe::detail::writer body(space.data() + sizeof header, probe.size());
  what.encode(what.body, body);
  writer_.publish(header.bytes);
  hints_.at<std::atomic<std::uint32_t>>()[lane_.slot] = static_cast<std::uint32_t>(writer_.tail());
  if (to_.cursor.at<wire::cursor_header>()->sleeping.load(std::memory_order_seq_cst) != 0) os::ring(*to_.doorbell);
  return true;
}

}  // namespace crash
