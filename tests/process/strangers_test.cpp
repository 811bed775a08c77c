// What a worker says of what is not its own is not believed: mailboxes and lanes of others, what is enclosed with their
// messages, memory beyond its limit. (tests/fuzz has those who say anything at all, for as long as they can.)

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "channel/endpoint.hpp"
#include "process/common.hpp"

using namespace tests;

namespace {

namespace channel = troupe::channel;
namespace wire = troupe::wire;

constexpr std::size_t sender_life = 10;

struct Take {
  troupe::pipe_reader<int> end;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(end);
  }
};
struct Victim : troupe::actor {
  void on(Number m) { note("got " + std::to_string(m.value)); }
  void on(Take m) { note("received " + std::to_string(m.end.recv())); }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Number, Take, Pid>;
};
using victim = troupe::actor_ref<Victim>;

/// Tells the victim one to five, and says who it is.
struct Sender : troupe::actor {
  explicit Sender(victim whom) : to(whom) {}
  void on(Numbers) {
    for (int i = 1; i <= 5; ++i) to.tell(Number{i});
    set(sender_life, self().incarnation());
  }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Numbers, Pid>;
  victim to;
};

struct Say {
  std::uint64_t function;
  std::uint64_t about = 0;
};
struct Liar : troupe::actor {
  void on(Say m) {
    reinterpret_cast<void (*)(std::uint64_t)>(m.function)(m.about);
    static_cast<void>(troupe::detail::find("nobody"));  // answered when all before it has been heard
  }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Say, Pid>;
};
using liar = troupe::actor_ref<Liar>;

/// Runs `what` in the liar; the supervisor has heard it when this returns.
void lie(const liar& by, void (*what)(std::uint64_t), std::uint64_t about = 0) {
  by.ask(Say{reinterpret_cast<std::uint64_t>(what), about}).get();
}

channel::endpoint& here() { return channel::endpoint::current(); }

/// Descriptors of memory with this label in this process, which is the supervisor's.
std::vector<int> memory_of(const std::string& label) {
  std::vector<int> found;
  DIR* const all = ::opendir("/proc/self/fd");
  while (const dirent* each = ::readdir(all)) {
    char target[256] = {};
    const std::string path = std::string("/proc/self/fd/") + each->d_name;
    if (::readlink(path.c_str(), target, sizeof target - 1) <= 0) continue;
    if (std::string(target).find("memfd:" + label) != std::string::npos) found.push_back(std::atoi(each->d_name));
  }
  ::closedir(all);
  return found;
}

}  // namespace

TEST_CASE("letters about another's mailbox are not kept") {
  in_program<Victim, Liar>([](troupe::system& sys) {
    const auto whom = sys.spawn<Victim>("victim");
    const auto by = sys.spawn<Liar>("liar");
    freeze(sys, whom);
    for (int i = 1; i <= 3; ++i) whom.tell(Number{i});
    lie(by, [](std::uint64_t identity) {
      for (std::uint32_t slot = 0; slot < 4; ++slot) {
        for (std::uint64_t position = 0; position < 512; position += 8) {
          for (const auto reason : {wire::letter_reason::unhandled, wire::letter_reason::lane_broken}) {
            here().send(wire::frame::letter, wire::letter{position, 1, identity, slot, reason}, "it says so");
          }
        }
      }
    }, whom.identity());
    EXPECT_EQ(sys.count().dead_letters, 0UL);
    sys.send_signal(whom, SIGCONT);
    EXPECT(eventually([] { return noted("got 3"); }));
    EXPECT_EQ(notes().size(), 3UL);
  });
}

TEST_CASE("a lane of another's mailbox is not drained because somebody says so") {
  in_program<Victim, Sender, Liar>(quiet(10), [](troupe::system& sys) {
    const auto whom = sys.spawn<Victim>("victim");
    const auto from = sys.spawn<Sender>({.name = "sender", .restart = troupe::restart::temporary}, whom);
    const auto by = sys.spawn<Liar>("liar");
    const pid_t stopped = freeze(sys, whom);
    from.tell(Numbers{});
    EXPECT(eventually([] { return total(sender_life) != 0; }));
    crash(sys, from);
    lie(by, [](std::uint64_t identity) {
      for (std::uint32_t slot = 0; slot < 8; ++slot) {
        here().send(wire::frame::lane_drained, wire::slot{slot, 0, identity, total(sender_life)});
      }
    }, whom.identity());
    // Whoever comes next is told of the lanes that there are.
    ::kill(stopped, SIGKILL);
    EXPECT(eventually([] { return noted("got 5"); }));
    EXPECT_EQ(notes(), (std::vector<std::string>{"got 1", "got 2", "got 3", "got 4", "got 5"}));
  });
}

