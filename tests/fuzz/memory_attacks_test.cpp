// A worker that writes over whatever memory it can write. It may ruin its own conversations; nobody else's.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "fuzz/hostile.hpp"

using namespace tests;

namespace {

/// A hostile worker that has lanes to both bystanders, and one from main.
hostile known_to_all(troupe::system& sys, const std::string& name = "hostile") {
  auto evil = sys.spawn<Hostile>(disposable(name));
  attack(evil, [] {
    link_to("left");
    link_to("right");
  });
  return evil;
}

std::span<std::byte> own_out_memory() {
  return {reinterpret_cast<std::byte*>(&own_endpoint().out_header()), wire::out_memory_bytes};
}

/// Where its lanes lie, and some memory behind them.
std::span<std::byte> own_lanes() {
  return own_out_memory().subspan(wire::out_header_bytes, 3 * wire::lane_bytes(ring_to(identity_of("left"))));
}

void die_of(troupe::system& sys, const hostile& evil, void (*how)()) {
  const auto deaths = sys.count().deaths;
  attack_and_go_on(evil, how);
  EXPECT(eventually([&] { return sys.count().deaths > deaths; }, 100s));
}

TEST_CASE("the header of its out-memory: the turn and the commit records are judged as a stranger's") {
  under_attack([](troupe::system& sys, bystanders& others) {
    for (int round = 0; round < 3; ++round) {
      auto evil = known_to_all(sys, "hostile " + std::to_string(round));
      attack(evil, [] { scribble(own_out_memory().first(wire::out_header_bytes)); });
      others.go_on();
      die_of(sys, evil, [] {
        auto& out = own_endpoint().out_header();
        scribble(own_out_memory().first(wire::out_header_bytes));
        // One that names its own number is looked at: a head and a checkpoint that cannot be.
        out.turn = 4;
        out.commits[0] = {4, ~std::uint64_t{0}, ~std::uint64_t{0}, 1, 0, 7, {}};
        ::_exit(1);
      });
      others.go_on();
    }
  });
}

TEST_CASE("its lanes: tails, flags and records of any content cost the conversation on that lane") {
  const auto ended = under_attack([](troupe::system& sys, bystanders& others) {
    auto evil = known_to_all(sys);
    attack(evil, [] { scribble(own_lanes(), 500ms); });
    others.go_on();
    die_of(sys, evil, [] {
      scribble(own_lanes(), 500ms, 2);
      ::_exit(1);
    });
  });
  CHECK(ended.log.find("bytes that are no record") != std::string::npos);
}

TEST_CASE("the geometry in a lane's header is not what anybody goes by") {
  under_attack([](troupe::system& sys, bystanders& others) {
    auto evil = known_to_all(sys);
    attack(evil, [] {
      auto* lane = reinterpret_cast<wire::lane_header*>(own_out_memory().data() + link_to("left").offset);
      for (const std::uint32_t size : {0U, 1U, 4096U, 1U << 24, ~0U}) {
        lane->layout = size;
        lane->ring_bytes = size;
        link_to("left");
      }
    });
    others.go_on();
    attack(evil, [] {
      auto* lane = reinterpret_cast<wire::lane_header*>(own_out_memory().data() + link_to("left").offset);
      const std::uint64_t tail = lane->tail;
      for (const std::uint64_t wrong : {tail + 1, tail + (1 << 17), ~std::uint64_t{0}, std::uint64_t{0}, tail - 8}) {
        lane->tail = wrong;
        lane->wants_room = 1;
        keep(20ms, [] { os::ring(link_to("right").doorbell); });
      }
    });
  });
}

/// Publishes a record to `left` that the framework would never write.
void publish(wire::record_header header, std::span<const wire::block> blocks) {
  auto& link = link_to("left");
  header.bytes = static_cast<std::uint32_t>(sizeof header + (header.body_bytes + 7) / 8 * 8 + blocks.size_bytes());
  header.blocks = static_cast<std::uint16_t>(blocks.size());
  const auto space = link.lane.reserve(header.bytes);
  std::memset(space.data(), 0xff, space.size());
  std::memcpy(space.data(), &header, sizeof header);
  if (!blocks.empty()) std::memcpy(space.data() + header.bytes - blocks.size_bytes(), blocks.data(), blocks.size_bytes());
  link.lane.publish(header.bytes);
  os::ring(link.doorbell);
}

TEST_CASE("records that decode to nothing become dead letters, and descriptors outside of the outbox break their lane") {
  const auto ended = under_attack([](troupe::system& sys, bystanders& others) {
    auto evil = known_to_all(sys);
    attack(evil, [] {
      publish({0, wire::record_kind::tell, 0, 0, 0, 12345, 16, 0}, {});
      publish({0, wire::record_kind::tell, 0, 0, 0, troupe::message_id<Ball>(), 3, 0}, {});
      publish({0, wire::record_kind::tell, 0, 0, ~std::uint64_t{0}, troupe::message_id<Ball>(), 8, 0}, {});
    });
    EXPECT(eventually([&] { return sys.count().dead_letters == 2; }, 100s));
    others.go_on();
    // A lane of its own for each: after the first nothing more is read from it.
    const std::vector<void (*)()> lies = {
        [] { publish({0, wire::record_kind::tell, wire::flag_body_in_outbox, 0, 0, 1, 0, 0}, {}); },
        [] {
          const wire::block outside[] = {{0, 64}};
          publish({0, wire::record_kind::tell, wire::flag_body_in_outbox, 0, 0, 1, 0, 0}, outside);
        },
        [] {
          const wire::block beyond[] = {{wire::out_memory_bytes - 8, 4096}};
          publish({0, wire::record_kind::tell, wire::flag_body_in_outbox, 0, 0, 1, 0, 0}, beyond);
        },
        [] {
          const wire::block wraps[] = {{wire::out_lanes_end, ~std::uint64_t{0}}};
          publish({0, wire::record_kind::tell, wire::flag_body_in_outbox, 0, 0, 1, 0, 0}, wraps);
        }};
    for (std::size_t i = 0; i < lies.size(); ++i) {
      auto liar = sys.spawn<Hostile>(disposable("liar " + std::to_string(i)));
      attack(liar, lies[i]);
    }
    EXPECT(eventually([&] { return sys.count().dead_letters == 2 + lies.size(); }, 100s));
  });
  CHECK(ended.log.find("no handler for this message") != std::string::npos);
  CHECK(ended.log.find("could not be decoded") != std::string::npos);
}

TEST_CASE("a lane that breaks beside a message that has no handler: both become dead letters, and their reader goes on") {
  under_attack([](troupe::system& sys, bystanders& others) {
    const auto lie = [] { publish({0, wire::record_kind::tell, wire::flag_body_in_outbox, 0, 0, 1, 0, 0}, {}); };
    const auto stray = [] { publish({0, wire::record_kind::tell, 0, 0, 0, 12345, 16, 0}, {}); };
    for (std::uint64_t round = 1; round <= 4; ++round) {
      auto first = sys.spawn<Hostile>(disposable("first " + std::to_string(round)));
      auto second = sys.spawn<Hostile>(disposable("second " + std::to_string(round)));
      freeze(sys, others.left);  // so that it finds both at once
      attack(first, round % 2 == 0 ? +stray : +lie);
      attack(second, round % 2 == 0 ? +lie : +stray);
      sys.send_signal(others.left, SIGCONT);
      EXPECT(eventually([&] { return sys.count().dead_letters == 2 * round; }, 100s));
      others.go_on();
    }
  });
}

TEST_CASE("its cursor page: heads and marks that no message has made") {
  under_attack([](troupe::system& sys, bystanders& others) {
    for (std::uint64_t round = 0; round < 3; ++round) {
      auto evil = known_to_all(sys, "hostile " + std::to_string(round));
      attack(evil, [] { scribble(writable_memory("troupe-cursor").at(0)); });
      others.go_on();
      die_of(sys, evil, [] {
        scribble(writable_memory("troupe-cursor").at(0));
        ::_exit(1);
      });
    }
  });
}

TEST_CASE("a head that no message has made is no place to begin a lane at: who tells it is refused") {
  under_attack([](troupe::system& sys, bystanders& others) {
    auto evil = known_to_all(sys);
    attack(evil, [] {
      auto* slots = reinterpret_cast<wire::cursor_slot*>(writable_memory("troupe-cursor").at(0).data() +
                                                         wire::cursor_slots_offset);
      for (std::uint32_t i = 1; i < 16; ++i) slots[i].head = i % 2 == 0 ? ~std::uint64_t{0} - 2 : 12345;
    });
    others.left.tell(Meet{evil, Meet::way::tell});
    others.right.tell(Meet{evil, Meet::way::tell});
    EXPECT(eventually([] {
      const auto lines = notes();
      return std::count_if(lines.begin(), lines.end(), [](const std::string& line) {
               return line.find("the mailbox of hostile is damaged") != line.npos;
             }) == 2;
    }, 100s));
  });
}

struct Keeper : troupe::checkpointed<std::vector<int>> {
  void on(Number m) { state().push_back(m.value); }
  void on(Abort) {
    const auto buffers = writable_memory("troupe-checkpoint").at(0);
    for (const std::size_t at : {std::size_t{0}, buffers.size() / 2}) std::memset(buffers.data() + at, 0xff, 4096);
    const auto page = writable_memory("troupe-cursor").at(0);
    auto* header = reinterpret_cast<wire::cursor_header*>(page.data());
    header->base_buffer = ~0U;
    header->base_length = ~std::uint64_t{0};
    ::_exit(1);
  }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Number, Abort, Pid>;
};

TEST_CASE("its checkpoint buffers: the successor says that the checkpoint is damaged, and does not start") {
  in_program<Bystander, Hostile, Recorder, Keeper>(
      logged(3),
      [](troupe::system& sys) {
        bystanders others(sys);
        auto keeper = sys.spawn<Keeper>({.name = "keeper", .restart = troupe::restart::temporary});
        for (int i = 0; i < 10; ++i) keeper.tell(Number{i});
        EXPECT(pid_of(keeper) > 0);
        const auto deaths = sys.count().deaths;
        keeper.tell(Abort{});
        EXPECT(eventually([&] { return sys.count().deaths > deaths; }, 100s));
        others.go_on();
      },
      240s);
  auto gives_up = start_program<Keeper>(logged(1), [](troupe::system& sys) {
    auto keeper = sys.spawn<Keeper>("keeper");
    keeper.tell(Number{1});
    keeper.tell(Abort{});
    sys.wait();
    return 0;
  });
  const auto ended = gives_up->wait(240s);
  CHECK(ended.exit_code == 70);
  CHECK(ended.log.find("the checkpoint is damaged") != std::string::npos);
}

TEST_CASE("the hint words of others: a wrong hint delays, it does not lose") {
  under_attack([](troupe::system& sys, bystanders& others) {
    auto evil = known_to_all(sys);
    attack_and_go_on(evil, [] {
      keep(1500ms, [] {
        for (const char* name : {"left", "right"}) {
          auto* words = link_to(name).hints.at<volatile std::uint32_t>();
          for (std::uint32_t i = 0; i < 64; ++i) words[i] = 0;
        }
      });
      for (const auto memory : writable_memory("troupe-hints")) scribble(memory, 500ms);
    });
    others.go_on();
    EXPECT(pid_of(evil) > 0);
  });
}

/// errno of a call that must fail, 0 if it does not.
template <class Result>
int refused(Result result) {
  const int why = errno;
  return result == Result(-1) ? why : 0;
}
int refused(void* result) {
  const int why = errno;
  if (result != MAP_FAILED) ::munmap(result, 4096);
  return result == MAP_FAILED ? why : 0;
}

void expect_sealed_size(int memory) {
  EXPECT(refused(::ftruncate(memory, 0)) != 0);
  EXPECT(refused(::ftruncate(memory, std::int64_t{1} << 40)) != 0);
  EXPECT(refused(::fallocate(memory, 0, std::int64_t{1} << 40, 4096)) != 0);
  EXPECT(refused(::fcntl(memory, F_ADD_SEALS, F_SEAL_WRITE)) != 0);
}

/// Neither through the descriptor, nor through one that is opened from it.
void expect_unwritable(int memory) {
  constexpr int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  const os::fd again{::open(("/proc/self/fd/" + std::to_string(memory)).c_str(), O_RDWR | O_CLOEXEC)};
  EXPECT(static_cast<bool>(again));
  for (const int each : {memory, again.get()}) {
    EXPECT(refused(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, each, 0)) != 0);
    EXPECT(refused(::pwrite(each, "x", 1, 0)) != 0);
    EXPECT(refused(::fallocate(each, punch, 0, 4096)) != 0);
  }
  void* const readable = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, memory, 0);
  EXPECT(readable != MAP_FAILED);
  EXPECT(refused(::mprotect(readable, 4096, PROT_READ | PROT_WRITE)) != 0);
  ::munmap(readable, 4096);
}

