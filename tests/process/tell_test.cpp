#include <poll.h>

#include <atomic>
#include <cstring>
#include <span>
#include <thread>

#include "process/common.hpp"

using namespace tests;

namespace {

struct Blob {
  std::vector<std::uint8_t> bytes;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(bytes);
  }
};
struct Frame {
  troupe::payload body;
  int number = 0;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(body, number);
  }
};
struct Empty {};

std::uint64_t checksum(std::span<const std::byte> bytes) {
  std::uint64_t sum = bytes.size();
  for (std::size_t i = 0; i + 8 <= bytes.size(); i += 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data() + i, 8);
    sum = sum * 31 + word;
  }
  return sum;
}

struct Sink : troupe::actor {
  std::uint64_t on(const Blob& m) { return checksum(std::as_bytes(std::span(m.bytes))); }
  std::uint64_t on(const Frame& m) { return checksum(m.body.bytes()) + static_cast<std::uint64_t>(m.number); }
  void on(Empty) { ++empties; }
  int on(Numbers) { return empties; }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Blob, Frame, Empty, Numbers, Pid>;
  int empties = 0;
};

struct Pass {
  recorder to;
  int count = 0;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(to, count);
  }
};
struct SendBlob {
  troupe::actor_ref<Sink> to;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(to);
  }
};
/// Sends from its own process.
struct Sender : troupe::actor {
  bool on(const Pass& m) {
    std::size_t all = 0;
    for (int i = 1; i <= m.count; ++i, ++all) {
      m.to.tell(Number{i});
      if (i % 10 == 0 && m.to.ask(Numbers{}).get().size() != all + 1) return false;
    }
    return true;
  }
  std::uint64_t on(const SendBlob& m) {
    auto body = self().payload(1 << 20);
    std::memset(body.data().data(), 7, body.size());
    return m.to.ask(Frame{body, 5}).get();
  }
  using handles = troupe::handles<Pass, SendBlob>;
};

/// Passes on what it has received, without a copy of its own.
struct Forwarder : troupe::actor {
  explicit Forwarder(troupe::actor_ref<Sink> to) : to(to) {}
  std::uint64_t on(const Frame& m) { return to.ask(m).get(); }
  using handles = troupe::handles<std::uint64_t(Frame)>;
  troupe::actor_ref<Sink> to;
};

TEST_CASE("a tell and an ask from main do not overtake each other") {
  in_program<Recorder>([](troupe::system& sys) {
    auto to = sys.spawn<Recorder>("recorder");
    for (int i = 1; i <= 200; ++i) {
      to.tell(Number{i});
      EXPECT_EQ(to.ask(Numbers{}).get(), range(1, i));
    }
  });
}

TEST_CASE("a payload that was received is passed on in an ask") {
  in_program<Sink, Forwarder>([](troupe::system& sys) {
    auto by = sys.spawn<Forwarder>("forwarder", sys.spawn<Sink>("sink"));
    auto body = sys.payload(1 << 20);
    std::memset(body.data().data(), 7, body.size());
    const auto sum = checksum(body.bytes());
    EXPECT_EQ(by.ask(Frame{body, 5}).get(), sum + 5);
  });
}

TEST_CASE("a tell and an ask between two actors do not overtake each other") {
  in_program<Recorder, Sender>([](troupe::system& sys) {
    auto to = sys.spawn<Recorder>("recorder");
    auto from = sys.spawn<Sender>("sender");
    EXPECT(from.ask(Pass{to, 2000}).get());
    EXPECT_EQ(to.ask(Numbers{}).get(), range(1, 2000));
  });
}

TEST_CASE("until the supervisor has answered try_tell says connecting, then it succeeds") {
  in_program<Recorder>([](troupe::system& sys) {
    auto to = sys.spawn<Recorder>("recorder");
    EXPECT(eventually([&] {
      const auto told = to.try_tell(Number{1});
      EXPECT(told || told.error().code() == troupe::errc::connecting);
      return told.has_value();
    }));
    EXPECT_EQ(to.ask(Numbers{}).get(), std::vector<int>{1});
  });
}

TEST_CASE("a stopped receiver's mailbox fills up, and what was accepted arrives in order when it goes on") {
  in_program<Recorder>([](troupe::system& sys) {
    auto to = sys.spawn<Recorder>({.name = "slow", .lane_bytes = 4096});
    freeze(sys, to);
    int accepted = 0;
    for (;;) {
      const auto told = to.try_tell(Number{accepted + 1});
      if (!told) {
        EXPECT_EQ(told.error().code(), troupe::errc::full);
        break;
      }
      ++accepted;
    }
    EXPECT(accepted > 20);
    const auto full = error_of([&] { to.tell(Number{0}, 200ms); });
    EXPECT_EQ(full.code(), troupe::errc::full);
    EXPECT(full.text().find("slow") != std::string::npos);
    sys.send_signal(to, SIGCONT);
    to.tell(Number{accepted + 1});
    EXPECT_EQ(to.ask(Numbers{}).get(), range(1, accepted + 1));
  });
}

TEST_CASE("a tell that waits for room goes on as soon as the receiver does") {
  in_program<Recorder>([](troupe::system& sys) {
    auto to = sys.spawn<Recorder>({.name = "slow", .lane_bytes = 4096});
    const pid_t pid = freeze(sys, to);
    std::thread later([&] {
      ::poll(nullptr, 0, 100);
      ::kill(pid, SIGCONT);
    });
    for (int i = 1; i <= 1000; ++i) to.tell(Number{i});
    later.join();
    EXPECT_EQ(to.ask(Numbers{}).get(), range(1, 1000));
  });
}

