#pragma once

/// An actor's (or a queue's) mailbox as its present owner sees it: the set of lanes into it, the cursor page, the
/// doorbell. It belongs to an identity, not to a process: the supervisor holds the memory, and whoever comes next goes
/// on with the next message.
///
/// Used by one thread at a time. It never blocks; sleeping is done by its owner with prepare_sleep() and the doorbell.

#include <cstdint>
#include <memory>
#include <vector>

#include "channel/lane.hpp"
#include "os/pipe.hpp"
#include "wire/control.hpp"

namespace troupe::channel {

/// One lane into the mailbox, with what is known of its sender.
struct inbound {
  lane_reader reader;
  wire::identity_id sender = 0;
  wire::incarnation_id incarnation = 0;
  std::uint32_t slot = 0;
  std::shared_ptr<peer_memory> memory;
  os::fd doorbell;    ///< the sender's
  os::fd reply_pipe;  ///< write end to the asker; none: it has not asked, or is not ready
  bool parked = false;      ///< a reply waits for its pipe: nothing more is taken
  bool broken = false;      ///< holds bytes that are no record: never read again
  bool finished = false;    ///< dead and drained; in mailbox::drained
  std::uint32_t room_told = 0;    ///< the sender's wait for room that has been answered with a ring
  std::uint64_t inherited_mark = 0;  ///< when the lane was announced: of an earlier incarnation's last start
  std::uint64_t careful_until = 0;  ///< an earlier incarnation died over the record here: it and those before it go alone
  bool uncommitted = false;       ///< the record at the head waits for its turn
  bool waiting_for_pipe = false;  ///< a request within its deadline is at the head, and its reply pipe has not come
  unsigned predecessors = 0;  ///< unfinished lanes of the sender's earlier incarnations: they come first
};

class mailbox {
 public:
  mailbox(wire::identity_id owner, os::mapping cursor, os::mapping hints, os::fd doorbell) noexcept;

  wire::identity_id owner() const noexcept { return owner_; }
  const os::fd& doorbell() const noexcept { return doorbell_; }
  wire::cursor_header& page() const noexcept { return *cursor_.at<wire::cursor_header>(); }
  wire::cursor_slot& cursor(std::uint32_t slot) const noexcept {
    return cursor_.at<wire::cursor_slot>(wire::cursor_slots_offset)[slot];
  }

  /// A lane that the supervisor announced; one announced twice replaces itself. Geometry must be plausible.
  void add(const wire::lane& announced, std::shared_ptr<peer_memory> memory, os::fd doorbell);
  inbound* find(std::uint32_t slot) noexcept;
  /// Forgets a lane that is drained; the sender's next lane becomes deliverable.
  void remove(std::uint32_t slot);
  /// Something about this lane has changed that its hint does not tell.
  void look_again(std::uint32_t slot) noexcept;
  /// Lanes of this incarnation of a sender that hold, or may still get, something to deliver.
  bool expects_from(wire::incarnation_id sender) const noexcept;

  /// The next lane with a deliverable record, lanes in turn; the record is described in `into`. None: nothing now.
  /// Looks at lanes whose hint has moved, and at all truths now and then. Lanes that are dead and drained are collected
  /// in `drained`.
  inbound* next(record& into);
  /// Whether any lane has a deliverable record: looks at every truth.
  bool anything();
  /// Dead lanes that hold nothing more: to be reported, then removed.
  std::vector<std::uint32_t> drained;
  /// Lanes newly found to hold bytes that are no record.
  std::vector<std::uint32_t> broken;

  /// Stores the mark: this record is in flight from here on. Returns the number of this attempt, from 1.
  /// `first`: no record before it waits for its finish().
  unsigned start(const inbound& lane, const record& started, bool first = true) noexcept;
  /// Whether start() has been said of this record before, by whichever incarnation.
  bool begun(const inbound& lane, const record& which) const noexcept;
  /// next() goes on behind this record, which waits for its finish().
  void pass(inbound& lane, const record& done) noexcept { lane.reader.advance(done); }
  /// Stores the head: this record, and those passed before it, are done with.
  void finish(inbound& lane, const record& done) noexcept;
  void finish_passed(inbound& lane) noexcept;
  /// Rings the sender of the lane that was served last if it waits for room. Called by next() when it leaves a lane and
  /// before a sleep; to be called by whoever waits in the middle of a batch.
  void settle() noexcept;

  /// To be called before sleeping on the doorbell; false: something is deliverable, do not sleep.
  bool prepare_sleep();
  void woke() noexcept;
  /// Whether something may have come since the last call: cheap, for who waits awake. Now and then it says so for
  /// nothing, or says no although something is there; prepare_sleep() never does.
  bool news() noexcept;

  std::size_t lanes() const noexcept { return lanes_.size(); }

 private:
  struct watched {
    std::uint32_t slot;
    std::uint32_t seen_hint;
    std::uint64_t seen_tail;
    bool more;  // stopped by the batch limit, or not looked at yet
    std::unique_ptr<inbound> lane;
  };

  bool deliverable(inbound& lane, record& into);
  void leave_lane() noexcept;
  bool told_more(watched& lane) const noexcept;
  std::uint32_t hint(std::uint32_t slot) const noexcept;

  wire::identity_id owner_;
  os::mapping cursor_;
  os::mapping hints_;
  os::fd doorbell_;
  std::vector<watched> lanes_;
  std::size_t current_ = 0;
  inbound* unsettled_ = nullptr;  // of which records have been finished since the last settle()
  unsigned in_batch_ = 0;
  std::size_t since_full_look_ = 0;
};

}  // namespace troupe::channel
