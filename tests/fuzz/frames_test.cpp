// Random control frames, many of them plausible: from a worker to a living supervisor, and from a supervisor to a worker.
// The seed is printed when a case fails; TROUPE_FUZZ_SEED sets it.

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include <troupe/detail/worker_main.hpp>

#include "fuzz/hostile.hpp"
#include "os/memory.hpp"

using namespace tests;

namespace {

constexpr unsigned rounds = 4, frames_each = 5000;

std::uint64_t base_seed() {
  const char* given = std::getenv("TROUPE_FUZZ_SEED");
  return given == nullptr ? 20261123 : std::strtoull(given, nullptr, 10);
}

/// Frames whose fields are small numbers, identities that exist, or noise.
class frame_maker {
 public:
  frame_maker(std::uint64_t seed, std::vector<std::uint64_t> known) : random_(seed), known_(std::move(known)) {}

  std::uint64_t below(std::uint64_t n) { return random_() % n; }

  std::vector<std::byte> next(wire::frame type, std::size_t body_bytes) {
    if (below(32) == 0) body_bytes = below(100);
    const std::size_t text = below(8) == 0 ? below(300) : 0;
    std::vector<std::byte> packet(sizeof(wire::frame_header) + body_bytes + text);
    for (std::size_t at = sizeof(wire::frame_header); at < packet.size(); at += 4) {
      const std::uint64_t value = word();
      const std::size_t width = below(2) == 0 ? 8 : 4;
      std::memcpy(packet.data() + at, &value, std::min(width, packet.size() - at));
      if (width == 8) at += 4;
    }
    const wire::frame_header header{type, static_cast<std::uint16_t>(text), 0};
    std::memcpy(packet.data(), &header, sizeof header);
    return packet;
  }

 private:
  std::uint64_t word() {
    switch (below(6)) {
      case 0: return below(4);
      case 1: return below(64);
      case 2: return known_[below(known_.size())];
      case 3: return wire::out_header_bytes + 64 * below(1000);
      case 4: return std::uint64_t{1} << below(64);
      default: return random_();
    }
  }
  std::mt19937_64 random_;
  std::vector<std::uint64_t> known_;
};

struct shape {
  wire::frame type;
  std::size_t body;
};
using wire::frame;
// Not `end` and `signal`: every actor may end every other, so a random one would.
constexpr shape from_workers[] = {{frame::attached, 0},
                                  {frame::ready, 0},
                                  {frame::leaving, sizeof(wire::leaving)},
                                  {frame::took, sizeof(wire::number)},
                                  {frame::find, sizeof(wire::call)},
                                  {frame::connect, sizeof(wire::connect)},
                                  {frame::ask_link, sizeof(wire::subject)},
                                  {frame::lane_drained, sizeof(wire::slot)},
                                  {frame::closed_seen, sizeof(wire::subject)},
                                  {frame::monitor, sizeof(wire::subject)},
                                  {frame::demonitor, sizeof(wire::subject)},
                                  {frame::letter, sizeof(wire::letter)},
                                  {frame::deposit, sizeof(wire::deposit)},
                                  {frame::withdraw, sizeof(wire::token)},
                                  {frame::queue_make, sizeof(wire::queue)},
                                  {frame::queue_take, sizeof(wire::call)},
                                  {frame::queue_hold, sizeof(wire::subject)},
                                  {frame::queue_drop, sizeof(wire::subject)},
                                  {frame::deaths, sizeof(wire::call)},
                                  {frame::retiring, 0},
                                  {frame::process_start, sizeof(wire::process)}};

void send_random_frames() {
  const std::uint64_t seed = base_seed() + add(3);
  frame_maker make(seed, {identity_of("left"), identity_of("right"), identity_of("hostile"), own_endpoint().incarnation()});
  const os::fd memory = os::make_memory("fuzz", 64);
  os::seal_memory(memory, os::seal::one_writer);
  const std::array<int, wire::max_fds> fds{memory.get(), memory.get()};
  for (unsigned i = 0; i < frames_each; ++i) {
    const shape& what = from_workers[make.below(std::size(from_workers))];
    const std::size_t with = make.below(4) == 0 ? make.below(3) : what.type == frame::deposit ? 1 : 0;
    if (!send_raw(make.next(what.type, what.body), std::span(fds).first(with))) break;
    if (i % 16 == 0) own_endpoint().serve_once(os::clock::now());
  }
}

TEST_CASE("a living supervisor takes random frames from a worker, 20,000 of them, and goes on") {
  CAPTURE(base_seed());
  const auto ended = under_attack([](troupe::system& sys, bystanders& others) {
    for (unsigned round = 0; round < rounds; ++round) {
      auto evil = sys.spawn<Hostile>(disposable("hostile"));
      attack_and_go_on(evil, [] {
        send_random_frames();
        note("all sent");
        ::_exit(1);
      });
      const auto name_is_free = [&] { return !sys.find<Hostile>("hostile"); };
      EXPECT(eventually(name_is_free, 100s));
      others.go_on();
    }
    EXPECT(notes().size() >= rounds);
    EXPECT(noted("all sent"));
  });
}

// ----------------------------------------------------------------------------------------------------------- a worker

struct Quiet : troupe::actor {
  int on(Pid) { return ::getpid(); }
  using handles = troupe::handles<Pid>;
};

constexpr shape from_supervisor[] = {{frame::boot, sizeof(wire::boot)},
                                     {frame::found, sizeof(wire::answer)},
                                     {frame::connected, sizeof(wire::connected)},
                                     {frame::lane, sizeof(wire::lane)},
                                     {frame::lane_final, sizeof(wire::slot)},
                                     {frame::lane_freed, sizeof(wire::slot)},
                                     {frame::reply_end, sizeof(wire::reply_end)},
                                     {frame::link, sizeof(wire::link)},
                                     {frame::verdict, sizeof(wire::verdict)},
                                     {frame::closed, sizeof(wire::answer)},
                                     {frame::down, sizeof(wire::down)},
                                     {frame::letter_kept, sizeof(wire::slot_position)},
                                     {frame::withdrawn, sizeof(wire::answer)},
                                     {frame::deaths_listed, sizeof(wire::answer)},
                                     {frame::queue_made, sizeof(wire::answer)},
                                     {frame::process_ended, sizeof(wire::exit)},
                                     {frame::stop, sizeof(wire::number)}};

std::unique_ptr<troupe::actor> make_quiet(troupe::detail::reader&) { return std::make_unique<Quiet>(); }

os::fd sealed(std::uint64_t size) {
  os::fd memory = os::make_memory("fuzz", size);
  os::seal_memory(memory, os::seal::size_only);
  return memory;
}

struct memory_set {
  os::fd out = sealed(wire::out_memory_bytes), cursor = sealed(wire::cursor_bytes), hints = sealed(wire::hint_bytes),
         status = sealed(wire::status_bytes), arguments = sealed(8), bell = os::make_doorbell();
};

/// A worker with this test in its supervisor's place, up and running.
pid_t start_worker(const os::fd& control, const os::fd& theirs, const memory_set& memory) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    const troupe::detail::actor_type* const types[] = {&troupe::detail::type_of<Quiet>()};
    troupe::detail::worker_main(::dup(theirs.get()), types);
  }
  const std::uintptr_t maker = reinterpret_cast<std::uintptr_t>(static_cast<troupe::detail::maker>(make_quiet));
  std::memcpy(os::mapping(memory.arguments, 8, os::access::read_write).data(), &maker, sizeof maker);
  wire::boot boot{};
  boot.identity = wire::make_identity(1, 16);
  boot.incarnation = 1;
  boot.args_bytes = 8;
  const int fds[] = {memory.out.get(),    memory.cursor.get(), memory.hints.get(),
                     memory.status.get(), memory.bell.get(),   memory.arguments.get()};
  os::send_packet(control, channel::pack(frame::boot, boot, "quiet"), fds);
  os::send_packet(control, channel::pack(frame::go, wire::nothing{}), {});
  return pid;
}

