/* Turns: each input is handled once in effect, or quarantined after LIMIT starts and leaves nothing; state, head and
 * what was told become true together.
 *
 * Code: mailbox::start, finish, loop::handle, turn::commit, restore (worker); lane_reader::peek, void_turn (whom it
 * tells); recover_turn, judge, control::after_death (supervisor).
 * Bounds: two inputs, each told on as two records; a commit of on_start in every life; two deaths of the worker at
 * any step, LIMIT 2.
 * Abstracted: one input lane whose sender is silent, room, sleeping; the commit record is two words (head, buffer), a
 * checkpoint is one; the receiver is not killed and learns of deaths with the judging; lanes have no slots
 * (takeover.pml).
 */
#define WORDS 22
#define PROCESSES 1
#ifndef DEATHS
#define DEATHS 2
#endif
#include "tso.inc"

#define RECORDS 2
#define LIMIT 2
#define LIVES (DEATHS + 1)
#define NO_SLOT 255

#define TURN(life) (6 * (life))
#define TAIL(life) (6 * (life) + 1)
#ifdef ONE_COMMIT_SLOT
#define SLOT(turn) 0
#else
#define SLOT(turn) ((turn) % 2)
#endif
#define COMMIT_HEAD(life, turn) (6 * (life) + 2 + SLOT(turn))
#define COMMIT_BUFFER(life, turn) (6 * (life) + 4 + SLOT(turn))
#define HEAD 18
#define MARK 19
#define CHECKPOINT(buffer) (20 + (buffer))

#define MARK_OF(position, attempts) (4 * (position) + (attempts))
#define POSITION(mark) ((mark) / 4)
#define ATTEMPTS(mark) ((mark) % 4)

#define WORKER 0

/* What a life has told: two records for each turn. They are written before the tail that shows them, so no buffer. */
typedef lane { byte turn[8]; byte value[8] };
lane told[LIVES];

byte life;
bool final[LIVES];       /* its death has been judged */
bool base_present;       /* the supervisor's words in the cursor page */
byte base_buffer;
byte state;              /* of the actor, in its heap */

/* What really happened. */
byte starts[RECORDS];
bool quarantined[RECORDS];
bool arrived[2 * RECORDS];
bool in_flight;

inline tell(what) {
  atomic {
    told[life].value[tail] = what;
#ifdef NOT_STAMPED
    told[life].turn[tail] = 0;
#else
    told[life].turn[tail] = turn + 1;
#endif
    STORE_SEQ_CST(WORKER, TAIL(life), tail + 1);
    tail++
  }
}

inline store_turn() { atomic { STORE_SEQ_CST(WORKER, TURN(life), turn + 1); in_flight = false } }

/* turn::commit */
inline commit(head_after) {
  STORE(WORKER, CHECKPOINT(buffer), state);
#ifdef TURN_BEFORE_COMMIT_RECORD
  store_turn();
#endif
  STORE(WORKER, COMMIT_HEAD(life, turn + 1), head_after);
  STORE(WORKER, COMMIT_BUFFER(life, turn + 1), buffer);
#ifndef TURN_BEFORE_COMMIT_RECORD
  store_turn();
#endif
  d_step {
    turn++;
#ifndef CHECKPOINT_IN_PLACE
    buffer = 1 - buffer
#endif
  }
}

/* mailbox::start */
inline start() {
  d_step {
    mark = LOAD(WORKER, MARK);
    if
#ifdef ATTEMPT_NOT_COUNTED
    :: true -> mark = MARK_OF(head, 1)
#elif defined(ATTEMPT_CHARGED_TO_THE_NEXT)
    :: true -> mark = MARK_OF(head, ATTEMPTS(mark) + 1)
#else
    :: ATTEMPTS(mark) > 0 && POSITION(mark) == head -> mark++
    :: else -> mark = MARK_OF(head, 1)
#endif
    fi
  }
  atomic {
    STORE(WORKER, MARK, mark);
    starts[head]++;
    in_flight = true;
    assert(starts[head] <= LIMIT)
  }
}

