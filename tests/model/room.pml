/* Room: a sender never waits for ever for room that is there, and never writes over what is being read. No sweep.
 *
 * Code: lane_writer::space, reserve, publish, want_room and endpoint::wait_for_room, only_own (sender);
 * lane_reader::peek, owes_room, mailbox::start, finish (receiver); pay_rings (supervisor).
 * Bounds: a ring of 4 units, four records of 1 or 2 units in all combinations, with pads; the last ones may belong to
 * a turn, which is committed when they are told or when they do not fit. Two deaths of anybody at any step; a sender
 * stays dead, a receiver has a successor.
 * Abstracted: sleeping (sleep.pml: here a receiver sees what is deliverable), bodies (a header stands for all bytes
 * of its record), the outbox, the limit of the wait.
 */
#define WORDS 8
#define PROCESSES 2
#ifndef DEATHS
#define DEATHS 2
#endif
#include "tso.inc"

#ifdef WANTS_ROOM_RELEASE
#define STORE_WANTS_ROOM STORE
#else
#define STORE_WANTS_ROOM STORE_SEQ_CST
#endif
#ifdef HEAD_RELEASE
#define STORE_HEAD STORE
#else
#define STORE_HEAD STORE_SEQ_CST
#endif

#define RING 4     /* the largest record is half of it */
#ifndef RECORDS
#define RECORDS 4
#endif

#define AT(position) ((position) % RING)
#define TAIL 4
#define HEAD 5
#define WANTS_ROOM 6
#define TURN 7
#define SENDER 0
#define RECEIVER 1

#define HEADER(number, turned, size) (16 * (number) + 8 * (turned) + (size))
#define NUMBER(header) ((header) / 16)
#define TURNED(header) (((header) / 8) % 2)
#define SIZE(header) ((header) % 8)

bool bell;     /* the sender's */
bool waiting;

#define ROOM (RING - (tail - head))

/* endpoint::wait_for_room: only_own, then put_record once more. */
inline look_for_room() {
#ifdef ROOM_LOOKED_AT_FIRST
  atomic { head = LOAD(SENDER, HEAD); if :: ROOM >= pad + size -> goto publish :: else fi }
  atomic { head = LOAD(SENDER, HEAD); own = (in_turn && head >= began) }
#else
  atomic { head = LOAD(SENDER, HEAD); own = (in_turn && head >= began) }
  atomic { head = LOAD(SENDER, HEAD); if :: ROOM >= pad + size -> goto publish :: else fi }
#endif
}

proctype sender() {
  byte tail, head, number, size, pad, began;
  bool in_turn, own;
  {
    number = 0;
next:
    atomic {
      number++;
      if
      :: number > RECORDS -> goto commit
      :: number <= RECORDS -> size = 1
      :: number <= RECORDS -> size = 2
      fi;
      if
      :: number > 1 && !in_turn -> in_turn = true; began = tail
      :: skip
      fi;
      pad = (RING - AT(tail) < size -> RING - AT(tail) : 0);
      if
      :: ROOM >= pad + size -> goto publish
      :: else
      fi
    }
    atomic {
      head = LOAD(SENDER, HEAD);
      if
      :: ROOM >= pad + size -> goto publish
      :: else
      fi
    }
    look_for_room();
    if
    :: own -> goto refuse
    :: else -> waiting = true
    fi;
    STORE_WANTS_ROOM(SENDER, WANTS_ROOM, 1);
again:
    look_for_room();
#ifndef OWN_TURN_LOOKED_AT_ONCE
    if
    :: own -> goto refuse
    :: else
    fi;
#endif
end_waiting:
    d_step { bell -> bell = false }
    goto again;
refuse:
    atomic {
      assert(RING - (tail - mem[HEAD]) < pad + size);
      waiting = false;
      goto commit
    }
publish:
    if
    :: pad > 0 -> STORE(SENDER, AT(tail), HEADER(0, 0, pad))
    :: else
    fi;
    STORE(SENDER, AT(tail + pad), HEADER(number, in_turn, size));
    atomic { STORE_SEQ_CST(SENDER, TAIL, tail + pad + size); tail = tail + pad + size; pad = 0; }
    if
    :: waiting -> atomic { STORE_SEQ_CST(SENDER, WANTS_ROOM, 0); waiting = false }
    :: else
    fi;
    goto next;
commit:
    if
    :: in_turn -> STORE_SEQ_CST(SENDER, TURN, 1)
    :: else
    fi
  } unless { dies(SENDER) }
}

proctype receiver() {
  byte head, header, handled, seen;
life:
  {
    head = mem[HEAD];
look:
end_asleep:
    atomic { LOAD(RECEIVER, TAIL) > head -> header = LOAD(RECEIVER, AT(head)) }
    if
    :: NUMBER(header) == 0 -> atomic { head = head + SIZE(header); goto look }
    :: else
    fi;
end_uncommitted:
    LOAD(RECEIVER, TURN) >= TURNED(header);
    if
    :: LOAD(RECEIVER, HEAD) != head -> STORE_SEQ_CST(RECEIVER, HEAD, head)
    :: else
    fi;
    assert(NUMBER(header) == handled + 1);
#ifdef HEAD_BEFORE_HANDLER
    STORE_HEAD(RECEIVER, HEAD, head + SIZE(header));
#endif
    assert(LOAD(RECEIVER, AT(head)) == header);
    atomic {
#ifndef HEAD_BEFORE_HANDLER
      STORE_HEAD(RECEIVER, HEAD, head + SIZE(header));
#endif
      handled = NUMBER(header);
      head = head + SIZE(header)
    }
    if
    :: LOAD(RECEIVER, WANTS_ROOM) == 0 -> goto look
    :: else
    fi;
    atomic {
      seen = LOAD(RECEIVER, TAIL);
      if
      :: seen - head <= RING / 2 -> goto ring
      :: else
      fi
    }
#ifndef RING_IF_HALF_IS_FREE
    atomic { header = LOAD(RECEIVER, AT(head));
      if
      :: NUMBER(header) == 0 -> head = head + SIZE(header); header = LOAD(RECEIVER, AT(head))
      :: else
      fi }
    if
    :: LOAD(RECEIVER, TURN) >= TURNED(header) -> goto look
    :: else
    fi;
#else
    goto look;
#endif
ring:
    bell = true;
    goto look
  } unless { dies(RECEIVER) };
  !gone[RECEIVER];
  goto life
}

active proctype memory() {
end:
  do
  :: reach_memory(SENDER)
  :: reach_memory(RECEIVER)
  od
}

active proctype killer() {
end:
  do
  :: kill(SENDER)
  :: kill(RECEIVER)
  od
}

active proctype supervisor() {
end:
  do
  :: d_step {
       DEATH_KNOWN(RECEIVER) ->
#ifndef NO_RING_AFTER_DEATH
       bell = true;
#endif
       starts_again(RECEIVER)
     }
  od
}

active proctype when_nothing_moves() {
  timeout;
  assert(gone[SENDER] || !waiting);
  assert(gone[SENDER] || mem[HEAD] == mem[TAIL])
}

init { atomic { run sender(); run receiver() } }
