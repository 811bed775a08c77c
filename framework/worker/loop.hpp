#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <troupe/actor.hpp>
#include <troupe/detail/actor_type.hpp>
#include <troupe/detail/context.hpp>

#include "channel/endpoint.hpp"
#include "channel/mailbox.hpp"
#include "os/canary.hpp"
#include "worker/boot.hpp"
#include "worker/replies.hpp"
#include "worker/timers.hpp"
#include "worker/turn.hpp"
#include "worker/watches.hpp"

namespace troupe::worker {

/// The one thread of an actor's worker: mailbox -> handler -> reply, timers, callbacks, control frames. Sleeps in the
/// endpoint's poller when nothing is to do; nothing ticks.
class loop final : public detail::worker_context {
 public:
  /// Not yet running anything of the user's.
  loop(birth&& born, const detail::actor_type& type);
  ~loop();
  /// Waits for go, makes the actor, serves it until it ends, ends the process.
  [[noreturn]] void run();

  // detail::worker_context
  const std::string& name() const override { return name_; }
  std::uint64_t incarnation() const override { return endpoint_.incarnation(); }
  unsigned attempt() const override { return attempt_; }
  bool restored() const override { return restored_; }
  void reply(std::uint64_t reply_type, const void* body, replies::encoder encode) override;
  void reply_failure(std::string_view text) override;
  detail::deferral defer() override;
  void reply_deferred(const detail::deferral& to, std::uint64_t reply_type, const void* body,
                      replies::encoder encode) override;
  void fail_deferred(const detail::deferral& to, std::string_view text) override;
  void drop_deferred(const detail::deferral& to) noexcept override;
  std::uint64_t add_timer(std::chrono::nanoseconds first, std::chrono::nanoseconds period,
                          const detail::outgoing& message) override;
  void cancel_timer(std::uint64_t timer) noexcept override { timers_.cancel(timer); }
  std::uint64_t add_watch(int descriptor, bool writable, std::function<void()> handler) override {
    return watches_.add(descriptor, writable, std::move(handler));
  }
  void remove_watch(std::uint64_t watch) noexcept override { watches_.remove(watch); }
  void stop_self() override { stop_ = stop_reason::self; }
  void announce(const std::string& text) override { said_at_start_ = text; }

 private:
  class received;

  void wait_until(const std::function<bool()>& done);
  void make_actor();
  void stand_by();
  void start_actor();
  [[noreturn]] void serve();
  bool turn_of_messages();
  void put_away_lanes(channel::inbound*& next);
  bool turn_of_timers();
  bool turn_of_callbacks();
  void sleep();
  bool attention() const noexcept;
  bool something_came();
  [[noreturn]] void end();
  bool stopped_by_supervisor();
  [[noreturn]] void stop_in_handler();
  void go_on_waiting();
  void retire_when_quiet();

  void handle(channel::inbound& lane, const channel::record& record);
  bool skip(const channel::inbound& lane, const channel::record& record);
  void invoke(channel::inbound& lane, const channel::record& record);
  bool somebody_waits(const channel::inbound& lane) const noexcept;
  void unhandled(channel::inbound& lane, const channel::record& record);
  void undecodable(channel::inbound& lane, const channel::record& record, const std::string& why);
  void letter(const channel::inbound& lane, const channel::record& record, wire::letter_reason reason,
              const std::string& why);
  void broken_lane(std::uint32_t slot);

  /// Runs `body`, of the timer's message if there is one, as a turn of its own, if the actor works in turns: a turn
  /// without an input record.
  template <class Body>
  void in_turn(Body body, std::uint64_t message = 0);
  void aside_ended() noexcept;
  void commit(std::uint32_t slot, std::uint64_t head);
  void handle_in_turn(channel::inbound& lane, const channel::record& record);
  bool goes_alone(const channel::inbound& lane, const channel::record& record) const;
  void begin_turn();
  void close_turn();
  void announce();
  void answer_dropped();

  void note(channel::incoming&& frame);
  void apply_frames();
  void apply(channel::incoming& frame);
  void add_lane(channel::incoming& frame);
  void tell_downs();
  void watch(channel::incoming& frame);

  std::string name_;
  const detail::actor_type& type_;
  os::mapping status_;
  os::mapping arguments_;
  const os::fd& last_word_;  // the control socket, whatever the endpoint is doing
  channel::endpoint endpoint_;
  channel::mailbox mailbox_;
  replies replies_;
  timers timers_;
  watches watches_;
  turn turn_;
  std::unique_ptr<actor> actor_;

  std::deque<channel::incoming> noted_;  // guarded by the endpoint's mutex
  std::atomic<bool> has_noted_{false};
  std::deque<std::pair<wire::incarnation_id, down>> downs_;  // wait for the dead one's last message
  std::vector<std::uint32_t> writable_;                      // guarded by the endpoint's mutex
  bool go_ = false;
  std::string said_at_start_;
  bool spare_ = false;  // not the child's process yet
  // Ending its threads takes time, which the first message after a takeover is not to wait for.
  std::optional<os::canary_watch> watch_;
  std::uint64_t handled_at_takeover_ = 0;
  std::optional<wire::slot_position> kept_;  // the last letter that the supervisor has
  std::optional<stop_reason> stop_;
  bool look_ = false;        // guarded by the endpoint's mutex
  bool stop_frame_ = false;  // guarded by the endpoint's mutex
  bool ending_ = false;      // guarded by the endpoint's mutex: a stop interrupts nothing any more
  bool retire_ = false;

  detail::deferral current_;  // the request in hand; incarnation 0: none, or answered
  std::uint64_t asked_until_ = 0;  // how long its asker waits
  std::vector<detail::deferral> dropped_;  // answers that nobody can give any more
  channel::inbound* open_ = nullptr;  // the lane whose records the open turn covers so far
  unsigned covered_ = 0;              // how many they are
  unsigned attempt_ = 0;
  bool restored_ = false;
  channel::spin waited_awake_{6};
  unsigned unserved_ = 0;  // messages since the endpoint was last served
};

template <class Body>
void loop::in_turn(Body body, std::uint64_t message) {
  mailbox_.page().aside.store(message, std::memory_order_relaxed);
  if (type_.works_in == detail::turns::none) {
    body();
    return aside_ended();
  }
  close_turn();
  begin_turn();
  body();
  commit(wire::no_slot, 0);
  announce();
  aside_ended();
}

}  // namespace troupe::worker
