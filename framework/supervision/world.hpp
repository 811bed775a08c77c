#pragma once

/// What the control thread knows: identities, their lives, and the lanes between them. Touched by that thread alone.

#include <deque>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <troupe/certificate.hpp>
#include <troupe/child_spec.hpp>
#include <troupe/detail/actor_type.hpp>
#include <troupe/detail/supervising.hpp>

#include "channel/lane.hpp"
#include "os/memory.hpp"
#include "os/pipe.hpp"
#include "os/poller.hpp"
#include "supervision/executor.hpp"
#include "supervision/hang.hpp"
#include "supervision/letters.hpp"
#include "supervision/policy.hpp"
#include "supervision/refill.hpp"
#include "wire/control.hpp"
#include "wire/memory.hpp"

namespace troupe::supervision {

struct identity;

/// A frame that waits for its socket. Descriptors are shared, since many frames may carry the same one.
struct outgoing_frame {
  std::vector<std::byte> bytes;
  std::vector<std::shared_ptr<os::fd>> fds;
};

/// Keys of the control thread's poller. A life has two: its control socket and its pidfd.
inline constexpr std::uint64_t bell_key = 0, signals_key = 1, spawner_key = 2, twin_key = 3, first_life_key = 8;
constexpr std::uint64_t control_key(wire::incarnation_id id) { return first_life_key + 2 * id; }
constexpr std::uint64_t pidfd_key(wire::incarnation_id id) { return first_life_key + 2 * id + 1; }

/// A further segment of an incarnation's outbox.
struct outbox_segment {
  std::shared_ptr<os::fd> memory;
  std::uint64_t room = 0;
  bool sealed = false;  // may be handed on
  /// Who has been handed it, and for the lanes of which mailbox; 0: for replies.
  std::set<std::pair<wire::incarnation_id, wire::identity_id>> holders;
};
/// Those of one incarnation, by number. They live until nobody needs them: the life, and the lanes from it.
struct outbox_segments {
  std::map<std::uint32_t, outbox_segment> all;
  std::uint32_t last = 0;
};

/// What of a spec a process has got at its birth, and keeps.
struct process_rules {
  std::uint64_t outbox_bytes = 0;
  troupe::limits limits = {};
  bool no_new_privs = false;
  bool canary = false;  // it holds one, for spares to watch

  bool operator==(const process_rules&) const = default;
};

/// One process's life under an identity: from the spawn request to the reaping.
struct life {
  wire::incarnation_id id = 0;
  identity* of = nullptr;
  /// warming, standing_by: a spare's, between booting and starting. dead: judged, and not reaped yet.
  enum class stage : std::uint8_t { spawning, booting, warming, standing_by, starting, up, dead } now = stage::spawning;

  os::fd control;
  bool control_open = true;
  bool wants_write = false;
  std::deque<outgoing_frame> queue;
  std::uint32_t fds_under_way = 0;
  std::uint32_t frames_sent = 0;

  int pid = 0;
  os::fd pidfd;  // none: main
  std::shared_ptr<os::fd> sentinel;  // of a process that starts: the pidfd for who starts it
  std::shared_ptr<os::fd> out;
  std::shared_ptr<channel::peer_memory> memory;
  std::shared_ptr<outbox_segments> segments = std::make_shared<outbox_segments>();

  process_rules rules;   // it was made with
  bool dying = false;  // proven dead before its pidfd tells: judged, and reaped later
  bool spare = false;  // made to take over; not its identity's process yet
  std::optional<os::time_point> standing_by_since;
  bool attached_early = false;
  bool attached = false;   // lanes may be announced to it
  bool stop_asked = false;
  bool kill_asked = false;
  bool killed_after_grace = false;
  std::optional<os::time_point> kill_at;
  os::time_point born{};  // when it was asked for
  std::string asked_by;   // who wants it to end
  std::optional<death_cause> killed_for;        // we have killed it for this: no stop, and nobody's wish
  bool out_of_memory = false;                   // its cgroup's events prove it
  std::optional<wire::leave> leaving;
  std::string leaving_text;
  supervisor_id own_supervisor = 0;  // of the children that it has spawned; 0: none

  std::uint64_t handled_before = 0;       // by the identity's processes before this one
  bool large_from_start = false;          // its memory is none of child_spec::recycle's business
  std::string due;                        // why it is to be recycled; empty: it is not
  bool retire_asked = false;
  bool retired = false;                   // it has taken its last message, and ends
  bool unannounced = false;               // it has replaced a recycled one: for the policy that one is still up

