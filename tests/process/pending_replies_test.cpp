// Replies that their asker has not taken in: they wait in its pipe, behind that in the callee, and are for nobody else.

#include <sys/syscall.h>

#include <filesystem>
#include <utility>
#include <vector>

#include "process/common.hpp"

using namespace tests;

namespace {

enum word : std::size_t { answered = 10, asked, right, go, lives };

struct Square {
  int value;
};
struct Later {
  int value;
};
struct Answer {};

struct Callee : troupe::actor {
  int on(Square m) {
    add(answered);
    return m.value * m.value;
  }
  troupe::deferred<int> on(Later m) {
    waiting.emplace_back(self().defer<int>(), m.value);
    return waiting.back().first;
  }
  /// In the order in which they were asked.
  int on(Answer) {
    for (auto& [to, value] : waiting) to.reply(value);
    return static_cast<int>(waiting.size());
  }
  std::size_t on(Numbers) { return waiting.size(); }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Square, Later, Answer, std::size_t(Numbers), Pid>;
  std::vector<std::pair<troupe::deferred<int>, int>> waiting;
};

struct Begin {
  bool later = false;  // the callee is asked for what it answers when it is told to
};

constexpr int many = 20'000;  // answers that fill a pipe of 64 KiB again and again

/// Asks all at once, and takes nothing in before it may.
struct Hasty : troupe::actor {
  explicit Hasty(troupe::actor_ref<Callee> whom) : to(whom) {}
  void on(Begin m) {
    for (int i = 0; i < many; ++i) {
      const auto got_it = [](int what) {
        return [what](const troupe::expected<int>& got) { add(right, got && *got == what); };
      };
      m.later ? to.ask(Later{i}, 60s).then(got_it(i)) : to.ask(Square{i}, 60s).then(got_it(i * i));
    }
    set(asked, 1);
    EXPECT(eventually([] { return total(go) == 1; }, 30s));
  }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Begin, Pid>;

  troupe::actor_ref<Callee> to;
};

/// Asks once in each of its lives: the first request of each process.
struct Reborn : troupe::actor {
  explicit Reborn(troupe::actor_ref<Callee> whom) : to(whom) {}
  void on(Begin) {
    to.ask(Later{static_cast<int>(add(lives))}, 60s).then([](const troupe::expected<int>& got) {
      note("got " + std::to_string(got.value_or(-1)));
    });
  }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Begin, Pid>;

  troupe::actor_ref<Callee> to;
};

/// All its pipes, held open here as by a child that it has left behind.
std::vector<int> pipes_of(pid_t pid) {
  std::vector<int> held;
  const int process = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  EXPECT(process >= 0);
  for (const auto& each : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
    std::error_code gone;
    if (!std::filesystem::read_symlink(each, gone).string().starts_with("pipe:")) continue;
    held.push_back(static_cast<int>(::syscall(SYS_pidfd_getfd, process, std::stoi(each.path().filename()), 0)));
    EXPECT(held.back() >= 0);
  }
  ::close(process);
  return held;
}

}  // namespace

TEST_CASE("who takes no replies in holds up its own requests only, and gets all its answers in the end") {
  in_program<Callee, Hasty>([](troupe::system& sys) {
    auto callee = sys.spawn<Callee>({.name = "callee", .lane_bytes = 2 << 20});
    const pid_t pid = pid_of(callee);
    sys.spawn<Hasty>("hasty", callee).tell(Begin{});
    EXPECT(eventually([&] { return total(asked) == 1 && state_of(pid) == 'S'; }));
    EXPECT_EQ(callee.ask(Square{3}).get(), 9);
    EXPECT(always([] { return total(answered) < many; }, 50ms));
    set(go, 1);
    EXPECT(eventually([] { return total(right) == many; }, 20s));
  });
}

TEST_CASE("replies that are given all at once, more than their asker's pipe holds, arrive all") {
  in_program<Callee, Hasty>([](troupe::system& sys) {
    auto callee = sys.spawn<Callee>({.name = "callee", .lane_bytes = 2 << 20});
    sys.spawn<Hasty>("hasty", callee).tell(Begin{true});
    EXPECT(eventually([&] { return callee.ask(Numbers{}).get() == static_cast<std::size_t>(many); }));
    EXPECT_EQ(callee.ask(Answer{}).get(), many);
    set(go, 1);
    EXPECT(eventually([] { return total(right) == many; }, 20s));
  });
}

TEST_CASE("a reply that a dead asker waited for is not its successor's") {
  in_program<Callee, Reborn>(quiet(10), [](troupe::system& sys) {
    auto callee = sys.spawn<Callee>("callee");
    auto asker = sys.spawn<Reborn>("asker", callee);
    asker.tell(Begin{});
    EXPECT(eventually([&] { return callee.ask(Numbers{}).get() == 1UL; }));
    crash(sys, asker);
    EXPECT(pid_of(asker) > 0);
    asker.tell(Begin{});
    EXPECT(eventually([&] { return callee.ask(Numbers{}).get() == 2UL; }));
    EXPECT_EQ(callee.ask(Answer{}).get(), 2);
    EXPECT(eventually([] { return !notes().empty(); }));
    EXPECT_EQ(notes(), std::vector<std::string>{"got 2"});
  });
}

TEST_CASE("replies that a dead asker has not taken in hold up nothing, though somebody holds its pipe open") {
  in_program<Callee, Hasty>(quiet(10), [](troupe::system& sys) {
    auto callee = sys.spawn<Callee>({.name = "callee", .lane_bytes = 2 << 20});
    const pid_t pid = pid_of(callee);
    auto hasty = sys.spawn<Hasty>("hasty", callee);
    const pid_t asks = pid_of(hasty);
    hasty.tell(Begin{});
    EXPECT(eventually([&] { return total(asked) == 1 && state_of(pid) == 'S'; }));
    const auto held = pipes_of(asks);
    crash(sys, hasty);
    set(go, 1);
    EXPECT(eventually([] { return total(right) == many; }, 20s));
    for (const int each : held) ::close(each);
  });
}