TEST_CASE("a message larger than the lane arrives whole") {
  in_program<Sink>([](troupe::system& sys) {
    auto sink = sys.spawn<Sink>({.name = "sink", .lane_bytes = 4096});
    for (const std::size_t size : {0UL, 1UL, 1000UL, 2000UL, 2048UL, 4096UL, 5000UL, 65536UL, 1UL << 20}) {
      Blob blob;
      blob.bytes.resize(size, 3);
      const auto expected = checksum(std::as_bytes(std::span(blob.bytes)));
      for (int i = 0; i < 5; ++i) EXPECT_EQ(sink.ask(blob).get(), expected);
    }
  });
}

TEST_CASE("a payload of 32 MiB is built in place and read in place, again and again") {
  in_program<Sink>([](troupe::system& sys) {
    auto sink = sys.spawn<Sink>("sink");
    for (int i = 0; i < 5; ++i) {
      auto body = sys.payload(32UL << 20);
      std::memset(body.data().data(), i, body.size());
      const auto expected = checksum(body.bytes()) + static_cast<std::uint64_t>(i);
      EXPECT_EQ(sink.ask(Frame{body, i}).get(), expected);
    }
  });
}

TEST_CASE("an actor sends a payload of its own, and an empty one arrives empty") {
  in_program<Sink, Sender>([](troupe::system& sys) {
    auto sink = sys.spawn<Sink>("sink");
    auto from = sys.spawn<Sender>("sender");
    std::vector<std::byte> same(1 << 20, std::byte{7});
    EXPECT_EQ(from.ask(SendBlob{sink}).get(), checksum(same) + 5);
    EXPECT_EQ(sink.ask(Frame{{}, 3}).get(), 3UL);
  });
}

/// Main's outbox has no further segments.
troupe::options small_outbox() {
  auto how = quiet();
  how.outbox_bytes = 0;
  return how;
}

TEST_CASE("what exceeds the outbox is refused as too large, and the link lives on") {
  in_program<Sink>(small_outbox(), [](troupe::system& sys) {
    auto sink = sys.spawn<Sink>("sink");
    EXPECT_EQ(error_of([&] { sys.payload((64UL << 20) + 1); }).code(), troupe::errc::too_large);
    Blob blob;
    blob.bytes.resize((64UL << 20) + 1);
    EXPECT_EQ(error_of([&] { sink.tell(blob); }).code(), troupe::errc::too_large);
    EXPECT_EQ(error_of([&] { return sink.ask(blob).get(); }).code(), troupe::errc::too_large);
    sink.tell(Empty{});
    EXPECT_EQ(sink.ask(Numbers{}).get(), 1);
  });
}

TEST_CASE("the outbox is full until receivers have read, then there is room again") {
  in_program<Sink, Recorder>(small_outbox(), [](troupe::system& sys) {
    auto sink = sys.spawn<Sink>("sink");
    for (int i = 0; i < 3; ++i) {
      auto one = sys.payload(40UL << 20);
      EXPECT_EQ(sink.ask(Frame{one, i}).get(), checksum(one.bytes()) + static_cast<std::uint64_t>(i));
    }
    auto kept = sys.payload(40UL << 20);
    EXPECT_EQ(error_of([&] {
                Blob blob;
                blob.bytes.resize(40UL << 20);
                sink.tell(blob, 200ms);
              }).code(),
              troupe::errc::full);
    EXPECT(kept.size() > 0);
  });
}

TEST_CASE("a large message waits for outbox that goes to another receiver, and goes on as soon as that one has read") {
  in_program<Sink>([](troupe::system& sys) {
    auto slow = sys.spawn<Sink>("slow"), fast = sys.spawn<Sink>("fast");
    const pid_t pid = freeze(sys, slow);
    slow.tell(Frame{sys.payload(60UL << 20), 1});
    Blob blob;
    blob.bytes.resize(8UL << 20, 3);
    std::thread later([&] {
      ::poll(nullptr, 0, 200);
      ::kill(pid, SIGCONT);
    });
    fast.tell(blob, 100s);
    later.join();
    EXPECT_EQ(fast.ask(blob).get(), checksum(std::as_bytes(std::span(blob.bytes))));
  });
}

TEST_CASE("messages without content are counted") {
  in_program<Sink>([](troupe::system& sys) {
    auto sink = sys.spawn<Sink>("sink");
    for (int i = 0; i < 5000; ++i) sink.tell(Empty{});
    EXPECT_EQ(sink.ask(Numbers{}).get(), 5000);
  });
}

TEST_CASE("several threads of main tell and ask at once, each in its own order") {
  in_program<Recorder>([](troupe::system& sys) {
    auto to = sys.spawn<Recorder>("recorder");
    constexpr int threads = 4, each = 500;
    std::atomic<int> wrong{0};
    std::vector<std::thread> all;
    for (int t = 0; t < threads; ++t) {
      all.emplace_back([&, t] {
        try {
          for (int i = 0; i < each; ++i) {
            to.tell(Number{t * each + i});
            if (i % 50 == 0) {
              const auto seen = to.ask(Numbers{}).get();
              if (std::find(seen.begin(), seen.end(), t * each + i) == seen.end()) ++wrong;
            }
          }
        } catch (const std::exception& e) {
          note(e.what());
          ++wrong;
        }
      });
    }
    for (auto& thread : all) thread.join();
    EXPECT(notes().empty());
    EXPECT_EQ(wrong.load(), 0);
    const auto seen = to.ask(Numbers{}).get();
    EXPECT_EQ(seen.size(), std::size_t{threads * each});
    for (int t = 0; t < threads; ++t) {
      std::vector<int> mine;
      for (const int value : seen) {
        if (value / each == t) mine.push_back(value);
      }
      EXPECT_EQ(mine, range(t * each, (t + 1) * each - 1));
    }
  });
}

}  // namespace
