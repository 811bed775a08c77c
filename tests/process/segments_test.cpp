// Bodies that do not fit into the 64 MiB of a process's first outbox.

#include <poll.h>

#include <cstring>
#include <fstream>
#include <span>
#include <sstream>

#include "process/common.hpp"

using namespace tests;

namespace {

constexpr std::size_t mib = 1 << 20;
constexpr auto patience = 60s;  // hundreds of MiB become real in each case
constexpr auto watchdog = 110s;

struct Big {
  troupe::payload body;
  int number = 0;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(body, number);
  }
};
struct Poison : Big {};  // its first handler dies reading
struct Text {
  std::string text;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(text);
  }
};
struct Make {
  std::uint64_t bytes;
};

std::string pattern_text(std::size_t bytes) {
  std::string text(bytes, ' ');
  for (std::size_t i = 0; i < bytes; i += 4096) text[i] = static_cast<char>('a' + i / 4096 % 26);
  return text;
}

void fill(std::span<std::byte> bytes, int number) {
  for (std::size_t i = 0; i + 8 <= bytes.size(); i += 8) {
    const std::uint64_t word = i * 0x9e3779b97f4a7c15 + static_cast<std::uint64_t>(number);
    std::memcpy(bytes.data() + i, &word, 8);
  }
}

bool filled(std::span<const std::byte> bytes, int number) {
  for (std::size_t i = 0; i + 8 <= bytes.size(); i += 8) {
    const std::uint64_t word = i * 0x9e3779b97f4a7c15 + static_cast<std::uint64_t>(number);
    if (std::memcmp(bytes.data() + i, &word, 8) != 0) return false;
  }
  return true;
}

std::size_t segments_mapped_by(pid_t pid) {
  std::ifstream maps("/proc/" + std::to_string(pid) + "/maps");
  std::size_t count = 0;
  for (std::string line; std::getline(maps, line);) count += line.find("troupe-segment") != line.npos ? 1U : 0U;
  return count;
}

/// Whether this address of the own process lies in a segment's mapping, and that is read-only.
bool in_read_only_segment(const void* address) {
  std::ifstream maps("/proc/self/maps");
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  for (std::string line; std::getline(maps, line);) {
    std::istringstream words(line);
    std::uintptr_t first = 0, last = 0;
    char dash = 0;
    std::string rights;
    words >> std::hex >> first >> dash >> last >> rights;
    if (first <= wanted && wanted < last) return line.find("troupe-segment") != line.npos && rights == "r--s";
  }
  return false;
}

/// A field of a file of /proc, in bytes.
std::size_t field_of(pid_t pid, const char* file, const std::string& field) {
  std::ifstream lines("/proc/" + std::to_string(pid) + "/" + file);
  for (std::string word; lines >> word;) {
    std::size_t kib = 0;
    if (word == field && lines >> kib) return kib * 1024;
  }
  return 0;
}
std::size_t private_memory_of(pid_t pid) { return field_of(pid, "status", "RssAnon:"); }
std::size_t share_of(pid_t pid) { return field_of(pid, "smaps_rollup", "Pss:"); }

struct Reader : troupe::actor {
  bool on(const Big& m) {
    const std::size_t before = private_memory_of(::getpid());
    if (m.body.size() > 64 * mib && !in_read_only_segment(m.body.bytes().data())) note("not in a segment");
    const bool right = filled(m.body.bytes(), m.number);
    if (private_memory_of(::getpid()) > before + 8 * mib) note("copied");
    note((right ? "read " : "wrong ") + std::to_string(m.number) + " of " + std::to_string(m.body.size() / mib));
    return right;
  }
  bool on(const Poison& m) {
    const bool right = filled(m.body.bytes(), m.number);
    note((right ? "right in attempt " : "wrong in attempt ") + std::to_string(self().attempt()));
    if (self().attempt() == 1) std::abort();
    return right;
  }
  bool on(const Text& m) { return m.text == pattern_text(m.text.size()); }
  std::string on(Make m) { return pattern_text(m.bytes); }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Big, Poison, Text, Make, Pid>;
};
using reader = troupe::actor_ref<Reader>;

struct Order {
  reader to;
  std::uint64_t bytes = 0;
  int number = 0;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(to, bytes, number);
  }
};
struct Tell : Order {};
struct Fetch : Order {};

struct Writer : troupe::actor {
  bool on(const Order& m) { return m.to.ask(make(m), patience).get(); }
  void on(const Tell& m) { m.to.tell(make(m)); }
  std::string on(Make m) { return pattern_text(m.bytes); }
  bool on(const Fetch& m) { return m.to.ask(Make{m.bytes}, patience).get() == pattern_text(m.bytes); }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Order, Tell, Make, Fetch, Pid>;

 private:
  Big make(const Order& m) {
    auto body = self().payload(m.bytes);
    fill(body.data(), m.number);
    return {body, m.number};
  }
};
using writer = troupe::actor_ref<Writer>;

/// Passes on what it is told.
struct Relay : troupe::actor {
  explicit Relay(reader whom) : to(whom) {}
  void on(const Big& m) {
    to.tell(Big{m.body, m.number}, patience);
    note("passed on " + std::to_string(m.number));
  }
  using handles = troupe::handles<Big>;
  reader to;
};