active proctype worker() {
  byte head, tail, turn, buffer, mark;
begin:
  {
    d_step {
      head = mem[HEAD];
      tail = 0;
      turn = 0;
      mark = 0;
      in_flight = false;
      state = (base_present -> mem[CHECKPOINT(base_buffer)] : 0);
      buffer = (base_present -> 1 - base_buffer : 0)
    }
    commit(NO_SLOT);  /* of on_start */
    do
    :: head == RECORDS -> break
    :: head < RECORDS ->
       start();
#ifdef HEAD_BEFORE_HANDLER
       STORE_SEQ_CST(WORKER, HEAD, head + 1);
#endif
       tell(2 * head);
       tell(2 * head + 1);
       state++;
#ifdef HEAD_BEFORE_TURN
       STORE_SEQ_CST(WORKER, HEAD, head + 1);
#endif
       commit(head + 1);
       STORE_SEQ_CST(WORKER, HEAD, head + 1);
       head++
    od;
end_idle:
    false
  } unless { dies(WORKER) };
end_dead:
  !gone[WORKER];
  goto begin
}

/* Whom the worker tells: drains the lanes of its lives in their order. */
active proctype receiver() {
  byte from, head, value;
  bool dead;
end:
  do
  :: atomic {
       mem[TAIL(from)] > head ->
       dead = final[from];
       if
       :: told[from].turn[head] <= mem[TURN(from)] ->
          value = told[from].value[head];
          assert(!arrived[value]);
          assert(value % 2 == 0 || arrived[value - 1] || quarantined[value / 2]);
          assert(value < 2 || arrived[1] || quarantined[0]);
          arrived[value] = true;
          head++
       :: told[from].turn[head] > mem[TURN(from)] && dead -> head++
       :: else -> (mem[TURN(from)] >= told[from].turn[head] || final[from])
       fi
     }
  :: d_step { final[from] && mem[TAIL(from)] == head -> from++; head = 0 }
  od
}

/* judge.cpp: recover_turn */
inline recover() {
  d_step {
    turn = mem[TURN(life)];
    if
    :: turn > 0 ->
       if
       :: mem[COMMIT_HEAD(life, turn)] != NO_SLOT && mem[COMMIT_HEAD(life, turn)] > mem[HEAD] ->
          mem[HEAD] = mem[COMMIT_HEAD(life, turn)]
       :: else
       fi;
       base_present = true;
       base_buffer = mem[COMMIT_BUFFER(life, turn)]
    :: else ->
#ifdef STATE_OF_THE_LAST_LIFE_ONLY
       base_present = false
#endif
       skip
    fi
  }
}

/* judge.cpp: judge */
inline judge() {
  d_step {
    if
#ifdef OLD_MARK_JUDGED_TWICE
    :: ATTEMPTS(mem[MARK]) > 0 && POSITION(mem[MARK]) == mem[HEAD] ->
#else
    :: ATTEMPTS(mem[MARK]) > 0 && POSITION(mem[MARK]) == mem[HEAD] && mem[MARK] != judged ->
#endif
       judged = mem[MARK];
       assert(in_flight);
       if
       :: ATTEMPTS(judged) >= LIMIT ->
          assert(starts[mem[HEAD]] == LIMIT);
          quarantined[mem[HEAD]] = true;
          mem[HEAD] = mem[HEAD] + 1
       :: else
       fi
    :: else -> assert(!in_flight)
    fi;
    in_flight = false
  }
}

active proctype supervisor() {
  byte turn, judged;
end:
  do
  :: DEATH_KNOWN(WORKER) ->
#ifdef JUDGED_BEFORE_RECOVERED
     judge();
     recover();
#else
     recover();
     judge();
#endif
     d_step {
       final[life] = true;
       life++;
       starts_again(WORKER)
     }
  od
}

active proctype memory() {
end:
  do
  :: reach_memory(WORKER)
  od
}

active proctype killer() {
end:
  do
  :: kill(WORKER)
  od
}

active proctype when_nothing_moves() {
  byte each, done;
  timeout;
  assert(mem[HEAD] == RECORDS);
  for (each : 0 .. RECORDS - 1) {
    assert(arrived[2 * each] == !quarantined[each] && arrived[2 * each + 1] == !quarantined[each]);
    done = done + !quarantined[each]
  }
  assert(state == done)
}
