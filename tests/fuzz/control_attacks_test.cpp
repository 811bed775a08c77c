// A worker that lies to the supervisor over its control socket, or floods it.

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "fuzz/hostile.hpp"
#include "os/memory.hpp"

using namespace tests;

namespace {

void expect_killed(troupe::system& sys, const hostile& evil, void (*how)()) {
  const auto deaths = sys.count().deaths;
  attack_and_go_on(evil, how);
  EXPECT(eventually([&] { return sys.count().deaths > deaths; }, 100s));
}

TEST_CASE("packets that are no frames: whoever sends one is killed") {
  const auto ended = under_attack([](troupe::system& sys, bystanders& others) {
    const std::vector<void (*)()> all = {
        [] { send_raw(std::vector<std::byte>(3)); },
        [] { send_raw(std::vector<std::byte>(wire::max_frame + 1)); },
        [] {
          const wire::frame_header lying{wire::frame::find, 1000, 0};
          send_raw(std::as_bytes(std::span(&lying, 1)));
        },
        [] {
          // More descriptors than a frame may have, past what would refuse to send them.
          std::array<int, 20> fds{};
          alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof fds)> control{};
          wire::frame_header header{wire::frame::took, 0, 0};
          iovec body{&header, sizeof header};
          msghdr message{};
          message.msg_iov = &body;
          message.msg_iovlen = 1;
          message.msg_control = control.data();
          message.msg_controllen = control.size();
          cmsghdr* rights = CMSG_FIRSTHDR(&message);
          *rights = {CMSG_LEN(sizeof fds), SOL_SOCKET, SCM_RIGHTS};
          std::memcpy(CMSG_DATA(rights), fds.data(), sizeof fds);
          for (int number = 3; number < 256; ++number) ::sendmsg(number, &message, MSG_NOSIGNAL);
        }};
    for (const auto how : all) {
      expect_killed(sys, sys.spawn<Hostile>(disposable("hostile")), how);
      others.go_on();
    }
  });
  CHECK(ended.log.find("it sends what is no frame") != std::string::npos);
}

TEST_CASE("an empty packet ends what the supervisor hears from its sender, and nothing else") {
  under_attack([](troupe::system& sys, bystanders& others) {
    auto evil = sys.spawn<Hostile>(disposable("hostile"));
    attack(evil, [] { send_raw({}); });
    others.go_on();
    sys.stop(evil);
  });
}

TEST_CASE("a flood of questions whose answers are not read: the supervisor serves the others, and the flood ends") {
  const auto ended = under_attack([](troupe::system& sys, bystanders& others) {
    auto evil = sys.spawn<Hostile>(disposable("hostile"));
    const auto deaths = sys.count().deaths;
    attack_and_go_on(evil, [] {
      while (send_frame(wire::frame::find, wire::call{1, 0}, "left")) {
      }
    });
    others.go_on();
    EXPECT(eventually([&] { return sys.count().deaths > deaths; }, 100s));
  });
  CHECK(ended.log.find("does not read the answers") != std::string::npos);
}

TEST_CASE("withdrawals that make the supervisor listen to the one who withdraws, or to another who does the same") {
  under_attack([](troupe::system& sys, bystanders& others) {
    auto one = sys.spawn<Hostile>(disposable("one")), two = sys.spawn<Hostile>(disposable("two"));
    for (const auto& each : {one, two}) attack(each, [] { set(8 + add(7) % 2, own_endpoint().incarnation()); });
    for (const auto& each : {one, two}) {
      attack_and_go_on(each, [] {
        const auto own = own_endpoint().incarnation();
        std::thread([] {
          for (;;) receive_raw(wire::frame::withdrawn);
        }).detach();
        keep(1500ms, [&] {
          for (const auto from : {total(8), total(9), own, std::uint64_t{1}}) {
            send_frame(wire::frame::withdraw, wire::token{1, from, 5});
          }
        });
        ::_exit(1);
      });
    }
    others.go_on();
    EXPECT(eventually([&] { return sys.count().workers == 2; }, 100s));
  });
}

TEST_CASE("claims about what is not its own: lanes, letters, links, queues and watches of others, and of nobody") {
  under_attack([](troupe::system& sys, bystanders& others) {
    auto evil = sys.spawn<Hostile>(disposable("hostile"));
    const auto letters = sys.count().dead_letters;
    attack(evil, [] {
      const auto left = identity_of("left"), right = identity_of("right");
      const wire::identity_id nobody = wire::make_identity(1'000'000, 16);
      for (const auto identity : {left, right, own_endpoint().identity(), wire::make_identity(1, 16), nobody,
                                  std::uint64_t{0}, ~std::uint64_t{0}}) {
        for (std::uint32_t slot = 0; slot < 40; ++slot) {
          const std::uint32_t where = slot < 20 ? slot : 0U - slot;
          for (const wire::incarnation_id sender : {std::uint64_t{slot}, own_endpoint().incarnation(), std::uint64_t{0}}) {
            send_frame(wire::frame::lane_drained, wire::slot{where, 0, identity, sender});
          }
          send_frame(wire::frame::letter, wire::letter{slot * 8, 1, identity, where, wire::letter_reason::unhandled},
                     "a letter that is not due");
        }
        for (const auto type : {wire::frame::closed_seen, wire::frame::ask_link, wire::frame::monitor,
                                wire::frame::demonitor, wire::frame::queue_drop}) {
          send_frame(type, wire::subject{identity});
        }
        send_frame(wire::frame::queue_take, wire::call{1, identity});
        send_frame(wire::frame::took, wire::number{identity});
      }
    });
    others.go_on();
    // What it says of its own mailbox counts: main's lane to it has one letter for each position.
    EXPECT(sys.count().dead_letters <= letters + 40);
  });
}

