// A spare's life until it is let go: it is constructed, waits, and watches the process that it stands by for.

#include "os/scheduling.hpp"
#include "worker/loop.hpp"

namespace troupe::worker {

void loop::stand_by() {
  actor_->on_standby();
  const os::processors its_own = os::processors::of(0);
  endpoint_.send(wire::frame::standing_by, wire::nothing{});
  wait_until([this] { return go_ || stop_; });
  if (!go_) {
    actor_.reset();
    leave(last_word_, wire::leave::shutdown, "");
  }
  // The supervisor has chosen where it wakes; from here on it runs where it may.
  its_own.give(0);
  spare_ = false;
  handled_at_takeover_ = mailbox_.page().handled.load(std::memory_order_relaxed);
  endpoint_.take_over();
}

/// Told again when its child has another process. The frame is made before it is needed: a thread's first allocation
/// takes as long as everything else that this one does.
void loop::watch(channel::incoming& frame) {
  wire::number whose{};
  if (!frame.take(whose) || frame.fds.size() != 1 || !spare_) return;
  watch_.reset();
  watch_.emplace(os::mapping(frame.fds[0], wire::out_header_bytes, os::access::read_only),
                 offsetof(wire::out_header, canary), [this, said = channel::pack(wire::frame::suspect, whose)] {
                   // The socket may be full, or the supervisor gone: then the pidfd tells, or nobody need be told.
                   static_cast<void>(os::send_packet(last_word_, said, {}));
                 });
}

}  // namespace troupe::worker