TEST_CASE("a lane that lies where no lane can be is refused: nobody looks there, also when its sender has died") {
  in_program<Victim, Liar>(quiet(10), [](troupe::system& sys) {
    const auto whom = sys.spawn<Victim>("victim");
    const auto by = sys.spawn<Liar>({.name = "liar", .restart = troupe::restart::temporary});
    lie(by, [](std::uint64_t identity) {
      const std::uint32_t ring = std::uint32_t{1} << wire::ring_log2_of(identity);
      for (const std::uint64_t offset : {std::uint64_t{1} << 62, ~std::uint64_t{0} - 63, wire::out_memory_bytes,
                                         wire::out_lanes_end - 64}) {
        here().send(wire::frame::connect, wire::connect{identity, offset, ring, 1});
      }
    }, whom.identity());
    whom.tell(Number{1});
    crash(sys, by);
    crash(sys, whom);
    EXPECT(eventually([] { return noted("got 1"); }));
    EXPECT(pid_of(whom) > 0);
  });
}

TEST_CASE("what is enclosed with a message is given to its receiver, whoever else asks for it first") {
  in_program<Victim, Liar>([](troupe::system& sys) {
    const auto whom = sys.spawn<Victim>("victim");
    const auto by = sys.spawn<Liar>("liar");
    freeze(sys, whom);
    auto [reader, writer] = troupe::pipe<int>();
    whom.tell(Take{std::move(reader)});
    lie(by, [](std::uint64_t from) {
      for (std::uint64_t number = 0; number < 64; ++number) {
        EXPECT(!here().withdraw(troupe::detail::fd_token{from, number}));
      }
    }, troupe::detail::own_incarnation());
    sys.send_signal(whom, SIGCONT);
    writer.send(7);
    EXPECT(eventually([] { return noted("received 7"); }));
  });
}

TEST_CASE("main has no mailbox: who tells it hears that it has ended") {
  in_program<Liar>([](troupe::system& sys) {
    const auto by = sys.spawn<Liar>("liar");
    lie(by, [](std::uint64_t main) {
      const troupe::ref<troupe::handles<Number>> to(main);
      note(std::string(troupe::name(error_of([&] { to.tell(Number{1}); }).code())));
    }, troupe::detail::own_identity());
    EXPECT_EQ(notes(), std::vector<std::string>{"closed"});
  });
}

TEST_CASE("memory for an outbox beyond its limit is refused, large or in small pieces") {
  in_program<Liar>([](troupe::system& sys) {
    const auto by = sys.spawn<Liar>({.name = "liar", .outbox_bytes = 64UL << 20});
    lie(by, [](std::uint64_t) {
      for (const std::uint64_t room : {std::uint64_t{65} << 20, std::uint64_t{1} << 40, ~std::uint64_t{0} - 4096}) {
        here().send(wire::frame::segment_make, wire::number{room});
      }
    });
    EXPECT_EQ(memory_of("troupe-segment").size(), 0UL);
    lie(by, [](std::uint64_t) {
      for (int i = 0; i < 200; ++i) here().send(wire::frame::segment_make, wire::number{4096});
    });
    EXPECT(memory_of("troupe-segment").size() < 20);
  });
}

struct Large {
  troupe::payload body;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(body);
  }
};
struct Holder : troupe::actor {
  void on(const Large&) {}
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Large, Pid>;
};

TEST_CASE("memory that others read can be written by its own worker alone, and keeps its size") {
  in_program<Holder>([](troupe::system& sys) {
    const auto to = sys.spawn<Holder>("holder");
    EXPECT(pid_of(to) > 0);
    freeze(sys, to);
    to.tell(Large{sys.payload(100UL << 20)});
    const auto segments = memory_of("troupe-segment"), outs = memory_of("troupe-out");
    EXPECT_EQ(segments.size(), 1UL);
    EXPECT(outs.size() >= 2);
    constexpr int one_writer = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;
    constexpr int fixed = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    for (const int each : segments) EXPECT_EQ(::fcntl(each, F_GET_SEALS), one_writer);
    for (const int each : outs) EXPECT_EQ(::fcntl(each, F_GET_SEALS), one_writer);
    for (const int each : memory_of("troupe-status")) EXPECT_EQ(::fcntl(each, F_GET_SEALS), one_writer);
    for (const int each : memory_of("troupe-letters")) EXPECT_EQ(::fcntl(each, F_GET_SEALS), one_writer);
    for (const int each : memory_of("troupe-cursor")) EXPECT_EQ(::fcntl(each, F_GET_SEALS), fixed);
    for (const int each : memory_of("troupe-hints")) EXPECT_EQ(::fcntl(each, F_GET_SEALS), fixed);
    sys.send_signal(to, SIGCONT);
  });
}
