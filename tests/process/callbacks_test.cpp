// Callbacks of then() run in main's waits, and do there what they like: drop the handle that is waited on, or throw.

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "process/common.hpp"

using namespace tests;

namespace {

enum word : std::size_t { go_on = 10 };

void until_told() {
  eventually([] { return total(go_on) == 1; });
}

}  // namespace

TEST_CASE("a callback may drop the queue from which its thread is getting") {
  in_program<Recorder>([](troupe::system& sys) {
    auto actor = sys.spawn<Recorder>("actor");
    auto queue = troupe::queue<int>::make();
    bool dropped = false;
    actor.ask(Pid{}).then([&](const troupe::expected<int>&) {
      queue = {};
      dropped = true;
      const std::vector<std::string> takes_its_memory(1000, std::string(200, 'x'));
    });
    EXPECT(!queue.get(500ms));
    EXPECT(dropped);
  });
}

TEST_CASE("a callback may close the end of a pipe from which its thread is receiving") {
  in_program<Recorder>([](troupe::system& sys) {
    auto actor = sys.spawn<Recorder>("actor");
    auto [reader, writer] = troupe::pipe<int>();
    auto& end = reader;
    bool closed = false;
    actor.ask(Pid{}).then([&](const troupe::expected<int>&) {
      end.close();
      closed = true;
      const std::vector<std::string> takes_its_memory(1000, std::string(200, 'x'));
    });
    EXPECT(!end.recv(500ms));
    EXPECT(closed);
  });
}

TEST_CASE("what a callback throws while the end of a process is waited for is printed, and the wait goes on") {
  const auto ended = in_program<Recorder>(logged(), [](troupe::system& sys) {
    auto actor = sys.spawn<Recorder>("actor");
    std::optional<troupe::process> process(std::in_place, until_told);
    const pid_t pid = process->pid();
    actor.ask(Pid{}).then([](const troupe::expected<int>&) { throw std::runtime_error("thrown in a callback"); });
    actor.ask(Pid{}).then([](const troupe::expected<int>&) { throw troupe::error(troupe::errc::failed, "and another"); });
    actor.ask(Pid{}).then([](const troupe::expected<int>&) { set(go_on, 1); });
    process.reset();
    EXPECT_EQ(total(go_on), 1UL);
    EXPECT(eventually([&] { return state_of(pid) == 0; }));
  });
  CHECK(ended.log.find("thrown in a callback") != std::string::npos);
  CHECK(ended.log.find("and another") != std::string::npos);
}

TEST_CASE("what a callback throws ends the wait for an answer, and the answer can still be taken") {
  in_program<Recorder>([](troupe::system& sys) {
    auto actor = sys.spawn<Recorder>("actor"), slow = sys.spawn<Recorder>("slow");
    const pid_t pid = freeze(sys, slow);
    auto answer = slow.ask(Pid{}, 60s);
    actor.ask(Pid{}).then([](const troupe::expected<int>&) { throw troupe::error(troupe::errc::failed, "thrown"); });
    EXPECT_EQ(error_of([&] { return answer.get(); }).text(), std::string("thrown"));
    ::kill(pid, SIGCONT);
    EXPECT_EQ(answer.get(), pid);
  });
}

TEST_CASE("a callback may end the request whose answer its thread waits for") {
  in_program<Recorder>([](troupe::system& sys) {
    auto actor = sys.spawn<Recorder>("actor"), slow = sys.spawn<Recorder>("slow");
    const pid_t pid = freeze(sys, slow);
    auto answer = std::make_unique<troupe::asking<int>>(slow.ask(Pid{}, 60s));
    actor.ask(Pid{}).then([&](const troupe::expected<int>&) {
      answer.reset();
      ::kill(pid, SIGCONT);
    });
    EXPECT_EQ(answer->get(), pid);
    EXPECT(!answer);
  });
}

TEST_CASE("a handler for deaths that is replaced may hold a request") {
  in_program<Recorder>([](troupe::system& sys) {
    auto actor = sys.spawn<Recorder>("actor");
    auto held = std::make_shared<troupe::asking<int>>(actor.ask(Pid{}));
    sys.monitor(actor, [held](const troupe::down&) {});
    held.reset();
    sys.monitor(actor, [](const troupe::down&) {});
    EXPECT(actor.ask(Pid{}).get() > 0);
  });
}

TEST_CASE("a request that cannot be sent calls its handler as any other does: not inside then") {
  in_program<Recorder>([](troupe::system& sys) {
    auto actor = sys.spawn<Recorder>("actor");
    sys.stop(actor);
    int failures = 0;
    bool inside = false;
    const std::function<void()> ask = [&] {
      inside = true;
      actor.ask(Pid{}).then([&](const troupe::expected<int>& got) {
        EXPECT(!inside);
        EXPECT_EQ(got.error().code(), troupe::errc::closed);
        if (++failures < 1000) ask();
      });
      inside = false;
    };
    ask();
    EXPECT_EQ(failures, 0);
    EXPECT(eventually([&] { return failures == 1000; }));
  });
}
