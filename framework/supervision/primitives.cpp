// What processes and queues need of the control thread.

#include "supervision/control.hpp"

namespace troupe::supervision {

void control::on_queue_make(life& who, const wire::queue& wanted) {
  const auto log2 = static_cast<unsigned>(std::min<std::uint64_t>(wanted.ring_log2, wire::max_ring_log2));
  auto made = add_identity("", child_spec{.name = "queue", .lane_bytes = std::uint32_t{1} << log2});
  if (!made) {
    return send(who, wire::frame::queue_made, wire::answer{wanted.tag, 0, 0, wire::status::failed, 0},
                made.error().what());
  }
  (*made)->is_queue = true;
  (*made)->name = "queue";
  send(who, wire::frame::queue_made, wire::answer{wanted.tag, (*made)->id, 0, wire::status::ok, 0});
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
  send(who, wire::frame::queue_taken, wire::answer{wanted.tag, its->id, 0, wire::status::ok, 0}, {},
       {its->cursor_fd, its->hint_fd, its->doorbell});
  for (auto& lane : its->lanes) announce(*its, *lane);
}

void control::on_process_start(life& who, const wire::process& wanted, channel::incoming& frame) {
  const auto refuse = [&](const std::string& why) {
    send(who, wire::frame::process_started, wire::answer{wanted.tag, 0, 0, wire::status::failed, 0}, why);
  };
  if (frame.fds.size() != 1 || !os::has_fixed_size(frame.fds[0], wanted.args_bytes)) return refuse("bad arguments");
  auto made = add_identity("", child_spec{.name = "process", .restart = restart::temporary});
  if (!made) return refuse(made.error().what());
  identity& its = **made;
  its.name = "process " + std::to_string(its.id & 0xffffffffffffff);
  its.role = wire::role::process;
  its.owner = who.id;
  its.tag = wanted.tag;
  its.arguments_fd = std::make_shared<os::fd>(std::move(frame.fds[0]));
  its.arguments_bytes = wanted.args_bytes;
  start_life(its);
}

}  // namespace troupe::supervision
