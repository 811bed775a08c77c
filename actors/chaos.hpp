#pragma once

#include <chrono>
#include <csignal>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <troupe/actor.hpp>
#include <troupe/codec_cereal.hpp>
#include <troupe/error.hpp>

namespace troupe::actors {

/// Kills random workers with SIGKILL, again and again, to show what a program does then. Each victim's death counts as a
/// crash, so give the supervisor a restart budget that allows for it.
class chaos : public troupe::actor {
 public:
  struct unleash {
    std::vector<std::string> victims;  ///< names of actors; one that does not exist is passed over
    std::uint32_t least_ms = 20;       ///< between two kills: a random time of at least this
    std::uint32_t most_ms = 50;        ///< and at most this, which is not less
    template <class Ar>
    void serialize(Ar& ar) {
      ar(victims, least_ms, most_ms);
    }
  };
  struct leash {};  ///< stop killing; the answer comes after the last kill

  explicit chaos(std::uint64_t seed) : random_(seed) {}

  /// Throws error(errc::not_allowed).
  void on(const unleash& what) {
    if (what.least_ms > what.most_ms) {
      throw error(errc::not_allowed, "chaos is to wait at least " + std::to_string(what.least_ms) +
                                         " ms between two kills, and at most " + std::to_string(what.most_ms));
    }
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
