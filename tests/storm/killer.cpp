#include "storm/killer.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <exception>
#include <fstream>
#include <thread>

#include "support/program.hpp"

namespace storm {

using namespace std::chrono_literals;

namespace {

constexpr auto longest_stop = 256ms, shortest_spawner_life = 300ms;

/// The kernel's own list: quicker than to look through all processes. Those that are not named yet have their spawner's
/// name.
std::vector<pid_t> children(pid_t parent) {
  const std::string id = std::to_string(parent);
  std::ifstream list("/proc/" + id + "/task/" + id + "/children");
  if (!list) return tests::children_of(parent);
  std::vector<pid_t> all;
  for (pid_t each = 0; list >> each;) all.push_back(each);
  return all;
}

}  // namespace

killer::killer(pid_t program, std::vector<std::string> victims, weapons with, double per_second, std::uint64_t seed)
    : program_(program), victims_(std::move(victims)), with_(with), per_second_(per_second), random_(seed) {}

void killer::rage(std::chrono::milliseconds length, std::uint64_t kills, std::chrono::milliseconds most) {
  const auto begin = clock::now();
  auto next = begin;
  const auto over = [&] {
    const auto now = clock::now();
    return (now >= begin + length && kills_ >= kills) || now >= begin + most || tests::state_of(program_) == 0;
  };
  while (!over()) {
    pause_until(next);
    attack();
    if (with_spawner_) attack_spawner();
    next = std::max(next + next_pause(), clock::now() - 1s);  // who was held up makes up for a second of it
  }
  resume(true);
}

killer::clock::duration killer::next_pause() {
  if (burst_ > 0) return --burst_, 0s;
  constexpr unsigned mean_burst = 2;
  if (random_() % 3 == 0) burst_ = 1 + static_cast<unsigned>(random_() % (6 * mean_burst - 1));
  std::exponential_distribution<double> seconds(per_second_ / (1 + mean_burst));
  return std::chrono::duration_cast<clock::duration>(std::chrono::duration<double>(seconds(random_)));
}

void killer::pause_until(clock::time_point until) {
  for (;;) {
    resume(false);
    const auto now = clock::now();
    if (now >= until) return;
    auto next = until;
    for (const auto& [when, who] : stopped_) next = std::min(next, when);
    const auto left = std::chrono::nanoseconds(std::max(next - now, clock::duration{0}));
    const timespec time{left / 1s, (left % 1s).count()};
    ::ppoll(nullptr, 0, &time, nullptr);
  }
}

void killer::resume(bool all) {
  const auto now = clock::now();
  std::erase_if(stopped_,
                [&](const auto& each) { return (all || each.first <= now) && (each.second.signal(SIGCONT), true); });
}

void killer::forget_the_dead() {
  std::erase_if(doomed_, [](const auto& each) { return each.second.ended(); });
}

std::vector<killer::worker> killer::workers() const {
  std::vector<worker> found;
  for (const pid_t pid : children(program_)) {
    std::string name = tests::name_of_process(pid);
    const bool victim = std::find(victims_.begin(), victims_.end(), name) != victims_.end();
    if (victim && !doomed_.contains(pid)) found.push_back({pid, std::move(name)});
  }
  return found;
}

void killer::attack() {
  forget_the_dead();
  const auto all = workers();
  if (all.empty()) return;
  const worker& whom = all[random_() % all.size()];
  auto choice = static_cast<unsigned>(random_() % (with_.kill + with_.segv + with_.abort + with_.exit + with_.stop));
  constexpr std::array<int, 5> signals{SIGKILL, SIGSEGV, SIGABRT, SIGUSR1, SIGSTOP};
  const std::array<unsigned, 5> weights{with_.kill, with_.segv, with_.abort, with_.exit, with_.stop};
  std::size_t which = 0;
  while (choice >= weights[which]) choice -= weights[which++];
  strike(whom, signals[which]);
}

void killer::strike(const worker& whom, int signal) {
  tests::pidfd victim(whom.pid);
  // Opened, then looked at: should another process have the number by now, it is not this program's child of this name.
  const auto now = workers();
  const bool his = std::any_of(now.begin(), now.end(),
                               [&](const worker& each) { return each.pid == whom.pid && each.name == whom.name; });
  if (!his || victim.ended() || !victim.signal(signal)) return;
  if (signal == SIGSTOP) {
    ++stops_;
    stopped_.emplace_back(clock::now() + longest_stop / (1 << random_() % 6), std::move(victim));
  } else {
    ++kills_;
    doomed_.emplace(whom.pid, std::move(victim));
  }
}

/// A worker that is not named yet looks like a spawner, and one that has just been made is known to the supervisor a
/// little later: counted are those that have slept for a while, and only when they are two is one of them killed.
void killer::attack_spawner() {
  const auto now = clock::now();
  std::map<pid_t, clock::time_point> asleep;
  std::vector<pid_t> old;
  for (const pid_t pid : children(program_)) {
    if (tests::name_of_process(pid) != "troupe-spawner" || tests::state_of(pid) != 'S') continue;
    const auto since = spawners_.contains(pid) ? spawners_[pid] : now;
    asleep.emplace(pid, since);
    if (now - since >= shortest_spawner_life) old.push_back(pid);
  }
  spawners_.swap(asleep);
  if (old.size() != 2) return;
  const pid_t victim = old[random_() % 2];
  if (!tests::pidfd(victim).signal(SIGKILL)) return;
  ++spawner_kills_;
  spawners_.clear();
}

void while_attacked(killer&& attacker, std::uint64_t kills, const std::function<void()>& work) {
  std::atomic<bool> over = false;
  std::thread attack([&] {
    attacker.rage(0ms, kills, 10min);
    over = true;
  });
  std::exception_ptr thrown;
  try {
    while (!over) work();
  } catch (...) {
    thrown = std::current_exception();
  }
  attack.join();
  if (thrown) std::rethrow_exception(thrown);
  EXPECT(attacker.kills() >= kills);
}

void forbid_core_dumps() {
  rlimit core{};
  ::getrlimit(RLIMIT_CORE, &core);
  core.rlim_cur = 0;
  ::setrlimit(RLIMIT_CORE, &core);
}

}  // namespace storm
