#include "crash/syscall_rounds.hpp"

#include <fstream>
#include <sstream>

namespace tests {

namespace {

bool runs(const program& its) { return state_of(its.pid()) != 0 && state_of(its.pid()) != 'Z'; }

/// What has been done must not be overlooked when the program ends right after it.
bool come_to(const program& of, rounds_word word, std::uint64_t count) {
  return eventually([&] { return total(word) >= count || !runs(of); }, 30s) && total(word) >= count;
}

watched do_round(program& of, const kill_plan& plan, kill_point where, std::uint64_t number) {
  of.signal(SIGUSR2);
  if (!come_to(of, rounds_ready, number)) return {};
  watched seen;
  {
    tracer watching(static_cast<pid_t>(total(rounds_victim)), plan.victim);
    watching.settle();
    of.signal(SIGUSR2);
    seen = watching.run(where, [&] {
      return total(rounds_done) >= number || !runs(of) ||
             (plan.until_call && watching.latest_call() == plan.until_call);
    });
  }
  if (plan.until_call) of.signal(SIGUSR2);
  return seen;
}

unsigned long long started_at(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(file, line);
  std::istringstream fields(line.substr(std::min(line.size(), line.rfind(')') + 2)));
  std::string field;
  for (int number = 3; number <= 22; ++number) fields >> field;
  return std::strtoull(field.c_str(), nullptr, 10);
}

}  // namespace

void kill_at_each_stop(program& of, const kill_plan& plan) {
  std::uint64_t round = 0;
  std::size_t kills = 0;
  const auto kill_at = [&](kill_point where) {
    const watched seen = do_round(of, plan, where, ++round);
    kills += seen.killed ? 1 : 0;
    if (!come_to(of, rounds_done, round)) {
      FAIL_CHECK("round ", round, ", ", describe(seen, where), ": the program did not come to its end");
      of.wait(1ms);
      FAIL("see above");
    }
    return seen;
  };
  for (std::size_t stop = 0;; stop += plan.every) {
    const watched seen = kill_at({stop, false});
    if (!seen.killed) break;
    if (plan.also_blocked && seen.before && may_block(seen.call)) kill_at({stop, true});
  }
  set(rounds_ending, 1);
  of.signal(SIGUSR2);
  CHECK_EQ(of.wait().exit_code, 0);
  MESSAGE(kills, " kills in ", round, " rounds");
  CHECK(kills > 0);
}

pid_t active_spawner() {
  const auto all = spawners();
  EXPECT(!all.empty());
  return *std::min_element(all.begin(), all.end(), [](pid_t one, pid_t other) {
    return std::pair(started_at(one), one) < std::pair(started_at(other), other);
  });
}

}  // namespace tests