void drain(const os::fd& control) {
  std::vector<std::byte> buffer(wire::max_frame);
  os::packet packet;
  while (os::receive_packet(control, buffer, packet) == os::io::done) {
  }
}

TEST_CASE("a worker takes random frames from its supervisor, and ends only as it would end itself") {
  CAPTURE(base_seed());
  unsigned taken = 0;
  for (unsigned round = 0; round < 20; ++round) {
    const auto [control, theirs] = os::packet_pair();
    const memory_set memory;
    const pid_t pid = start_worker(control, theirs, memory);
    frame_maker make(base_seed() + 1000 + round, {wire::make_identity(1, 16), wire::make_identity(2, 16), 1, 2});
    int status = 0;
    pid_t ended = 0;
    // A worker waits for room for what it says, so it is listened to.
    const auto listen = [&, &control = control](os::poller::interest until) {
      drain(control);
      os::wait_ready(control.get(), until, os::clock::now() + 20ms);
      ended = ::waitpid(pid, &status, WNOHANG);
    };
    const auto send = [&, &control = control](const std::vector<std::byte>& bytes, std::span<const int> fds) {
      while (os::send_packet(control, bytes, fds) == os::io::again && ended == 0) listen(os::poller::write);
    };
    for (unsigned i = 0; i < 1000 && ended == 0; ++i) {
      // A stop ends the worker in order, so it comes last.
      const shape& what = from_supervisor[i < 999 ? make.below(std::size(from_supervisor) - 1) : 15];
      const int mailbox[] = {memory.cursor.get(), memory.hints.get(), memory.status.get(), memory.bell.get()};
      const int lane[] = {memory.out.get(), memory.bell.get()};
      const std::span<const int> fds = what.type == frame::connected ? std::span<const int>(mailbox)
                                       : make.below(4) > 0           ? std::span<const int>(lane)
                                                                     : std::span<const int>();
      send(make.next(what.type, what.body), fds);
      ++taken;
    }
    send(channel::pack(frame::stop, wire::number{1}), {});
    while (ended == 0) listen(os::poller::read);
    REQUIRE(ended == pid);
    CAPTURE(round);
    CHECK(WIFEXITED(status));
  }
  CHECK(taken > 10'000);
}

}  // namespace
