// A worker that makes the supervisor keep things for it: as much as it may, and more.

#include <unistd.h>

#include "fuzz/hostile.hpp"
#include "os/memory.hpp"

using namespace tests;

namespace {

std::size_t supervisors_descriptors() { return descriptors_of(::getpid()).size(); }

/// A pipe's read end that travels to a bystander's mailbox, and waits there.
struct Parcel {
  troupe::pipe_reader<int> end;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(end);
  }
};
struct Receiver : troupe::actor {
  int on(Parcel m) { return m.end.recv(); }
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<int(Parcel), Pid>;
};

TEST_CASE("what is enclosed with a message is given to its receiver alone, whoever asks for it") {
  in_program<Bystander, Hostile, Recorder, Receiver>(
      logged(1000),
      [](troupe::system& sys) {
        bystanders others(sys);
        auto receiver = sys.spawn<Receiver>("receiver");
        auto evil = sys.spawn<Hostile>(disposable("hostile"));
        freeze(sys, receiver);
        troupe::pipe<int> pipe;
        auto answer = receiver.ask(Parcel{std::move(pipe.reader)}, 60s);
        attack(evil, [] {
          for (std::uint64_t from = 0; from < 20; ++from) {
            for (std::uint64_t number = 0; number < 16; ++number) {
              send_frame(wire::frame::withdraw, wire::token{1, from, number});
              const auto got = receive_raw(wire::frame::withdrawn);
              wire::answer said{};
              EXPECT(got.take(said));
              EXPECT(got.fds.empty() && said.what == wire::status::not_found);
            }
          }
        });
        sys.send_signal(receiver, SIGCONT);
        pipe.writer.send(42);
        EXPECT_EQ(answer.get(), 42);
        others.go_on();
      },
      240s);
}

TEST_CASE("deposits without end: the supervisor keeps its share of descriptors, and gets the others back") {
  const auto ended = under_attack([](troupe::system& sys, bystanders& others) {
    const auto before = supervisors_descriptors();
    auto evil = sys.spawn<Hostile>(disposable("hostile"));
    const auto deaths = sys.count().deaths;
    attack_and_go_on(evil, [] {
      const auto without_a_lane = identity_of("left");
      const int fds[] = {0};
      std::uint64_t number = 0;
      for (; number < 3 * wire::max_deposits; ++number) {
        send_frame(wire::frame::deposit, wire::deposit{number, without_a_lane, ~std::uint64_t{0}, 0, 0}, {}, fds);
      }
      const auto right = link_to("right").to;
      while (send_frame(wire::frame::deposit, wire::deposit{++number, right, ~std::uint64_t{0}, 0, 0}, {}, fds)) {
      }
    });
    others.go_on();
    EXPECT(eventually([&] { return sys.count().deaths > deaths; }, 100s));
    EXPECT(eventually([&] { return supervisors_descriptors() <= before; }, 100s));
  });
  CHECK(ended.log.find("too many ends of pipes and queues are under way") != std::string::npos);
}

TEST_CASE("queues and processes without end are refused, and gone with who made them") {
  under_attack([](troupe::system& sys, bystanders& others) {
    const auto before = supervisors_descriptors();
    auto evil = sys.spawn<Hostile>(disposable("hostile"));
    attack(evil, [] {
      unsigned made = 0, refused = 0;
      while (refused < 100) {
        send_frame(wire::frame::queue_make, wire::queue{1, std::uint64_t{made} << 32 | made});
        wire::answer said{};
        EXPECT(receive_raw(wire::frame::queue_made).take(said));
        ++(said.what == wire::status::ok ? made : refused);
        EXPECT(made <= wire::max_owned);
      }
      EXPECT(made > 0);
      const os::fd memory = os::make_memory("not-sealed", 64);
      const std::vector<int> wrong[] = {{}, {0}, {memory.get()}, {memory.get(), 0}};
      for (const auto& fds : wrong) {
        send_frame(wire::frame::process_start, wire::process{1, 64}, {}, fds);
        wire::answer said{};
        EXPECT(receive_raw(wire::frame::process_started).take(said));
        EXPECT(said.what == wire::status::failed);
      }
    });
    others.go_on();
    sys.stop(evil);
    EXPECT(eventually([&] { return supervisors_descriptors() <= before; }, 100s));
  });
}

}  // namespace