  hang::watch watched;                     // what it is at
  hang::nanoseconds look_every = hang::longest_look;
  std::optional<os::time_point> next_look;  // none: at the sweep
  std::string hung;                        // why it is killed: it is at something for too long; empty: it is not
  std::optional<os::time_point> hung_kill;  // at the latest; none: killed already
  std::future<std::string> standing;       // of a hung one: where it stands
};

/// A lane into an identity's mailbox, from the moment its sender was told where it starts until its slot is free again.
struct in_lane {
  std::uint32_t slot = 0;
  wire::identity_id sender = 0;
  std::shared_ptr<channel::peer_memory> memory;  // of the sender's incarnation
  std::shared_ptr<os::fd> memory_fd;
  std::shared_ptr<outbox_segments> segments;
  std::set<std::uint32_t> used_segments;  // that records in this lane may lie in
  std::shared_ptr<os::fd> doorbell;  // the sender's
  std::uint64_t offset = 0;
  std::uint64_t start = 0;
  std::uint32_t ring_bytes = 0;
  bool asks = false;
  bool unjoined = false;   // it asks, and no reply pipe could be made
  bool announced = false;  // to the present consumer
  bool closing = false;    // its sender has been told that the identity is closed
};

/// What was enclosed with a message or with arguments, until its receiver has it or the message is gone.
struct enclosed {
  wire::identity_id to = 0;    // 0: a process that has not been asked for yet, by `tag`
  std::uint64_t position = 0;  // where the message ends in its lane; 0: arguments, kept as long as the receiver
  std::uint64_t tag = 0;
  wire::identity_id queue = 0;
  os::fd descriptor;  // none: it is about the queue
};

/// A record that somebody died with, and their deaths: the last letters::most_deaths of them.
struct flight {
  std::uint64_t position = 0;
  std::vector<noted_death> deaths;
};

/// A supervisor of the tree: what the control thread has to know of it.
struct branch {
  supervisor_id id = 0;
  std::string name;  // none: the root, and those of actors' own children
  supervisor_id parent = 0;
  wire::incarnation_id owner = 0;  // of the actor whose children these are; 0: none
  wire::identity_id actor = 0;     // that actor
  bool killing = false;            // what runs below is killed, not asked
  supervisor_spec spec;
  std::optional<detail::tree_child> from_template;  // simple_one_for_one: what its children are made from
  std::uint64_t last_from_template = 0;
  std::function<void()> when_ended;  // its owner has died and waits for this
};

/// A mailbox with a name: what outlives its processes.
struct identity {
  wire::identity_id id = 0;
  std::string name;
  wire::role role = wire::role::actor;
  bool is_main = false;
  bool is_queue = false;
  child_spec spec;
  const detail::actor_type* type = nullptr;
  std::uint32_t type_index = 0;

  std::shared_ptr<os::fd> cursor_fd, hint_fd, status_fd, doorbell, arguments_fd, checkpoint_fd;
  std::uint64_t arguments_bytes = 0;
  std::uint64_t checkpoint_bytes = 0;
  os::mapping cursor, status;

  supervisor_id parent = 0;  // whose child it is; 0: main, a queue or a process
  bool reloaded = false;     // its supervisor's description has it, so it is started again with that one
  std::string said_at_start;  // by its last on_start

  life* active = nullptr;    // the process that runs it
  std::vector<life*> spares;
  refill refilling;
  int busy_processor = -1;   // with taking the memory of its last process apart; -1: none, or not known
  std::uint32_t lives = 0;   // all that are not reaped yet
  life* consumer = nullptr;  // the process that reads the mailbox: `active`, or the one that took the queue
  std::vector<std::unique_ptr<in_lane>> lanes;  // in the order in which they were made
  std::vector<std::pair<wire::incarnation_id, wire::connect>> waiting;  // senders for whom there is no lane yet
  std::vector<std::uint32_t> free_slots;
  std::uint32_t next_slot = 0;
  std::map<std::uint32_t, std::uint64_t> judged;  // the mark at the last death, by slot
  std::map<std::uint32_t, std::uint64_t> letters;  // behind the position of the last letter, by slot
  std::map<std::uint32_t, flight> flights;         // by slot: the record that was in flight at a death there
  std::set<wire::incarnation_id> watchers;
  std::optional<wire::down> last_down;  // its watchers have not been told what follows
  bool told_of_wait = false;            // they have been told that it will be started again
  std::string last_down_text;
  std::string stop_asker;  // whose wish its next stop is; empty: its supervisor's
  bool stop_unanswered = false;  // a stop has found no process since the last start: its supervisor waits for its end
  bool closed = false;
  std::string closed_because;  // closed: what who talks to it hears
  bool forgotten = false;
  bool has_run = false;  // at least one process has been let go
  std::map<wire::incarnation_id, std::uint32_t> holders;  // of a queue: the processes with a handle, and how many
  std::uint32_t taken = 0;         // of a queue: its consumer's call, for the lanes that it is told of
  wire::incarnation_id owner = 0;  // of a process or a queue: who made it
  std::uint64_t tag = 0;           // of a process: its owner's call

  wire::cursor_slot& slot(std::uint32_t number) const {
    return cursor.at<wire::cursor_slot>(wire::cursor_slots_offset)[number];
  }
  wire::status_page& page() const { return *status.at<wire::status_page>(); }
};

}  // namespace troupe::supervision
