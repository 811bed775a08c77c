/* Waking: a receiver never sleeps for ever over a deliverable record, whoever is killed. There is no sweep.
 *
 * Code: endpoint::wake_receiver, lane_writer::publish, turn::commit and endpoint::announce_turn (sender);
 * mailbox::next, prepare_sleep, woke and loop::sleep (receiver); control::after_death, pay_rings and release
 * (supervisor).
 * Bounds: one sender with two records, or (TWO_SENDERS) two with one each, the first at once and the second in a
 * turn; else at once or each in a turn of its own, both tried. Two deaths of anybody at any step; a sender stays
 * dead, a receiver has a successor.
 * Abstracted: room, pads, marks, bodies (room.pml, turn.pml); the eventfd is one bit; the head steps record by
 * record; the look at all truths every 256 records is left out, so a lost hint must not matter.
 */
#define WORDS 9
#define PROCESSES 3
#ifndef DEATHS
#define DEATHS 2
#endif
#include "tso.inc"

#ifdef TAIL_RELEASE
#define STORE_TAIL STORE
#else
#define STORE_TAIL STORE_SEQ_CST
#endif
#ifdef TURN_RELEASE
#define STORE_TURN STORE
#else
#define STORE_TURN STORE_SEQ_CST
#endif
#ifdef SLEEPING_RELEASE
#define STORE_SLEEPING STORE
#else
#define STORE_SLEEPING STORE_SEQ_CST
#endif

#ifdef TWO_SENDERS
#define SENDERS 2
#define RECORDS 1
#else
#define SENDERS 1
#define RECORDS 2
#endif

#define TAIL(lane) (lane)
#define HINT(lane) (2 + lane)
#define HEAD(lane) (4 + lane)
#define TURN(lane) (6 + lane)
#define SLEEPING 8
#define RECEIVER 2

bool bell;
bool turns[2];  /* this sender tells each record in a turn of its own */

inline wake(who, lane, tail) {
  STORE(who, HINT(lane), tail);
  if
  :: LOAD(who, SLEEPING) == 1 -> bell = true
  :: else
  fi
}

proctype sender(byte me) {
  byte told;
  if
  :: SENDERS == 1 || me == 1 -> turns[me] = true
  :: SENDERS == 1 || me == 0
  fi;
  {
    do
    :: told < RECORDS ->
       STORE_TAIL(me, TAIL(me), told + 1);
#ifdef RING_BEFORE_TURN
       wake(me, me, told + 1);
#endif
       if
       :: turns[me] -> STORE_TURN(me, TURN(me), told + 1)
       :: else
       fi;
#ifndef RING_BEFORE_TURN
       wake(me, me, told + 1);
#endif
       told++
    :: told == RECORDS -> break
    od
  } unless { dies(me) }
}

/* loop::serve: next() while it finds something, then sleep(). Each step reads or writes one shared word. */
proctype receiver() {
  byte lane;
  byte head[SENDERS], hint[SENDERS];
  bool more[SENDERS], preparing;
life:
  {
    d_step {
      for (lane : 0 .. SENDERS - 1) {
        head[lane] = mem[HEAD(lane)];
        hint[lane] = mem[HINT(lane)];
        more[lane] = true
      }
      lane = 0;
      preparing = false
    }
look:
    atomic {
      if
      :: preparing || more[lane] || LOAD(RECEIVER, HINT(lane)) != hint[lane] ->
         hint[lane] = LOAD(RECEIVER, HINT(lane));
         more[lane] = false
      :: else -> goto nothing_here
      fi
    }
    atomic {
      if
      :: LOAD(RECEIVER, TAIL(lane)) == head[lane] -> goto nothing_here
      :: LOAD(RECEIVER, TAIL(lane)) > head[lane] && !turns[lane] -> goto deliverable
      :: else
      fi
    }
    atomic {
      if
      :: LOAD(RECEIVER, TURN(lane)) <= head[lane] -> goto nothing_here
      :: else
      fi
    }
deliverable:
    atomic {
      more[lane] = true;
      if
      :: !preparing ->
         STORE_SEQ_CST(RECEIVER, HEAD(lane), head[lane] + 1);
         head[lane]++;
         goto look
      :: else
      fi
    }
nothing_here:
    atomic {
      lane++;
      if
      :: lane < SENDERS -> goto look
      :: lane == SENDERS && preparing -> goto sleep_or_not
      :: else -> lane = 0
      fi
    }
    STORE_SLEEPING(RECEIVER, SLEEPING, 1);
#ifndef NO_LOOK_BEFORE_SLEEP
    preparing = true;
    goto look;
#endif
sleep_or_not:
    atomic {
      if
      :: more[0] || more[SENDERS - 1] -> goto woke
      :: else
      fi
    }
end_asleep:
    d_step { bell -> bell = false }
woke:
    atomic {
      STORE(RECEIVER, SLEEPING, 0);
      lane = 0;
      preparing = false;
      goto look
    }
  } unless { dies(RECEIVER) };
  !gone[RECEIVER];
  goto life
}

active proctype memory() {
end:
  do
  :: reach_memory(0)
#if SENDERS > 1
  :: reach_memory(1)
#endif
  :: reach_memory(RECEIVER)
  od
}

active proctype killer() {
end:
  do
  :: kill(0)
#if SENDERS > 1
  :: kill(1)
#endif
  :: kill(RECEIVER)
  od
}

/* control::after_death, of senders: pay_rings. */
inline after_death(who) {
  d_step {
    !judged[who] && DEATH_KNOWN(who) ->
    judged[who] = true;
#ifndef NO_RING_AFTER_DEATH
    bell = true
#endif
  }
}

active proctype supervisor() {
  bool judged[2];
end:
  do
  :: after_death(0)
#if SENDERS > 1
  :: after_death(1)
#endif
  :: d_step {
       DEATH_KNOWN(RECEIVER) ->
       mem[SLEEPING] = 0;
       starts_again(RECEIVER)
     }
  od
}

active proctype when_nothing_moves() {
  byte lane;
  timeout;
  for (lane : 0 .. SENDERS - 1) {
    assert(mem[HEAD(lane)] == (turns[lane] -> mem[TURN(lane)] : mem[TAIL(lane)]))
  }
}

init {
  atomic {
    run sender(0);
#if SENDERS > 1
    run sender(1);
#endif
    run receiver()
  }
}
