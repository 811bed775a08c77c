/* Taking over: what a sender has told through its lives arrives in that order, each message started once at most, and
 * all of it, while slots are reused and the receiver dies too.
 *
 * Code: endpoint::connect, connected, lane_writer's constructor (sender); loop::add_lane, apply, put_away_lanes,
 * mailbox::add, deliverable, start, finish, lane_reader::peek, void_turn (receiver); open_lane, control::announce,
 * on_lane_drained, finish_lanes_of, attached, free_lane, judge (supervisor).
 * Bounds: one sender, in each life one message at once and one in a turn; two deaths of sender or receiver at any
 * step, each with successors. The policy is drop, so that a message which is judged without having been started is
 * lost.
 * Abstracted: room, sleeping; control frames arrive in order; connected and the birth of a life are one step.
 */
#define WORDS 12
#define PROCESSES 2
#ifndef DEATHS
#define DEATHS 2
#endif
#include "tso.inc"

#define LIVES (DEATHS + 1)
#define SLOTS LIVES
#define TELLS 2

#define TAIL(life) (life)
#define TURN(life) (3 + (life))
#define HEAD(slot) (6 + (slot))
#define MARK(slot) (9 + (slot))

#define MARK_OF(position, attempts) (4 * (position) + (attempts))
#define POSITION(mark) ((mark) / 4)
#define ATTEMPTS(mark) ((mark) % 4)

#define SENDER 0
#define RECEIVER 1

/* A lane for each life of the sender. What it holds is written before the tail that shows it, so it has no buffer. */
typedef lane { byte number[TELLS]; byte turn[TELLS]; byte slot; byte start; bool made; bool dead; bool freed };
lane lanes[LIVES];
byte life;                  /* of the sender */
mtype = { announced, final };
chan to_receiver = [6] of { mtype, byte };
chan drained = [4] of { byte };
bool connect_sent, connected, receiver_up = true;
byte next_slot, free_slots[SLOTS], free_count;

/* What really happened. */
byte numbers;               /* told so far, in this order; a message of a turn counts with its commit */
byte started;               /* the last message whose mark was stored */
byte in_flight;             /* its number, 0: none */

active proctype sender() {
  byte told, tail;
begin:
  {
    d_step { told = 0; connect_sent = true }
    d_step { connected -> tail = lanes[life].start }
    STORE_SEQ_CST(SENDER, TAIL(life), tail);
    /* one message at once, one in a turn */
    atomic {
      lanes[life].number[0] = numbers + 1;
      lanes[life].turn[0] = 0;
      STORE_SEQ_CST(SENDER, TAIL(life), tail + 1);
      numbers++
    }
    atomic {
      lanes[life].number[1] = numbers + 1;
      lanes[life].turn[1] = 1;
      STORE_SEQ_CST(SENDER, TAIL(life), tail + 2)
    }
    atomic { STORE_SEQ_CST(SENDER, TURN(life), 1); numbers++ }
end_idle:
    false
  } unless { dies(SENDER) };
end_dead:
  !gone[SENDER];
  goto begin
}

inline take_frame() {
  d_step {
    if
    :: to_receiver ? announced, from ->
       known[from] = true;
       head[from] = LOAD(RECEIVER, HEAD(lanes[from].slot));
       if
       :: head[from] < lanes[from].start -> head[from] = lanes[from].start
       :: else
       fi
    :: to_receiver ? final, from -> dead[from] = true
    fi;
    from = 0
  }
}

#define BEHIND(position) (position - lanes[from].start)
#define WAITS (LOAD(RECEIVER, TAIL(from)) > head[from])
#define NEEDS lanes[from].turn[BEHIND(head[from])]

active proctype receiver() {
  byte from, head[LIVES], mark, turn;
  bool known[LIVES], dead[LIVES];
begin:
  {
    d_step {
      for (from : 0 .. LIVES - 1) { known[from] = false; dead[from] = false; head[from] = 0 }
      from = 0; mark = 0; turn = 0
    }
next:
    /* lanes in the order of the sender's lives, the first that is not put away */
    atomic {
#ifdef SUCCESSOR_FIRST
      from = LIVES;
      do
      :: from > 0 -> from--; if :: known[from] -> break :: else fi
      :: from == 0 -> break
      od
#else
      from = 0;
      do
      :: from < LIVES - 1 && !known[from] -> from++
      :: else -> break
      od
#endif
      ;
      if
      :: known[from]
      :: else -> from = 0
      fi
    }
end_asleep:
    atomic {
      if
      :: nempty(to_receiver) -> take_frame(); goto next
      :: known[from] && WAITS && NEEDS == 0 -> goto deliver
      :: known[from] && WAITS && NEEDS > 0 &&
           (dead[from] || LOAD(RECEIVER, TURN(from)) > 0
#ifdef UNCOMMITTED_OF_THE_LIVING_SKIPPED
            || true
#endif
           ) -> turn = LOAD(RECEIVER, TURN(from))
      :: known[from] && dead[from] && !WAITS -> goto put_away
      fi
    }
    if
    :: turn >= NEEDS -> goto deliver
    :: else -> d_step { head[from]++; turn = 0 } goto next
    fi;
deliver:
    turn = 0;
    if
    :: LOAD(RECEIVER, HEAD(lanes[from].slot)) != head[from] ->
       STORE_SEQ_CST(RECEIVER, HEAD(lanes[from].slot), head[from])
    :: else
    fi;
    atomic {
      mark = LOAD(RECEIVER, MARK(lanes[from].slot));
      if
      :: ATTEMPTS(mark) > 0 && POSITION(mark) == head[from] -> mark++
      :: else -> mark = MARK_OF(head[from], 1)
      fi;
      STORE(RECEIVER, MARK(lanes[from].slot), mark);
      in_flight = lanes[from].number[BEHIND(head[from])];
      assert(in_flight == started + 1);
      started = in_flight
    }
    atomic {
      STORE_SEQ_CST(RECEIVER, HEAD(lanes[from].slot), head[from] + 1);
      in_flight = 0;
      head[from]++;
      goto next
    }
put_away:
    atomic { drained ! from; known[from] = false; goto next }
  } unless { dies(RECEIVER) };
end_dead:
  !gone[RECEIVER];
  goto begin
}