TEST_CASE("memory that it is given can be neither cut, grown nor punched, and the supervisor's and others' not written") {
  under_attack([](troupe::system& sys, bystanders& others) {
    auto evil = sys.spawn<Hostile>(disposable("hostile"));
    attack(evil, [] {
      const auto left = identity_of("left");
      send_frame(wire::frame::connect, wire::connect{left, 1 << 20, ring_to(left), 0});
      const auto got = receive_raw(wire::frame::connected);
      EXPECT_EQ(got.fds.size(), 4UL);
      const int cursor = got.fds[0].get(), hints = got.fds[1].get(), status = got.fds[2].get();
      for (const int each : {cursor, hints, status}) expect_sealed_size(each);
      expect_unwritable(status);
      EXPECT(refused(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, cursor, 0)) != 0);
      EXPECT(refused(::pwrite(cursor, "x", 1, 0)) != 0);
      EXPECT(refused(::fallocate(cursor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096)) != 0);
      const auto own = own_out_memory();
      EXPECT(refused(::madvise(own.data() + (1 << 20), 1 << 20, MADV_REMOVE)) != 0);
    });
    others.go_on();
    attack_and_go_on(evil, [] {
      note("listens");
      const auto lane = receive_raw(wire::frame::lane);
      EXPECT_EQ(lane.fds.size(), 2UL);
      expect_sealed_size(lane.fds[0].get());
      expect_unwritable(lane.fds[0].get());
      note("the sender's memory is safe");
    });
    EXPECT(eventually([] { return noted("listens"); }, 100s));
    others.left.tell(Meet{evil});
    EXPECT(eventually([] { return noted("the sender's memory is safe"); }, 100s));
  });
}

}  // namespace
