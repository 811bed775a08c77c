#pragma once

/// A process's side of everything it talks to: the control socket, the lanes it sends on, the requests it waits for.
/// One per process; made at boot, lives until the process ends.
///
/// Threads: every public function may be called from any thread unless it says otherwise. While one thread waits in
/// wait(), it serves control socket, doorbell and reply pipes for all; the others sleep until it tells them or hands
/// over. The mutex of the endpoint comes before the mutex of a link; the fast path of a tell takes only the latter.

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <troupe/detail/node.hpp>
#include <troupe/error.hpp>

#include "channel/frames.hpp"
#include "channel/lane.hpp"
#include "channel/letter_reader.hpp"
#include "channel/outbox.hpp"
#include "channel/spin.hpp"
#include "channel/segments.hpp"
#include "os/memory.hpp"
#include "os/mutex.hpp"
#include "os/pipe.hpp"
#include "os/poller.hpp"

namespace troupe::channel {

using block_ptr = std::shared_ptr<const detail::outbox_block>;

class queue_end;

/// What this process knows of one receiver.
struct out_link {
  explicit out_link(wire::identity_id receiver) : to(receiver) {}

  const wire::identity_id to;
  os::mutex mutex;  // guards what follows up to the empty line
  enum class state : std::uint8_t { fresh, connecting, up, refused, closed } now = state::fresh;
  error why{errc::closed, ""};  // refused, closed
  std::string name;
  lane_writer lane;
  std::uint32_t slot = 0;
  std::uint64_t offset = 0;
  std::uint32_t ring_bytes = 0;
  std::uint32_t ends = 0;            // of the receiver, before this lane was opened
  std::optional<incoming> offered;   // the lane is there, and the receiver's pages could not be mapped yet
  os::mapping cursor, hints, status;
  os::fd doorbell;
  std::uint64_t rung = 0;        // the receiver's sleep that was last ended by a ring from here
  unsigned want_room = 0;        // threads of this process that wait for it to make room
  std::uint64_t told_turn = 0;   // the last turn in which it was told something
  std::uint64_t turn_began = 0;  // the lane's tail before that turn's first record

  // guarded by the endpoint's mutex
  bool asked = false;  // the supervisor has been asked for the reply pipe
  os::fd reply_pipe;
  std::vector<std::byte> partial;  // of a frame that is not whole yet
  bool watched = false;
  std::shared_ptr<peer_memory> callee;
  wire::incarnation_id callee_incarnation = 0;
  std::vector<std::vector<std::byte>> parked;  // replies: the first lies in a segment that has not come yet
};

class endpoint {
 public:
  struct parts {
    wire::identity_id identity;
    wire::incarnation_id incarnation;
    os::fd control;
    os::mapping out;
    os::fd doorbell;
    std::uint64_t outbox_bytes = 0;  // limit of the outbox's further segments
    bool spare = false;              // the doorbell is another process's, and nothing may be told, until take_over()
  };
  /// Frames that the endpoint does not take itself; called with the mutex held, so it may only note them.
  using frame_sink = std::function<void(incoming&&)>;
  endpoint(parts its, frame_sink others);
  ~endpoint();

  static endpoint& current();
  static bool exists() noexcept;

  wire::identity_id identity() const noexcept { return parts_.identity; }
  wire::incarnation_id incarnation() const noexcept { return parts_.incarnation; }
  wire::out_header& out_header() const noexcept { return *parts_.out.at<wire::out_header>(); }
  const os::fd& doorbell() const noexcept { return parts_.doorbell; }
  /// A spare has become its actor's process.
  void take_over();

  // ------------------------------------------------------------------------------------------- control socket
  template <class Body>
  void send(wire::frame type, const Body& body, std::string_view text = {}, std::span<const int> fds = {}) {
    send_bytes(pack(type, body, text), fds);
  }
  /// Sends a frame that is answered and waits for the answer; the frame carries `tag`.
  std::uint64_t new_tag();
  /// A number that this process gives once.
  std::uint64_t new_number();
  expected<incoming> await_answer(std::uint64_t tag);
  /// The same for an answer that the supervisor always gives at once: not ended by interrupt().
  incoming await_prompt_answer(std::uint64_t tag);
  /// Hands `what` to the supervisor for the message in the lane to `to` that ends at `position`; with `to` 0, for the
  /// process that is started with `tag`.
  void deposit(const detail::enclosure& what, wire::identity_id to, std::uint64_t position, std::uint64_t tag);
  /// What was enclosed under this name; none: it has been taken before, or is lost.
  os::fd withdraw(detail::fd_token token);

