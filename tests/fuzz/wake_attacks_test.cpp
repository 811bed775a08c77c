// A worker that abuses what wakes others: doorbells and reply pipes.

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "fuzz/hostile.hpp"
#include "wire/reply.hpp"

using namespace tests;

namespace {

constexpr int doorbell_bytes = 4096;  // pipes as small as that are doorbells

/// Descriptors of pipes that this worker holds with these rights.
std::vector<int> pipes(int rights, bool doorbells) {
  std::vector<int> found;
  for (int number = 3; number < 256; ++number) {
    const int flags = ::fcntl(number, F_GETFL), size = ::fcntl(number, F_GETPIPE_SZ);
    if (size > 0 && (flags & O_ACCMODE) == rights && (size == doorbell_bytes) == doorbells) found.push_back(number);
  }
  return found;
}

TEST_CASE("doorbells of others: ringing all the time wakes them, and takes nothing from anybody") {
  under_attack([](troupe::system& sys, bystanders& others) {
    auto evil = sys.spawn<Hostile>(disposable("hostile"));
    attack_and_go_on(evil, [] {
      const auto &left = link_to("left"), &right = link_to("right");
      keep(1s, [&] {
        os::ring(left.doorbell);
        os::ring(right.doorbell);
      });
    });
    others.go_on();
    EXPECT(pid_of(evil) > 0);
  });
}

TEST_CASE("doorbells of others: who may ring cannot take rings away, and cannot make another's ring wait") {
  under_attack([](troupe::system& sys, bystanders& others) {
    auto evil = sys.spawn<Hostile>(disposable("hostile"));
    attack(evil, [] {
      link_to("left");
      link_to("right");
      const auto bells = pipes(O_WRONLY, true);
      EXPECT(bells.size() >= 2);
      for (const int bell : bells) {
        char ring = 0;
        EXPECT(::read(bell, &ring, 1) == -1 && errno == EBADF);
        ::fcntl(bell, F_SETFL, ::fcntl(bell, F_GETFL) & ~O_NONBLOCK);
      }
    });
    others.go_on();
  });
}

TEST_CASE("its own doorbell, full and without O_NONBLOCK: nobody who rings it waits, neither senders nor the supervisor") {
  under_attack([](troupe::system& sys, bystanders& others) {
    auto evil = sys.spawn<Hostile>(disposable("hostile"));
    attack_and_go_on(evil, [] {
      const auto page = writable_memory("troupe-cursor").at(0);
      auto* sleeping = &reinterpret_cast<wire::cursor_header*>(page.data())->sleeping;
      const int bell = pipes(O_RDWR, true).at(0);
      const std::vector<char> rings(2 * doorbell_bytes);
      while (::write(bell, rings.data(), rings.size()) > 0) {
      }
      ::fcntl(bell, F_SETFL, ::fcntl(bell, F_GETFL) & ~O_NONBLOCK);
      note("deaf");
      // Says that it sleeps, over mail that is deliverable: everybody rings, and nobody hears.
      keep(3s, [&] { *sleeping = 1; });
    });
    EXPECT(eventually([] { return noted("deaf"); }, 100s));
    others.left.tell(Meet{evil});
    others.right.tell(Meet{evil});
    others.go_on();
    EXPECT(always([] { return notes().size() == 1; }, 1500ms));  // the sweep has come by
    others.go_on();
  });
}

// --------------------------------------------------------------------------------------------------------- reply pipes

/// The write end of the only reply pipe that this worker has besides main's: all of them get the same.
void write_replies(std::span<const std::byte> bytes) {
  for (const int pipe : pipes(O_WRONLY, false)) (void)!::write(pipe, bytes.data(), bytes.size());
}

template <class Body>
std::vector<std::byte> reply(std::uint32_t bytes, std::uint8_t flags, std::uint64_t correlation, const Body& body) {
  wire::reply_header header{};
  header.bytes = bytes;
  header.kind = wire::reply_kind::value;
  header.flags = flags;
  header.correlation = correlation;
  std::vector<std::byte> frame(sizeof header + sizeof body);
  std::memcpy(frame.data(), &header, sizeof header);
  std::memcpy(frame.data() + sizeof header, &body, sizeof body);
  return frame;
}

/// A bystander asks the hostile worker, which answers with what `how` writes.
void ask_under_attack(void (*how)()) {
  on_question = how;
  under_attack([](troupe::system& sys, bystanders& others) {
    auto evil = sys.spawn<Hostile>(disposable("hostile"));
    others.left.tell(Meet{evil, Meet::way::ask});
    others.right.tell(Meet{evil, Meet::way::ask});
    others.go_on();
    EXPECT(eventually([] { return noted("answered"); }, 100s));
    EXPECT(eventually([] { return total(2) == 2; }, 100s));
  });
}

TEST_CASE("reply pipes: what is no frame is not read, and ends the replies of that link") {
  ask_under_attack([] {
    std::mt19937_64 random(add(2));
    std::vector<std::byte> noise(4096);
    for (int round = 0; round < 64; ++round) {
      for (auto& each : noise) each = static_cast<std::byte>(random());
      write_replies(noise);
    }
    note("answered");
  });
}

TEST_CASE("reply pipes: half a frame, frames of impossible sizes, and answers to nobody") {
  ask_under_attack([] {
    add(2);
    for (std::uint64_t number = 0; number < 200; ++number) write_replies(reply(32, 0, number, number));
    for (const std::uint32_t size : {32U, 0U, 23U, 4097U, ~0U}) write_replies(reply(size, 0, 1, std::uint64_t{0}));
    write_replies(std::vector<std::byte>(10, std::byte{30}));
    note("answered");
  });
}

TEST_CASE("reply pipes: large replies that lie nowhere, and as many large ones as fit") {
  ask_under_attack([] {
    add(2);
    const wire::block all{wire::out_lanes_end, wire::outbox_bytes}, beyond{wire::out_memory_bytes - 8, 64}, below{0, 64};
    for (int round = 0; round < 300; ++round) {
      for (const auto& block : {all, beyond, below}) {
        write_replies(reply(sizeof(wire::reply_header) + sizeof block, wire::reply_flag_in_outbox, 1000, block));
      }
    }
    note("answered");
  });
}

TEST_CASE("reply pipes: a flood that does not end") {
  ask_under_attack([] {
    add(2);
    note("answered");
    keep(1s, [] {
      static const auto frame = reply(32, 0, 1000, std::uint64_t{0});
      write_replies(frame);
    });
  });
}

}  // namespace
