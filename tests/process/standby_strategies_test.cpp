#include <map>

#include "process/common.hpp"

// Spares of children whose supervisor stops and starts several of them, and of children whose supervisor ends.

using namespace tests;
using troupe::strategy;
using troupe::supervisor;
using lines = std::vector<std::string>;

namespace {

constexpr std::size_t stood_by = 1, fails = 2;  // counters of the test program

/// Notes its spares, its starts and its stops.
struct Member : troupe::actor {
  void on_standby() override {
    is_spare = true;
    note("spare " + self().name() + " " + std::to_string(::getpid()));
    add(stood_by);
  }
  void on_start() override {
    if (total(fails) != 0 && self().name() == "b") throw std::runtime_error("not now");
    note("start " + self().name() + (is_spare ? " from its spare" : ""));
  }
  void on_stop(troupe::stop_reason) override { note("stop " + self().name()); }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Pid>;
  bool is_spare = false;
};
using names = std::vector<std::string>;

const names all_three{"a", "b", "c"};

supervisor trio(troupe::supervisor_spec flags, std::uint32_t spares = 1) {
  flags.max_restarts = 1000;
  supervisor made(flags);
  for (const auto& name : all_three) made.child<Member>({.name = name, .standby = spares});
  return made;
}

troupe::actor_ref<Member> member(troupe::system& sys, const std::string& name) { return *sys.find<Member>(name); }

/// The last spare of each that has come to stand by.
std::map<std::string, pid_t> spares() {
  std::map<std::string, pid_t> last;
  for (const auto& line : notes()) {
    if (!line.starts_with("spare ")) continue;
    const auto cut = line.find(' ', 6);
    last[line.substr(6, cut - 6)] = std::atoi(line.c_str() + cut);
  }
  return last;
}

/// Waits until so many spares have come to stand by since the program's start, and the supervisor knows of them.
void expect_stood_by(troupe::system& sys, std::uint64_t count) {
  EXPECT(eventually([&] { return total(stood_by) >= count; }));
  EXPECT_EQ(total(stood_by), count);
  for (const auto& each : spares()) EXPECT(eventually([&] { return state_of(each.second) == 'S'; }));
  static_cast<void>(sys.find<Member>("nobody"));
}

std::size_t workers_now() {
  auto all = children_of(::getpid());
  std::erase_if(all, [](pid_t pid) { return name_of_process(pid) == "troupe-spawner"; });
  return all.size();
}

/// Starts and stops after the first `from` notes.
lines deeds(std::size_t from) {
  lines all;
  for (auto& line : notes()) {
    if (from > 0) {
      --from;
    } else if (!line.starts_with("spare ")) {
      all.push_back(line);
    }
  }
  return all;
}

/// Kills one; then the processes of those `concerned` are their spares, everybody has one spare again, and no more.
void check_replacement(strategy how, const std::string& dies, const names& concerned, const lines& expected) {
  in_program<Member>(quiet(), [&](troupe::system& sys) {
    sys.spawn(trio({.name = "trio", .strategy = how}));
    expect_stood_by(sys, 3);
    std::map<std::string, pid_t> wanted;
    for (const auto& name : all_three) wanted[name] = pid_of(member(sys, name));
    const auto spare = spares();
    for (const auto& name : concerned) wanted[name] = spare.at(name);
    const auto before = notes().size();

    crash(sys, member(sys, dies));
    EXPECT(eventually([&] { return deeds(before).size() >= expected.size(); }));
    for (const auto& name : all_three) EXPECT_EQ(pid_of(member(sys, name)), wanted[name]);
    EXPECT_EQ(deeds(before), expected);
    expect_stood_by(sys, 3 + concerned.size());
    for (const auto& name : concerned) EXPECT(spares().at(name) != spare.at(name));
    EXPECT(eventually([&] { return workers_now() == 6; }));
    EXPECT(always([&] { return workers_now() == 6; }, 300ms));
    EXPECT(eventually([&] { return sys.count().workers == 6; }));
    EXPECT_EQ(deeds(before), expected);
  });
}

TEST_CASE("rest_for_one: the spare of each child concerned is what is started, in the order of the strategy") {
  check_replacement(strategy::rest_for_one, "a", {"a", "b", "c"},
                    {"stop c", "stop b", "start a from its spare", "start b from its spare", "start c from its spare"});
  check_replacement(strategy::rest_for_one, "b", {"b", "c"},
                    {"stop c", "start b from its spare", "start c from its spare"});
}

TEST_CASE("one_for_all: the spare of each child is what is started, in the order of the strategy") {
  const lines starts{"start a from its spare", "start b from its spare", "start c from its spare"};
  const auto after = [&](lines stops) {
    stops.insert(stops.end(), starts.begin(), starts.end());
    return stops;
  };
  check_replacement(strategy::one_for_all, "a", {"a", "b", "c"}, after({"stop c", "stop b"}));
  check_replacement(strategy::one_for_all, "b", {"a", "b", "c"}, after({"stop c", "stop a"}));
}

TEST_CASE("strategies with spares, killed again and again: none is left over, none is missing") {
  for (const auto how : {strategy::rest_for_one, strategy::one_for_all}) {
    in_program<Member>(
        quiet(),
        [&](troupe::system& sys) {
          sys.spawn(trio({.name = "trio", .strategy = how}, 2));
          for (int i = 0; i < 20; ++i) {
            const auto one = member(sys, all_three[static_cast<std::size_t>(i) % 3]);
            const pid_t before = pid_of(one);
            crash(sys, one);
            EXPECT(eventually([&] { return pid_of(one) != before; }));
          }
          for (const auto& name : all_three) pid_of(member(sys, name));
          EXPECT(eventually([&] { return workers_now() == 9; }));
          EXPECT(always([&] { return workers_now() == 9; }, 300ms));
          EXPECT(eventually([&] { return sys.count().workers == 9; }));
        },
        60s);
  }
}

TEST_CASE("spares that wait for the restart of their child end when terminate_child cancels it") {
  in_program<Member>(quiet(), [](troupe::system& sys) {
    const auto top = sys.spawn(trio({.name = "trio", .strategy = strategy::rest_for_one}));
    expect_stood_by(sys, 3);
    set(fails, 1);
    crash(sys, member(sys, "b"));
    EXPECT(
        eventually([&] { return workers_now() <= 4; }));  // a and its spare, the spare of c, now and then a start of b
    top.terminate_child("b");
    EXPECT(eventually([&] { return workers_now() == 2; }));
    EXPECT(eventually([&] { return sys.count().workers == 2; }));
    set(fails, 0);
    for (const auto* name : {"b", "c"}) top.restart_child(name);
    EXPECT(eventually([&] { return workers_now() == 6; }));
  });
}

TEST_CASE("a supervisor that gives up leaves no spare behind, whether it is started again, later or never") {
  using flags = troupe::supervisor_spec;
  const flags never{.name = "below", .max_restarts = 0, .restart = troupe::restart::transient};
  const flags later{.name = "below", .max_restarts = 0, .backoff = {.first = 60s, .max = 60s}};
  for (const auto& each : {never, later}) {
    in_program<Member>(quiet(), [&](troupe::system& sys) {
      supervisor below(each);
      for (const auto& name : all_three) below.child<Member>({.name = name, .standby = 1});
      sys.spawn(below);
      expect_stood_by(sys, 3);
      crash(sys, member(sys, "a"));
      EXPECT(eventually([&] { return workers_now() == 0; }));
      EXPECT(eventually([&] { return sys.count().workers == 0; }));
    });
  }
}

TEST_CASE("a supervisor that is stopped and started with others has its children, and each of these a spare") {
  in_program<Member>(quiet(), [](troupe::system& sys) {
    supervisor top({.name = "top", .strategy = strategy::one_for_all, .max_restarts = 10});
    top.child<Member>({.name = "first"}).child(trio({.name = "trio", .strategy = strategy::one_for_one}));
    sys.spawn(top);
    expect_stood_by(sys, 3);
    crash(sys, member(sys, "first"));
    expect_stood_by(sys, 6);
    EXPECT(eventually([&] { return workers_now() == 7; }));
    EXPECT(always([&] { return workers_now() == 7; }, 300ms));
  });
}

}  // namespace
