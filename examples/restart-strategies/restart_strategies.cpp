// One death, three strategies: four workers under each, the second is killed, and all that follows is written down side by
// side. With --log: the same as lines `strategy microseconds who what pid`, of which docs/supervision.md has pictures.

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <iomanip>
#include <iostream>
#include <string>
#include <string_view>
#include <troupe/troupe.hpp>
#include <vector>

namespace {

using namespace std::chrono;

struct Event {
  std::string who, what;
  int pid = 0;
  std::int64_t when = 0;  // steady microseconds
  template <class Ar>
  void serialize(Ar& ar) {
    ar(who, what, pid, when);
  }
};
using diary = troupe::queue<Event>;

std::int64_t now() { return duration_cast<microseconds>(steady_clock::now().time_since_epoch()).count(); }

struct Hello { static constexpr auto delivery = troupe::redeliver{}; };  // asked again if its handler is killed

/// Writes down when it starts and when it is stopped. A kill leaves no time to write.
struct Member : troupe::actor {
  explicit Member(diary book) : book_(std::move(book)) {}
  void on_start() override { note("starts"); }
  void on_stop(troupe::stop_reason) override { note("stops"); }
  int on(Hello) { return ::getpid(); }
  using handles = troupe::handles<Hello>;

 private:
  void note(const char* what) { book_.put({self().name().substr(self().name().find('-') + 1), what, ::getpid(), now()}); }
  diary book_;
};
using member = troupe::actor_ref<Member>;

struct team {
  troupe::strategy strategy;
  std::string_view name;
  std::vector<Event> events;
  std::array<std::string, 4> end = {};  // what became of a, b, c, d
};
constexpr std::array<const char*, 4> letters{"a", "b", "c", "d"};

std::array<int, 4> pids_of(const std::vector<member>& all) {
  std::array<int, 4> pids{};
  for (std::size_t i = 0; i < all.size(); ++i) pids[i] = all[i].ask(Hello{}).get();  // waits through a restart
  return pids;
}

void play(troupe::system& sys, team& its) {
  auto book = diary::make();
  const std::string stem(its.name);
  troupe::supervisor described({.name = stem, .strategy = its.strategy});
  for (const auto* letter : letters) described.child<Member>({.name = stem + "-" + letter}, book);
  const auto running = sys.spawn(described);

  std::vector<member> all;
  for (const auto* letter : letters) all.push_back(*sys.find<Member>(stem + "-" + letter));
  const auto before = pids_of(all);
  sys.send_signal(all[1], SIGKILL);
  const std::int64_t killed = now();
  while (all[1].ask(Hello{}).get() == before[1]) sys.poll(milliseconds(1));
  const auto after = pids_of(all);

  its.events.push_back({"b", "is killed", before[1], killed});
  while (const auto next = book.try_get()) its.events.push_back(*next);
  std::ranges::sort(its.events, {}, &Event::when);  // a queue keeps the order of each producer only
  for (std::size_t i = 0; i < 4; ++i) its.end[i] = before[i] == after[i] ? "as before" : "new process";
  sys.stop(running);
}

void print_side_by_side(const std::vector<team>& teams) {
  std::size_t lines = 0;
  const auto row = [&](const std::string& head, const auto& cell) {
    std::cout << std::left << std::setw(6) << head;
    for (const auto& each : teams) std::cout << std::setw(18) << cell(each);
    std::cout << "\n";
  };
  for (const auto& each : teams) lines = std::max(lines, each.events.size());
  row("", [](const team& each) { return std::string(each.name); });
  for (std::size_t i = 0; i < lines; ++i) {
    row("", [&](const team& each) {
      return i < each.events.size() ? each.events[i].who + " " + each.events[i].what : std::string();
    });
  }
  std::cout << "\n";
  for (std::size_t i = 0; i < letters.size(); ++i) {
    row(letters[i], [&](const team& each) { return each.end[i]; });
  }
}

void print_log(const std::vector<team>& teams) {
  for (const auto& each : teams) {
    for (const auto& event : each.events) {
      const char* space = event.what == "is killed" ? "killed" : event.what.c_str();
      std::cout << each.name << " " << event.when - each.events.front().when << " " << event.who << " " << space << " "
                << event.pid << "\n";
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bool log = argc == 2 && std::string_view(argv[1]) == "--log";
  return troupe::run<Member>(argc, argv, {.log = false}, [&](troupe::system& sys) {
    std::vector<team> teams{{troupe::strategy::one_for_one, "one_for_one", {}},
                            {troupe::strategy::rest_for_one, "rest_for_one", {}},
                            {troupe::strategy::one_for_all, "one_for_all", {}}};
    for (auto& each : teams) play(sys, each);
    log ? print_log(teams) : print_side_by_side(teams);
  });
}
