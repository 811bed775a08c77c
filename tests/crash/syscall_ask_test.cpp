// Kills at the system calls of an ask, on either side, and of a reply: small, large, and into a pipe that is full.

#include <poll.h>

#include "crash/syscall_rounds.hpp"

using namespace tests;

namespace {

enum word : std::size_t { asked_and_answered = 0, handled };

struct Fill {
  std::uint32_t bytes;
};
struct SureFill {
  std::uint32_t bytes;
  static constexpr auto delivery = troupe::redeliver{10};
};
struct Replier : troupe::actor {
  std::string on(Fill m) {
    add(handled);
    return std::string(m.bytes, 'x');
  }
  std::string on(SureFill m) { return std::string(m.bytes, 'y'); }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Fill, SureFill, Pid>;
};
using replier = troupe::actor_ref<Replier>;

struct AskHim {
  replier whom;
  std::uint64_t round = 0;
  std::uint32_t bytes = 0;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(whom, round, bytes);
  }
};
struct Asker : troupe::actor {
  void on(const AskHim& m) {
    EXPECT_EQ(m.whom.ask(Fill{m.bytes}).get().size(), static_cast<std::size_t>(m.bytes));
    set(asked_and_answered, m.round);
  }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<AskHim, Pid>;
};

constexpr std::uint32_t small = 10, nearly_a_frame = 3900, large = 300'000;

/// Each round tells an actor to ask another one. It is killed, so the message is handled again, by another process with
/// new links; the callee does not notice.
void ask_in_rounds(troupe::system& sys, bool knows_callee, std::uint32_t bytes) {
  auto callee = sys.spawn<Replier>("callee");
  auto asker = sys.spawn<Asker>("asker");
  const pid_t answering = pid_of(callee);
  std::uint64_t round = 0;
  const auto ask = [&] {
    asker.tell(AskHim{callee, ++round, bytes});
    EXPECT(eventually([&] { return total(asked_and_answered) == round; }));
  };
  do_rounds({.prepare =
                 [&] {
                   if (knows_callee) {
                     ask();
                   } else {
                     pid_of(asker);  // so it is up
                     crash(sys, asker);
                   }
                   return pid_of(asker);
                 },
             .act =
                 [&] {
                   ask();
                   EXPECT_EQ(pid_of(callee), answering);
                 }});
  EXPECT_EQ(sys.count().dead_letters, 0UL);
}

/// Each round asks an actor that is killed: the reply is there, or the outcome is unknown; a request that says
/// redeliver is answered in any case.
void reply_in_rounds(troupe::system& sys, std::uint32_t bytes) {
  auto callee = sys.spawn<Replier>("callee");
  do_rounds({.prepare = [&] { return pid_of(callee); },
             .act =
                 [&] {
                   int unknown = 0;
                   for (int i = 0; i < 3; ++i) {
                     const auto got = callee.ask(Fill{bytes}).try_get();
                     unknown += got ? 0 : 1;
                     if (!got) EXPECT_EQ(got.error().code(), troupe::errc::outcome_unknown);
                     if (got) EXPECT_EQ(*got, std::string(bytes, 'x'));
                   }
                   EXPECT(unknown <= 1);  // it dies once
                 }});
  EXPECT_EQ(sys.count().dead_letters, 0UL);
}

/// A request that says redeliver is answered in any case.
void redeliver_in_rounds(troupe::system& sys, std::uint32_t bytes) {
  auto callee = sys.spawn<Replier>("callee");
  do_rounds({.prepare = [&] { return pid_of(callee); },
             .act = [&] { EXPECT_EQ(callee.ask(SureFill{bytes}).get(), std::string(bytes, 'y')); }});
  EXPECT_EQ(sys.count().dead_letters, 0UL);
}

/// Each round sends more requests than the pipe can hold replies of, and takes no reply before it is full. Of those
/// that were started, only the one in hand or its waiting reply is lost; all others are answered, in order.
void fill_pipe_in_rounds(troupe::system& sys) {
  auto callee = sys.spawn<Replier>("callee");
  constexpr int requests = 40, more_than_the_pipe_holds = 17;
  do_rounds({.prepare = [&] { return pid_of(callee); },
             .act =
                 [&] {
                   const auto before = total(handled);
                   std::vector<troupe::asking<std::string>> pending;
                   for (int i = 0; i < requests; ++i) pending.push_back(callee.ask(Fill{nearly_a_frame}));
                   // Serves nothing, so no reply is read.
                   for (int i = 0; i < 500 && total(handled) < before + more_than_the_pipe_holds; ++i) {
                     ::poll(nullptr, 0, 1);
                   }
                   int unknown = 0;
                   for (auto& each : pending) {
                     const auto got = each.try_get();
                     if (!got) EXPECT_EQ(got.error().code(), troupe::errc::outcome_unknown);
                     if (got) EXPECT_EQ(got->size(), static_cast<std::size_t>(nearly_a_frame));
                     unknown += got ? 0 : 1;
                   }
                   EXPECT(unknown <= 1);
                 }});
  EXPECT_EQ(sys.count().dead_letters, 0UL);
}

TEST_CASE("an asker killed at system calls of its first ask to an actor: the one in its place asks again") {
  auto its = start_rounds<Replier, Asker>([](troupe::system& sys) { ask_in_rounds(sys, false, small); });
  kill_at_each_stop(*its, {.every = 4});
}

TEST_CASE("an asker killed at any system call of a further ask: the one in its place asks again") {
  auto its = start_rounds<Replier, Asker>([](troupe::system& sys) { ask_in_rounds(sys, true, small); });
  kill_at_each_stop(*its, {});
}

TEST_CASE("an asker killed at any system call while it takes a large reply: the one in its place asks again") {
  auto its = start_rounds<Replier, Asker>([](troupe::system& sys) { ask_in_rounds(sys, true, large); });
  kill_at_each_stop(*its, {});
}

TEST_CASE("a callee killed at any system call of a small reply: a reply, or outcome unknown, and it goes on") {
  auto its = start_rounds<Replier>([](troupe::system& sys) { reply_in_rounds(sys, small); });
  kill_at_each_stop(*its, {});
}

TEST_CASE("a callee killed at any system call of a large reply: a reply, or outcome unknown, and it goes on") {
  auto its = start_rounds<Replier>([](troupe::system& sys) { reply_in_rounds(sys, large); });
  kill_at_each_stop(*its, {});
}

TEST_CASE("a callee killed at any system call of a reply to a request that says redeliver: there is a reply") {
  for (const std::uint32_t bytes : {small, large}) {
    auto its = start_rounds<Replier>([bytes](troupe::system& sys) { redeliver_in_rounds(sys, bytes); });
    kill_at_each_stop(*its, {});
  }
}

TEST_CASE("a callee killed at system calls while it fills the reply pipe: one outcome at most is unknown") {
  auto its = start_rounds<Replier>(fill_pipe_in_rounds);
  kill_at_each_stop(*its, {.every = 4});
}

TEST_SUITE_BEGIN("long");

TEST_CASE("an asker killed at any system call of its first ask to an actor: the one in its place asks again") {
  auto its = start_rounds<Replier, Asker>([](troupe::system& sys) { ask_in_rounds(sys, false, small); });
  kill_at_each_stop(*its, {});
}

TEST_CASE("a callee killed at any system call while it fills the reply pipe: one outcome at most is unknown") {
  auto its = start_rounds<Replier>(fill_pipe_in_rounds);
  kill_at_each_stop(*its, {});
}

TEST_SUITE_END();

}  // namespace
