#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <troupe/certificate.hpp>

#include "os/poller.hpp"
#include "wire/memory.hpp"

namespace troupe::supervision {

/// The last death certificates of each identity, and for a while those of identities that have ended. One thread.
///
/// What is done about a death is known later than the death: it is filled in then, and `say` is called, once for each
/// certificate. One that stays undecided for a second is said as it is.
class death_register {
 public:
  static constexpr std::size_t most_each = 8;    ///< certificates of one identity
  static constexpr std::size_t most_ended = 64;  ///< identities that have ended

  using sayer = std::function<void(const death_certificate&)>;
  explicit death_register(sayer say) : say_(std::move(say)) {}

  void add(death_certificate what, os::time_point now);
  /// Decides what is undecided about this identity; nothing may be.
  void decide(wire::identity_id which, death_decision what, std::chrono::milliseconds delay = {});
  /// The identity has ended, or ends with what is being decided.
  void ended(wire::identity_id which);
  void say_undecided(os::time_point now);
  /// Nothing is decided any more.
  void close();

  /// The oldest first.
  std::vector<death_certificate> of(wire::identity_id which) const;
  /// Of all identities that had this name; the last most_each.
  std::vector<death_certificate> of(const std::string& name) const;

 private:
  struct entry {
    death_certificate what;
    os::time_point added;
    bool said = false;
  };
  void say(entry& which);

  sayer say_;
  std::map<wire::identity_id, std::deque<entry>> all_;
  std::deque<wire::identity_id> ended_;  // the first goes first
};

}  // namespace troupe::supervision
