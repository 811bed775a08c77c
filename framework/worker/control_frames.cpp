// What the supervisor tells a worker: noted under the endpoint's mutex, applied by the loop between messages.

#include "worker/loop.hpp"

namespace troupe::worker {

void loop::note(channel::incoming&& frame) {
  if (frame.type == wire::frame::stop) {
    stop_frame_ = true;
    if (!ending_) endpoint_.interrupt();
  }
  noted_.push_back(std::move(frame));
  has_noted_ = true;
}

void loop::apply_frames() {
  std::deque<channel::incoming> frames;
  std::vector<std::uint32_t> writable;
  bool look = false;
  {
    const std::lock_guard lock(endpoint_.mutex());
    frames.swap(noted_);
    writable.swap(writable_);
    has_noted_ = false;
    look = std::exchange(look_, false);
    if (stop_frame_) stop_ = stop_reason::shutdown;
  }
  for (auto& frame : frames) apply(frame);
  for (const auto slot : writable) replies_.flush(slot);
  if (look) replies_.release_read();
}

void loop::apply(channel::incoming& frame) {
  wire::slot slot{};
  wire::reply_end end{};
  wire::down down{};
  wire::slot_position kept{};
  wire::segment segment{};
  switch (frame.type) {
    case wire::frame::go: go_ = true; return;
    case wire::frame::stand_by: spare_ = true; return;
    case wire::frame::watch: return watch(frame);
    case wire::frame::retire: retire_ = true; return;
    case wire::frame::lane: return add_lane(frame);
    case wire::frame::lane_final:
      if (!frame.take(slot)) return;
      if (channel::inbound* lane = mailbox_.find(slot.slot); lane != nullptr) {
        lane->memory->dead = true;
        // Nobody reads the answers that wait; a pipe that a child of the dead one holds open does not say so.
        replies_.forget(slot.slot);
        lane->parked = false;
        // A lane whose sender lives on under a new incarnation may not be looked at again by any hint.
        mailbox_.look_again(slot.slot);
      }
      return;
    case wire::frame::reply_end:
      if (!frame.take(end) || frame.fds.size() != 1) return;
      if (channel::inbound* lane = mailbox_.find(end.slot); lane != nullptr && lane->incarnation == end.incarnation) {
        lane->reply_pipe = std::move(frame.fds[0]);
        replies_.pipe_arrived(*lane);
        mailbox_.look_again(end.slot);
      }
      return;
    case wire::frame::segment:
    case wire::frame::segment_gone:
      if (frame.take(segment)) {
        const std::lock_guard lock(endpoint_.mutex());
        endpoint_.segment_news(frame);
        mailbox_.look_again(segment.slot);
      }
      return;
    case wire::frame::down:
      if (frame.take(down)) {
        const std::string text = frame.text();
        const std::size_t cut = text.find('\n');
        downs_.emplace_back(down.incarnation,
                            troupe::down{down.identity, text.substr(0, cut), static_cast<troupe::down::kind>(down.kind),
                                         down.code, down.signal, down.ended != 0,
                                         cut == text.npos ? "" : text.substr(cut + 1)});
      }
      return;
    case wire::frame::letter_kept:
      if (frame.take(kept)) kept_ = kept;
      return;
    default: return;
  }
}

void loop::add_lane(channel::incoming& frame) {
  wire::lane lane{};
  if (!frame.take(lane) || frame.fds.size() != 2 || lane.slot >= wire::max_slots) return;
  if (!channel::lane_reader::plausible(lane.offset, lane.ring_bytes)) return;
  std::shared_ptr<channel::peer_memory> memory;
  {
    const std::lock_guard lock(endpoint_.mutex());
    memory = endpoint_.memory_of(lane.incarnation, std::move(frame.fds[0]));
  }
  if (!memory) return;
  if (lane.dead != 0) memory->dead = true;
  mailbox_.add(lane, std::move(memory), std::move(frame.fds[1]));
}

void loop::tell_downs() {
  // In the order of Erlang: first what the dead one has sent, then that it is dead.
  for (std::size_t i = 0; i < downs_.size() && !stop_;) {
    if (mailbox_.expects_from(downs_[i].first)) {
      ++i;
      continue;
    }
    const troupe::down told = std::move(downs_[i].second);
    downs_.erase(downs_.begin() + static_cast<std::ptrdiff_t>(i));
    in_turn([&] { actor_->on_down(told); });
  }
}

}  // namespace troupe::worker