TEST_CASE("orders about nobody, with signals that do not exist, and about main") {
  under_attack([](troupe::system& sys, bystanders& others) {
    auto evil = sys.spawn<Hostile>(disposable("hostile"));
    attack(evil, [] {
      for (const std::uint64_t subject : {std::uint64_t{0}, wire::make_identity(1, 16), wire::make_identity(999, 16),
                                          ~std::uint64_t{0}}) {
        for (const int signal : {-1, 0, 9, 15, 19, 65, 1 << 30}) {
          send_frame(wire::frame::signal, wire::order{subject, signal, 0});
          send_frame(wire::frame::end, wire::order{subject, signal, 0});
        }
      }
      for (const int signal : {-1, 65, 1 << 30}) {
        send_frame(wire::frame::signal, wire::order{identity_of("left"), signal, 0});
      }
    });
    others.go_on();
    EXPECT(!sys.stopping());
  });
}

TEST_CASE("lanes that lie nowhere, on top of each other, or are of another size; and the same lane again and again") {
  under_attack([](troupe::system& sys, bystanders& others) {
    auto evil = sys.spawn<Hostile>(disposable("hostile"));
    attack(evil, [] {
      const auto left = identity_of("left");
      const auto refused = [&](std::uint64_t offset, std::uint32_t ring) {
        send_frame(wire::frame::connect, wire::connect{left, offset, ring, 1});
        wire::connected answer{};
        EXPECT(receive_raw(wire::frame::connected).take(answer));
        return answer.what != wire::status::ok;
      };
      for (const std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{64}, std::uint64_t{4097}, wire::out_lanes_end,
                                         wire::out_lanes_end - 4096, wire::out_memory_bytes, ~std::uint64_t{0} - 63}) {
        EXPECT(refused(offset, ring_to(left)));
      }
      for (const std::uint32_t ring : {0U, 1U, 1000U, 1U << 12, 1U << 24, 1U << 31, ~0U}) EXPECT(refused(4096, ring));
      EXPECT(!refused(4096, ring_to(left)));
      for (int again = 0; again < 1000; ++again) EXPECT(refused(4096, ring_to(left)));
    });
    others.go_on();
  });
}

TEST_CASE("frames of a life that is over, or that only the supervisor sends") {
  under_attack([](troupe::system& sys, bystanders& others) {
    auto evil = sys.spawn<Hostile>(disposable("hostile"));
    attack(evil, [] {
      for (int round = 0; round < 100; ++round) {
        send_frame(wire::frame::attached, wire::nothing{});
        send_frame(wire::frame::ready, wire::nothing{});
        send_frame(wire::frame::leaving, wire::leaving{static_cast<wire::leave>(round), 0}, "it says \x1b[2J\nso");
        for (std::uint16_t type = 0; type < 200; type += 7) send_frame(static_cast<wire::frame>(type), wire::boot{});
        send_frame(wire::frame::boot, wire::boot{}, "me");
        const auto left = identity_of("left");
        send_frame(wire::frame::lane, wire::lane{left, 0, 0, 4096, 0, ring_to(left), 0, 1, 0});
        send_frame(wire::frame::stop, wire::number{1});
      }
    });
    others.go_on();
  });
}

TEST_CASE("an actor that ends while its sender publishes on without end: the supervisor comes to an end with it") {
  under_attack([](troupe::system& sys, bystanders& others) {
    auto victim = sys.spawn<Bystander>("victim", std::size_t{9});
    auto evil = sys.spawn<Hostile>(disposable("hostile"));
    attack_and_go_on(evil, [] {
      auto& link = link_to("victim");
      const auto victim = identity_of("victim");
      std::byte* const at = reinterpret_cast<std::byte*>(&own_endpoint().out_header()) + link.offset;
      auto* lane = reinterpret_cast<wire::lane_header*>(at);
      const wire::record_header record{32, wire::record_kind::tell, 0, 0, 0, 1, 0, 0};
      for (std::size_t i = 0; i < link.ring_bytes; i += 32) {
        std::memcpy(at + sizeof(wire::lane_header) + i, &record, sizeof record);
      }
      // About as fast as the supervisor counts dead letters, so that there is always one more.
      std::thread([lane] {
        for (;;) {
          const auto next = os::clock::now() + 3us;
          lane->tail += 32;
          while (os::clock::now() < next) {
          }
        }
      }).detach();
      note("publishes");
      keep(2s, [&] { send_frame(wire::frame::closed_seen, wire::subject{victim}); });
      ::_exit(1);
    });
    EXPECT(eventually([] { return noted("publishes"); }, 100s));
    sys.stop(victim);
    others.go_on();
    EXPECT(eventually([&] { return sys.count().workers == 2; }, 100s));
  });
}

}  // namespace
