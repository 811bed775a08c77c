#pragma once

#include <chrono>
#include <csignal>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <troupe/actor.hpp>
#include <troupe/codec_cereal.hpp>

namespace troupe::actors {

/// Kills random workers with SIGKILL, again and again, to show what a program does then. Each victim's death counts as a
/// crash, so give the supervisor a restart budget that allows for it.
class chaos : public troupe::actor {
 public:
  struct unleash {
    std::vector<std::string> victims;  ///< names of actors; one that does not exist is passed over
    std::uint32_t least_ms = 20;       ///< between two kills
    std::uint32_t most_ms = 50;
    template <class Ar>
    void serialize(Ar& ar) {
      ar(victims, least_ms, most_ms);
    }
  };
  struct leash {};  ///< stop killing; the answer comes after the last kill

  explicit chaos(std::uint64_t seed) : random_(seed) {}

  void on(const unleash& what) {
    what_ = what;
    next_.cancel();
    arm();
  }
  void on(leash) {
    next_.cancel();
    what_.victims.clear();
  }
  struct strike {};
  void on(strike) {
    if (what_.victims.empty()) return;
    const auto& name = what_.victims[random_() % what_.victims.size()];
    if (const auto victim = self().find<troupe::handles<>>(name)) self().send_signal(*victim, SIGKILL);
    arm();
  }
  using handles = troupe::handles<unleash, void(leash), strike>;

 private:
  void arm() {
    std::uniform_int_distribution<std::uint32_t> pause(what_.least_ms, what_.most_ms);
    next_ = after(std::chrono::milliseconds(pause(random_)), strike{});
  }

  std::mt19937_64 random_;
  unleash what_;
  troupe::timer next_;
};

}  // namespace troupe::actors