  /// How a troupe::process ended; none: it runs.
  std::optional<wire::exit> exit_of(wire::identity_id process);
  /// Waits for the end of a troupe::process. False: `until` has come. Throws error(errc::stopping).
  bool await_exit(wire::identity_id process, std::optional<os::time_point> until);
  void forget_exit(wire::identity_id process);

  /// This process's side of a queue, one for all its handles. `made`: the supervisor knows of the first handle already.
  std::shared_ptr<queue_end> queue_of(wire::identity_id queue, bool made);

  // ------------------------------------------------------------------------------------------- dead_letters.cpp
  /// The program's dead letters, where they lie.
  const letter_reader& letters();
  std::uint64_t purge_letters(std::uint64_t number, wire::identity_id receiver);
  /// The letter has been told again: it is purged, inside a turn with the turn's end.
  void letter_replayed(std::uint64_t number);

  // ------------------------------------------------------------------------------------------- sending (links.cpp)
  out_link& link_to(const detail::address& to);
  /// False: not told; tell() says why, or waits.
  bool tell_at_once(out_link& link, const detail::outgoing& what);
  expected<void> tell(out_link& link, const detail::outgoing& what, std::optional<os::time_point> until);
  expected<std::uint64_t> ask(out_link& link, const detail::outgoing& what, std::uint64_t reply_type,
                              os::time_point deadline, bool waiting);
  std::shared_ptr<detail::outbox_block> take_block(std::size_t bytes, std::optional<os::time_point> until);
  void give_block(std::uint64_t offset, std::uint64_t bytes) noexcept;

  // ---------------------------------------------------------------- segments of the outbox (endpoint_segments.cpp)
  /// Before a block is published in the lane to `to`, or (with `to` 0) in a reply to `asker`: if it lies in a segment,
  /// the supervisor hands that on.
  void share_segment(std::uint64_t offset, wire::identity_id to, wire::incarnation_id asker);
  /// A segment of another's outbox has come, or is retired. The mutex is held.
  void segment_news(incoming& frame);
  /// Called now and then while this process has segments: time to give back blocks. The mutex is held.
  std::function<void()> on_look;
  /// Called when the outbox has no room, with locks held: time to give back blocks. Any thread.
  std::function<void()> on_lack;

  // ------------------------------------------------------------------------------------------- replies (asks.cpp)
  std::uint64_t ask_failed(error why);
  expected<detail::reply_bytes> await_reply(std::uint64_t correlation);
  expected<std::optional<std::size_t>> await_any(std::span<const std::uint64_t> correlations,
                                                 std::optional<os::time_point> until);
  void on_reply(std::uint64_t correlation, detail::reply_handler handler);
  void forget_reply(std::uint64_t correlation) noexcept;
  /// Runs one of what on_reply left and is due; false: nothing is. Loop thread, or any thread of main.
  bool run_callback();
  bool callback_due();
  /// The same, with the mutex held.
  bool has_due() const noexcept { return !due_.empty(); }

  // ------------------------------------------------------------------------------------------- turns (loop thread)
  /// Records told from now on by this thread carry turn + 1.
  void begin_turn();
  /// The turn's records have become true: hints and rings.
  void announce_turn();
  bool in_turn() const noexcept;
  /// Whether the open turn is to cover no more: turn_took, or a quarter of any lane or of the outbox is filled.
  bool turn_is_full() const;
  /// Of the open turn, inside it: it took or handed on what is there only once; bytes of the blocks that it sends.
  bool turn_took = false;
  std::uint64_t turn_holds = 0;
  /// Turns cover several records: nothing may wait for an answer in one. Set before the first turn.
  bool long_turns = false;

  // ------------------------------------------------------------------------------------------- waiting
  enum class woke : std::uint8_t { ready, timeout, stopping };
  /// Serves the endpoint until `ready` (called with the mutex held), or until `until`, or until interrupt(). What is there
  /// already is served even if `until` has passed.
  template <class Ready>
  woke wait(std::unique_lock<std::mutex>& lock, std::optional<os::time_point> until, Ready ready);
  std::mutex& mutex() noexcept { return mutex_; }
  /// Serves what is there, waiting at most until `until`. Returns at the first event, whatever it is; at once if
  /// `unless` (called with the mutex held, may be empty) says so.
  void serve_once(std::optional<os::time_point> until, const std::function<bool()>& unless = {});
  /// How often the doorbell has been heard; changes with the mutex held.
  std::uint64_t rings() const noexcept { return rings_.load(std::memory_order_relaxed); }
  /// Ends present and future waits with this error. The mutex is held.
  void interrupt(error why = {errc::stopping, "the program is being stopped"});
  /// The same, and makes a write to the doorbell, so that a thread in the poller sees it. The mutex is not held.
  void interrupt_from_outside(error why);
  /// Why waits end; errc::stopping unless interrupt() said otherwise.
  error stop_error() const {
    const std::lock_guard lock(stop_mutex_);
    return stop_error_;
  }
  /// Waits are possible again: what on_stop does.
  void resume() noexcept;
  bool interrupted() const noexcept { return interrupted_; }
  /// Earliest deadline of a callback; for a loop that sleeps by itself.
  std::optional<os::time_point> next_deadline();

