/// CAF (event-based actors, its default scheduler with two threads), 64-byte messages; at most 1,024 are unread, as
/// with a bounded mailbox.
///   one|two        both actors in one process, or one in each of two processes, over its network layer on localhost
///   throughput     one sends, the other receives
///   ping-pong      two that send to each other
///   ask            request and response

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <caf/all.hpp>
#include <caf/io/all.hpp>
#include <csignal>
#include <memory>

#include "support/bench.hpp"

namespace {

constexpr std::uint64_t window = 1024, step = 256;

struct message {
  bench::cargo what;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, message& m) {
  auto& w = m.what.words;
  return f(caf::meta::type_name("message"), w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]);
}

using begin = caf::atom_constant<caf::atom("begin")>;
using over = caf::atom_constant<caf::atom("over")>;
using room = caf::atom_constant<caf::atom("room")>;
using ask = caf::atom_constant<caf::atom("ask")>;

struct configuration : caf::actor_system_config {
  explicit configuration(bool network) {
    add_message_type<message>("message");
    set("scheduler.max-threads", 2U);
    if (network) load<caf::io::middleman>();
  }
};

/// What is in the other process: takes messages and says when there is room for more; plays back; answers.
struct answerer_state {
  std::uint64_t left = 0, warm = 0, measured = 0, unsaid = 0, began = 0;
  caf::actor to;
};

caf::behavior answerer(caf::stateful_actor<answerer_state>* self) {
  return {
      [=](begin, const caf::actor& sender, std::uint64_t warm, std::uint64_t measured) {
        self->state.to = sender;
        self->state.warm = warm;
        self->state.measured = measured;
        self->state.left = warm + measured;
      },
      [=](const message& got) {
        auto& its = self->state;
        if (its.left == 0) return self->send(caf::actor_cast<caf::actor>(self->current_sender()), got);
        if (its.left-- == its.measured) its.began = bench::now_ns();
        if (++its.unsaid == step) {
          self->send(its.to, room::value, its.unsaid);
          its.unsaid = 0;
        }
        if (its.left == 0) self->send(its.to, over::value, bench::now_ns() - its.began);
      },
      [](ask, const message& got) { return got; },
  };
}

struct caller_state {
  std::uint64_t room = window, left = 0, warm = 0, sent = 0, measured = 0;
  std::vector<std::uint32_t> latencies;
};
using caller_actor = caf::stateful_actor<caller_state>;

void send_some(caller_actor* self, const caf::actor& to) {
  auto& its = self->state;
  for (; its.room > 0 && its.left > 0; --its.room, --its.left) self->send(to, message{bench::make_cargo(its.left)});
}

caf::behavior sender(caller_actor* self, const caf::actor& to, std::uint64_t count) {
  self->state.measured = count;
  self->state.left = count + count / 10;
  self->send(to, begin::value, caf::actor(self), count / 10, count);
  send_some(self, to);
  return {
      [=](room, std::uint64_t more) {
        self->state.room += more;
        send_some(self, to);
      },
      [=](over, std::uint64_t ns) {
        bench::report_rate("throughput", sizeof(message), self->state.measured, ns);
        self->quit();
      },
  };
}

/// Notes a round trip; false: that was the last.
bool again(caller_actor* self) {
  auto& its = self->state;
  const auto took = static_cast<std::uint32_t>(bench::now_ns() - its.sent);
  if (its.warm > 0) {
    --its.warm;
  } else {
    its.latencies.push_back(took);
  }
  if (its.latencies.size() == its.left) {
    bench::report_latencies("", sizeof(message), its.latencies);
    self->quit();
    return false;
  }
  its.sent = bench::now_ns();
  return true;
}

void prepare(caller_actor* self, std::uint64_t count) {
  self->state.left = count;
  self->state.warm = count / 10;
  self->state.latencies.reserve(count);
  self->state.sent = bench::now_ns();
}

caf::behavior player(caller_actor* self, const caf::actor& wall, std::uint64_t count) {
  prepare(self, count);
  self->send(wall, message{});
  return {[=](const message& got) {
    if (again(self)) self->send(wall, got);
  }};
}

void ask_again(caller_actor* self, const caf::actor& whom) {
  self->request(whom, caf::infinite, ask::value, message{}).then([=](const message&) {
    if (again(self)) ask_again(self, whom);
  });
}

caf::behavior asker(caller_actor* self, const caf::actor& whom, std::uint64_t count) {
  prepare(self, count);
  ask_again(self, whom);
  return {[](over) {}};
}

void measure(caf::actor_system& in, const std::string& what, const caf::actor& with, std::uint64_t count) {
  caf::scoped_actor waiting(in);
  if (what == "throughput") waiting->wait_for(in.spawn(sender, with, count));
  if (what == "ping-pong") waiting->wait_for(in.spawn(player, with, count));
  if (what == "ask") waiting->wait_for(in.spawn(asker, with, count));
}

/// Publishes an answerer and says on which port.
[[noreturn]] void serve(int port_pipe) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  configuration how(true);
  caf::actor_system in(how);
  const auto port = in.middleman().publish(in.spawn(answerer), 0, "127.0.0.1");
  bench::require(static_cast<bool>(port), "publish");
  bench::require(::write(port_pipe, &*port, sizeof *port) == sizeof *port, "write");
  for (;;) ::pause();
}

void measure_two(const std::string& what, std::uint64_t count) {
  int ends[2];
  bench::require(::pipe(ends) == 0, "pipe");
  const pid_t child = ::fork();
  if (child == 0) serve(ends[1]);
  std::uint16_t port = 0;
  bench::require(::read(ends[0], &port, sizeof port) == sizeof port, "read");
  {
    configuration how(true);
    caf::actor_system in(how);
    const auto remote = in.middleman().remote_actor("127.0.0.1", port);
    bench::require(static_cast<bool>(remote), "remote_actor");
    measure(in, what, *remote, count);
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}

}  // namespace

int main(int argc, char** argv) {
  const bool two = bench::mode_argument(argc, argv, {"one", "two"}) == "two";
  const std::string what = argc > 2 ? argv[2] : "throughput";
  const std::uint64_t count = bench::number_argument(argc, argv, 3, two ? 20'000 : 500'000);
  if (two) {
    measure_two(what, count);
    return 0;
  }
  configuration how(false);
  caf::actor_system in(how);
  const auto with = in.spawn(answerer);
  measure(in, what, with, count);
  caf::anon_send_exit(with, caf::exit_reason::user_shutdown);
}
