#pragma once

/// The frames of the control socket (SOCK_SEQPACKET) between a worker and the supervisor's control thread, and of the
/// spawner's socket. One frame, one packet: frame_header, a body of fixed size, then `text_bytes` of text.
/// Main's own endpoint talks the same frames over a socket pair inside its process.

#include <cstdint>

#include "wire/letters.hpp"
#include "wire/memory.hpp"

namespace troupe::wire {

inline constexpr std::uint32_t max_frame = 16 * 1024;
inline constexpr std::uint32_t max_text = 8 * 1024;
inline constexpr std::uint32_t max_fds = 10;         ///< in one frame
inline constexpr std::uint32_t fds_under_way = 16;   ///< sent to one process and not yet taken
inline constexpr std::uint32_t max_name = 200;
inline constexpr std::uint32_t max_unfinished_lanes = 8;
inline constexpr std::uint32_t max_deposits = 4096;  ///< of one process, under way
inline constexpr std::uint32_t max_owned = 1024;     ///< queues and processes of one process

enum class frame : std::uint16_t {
  // worker -> supervisor
  attached = 1,   ///< memory is mapped: may be sealed
  ready,          ///< on_start has returned; text: what it says of its start
  leaving,        ///< body leaving: how it will end; the last frame
  took,           ///< body number: so many descriptors have been received
  find,           ///< body call; text: name -> found
  connect,        ///< body connect -> connected
  ask_link,       ///< body subject: make the reply pipe of this link
  lane_drained,   ///< body slot: the old lane holds nothing more to deliver
  closed_seen,    ///< body subject: nothing more will be published to it
  monitor,        ///< body subject -> down, when it ends or dies
  demonitor,      ///< body subject
  letter,         ///< body letter; text: why -> letter_kept
  deposit,        ///< body deposit, one descriptor unless it is about a queue
  withdraw,       ///< body token -> withdrawn, one descriptor
  signal,         ///< body order: send this signal to it; a death by it was not asked for
  end,            ///< body order: stop (0) or kill (SIGKILL) it; its death was asked for
  queue_make,     ///< body queue -> queue_made
  queue_take,     ///< body call: become its consumer -> lanes, then queue_taken
  queue_hold,     ///< body subject: this process has a handle of it
  queue_drop,     ///< body subject: it has one handle less; with the last it consumes no more
  segment_make,   ///< body number: room for so many bytes of further outbox -> segment_made
  segment_mapped, ///< body number: this segment is mapped: may be sealed
  segment_share,  ///< body share: a record or a reply that lies there will be published next
  segment_retired,  ///< body number: nothing lies there any more, and nothing will
  process_start,  ///< body process, one descriptor: arguments -> process_started
  letters_open,   ///< body call -> letters_opened
  letters_purge,  ///< body purge -> letters_purged
  supervise,      ///< body supervise; text: a name or bytes; a descriptor if `bytes` is not 0 -> supervised
  deaths,         ///< body call (identity 0: by name); text: name -> deaths_listed
  standing_by,    ///< a spare: constructed, and ready to be let go
  suspect,        ///< body number: the canary of this incarnation, which a spare watches, has been let go of
  retiring,       ///< answers retire: it takes no further message; on_stop follows, and leaving