template <class M>
M order(const reader& to, std::uint64_t bytes, int number) {
  M made;
  made.to = to;
  made.bytes = bytes;
  made.number = number;
  return made;
}

Big big(troupe::system& sys, std::size_t bytes, int number) {
  auto body = sys.payload(bytes);
  fill(body.data(), number);
  return {body, number};
}

troupe::options limited(std::uint64_t outbox_bytes, std::uint32_t max_restarts = 1) {
  auto how = quiet(max_restarts);
  how.outbox_bytes = outbox_bytes;
  return how;
}

struct Twice : troupe::transactional {
  void on(const Tell& m) {
    for (int i = 0; i < 2; ++i) {
      auto body = self().payload(m.bytes);
      fill(body.data(), m.number + i);
      m.to.tell(Big{body, m.number + i});
    }
  }
  using handles = troupe::handles<Tell>;
};

TEST_SUITE("serial") {
  TEST_CASE("a payload of 256 MiB from main is read where it was built, and its memory is given back") {
    in_program<Reader>(
        quiet(),
        [](troupe::system& sys) {
          auto to = sys.spawn<Reader>("reader");
          const pid_t pid = pid_of(to);
          const std::size_t before = share_of(pid) + share_of(::getpid());
          for (int i = 1; i <= 2; ++i) EXPECT(to.ask(big(sys, 256 * mib, i), patience).get());
          EXPECT_EQ(notes(), (std::vector<std::string>{"read 1 of 256", "read 2 of 256"}));
          EXPECT(eventually([&] { return segments_mapped_by(pid) + segments_mapped_by(::getpid()) == 0; }, patience));
          const auto files = descriptors_of(::getpid());
          EXPECT(std::find(files.begin(), files.end(), "memfd:troupe-segment") == files.end());
          EXPECT(share_of(pid) + share_of(::getpid()) < before + 32 * mib);
          EXPECT(to.ask(big(sys, 100 * mib, 3), patience).get());
        },
        watchdog);
  }

  TEST_CASE("a payload of 256 MiB between two workers is read where it was built, and its memory is given back") {
    in_program<Reader, Writer>(
        quiet(),
        [](troupe::system& sys) {
          auto to = sys.spawn<Reader>("reader");
          auto from = sys.spawn<Writer>("writer");
          const pid_t reads = pid_of(to), writes = pid_of(from);
          const std::size_t before = share_of(reads) + share_of(writes) + share_of(::getpid());
          EXPECT(from.ask(order<Order>(to, 256 * mib, 1), patience).get());
          EXPECT_EQ(notes(), std::vector<std::string>{"read 1 of 256"});
          // Neither of them is told anything more: the sender looks by itself.
          EXPECT(eventually(
              [&] {
                return segments_mapped_by(reads) + segments_mapped_by(writes) + segments_mapped_by(::getpid()) == 0;
              },
              patience));
          EXPECT(share_of(reads) + share_of(writes) + share_of(::getpid()) < before + 32 * mib);
        },
        watchdog);
  }

  TEST_CASE("replies of 256 MiB reach main and workers, and their memory is given back") {
    in_program<Reader, Writer>(
        quiet(),
        [](troupe::system& sys) {
          auto callee = sys.spawn<Reader>("reader");
          auto asker = sys.spawn<Writer>("writer");
          const pid_t makes = pid_of(callee), asks = pid_of(asker);
          EXPECT(callee.ask(Make{256 * mib}, patience).get() == pattern_text(256 * mib));
          EXPECT(asker.ask(order<Fetch>(callee, 256 * mib, 0), patience).get());
          EXPECT(eventually(
              [&] {
                return segments_mapped_by(makes) + segments_mapped_by(asks) + segments_mapped_by(::getpid()) == 0;
              },
              patience));
          EXPECT(callee.ask(Make{10}, patience).get() == pattern_text(10));
        },
        watchdog);
  }

  TEST_CASE("a message of 100 MiB without payloads arrives whole; try_tell needs room that is there") {
    in_program<Reader>(
        quiet(),
        [](troupe::system& sys) {
          auto to = sys.spawn<Reader>("reader");
          EXPECT(to.ask(Text{pattern_text(100 * mib)}, patience).get());
          EXPECT(eventually([&] { return segments_mapped_by(::getpid()) == 0; }, patience));
          const Text large{pattern_text(90 * mib)};
          EXPECT_EQ(to.try_tell(large).error().code(), troupe::errc::full);
          EXPECT(eventually([&] { return to.try_tell(large).has_value(); }, patience));
          EXPECT(to.ask(Text{"a"}, patience).get());
        },
        watchdog);
  }

  TEST_CASE("what a killed sender has told from segments is still read, by whoever comes next") {
    in_program<Reader, Writer>(
        quiet(5),
        [](troupe::system& sys) {
          auto to = sys.spawn<Reader>("reader");
          auto from = sys.spawn<Writer>("writer");
          EXPECT(from.ask(order<Order>(to, mib, 0), patience).get());
          const pid_t pid = freeze(sys, to);
          from.tell(order<Tell>(to, 100 * mib, 1));
          from.tell(order<Tell>(to, 30 * mib, 2));
          from.tell(order<Tell>(to, 50 * mib, 3));
          EXPECT(from.ask(Pid{}, patience).get() > 0);
          crash(sys, from);
          ::kill(pid, SIGKILL);  // its successor gets the segments, too
          EXPECT(eventually([] { return noted("read 3 of 50"); }, patience));
          EXPECT_EQ(notes(),
                    (std::vector<std::string>{"read 0 of 1", "read 1 of 100", "read 2 of 30", "read 3 of 50"}));
          const pid_t next = pid_of(to);
          EXPECT(eventually([&] { return segments_mapped_by(next) + segments_mapped_by(::getpid()) == 0; }, patience));
        },
        watchdog);
  }

  TEST_CASE("a message in a segment whose handler died is handled again") {
    in_program<Reader>(
        quiet(5),
        [](troupe::system& sys) {
          auto to = sys.spawn<Reader>("reader");
          auto body = sys.payload(100 * mib);
          fill(body.data(), 4);
          Poison poison;
          poison.body = body;
          poison.number = 4;
          to.tell(poison);
          EXPECT(eventually([] { return noted("right in attempt 2"); }, patience));
          EXPECT_EQ(notes(), (std::vector<std::string>{"right in attempt 1", "right in attempt 2"}));
        },
        watchdog);
  }

  TEST_CASE("at its limit a sender waits as for room; what exceeds it is too large") {
    in_program<Reader, Writer>(
        limited(150 * mib),
        [](troupe::system& sys) {
          auto to = sys.spawn<Reader>("reader");
          const auto large = error_of([&] { sys.payload(150 * mib + 1); });
          EXPECT_EQ(large.code(), troupe::errc::too_large);
          EXPECT(large.text().find("outbox_bytes") != std::string::npos);
          EXPECT(to.ask(big(sys, mib, 1), patience).get());
          const pid_t pid = freeze(sys, to);
          to.tell(big(sys, 140 * mib, 2));
          EXPECT_EQ(error_of([&] { to.tell(Text{pattern_text(70 * mib)}, 200ms); }).code(), troupe::errc::full);
          ::kill(pid, SIGCONT);
          EXPECT(to.ask(Text{pattern_text(70 * mib)}, patience).get());
          EXPECT(to.ask(big(sys, 150 * mib, 3), patience).get());
        },
        watchdog);
  }

  TEST_CASE("who passes on a payload waits for room in its own outbox") {
    in_program<Reader, Relay>(
        [](troupe::system& sys) {
          auto to = sys.spawn<Reader>("reader");
          auto by = sys.spawn<Relay>({.name = "relay", .outbox_bytes = 64 * mib}, to);
          const pid_t pid = freeze(sys, to);
          for (int number : {1, 2, 3}) by.tell(big(sys, 40 * mib, number));
          EXPECT(eventually([] { return noted("passed on 2"); }, patience));
          EXPECT(always([] { return !noted("passed on 3"); }, 100ms));
          ::kill(pid, SIGCONT);
          EXPECT(eventually([] { return noted("read 3 of 40"); }, patience));
          EXPECT_EQ(sys.count().deaths, 0UL);
        });
  }

  TEST_CASE("room that a large reply took is there for a message as soon as the reply has been read") {
    in_program<Reader, Writer>(
        [](troupe::system& sys) {
          auto to = sys.spawn<Reader>("reader");
          auto from = sys.spawn<Writer>({.name = "writer", .outbox_bytes = 128 * mib});
          EXPECT_EQ(from.ask(Make{100 * mib}, patience).get().size(), 100 * mib);
          EXPECT(from.ask(order<Order>(to, 100 * mib, 1), patience).get());
        });
  }

  TEST_CASE("a worker's limit is its child spec's") {
    in_program<Reader, Writer>(
        quiet(5),
        [](troupe::system& sys) {
          auto to = sys.spawn<Reader>("reader");
          auto from = sys.spawn<Writer>({.name = "writer", .outbox_bytes = 70 * mib});
          EXPECT(from.ask(order<Order>(to, 70 * mib, 1), patience).get());
          EXPECT_EQ(error_of([&] { from.ask(order<Order>(to, 71 * mib, 2), patience).get(); }).code(),
                    troupe::errc::outcome_unknown);
          EXPECT(from.ask(order<Order>(to, 64 * mib, 3), patience).get());
        },
        watchdog);
  }

  TEST_CASE("a turn tells bodies in segments") {
    in_program<Reader, Twice>(
        quiet(),
        [](troupe::system& sys) {
          auto to = sys.spawn<Reader>("reader");
          sys.spawn<Twice>("twice").tell(order<Tell>(to, 80 * mib, 1));
          EXPECT(eventually([] { return noted("read 2 of 80"); }, patience));
          EXPECT_EQ(notes(), (std::vector<std::string>{"read 1 of 80", "read 2 of 80"}));
        },
        watchdog);
  }
}

}  // namespace
