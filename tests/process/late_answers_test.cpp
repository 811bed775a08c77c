// What came in time counts, however late it is looked for; and what looks without waiting comes to its end, too.

#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "process/common.hpp"

using namespace tests;

namespace {

struct Hello {};

struct Greeter : troupe::actor {
  int on(Hello) {
    add(10);
    return 7;
  }
  void on(Number) {}
  using handles = troupe::handles<Hello, Number>;
};
using greeter = troupe::actor_ref<Greeter>;

constexpr auto enough = 1s * slowness;  // for an answer that somebody is about to give

/// As eventually(), but nobody serves the program meanwhile.
bool unserved(const std::function<bool()>& condition) {
  const auto watchdog = std::chrono::steady_clock::now() + 10s * slowness;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= watchdog) return false;
    std::this_thread::yield();
  }
  return true;
}

/// This thread is busy with something else until all have been asked and their deadline has passed.
void come_late(std::uint64_t asked, std::chrono::steady_clock::time_point deadline) {
  EXPECT(unserved([&] { return total(10) == asked; }));
  std::this_thread::sleep_until(deadline);  // tidy: allow sleep, because a deadline is to pass
}

int give(int code) { return code; }

}  // namespace

TEST_CASE("an answer that came within its deadline is taken after it") {
  in_program<Greeter>([](troupe::system& sys) {
    auto to = sys.spawn<Greeter>("greeter");
    for (std::uint64_t asked : {1U, 2U}) {  // on a new link, and on one that is there
      const auto deadline = std::chrono::steady_clock::now() + enough;
      auto answer = to.ask(Hello{}, enough);
      come_late(asked, deadline);
      EXPECT_EQ(answer.get(), 7);
    }
  });
}

TEST_CASE("answers that came within their deadline are given to callbacks after it, on a link that only told before") {
  in_program<Greeter>([](troupe::system& sys) {
    auto to = sys.spawn<Greeter>("greeter");
    to.tell(Number{1});
    const auto deadline = std::chrono::steady_clock::now() + enough;
    std::string how;
    to.ask(Hello{}, enough).then([&](const troupe::expected<int>& got) { how = got ? "answered" : got.error().text(); });
    come_late(1, deadline);
    while (how.empty()) sys.poll(10ms);
    EXPECT_EQ(how, std::string("answered"));
  });
}

TEST_CASE("none of many answers that came within their deadline is called late") {
  in_program<Greeter>([](troupe::system& sys) {
    std::vector<greeter> all;
    for (int i = 0; i < 40; ++i) all.push_back(sys.spawn<Greeter>("greeter-" + std::to_string(i)));
    for (const auto& each : all) each.ask(Hello{}).get();
    int answered = 0, late = 0;
    const auto deadline = std::chrono::steady_clock::now() + 2 * enough;
    for (const auto& each : all) {
      each.ask(Hello{}, 2 * enough).then([&](const troupe::expected<int>& got) { got ? ++answered : ++late; });
    }
    come_late(80, deadline + 100ms);
    while (answered + late < 40) sys.poll(10ms);
    EXPECT_EQ(late, 0);
  });
}

TEST_CASE("a task takes an answer that came within its deadline after it") {
  in_program<Greeter>([](troupe::system& sys) {
    auto to = sys.spawn<Greeter>("greeter");
    const auto ask = [&]() -> troupe::task<int> {
      const auto deadline = std::chrono::steady_clock::now() + enough;
      auto answer = to.ask(Hello{}, enough);
      come_late(1, deadline);
      co_return co_await std::move(answer);
    };
    EXPECT_EQ(ask().get(), 7);
  });
}

TEST_CASE("who looks again and again without waiting finds that a process has ended") {
  in_program<Greeter>([](troupe::system&) {
    troupe::process ends(give, 3);
    EXPECT(unserved([&] { return ends.join(0ns); }));
    EXPECT_EQ(*ends.exit_code(), 3);
  });
}

TEST_CASE("who tries to tell again and again without waiting succeeds") {
  in_program<Greeter>([](troupe::system& sys) {
    auto first = sys.spawn<Greeter>("first"), second = sys.spawn<Greeter>("second");
    EXPECT(unserved([&] { return first.try_tell(Number{1}).has_value(); }));
    EXPECT(unserved([&] {
      try {
        second.tell(Number{1}, 0ns);
        return true;
      } catch (const troupe::error&) {
        return false;
      }
    }));
  });
}