#define OF(which) HEAD(lanes[which].slot)
#define EMPTY(which) (mem[TAIL(which)] <= mem[OF(which)] || (mem[TAIL(which)] == mem[OF(which)] + 1 && \
  mem[OF(which)] == lanes[which].start + 1 && mem[TURN(which)] == 0))

inline free_lane(which) {
  lanes[which].freed = true;
  free_slots[free_count] = lanes[which].slot;
  free_count++
}

/* slots.cpp: open_lane */
inline connect() {
  d_step {
    connect_sent && !lanes[life].made ->
    if
    :: free_count > 0 -> free_count--; lanes[life].slot = free_slots[free_count]; free_slots[free_count] = 0
    :: else -> lanes[life].slot = next_slot; next_slot++
    fi;
#ifdef SLOT_HEAD_RESET
    mem[HEAD(lanes[life].slot)] = 0;
#endif
    lanes[life].start = mem[HEAD(lanes[life].slot)];
    lanes[life].made = true;
    if
    :: receiver_up -> to_receiver ! announced, life
    :: else
    fi;
    connected = true
  }
}

/* lives.cpp: finish_lanes_of, then the next life */
inline sender_died() {
  d_step {
    DEATH_KNOWN(SENDER) && lanes[life].made ->
    lanes[life].dead = true;
    if
#ifdef FREED_AT_DEATH
    :: true -> free_lane(life); if :: receiver_up -> to_receiver ! final, life :: else fi
#else
    :: receiver_up -> to_receiver ! final, life
    :: !receiver_up && EMPTY(life) -> free_lane(life)
    :: else
#endif
    fi;
    life++;
    connected = false;
    connect_sent = false;
    starts_again(SENDER)
  }
}
/* judge.cpp: judge; what was started is dropped */
inline receiver_died() {
  d_step {
    receiver_up && DEATH_KNOWN(RECEIVER) && empty(drained) ->
    receiver_up = false;
    for (each : 0 .. LIVES - 1) {
      if
      :: lanes[each].made && !lanes[each].freed ->
         mark = mem[MARK(lanes[each].slot)];
         if
         :: ATTEMPTS(mark) > 0 && mark != judged[lanes[each].slot] && POSITION(mark) == mem[OF(each)] ->
            judged[lanes[each].slot] = mark;
            assert(in_flight > 0 && in_flight == lanes[each].number[POSITION(mark) - lanes[each].start]);
            mem[OF(each)] = mem[OF(each)] + 1;
            in_flight = 0
         :: else
         fi
      :: else
      fi
    }
    assert(in_flight == 0);
    each = 0;
    mark = 0;
    do
    :: to_receiver ? _, _
    :: empty(to_receiver) -> break
    od;
    skip
  }
}

/* lives.cpp: attached */
inline receiver_starts() {
  d_step {
    !receiver_up ->
    for (each : 0 .. LIVES - 1) {
      if
      :: lanes[each].made && !lanes[each].freed ->
         to_receiver ! announced, each;
         if
         :: lanes[each].dead -> to_receiver ! final, each
         :: else
         fi
      :: else
      fi
    }
    each = 0;
    receiver_up = true;
    starts_again(RECEIVER)
  }
}

active proctype supervisor() {
  byte each, mark, judged[SLOTS];
end:
  do
  :: connect()
  :: sender_died()
  :: receiver_died()
  :: receiver_starts()
  :: d_step {
       drained ? each ->
       if
       :: lanes[each].dead && !lanes[each].freed -> free_lane(each)
       :: else
       fi;
       each = 0
     }
  od
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

active proctype when_nothing_moves() {
  timeout;
  assert(started == numbers && in_flight == 0)
}
