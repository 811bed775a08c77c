// self().watch: descriptors of the user's that wake the loop.

#include <fcntl.h>

#include <troupe/watch.hpp>

#include "process/common.hpp"

using namespace tests;

namespace {

struct Poke {
  int bytes;
};
struct Seen {};
struct EndWatch {};
struct WatchFile {};
struct Fail {};
struct AskMeanwhile {
  recorder whom;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(whom);
  }
};

/// Watches both ends of a pipe of its own.
struct Watcher : troupe::actor {
  void on_start() override {
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    readable = self().watch(ends[0], troupe::readiness::readable, [this] {
      char byte = 0;
      if (::read(ends[0], &byte, 1) == 1) ++seen;
      if (byte == 'f') throw std::runtime_error("as told");
    });
  }
  void write(char what, int bytes) {
    for (int i = 0; i < bytes; ++i) EXPECT_EQ(::write(ends[1], &what, 1), 1);
  }
  void on(Poke m) { write('x', m.bytes); }
  int on(Seen) { return seen; }
  void on(EndWatch) { readable.end(); }
  void on(Fail) { write('f', 1); }
  int on(const AskMeanwhile& m) {
    const int before = seen;
    write('x', 1);
    for (int i = 0; i < 100; ++i) m.whom.ask(Pid{}).get();
    return seen - before;
  }
  int on(WatchFile) {
    const int file = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    const auto why = error_of([&] { return self().watch(file, troupe::readiness::readable, [] {}); });
    ::close(file);
    return why.code() == troupe::errc::os ? why.os_errno() : 0;
  }
  int on(Number) {
    writable = self().watch(ends[1], troupe::readiness::writable, [this] {
      ++seen;
      writable.end();
    });
    return 0;
  }
  using handles = troupe::handles<Poke, Seen, EndWatch, Fail, AskMeanwhile, WatchFile, Number>;
  int ends[2];
  troupe::watch readable, writable;
  int seen = 0;
};

bool sees(const troupe::actor_ref<Watcher>& by, int wanted) {
  return eventually([&] { return by.ask(Seen{}).get() == wanted; });
}

struct Connection {
  troupe::watch other;
};
struct EndBoth {};
struct Holder : troupe::actor {
  void on_start() override {
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    auto held = std::make_shared<Connection>();
    held->other = self().watch(ends[1], troupe::readiness::writable, [] {});
    reading = self().watch(ends[0], troupe::readiness::readable, [held] {});
  }
  int on(EndBoth) {
    reading.end();
    return 1;
  }
  using handles = troupe::handles<EndBoth>;
  int ends[2];
  troupe::watch reading;
};

TEST_CASE("a watch ends although its handler holds another watch") {
  in_program<Holder>([](troupe::system& sys) { EXPECT_EQ(sys.spawn<Holder>("holder").ask(EndBoth{}).get(), 1); });
}

TEST_CASE("a watched descriptor's handler runs as often as it is found ready, and not after the watch has ended") {
  in_program<Watcher>([](troupe::system& sys) {
    auto by = sys.spawn<Watcher>("watcher");
    by.tell(Poke{1});
    EXPECT(sees(by, 1));
    by.tell(Poke{100});  // level-triggered: what is left is found again
    EXPECT(sees(by, 101));
    by.ask(EndWatch{}).get();
    by.tell(Poke{1});
    EXPECT(always([&] { return by.ask(Seen{}).get() == 101; }, 100ms));
  });
}

TEST_CASE("a watch may end itself in its handler, and be for writing") {
  in_program<Watcher>([](troupe::system& sys) {
    auto by = sys.spawn<Watcher>("watcher");
    by.ask(Number{1}).get();
    EXPECT(sees(by, 1));
    by.tell(Poke{1});
    EXPECT(sees(by, 2));
  });
}

TEST_CASE("no watch's handler runs while a message's handler waits, and what was ready is handled after it") {
  in_program<Watcher, Recorder>([](troupe::system& sys) {
    auto by = sys.spawn<Watcher>("watcher");
    auto other = sys.spawn<Recorder>("other");
    EXPECT_EQ(by.ask(AskMeanwhile{other}).get(), 0);
    EXPECT(sees(by, 1));
  });
}

TEST_CASE("what a watch's handler throws ends the process, and what cannot be watched is an error") {
  const outcome how = in_program<Watcher>(logged(10), [](troupe::system& sys) {
    auto by = sys.spawn<Watcher>("watcher");
    EXPECT_EQ(by.ask(WatchFile{}).get(), EPERM);
    by.tell(Fail{});
    EXPECT(eventually([&] { return sys.count().restarts == 1; }));
    EXPECT(sees(by, 0));
  });
  CHECK(how.log.find("ended by an exception: as told") != std::string::npos);
}

}  // namespace