  /// Called, with the mutex held, by a thread that is about to sleep in wait().
  std::function<void()> before_sleep;
  /// For main: what runs the callbacks that are due, in the thread that waits, without the mutex. Called after poke().
  std::function<void()> run_between;
  /// Something for run_between; called with the mutex held.
  void poke() noexcept { poked_ = true; }

  /// A descriptor of the owner's, served with the others; `ready` runs with the mutex held.
  void watch(const os::fd& what, std::uint64_t key, std::uint8_t interests);
  /// What was watched `once`, and has been said, is said again.
  void watch_again(const os::fd& what, std::uint64_t key, std::uint8_t interests);
  void unwatch(const os::fd& what) noexcept;
  /// Waits for a descriptor of the user's while the endpoint is served. False: `until` has come.
  bool wait_fd(int number, bool writable, std::optional<os::time_point> until);
  /// The same for the first of several, or until `unless` (called with the mutex held, may be empty) says so.
  struct awaited_fd {
    int number;
    bool writable;
  };
  bool wait_fds(std::span<const awaited_fd> what, std::optional<os::time_point> until,
                const std::function<bool()>& unless = {});
  /// Makes the waits of other threads look again. The mutex is not held.
  void nudge();
  std::function<void(std::uint64_t key, bool readable, bool writable)> on_watched;
  static constexpr std::uint64_t owner_key = std::uint64_t{1} << 62;

  /// The out-memory of another incarnation, mapped once; none: this is no out-memory. The mutex is held.
  std::shared_ptr<peer_memory> memory_of(wire::incarnation_id whose, os::fd memory);
  std::string name_of(wire::identity_id identity);
  /// Control frames taken in so far; see status_page::attention.
  std::uint32_t frames_taken() const noexcept { return frames_taken_.load(std::memory_order_relaxed); }
  /// Whether any request with a callback is under way or has its answer.
  bool callbacks_pending() const noexcept { return callbacks_.load(std::memory_order_relaxed) > 0; }

 private:
  enum class put : std::uint8_t { done, full, outbox_full, to_copy, failed };
  class wanted_room;
  struct asked {
    out_link* link;
    std::uint64_t position;
    std::uint64_t reply_type;
    std::string_view message;
    os::time_point deadline;
    std::optional<expected<detail::reply_bytes>> result;
    detail::reply_handler handler;
  };
  class gathered;
  class watched_fds;

  void send_bytes(const std::vector<std::byte>& packed, std::span<const int> fds);
  void pump(std::unique_lock<std::mutex>& lock, std::optional<os::time_point> until);
  void serve(const os::poller::event& event);
  void serve_control();
  void lost_fds();
  void take_frame(incoming&& frame);
  bool for_a_queue(incoming& frame);
  bool for_a_reply(const incoming& frame) const;
  void segment_made(incoming& frame);
  void look_after_segments();
  void retired(const std::vector<std::uint32_t>& numbers);
  bool segment_under_way();
  void release_passed();
  std::byte* outbox_data(std::uint64_t offset);
  void retake_parked(out_link& link);

  void connect(out_link& link, bool asks);
  void connected(incoming& frame);
  void take_up(out_link& link);
  void link_closed(const wire::answer& what, const std::string& why);
  void lane_freed(wire::identity_id to);
  expected<void> connect_and_wait(out_link& link, bool asks, std::optional<os::time_point> until);
  void hold(out_link& link, std::vector<block_ptr>&& blocks);
  void release_of(const out_link& link);
  void copy_payloads(const detail::outgoing& what, std::optional<os::time_point> until);
  put put_record(out_link& link, const detail::outgoing& what, const wire::request_part* request, bool stamped,
                 std::optional<error>& why);
  put put_in_outbox(out_link& link, const detail::outgoing& what, const wire::request_part* request, bool stamped,
                    std::size_t body_bytes, std::optional<error>& why);
  void finish_record(out_link& link, std::byte* at, const detail::outgoing& what, const wire::request_part* request,
                     std::size_t body_bytes, bool outside, bool stamped, gathered&& along);
  void wake_receiver(out_link& link) noexcept;
  bool only_own(out_link& link) const;
  bool room_now(std::unique_lock<std::mutex>& lock, out_link& link);
  expected<void> wait_for_room(out_link& link, const detail::outgoing& what, std::optional<os::time_point> until,
                               const std::function<put()>& again, std::optional<error>& why);
  void want_room(out_link& link, bool wanted) noexcept;
  std::set<out_link*> holders();
  woke wait_awake_or_asleep(std::unique_lock<std::mutex>& lock, out_link& link, os::time_point until,
                            const std::function<bool()>& settled);
  std::uint64_t take_outbox(std::size_t bytes);
  std::uint64_t take_free(std::size_t bytes);
  error why_closed(out_link& link, const error& known);
  error full_error(const out_link& link, const detail::outgoing& what, put why, bool waited) const;
  error own_error(const out_link& link) const;
  expected<void> refuse_deadlock(out_link& link, const detail::outgoing& what, bool waiting);

