/* Verdicts: every request ends, with its reply if a life has written one, else with "outcome unknown".
 *
 * Code: endpoint::verdict, link_up, drain_replies, settle (asker); loop::handle, replies (callee); judge,
 * control::tell_askers, join_link, attached (supervisor).
 * Bounds: two requests; the callee replies before the head moves (without turns) or after it (with turns); the policy
 * is drop or LIMIT 2 starts; two deaths of the callee at any step.
 * Abstracted: the asker lives, has no deadline, and its requests are always deliverable; reply frames fit into the
 * pipe.
 */
#define WORDS 3
#define PROCESSES 1
#ifndef DEATHS
#define DEATHS 2
#endif
#include "tso.inc"

#define REQUESTS 2
#define LIMIT 2
#define LIVES (DEATHS + 1)

#define TAIL 0
#define HEAD 1
#define MARK 2
#define MARK_OF(position, attempts) (4 * (position) + (attempts))
#define POSITION(mark) ((mark) / 4)
#define ATTEMPTS(mark) ((mark) % 4)

#define CALLEE 0

typedef pipe { chan frames = [4] of { byte } };
pipe replies[LIVES];  /* a frame is whole or absent; only this life writes here */
mtype = { link, verdict };
chan to_asker = [6] of { mtype, byte, byte };
bool drop;            /* the policy; else redelivered up to LIMIT */
bool turns;           /* replies follow the head, which follows the commit; else they come before it */
byte life;

mtype = { pending, answered, unknown };
mtype outcome[REQUESTS] = pending;

/* What really happened. */
bool replied[REQUESTS];

inline settle(request, how) {
  if
  :: outcome[request] == pending -> outcome[request] = how
  :: else
  fi
}

inline drain_replies() {
  do
  :: replies[current].frames ? request -> settle(request, answered)
  :: empty(replies[current].frames) -> break
  od;
  request = 0
}

active proctype asker() {
  byte asked, current, whose, head, request;
  if
  :: drop = true
  :: skip
  fi;
  if
  :: turns = true
  :: skip
  fi;
  current = LIVES;
end:
  do
  :: asked < REQUESTS -> d_step { asked++; mem[TAIL] = asked }
  :: atomic {
       to_asker ? link, whose, _ ->
       if
       :: current < LIVES -> drain_replies()
       :: else
       fi;
       current = whose
     }
  :: atomic { current < LIVES && nempty(replies[current].frames) -> drain_replies() }
  :: atomic {
       to_asker ? verdict, whose, head ->
#ifdef VERDICT_FROM_THE_PAGE
       head = mem[HEAD];
#endif
#ifndef VERDICT_BEFORE_THE_PIPE_IS_READ
       if
       :: current <= whose -> drain_replies()
       :: else
       fi;
#endif
       for (request : 0 .. REQUESTS - 1) {
         if
         :: request < asked && request + 1 <= head -> settle(request, unknown)
         :: else
         fi
       }
       request = 0;
       head = 0
     }
  od
}

inline reply() { atomic { replies[life].frames ! head; replied[head] = true } }

active proctype callee() {
  byte head, mark;
begin:
  {
    head = mem[HEAD];
end_asleep:
    do
    :: atomic {
         LOAD(CALLEE, TAIL) > head ->
         mark = LOAD(CALLEE, MARK);
         if
         :: ATTEMPTS(mark) > 0 && POSITION(mark) == head -> mark++
         :: else -> mark = MARK_OF(head, 1)
         fi;
         STORE(CALLEE, MARK, mark)
       }
       if
       :: turns -> STORE_SEQ_CST(CALLEE, HEAD, head + 1); reply()
       :: !turns -> reply(); STORE_SEQ_CST(CALLEE, HEAD, head + 1)
       fi;
       head++
    od
  } unless { dies(CALLEE) };
end_dead:
  !gone[CALLEE];
  goto begin
}

/* judge.cpp: judge; lives.cpp: tell_askers */
inline judge() {
  d_step {
    mark = mem[MARK];
    if
    :: ATTEMPTS(mark) > 0 && mark != judged && POSITION(mark) == mem[HEAD] ->
       judged = mark;
       if
       :: drop || ATTEMPTS(mark) >= LIMIT -> mem[HEAD] = mem[HEAD] + 1
       :: else
       fi
    :: else
    fi
  }
}

active proctype supervisor() {
  byte mark, judged;
  to_asker ! link, life, 0;
end:
  do
  :: DEATH_KNOWN(CALLEE) ->
#ifdef VERDICT_BEFORE_JUDGED
     to_asker ! verdict, life, mem[HEAD];
     judge();
#else
     judge();
     to_asker ! verdict, life, mem[HEAD];
#endif
     life++;
     to_asker ! link, life, 0;
     d_step { starts_again(CALLEE) }
  od
}

active proctype memory() {
end:
  do
  :: reach_memory(CALLEE)
  od
}

active proctype killer() {
end:
  do
  :: kill(CALLEE)
  od
}

active proctype when_nothing_moves() {
  byte each;
  timeout;
  assert(mem[HEAD] == REQUESTS);
  for (each : 0 .. REQUESTS - 1) {
    assert(outcome[each] != pending);
    assert((outcome[each] == answered) == replied[each])
  }
}