  // supervisor -> worker
  boot = 100,       ///< body boot; text: name; descriptors in the order of boot_fd
  go,               ///< everything known about lanes and links has been said; run
  stop,             ///< stop in order; body number: a stop_reason
  found,            ///< body answer
  connected,        ///< body connected; text: the receiver's name, or why not; descriptors: cursor, hint, status, doorbell
  lane,             ///< body lane; descriptors: sender's out-memory, sender's doorbell
  lane_final,       ///< body slot: its sender is dead and judged: the tail is final
  lane_freed,       ///< body slot: the range that the lane lay in may be used again
  reply_end,        ///< body reply_end; descriptor: the pipe's write end
  link,             ///< body link; descriptors: the pipe's read end, the callee's out-memory
  verdict,          ///< body verdict; text: how the callee died
  closed,           ///< body answer (subject; closed or gave_up), text: why: it has ended for good
  down,             ///< body down; text: how it died
  letter_kept,      ///< body slot_position
  withdrawn,        ///< body answer, one descriptor unless status says why not
  queue_made,       ///< body answer
  queue_taken,      ///< body answer; descriptors: cursor, hint, doorbell
  process_started,  ///< body answer (subject: process number, value: pid), descriptor: pidfd
  segment_made,     ///< body answer (value: its number), descriptor unless status says why not; text: why
  segment,          ///< body segment; descriptor: a further piece of the outbox of a sender or callee
  segment_gone,     ///< body segment: it is retired, unmap it
  process_ended,    ///< body exit; text: how
  letters_opened,   ///< body answer (value: bytes), descriptor: the memory of the dead letters, to be read
  letters_purged,   ///< body answer (value: how many)
  supervised,       ///< body supervised; text: what the child said of its start, or why not; descriptor if `bytes` is not 0
  deaths_listed,    ///< body answer (subject: how many, value: bytes), descriptor: memory of that size that holds them
  stand_by,         ///< in place of go: construct the actor, say standing_by, and wait for go
  watch,            ///< to a spare: body number: the active incarnation; descriptor: its out-memory
  retire,           ///< stop in order, once between two messages nobody waits for anything that would be lost -> retiring
};

struct frame_header {
  frame type;
  std::uint16_t text_bytes;
  std::uint32_t reserved;
};
static_assert(sizeof(frame_header) == 8);

enum class status : std::uint32_t { ok, not_found, closed, gave_up, full, refused, failed };

struct nothing {};
struct number { std::uint64_t value; };
struct subject { identity_id identity; };
struct call { std::uint64_t tag; identity_id identity; };
struct answer { std::uint64_t tag; std::uint64_t subject; std::uint64_t value; status what; std::uint32_t reserved; };
struct order { std::uint64_t subject; std::int32_t signal; std::uint32_t reserved; };
/// A lane: slot `slot` of `owner`, filled by the incarnation `sender`.
struct slot { std::uint32_t slot; std::uint32_t reserved; identity_id owner; incarnation_id sender; };
struct slot_position { std::uint32_t slot; std::uint32_t reserved; std::uint64_t position; identity_id owner; };
struct token { std::uint64_t tag; incarnation_id from; std::uint64_t number; };
/// What goes with the message in the sender's lane to `to` that ends at `position`; position 0: with its arguments.
/// `to` 0: with the arguments of the process that the sender is about to start with this tag.
struct deposit {
  std::uint64_t number;
  identity_id to;
  std::uint64_t position;
  std::uint64_t tag;
  identity_id queue;  ///< not to be ended meanwhile; 0: the frame has a descriptor
};
struct queue { std::uint64_t tag; std::uint64_t ring_log2; };

enum class leave : std::uint32_t { normal = 1, shutdown, exception, start_failed, declined };
struct leaving { leave how; std::uint32_t reserved; };

struct connect {
  identity_id to;
  std::uint64_t offset;  ///< of the lane_header in the sender's out-memory
  std::uint32_t ring_bytes;
  std::uint32_t asks;  ///< 1: make the reply pipe too
};
struct connected {
  identity_id to;
  std::uint64_t start;  ///< the lane's first position
  std::uint32_t slot;
  status what;  ///< full: not yet, another answer follows when there is room for a lane
  std::uint32_t ends;  ///< status_page::ends, as the lane was opened
  std::uint32_t reserved;
};

enum boot_fd : std::uint32_t { fd_out, fd_cursor, fd_hint, fd_status, fd_doorbell, fd_args, fd_checkpoint, boot_fds };
enum class role : std::uint32_t { actor, process };
/// In the order of os::resource.
enum limit : std::uint32_t { limit_data, limit_cpu, limit_files, limit_file_size, limit_core, limits };
struct boot {
  identity_id identity;
  incarnation_id incarnation;
  std::uint64_t checkpoint_bytes;  ///< of one buffer; 0: none, and no descriptor for it
  std::uint64_t args_bytes;
  std::uint64_t outbox_bytes;  ///< limit of all further segments of its outbox
  role what;
  std::uint32_t actor_type;  ///< index into run's list of actors
  std::uint64_t limit[limits];
  std::uint32_t limited;  ///< bit l: limit[l] is to be set
  std::uint32_t no_new_privs;
  std::uint32_t outputs;  ///< 2: descriptors behind the others become standard output and standard error; 0: those stay
  std::uint32_t enters;   ///< so many descriptors come last: cgroup.procs files that the worker writes itself into
  std::uint32_t canary;  ///< 1: hold out_header::canary
  std::uint32_t spare;   ///< 1: the doorbell is another's until go
};

struct lane {
  identity_id owner;  ///< whose mailbox: the worker's own, or a queue that it consumes
  identity_id sender;
  incarnation_id incarnation;
  std::uint64_t offset;
  std::uint64_t start;  ///< the lane's first position
  std::uint32_t ring_bytes;
  std::uint32_t slot;
  std::uint32_t dead;  ///< 1: the tail is final already
  std::uint32_t taken;  ///< of a queue: low bits of the tag with which its consumer took it; else 0
};
struct reply_end { identity_id asker; incarnation_id incarnation; std::uint32_t slot; std::uint32_t reserved; };
struct link { identity_id callee; incarnation_id incarnation; };

/// The callee died. Requests that end at or below `head` had been started, or were quarantined; those that end at or below
/// `cleared` had not been and never will be; all others go on.
struct verdict {
  identity_id callee;
  incarnation_id incarnation;
  std::uint64_t head;     ///< of the asker's lane, after judging
  std::uint64_t cleared;  ///< `head`, unless the mailbox has been cleared
};

struct letter {
  std::uint64_t position;
  std::uint64_t message;
  identity_id owner;
  std::uint32_t slot;
  letter_reason reason;
};
/// Dead letters to be purged: that of this number, else all to this receiver, else all.
struct purge { std::uint64_t tag; std::uint64_t number; identity_id receiver; };

/// How a process ended, as the kernel told the supervisor.
struct exit {
  std::uint64_t subject;
  std::int32_t code;    ///< exit code, or -1
  std::int32_t signal;  ///< 0: it exited
};
enum class down_kind : std::uint32_t { normal, shutdown, crashed, start_failed, not_found };
struct down {
  identity_id identity;
  incarnation_id incarnation;
  std::int32_t code;
  std::int32_t signal;
  down_kind kind;
  std::uint32_t ended;  ///< 1: for good, no restart pending
};
/// Segment `number` is for the lane to `to`; with `to` 0, for the asker `asker`.
struct share { std::uint64_t number; identity_id to; incarnation_id asker; };
/// Segment `number` of `from`. `owner`, `slot`: the lane that it is for; owner 0: for replies.
struct segment {
  incarnation_id from;
  std::uint64_t number;
  std::uint64_t bytes;
  identity_id owner;
  std::uint32_t slot;
  std::uint32_t reserved;
};
struct process { std::uint64_t tag; std::uint64_t args_bytes; };

/// What is asked of a supervisor.
enum class supervise_op : std::uint32_t {
  find,         ///< text: a supervisor's name
  spawn,        ///< starts a child that `bytes` describe; one of the same name that has ended makes room
  start,        ///< the same as Erlang/OTP's start_child
  start_from,   ///< starts a child from the template and the further arguments in `bytes`
  terminate,
  restart,
  remove,
  which,        ///< `bytes` come back: the children
  count,        ///< `bytes` come back: the counts
  spec,         ///< `bytes` come back: the child's description
  reload,       ///< `bytes` describe the supervisor anew
};
/// In place of a supervisor's number: that of the caller's own children; that of which the child is a child.
inline constexpr std::uint64_t own_supervisor = ~std::uint64_t{0}, supervisor_of_child = 0;
struct supervise {
  std::uint64_t tag;
  std::uint64_t supervisor;
  std::uint64_t child;    ///< 0: the text is its name
  std::uint64_t further;  ///< start_from: names the types of the arguments
  std::uint64_t bytes;    ///< in the memory that comes with the frame; 0: the text has them, if they are asked for
  supervise_op what;
  std::uint32_t reserved;
};
/// `error`: 0, or an errc and 1.
struct supervised {
  std::uint64_t tag;
  std::uint64_t subject;  ///< the child, or the supervisor
  std::uint64_t bytes;    ///< as in the call
  std::uint32_t error;
  std::uint32_t declined;  ///< 1: it does not run, since it did not want to
};

/// Supervisor -> spawner; descriptors: the child's end of its control socket, and the cgroup that it is born in, if not
/// the spawner's. Incarnation 0: the child is the spawner's twin, and the descriptor its end of such a socket.
struct spawn_request { incarnation_id incarnation; };
/// Spawner -> supervisor. pid below 0: the error number of the refused clone, negated. `orphan` 1: children of this
/// spawner become the supervisor's only because it adopts orphans.
struct spawn_reply { incarnation_id incarnation; std::int32_t pid; std::uint32_t orphan; };

enum class stop_reason : std::uint64_t { shutdown = 1, killed = 2 };

}  // namespace troupe::wire