  void link_up(incoming& frame);
  void drain_replies(out_link& link);
  expected<detail::reply_bytes> or_stopping(expected<detail::reply_bytes> got) const;
  bool look_for_reply(std::unique_lock<std::mutex>& lock, const asked& ask);
  void stop_watching(out_link& link);
  void take_reply(out_link& link, std::span<const std::byte> frame);
  void verdict(const wire::verdict& what, const std::string& how);
  std::size_t first_settled(std::span<const std::uint64_t> correlations, bool late) const;
  void settle(std::uint64_t correlation, expected<detail::reply_bytes> result);
  void expire(os::time_point now);

  parts parts_;
  frame_sink others_;
  os::poller poller_;
  std::mutex mutex_;
  std::condition_variable handed_over_;
  bool pumping_ = false;
  unsigned followers_ = 0;
  std::atomic<bool> interrupted_{false};
  mutable std::mutex stop_mutex_;  // innermost: the control thread takes it, and must wait for nobody
  error stop_error_{errc::stopping, "the program is being stopped"};
  bool poked_ = false;
  std::vector<std::byte> buffer_;
  std::atomic<std::uint32_t> frames_taken_{0};
  std::atomic<std::uint32_t> callbacks_{0};
  std::atomic<std::uint64_t> rings_{0};
  spin for_replies_{4};  // guarded by mutex_, as the next
  spin for_room_{6};

  std::unordered_map<wire::identity_id, std::unique_ptr<out_link>> links_;
  std::uint64_t next_tag_ = 1;
  std::unordered_map<std::uint64_t, std::optional<incoming>> answers_;
  std::map<wire::identity_id, wire::exit> exits_;
  std::uint64_t next_correlation_ = 1;
  std::map<std::uint64_t, bool> awaited_;  // descriptors in wait_fd, by their key: ready
  std::unordered_map<std::uint64_t, asked> asks_;
  std::set<std::pair<os::time_point, std::uint64_t>> deadlines_;  // of asks with a handler
  std::deque<std::uint64_t> due_;                                 // asks with a handler and a result
  std::map<wire::incarnation_id, std::weak_ptr<peer_memory>> memories_;
  std::map<wire::identity_id, std::weak_ptr<queue_end>> queues_;

  // Blocks that messages have taken along; each is free when the head of its lane has passed the message.
  struct held {
    out_link* link;
    const std::atomic<std::uint64_t>* head;
    std::uint64_t end;
    std::vector<block_ptr> blocks;
  };
  std::mutex ranges_mutex_;  // the innermost: nothing else is locked, and no block dies, while it is held
  ranges lanes_;
  ranges outbox_;
  segments segments_;
  std::deque<held> held_;
  std::optional<os::time_point> next_look_;  // after segments; guarded by the endpoint's mutex

  std::atomic<std::uint64_t> turn_{0};  // the open turn's number, 0: none
  std::vector<out_link*> told_;
  std::vector<wire::identity_id> unacknowledged_;  // closed during a turn; guarded by the endpoint's mutex
  std::atomic<bool> closed_unanswered_{false};     // there may be some
  std::vector<std::uint64_t> replayed_;            // letters that the turn has told again
  std::once_flag letters_once_;
  std::optional<letter_reader> letters_;

  static endpoint* current_;
};

template <class Ready>
endpoint::woke endpoint::wait(std::unique_lock<std::mutex>& lock, std::optional<os::time_point> until, Ready ready) {
  for (bool served_after = false;;) {
    if (ready()) return woke::ready;
    if (interrupted_) return woke::stopping;
    const bool over = until && os::clock::now() >= *until;
    if (over && served_after) return woke::timeout;
    if (poked_ && run_between) {
      poked_ = false;
      lock.unlock();
      try {
        run_between();
      } catch (...) {
        lock.lock();
        poked_ = true;  // the callbacks behind the one that has thrown are due still
        throw;
      }
      lock.lock();
    } else {
      if (before_sleep) before_sleep();
      pump(lock, until);
      served_after = over;
    }
  }
}

}  // namespace troupe::channel
