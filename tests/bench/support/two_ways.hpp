#pragma once

/// What is measured of every channel between two processes that has send(cargo) and receive(); made before the two
/// processes are.

#include "support/bench.hpp"

namespace bench {

/// For channels that hand what was sent over in a thread of their own: those that have close() wait for it there.
template <class Channel>
void close(Channel& channel) {
  if constexpr (requires { channel.close(); }) channel.close();
}

/// One sends, the other receives; the time is taken by the one that receives, behind the first tenth.
template <class Channel>
void measure_throughput(Channel& channel, std::uint64_t messages) {
  const std::uint64_t warm = messages / 10, all = messages + warm;
  const auto send = [&] {
    for (std::uint64_t number = 0; number < all; ++number) channel.send(make_cargo(number));
    close(channel);
  };
  const auto receive = [&] {
    std::uint64_t began = 0, sum = 0;
    for (std::uint64_t number = 0; number < all; ++number) {
      if (number == warm) began = now_ns();
      sum += channel.receive().words[0];
    }
    require(sum == all * (all - 1) / 2, "other messages came");
    report_rate("throughput", sizeof(cargo), messages, now_ns() - began);
  };
  in_two_processes(send, receive);
}

/// Round trips, each after a pause.
template <class Channel>
void measure_ping_pong(Channel& there, Channel& back, std::uint64_t rounds, std::uint64_t pause, bool on_one_core) {
  const std::uint64_t warm = rounds / 10, all = rounds + warm;
  const auto call = [&] {
    std::vector<std::uint32_t> latencies;
    latencies.reserve(rounds);
    for (std::uint64_t round = 0; round < all; ++round) {
      if (pause > 0) pause_us(pause);
      const std::uint64_t began = now_ns();
      there.send(make_cargo(round));
      const cargo got = back.receive();
      const std::uint64_t took = now_ns() - began;
      require(got.words[0] == round, "another answer came");
      if (round >= warm) latencies.push_back(static_cast<std::uint32_t>(took));
    }
    report_latencies("", sizeof(cargo), std::move(latencies));
  };
  const auto answer = [&] {
    for (std::uint64_t round = 0; round < all; ++round) back.send(there.receive());
    close(back);
  };
  in_two_processes(call, answer, on_one_core);
}

}  // namespace bench
