#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <troupe/codec.hpp>
#include <troupe/detail/node.hpp>
#include <troupe/error.hpp>
#include <troupe/message.hpp>
#include <troupe/ref.hpp>

namespace troupe {

/// How much the program keeps of its dead letters; beyond either limit the oldest go.
struct dead_letter_limits {
  std::uint64_t bytes = 16 * 1024 * 1024;  ///< rounded up to a power of two, 64 KiB to 1 GiB; taken as it fills
  std::uint32_t letters = 10'000;          ///< at least 1
};

/// A death with the message in flight.
struct letter_death {
  std::uint64_t incarnation = 0;  ///< that handled it
  std::chrono::system_clock::time_point time;
  int exit_code = -1;  ///< -1: killed by a signal
  int signal = 0;      ///< 0: it exited
  std::string text;    ///< "was killed by SIGSEGV"
};

/// A message that will not be handled, and why. What was asked is one only if its asker does not learn it.
struct dead_letter {
  enum class reason : std::uint8_t {
    quarantined = 1,  ///< its handlers died, as often as its delivery policy allows
    dropped,          ///< its handler died, and its delivery policy is drop
    receiver_closed,  ///< its receiver (actor or queue) ended before it was handled
    unhandled,        ///< its receiver has no handler for it
    undecodable,      ///< its bytes are not what its type says
    lane_broken,      ///< what lies in the sender's lane is no message; nothing more is read from there
    cleared,          ///< its receiver was started again, and child_spec::mailbox says that its mailbox is cleared then
  };
  std::uint64_t number = 0;  ///< 1 for the first letter of the program; never reused
  std::chrono::system_clock::time_point time;
  std::uint64_t receiver = 0;  ///< actor_ref::identity(), queue::identity()
  std::string receiver_name;
  std::uint64_t sender = 0;
  std::string sender_name;
  std::uint64_t sender_incarnation = 0;
  std::uint64_t message = 0;  ///< message_id
  std::string message_name;
  bool request = false;  ///< it was asked, not told
  reason why = reason::quarantined;
  std::string text;       ///< why, in a sentence
  unsigned attempts = 0;  ///< how often a handler was started with it; 254 and 255 mean "many"
  /// The deaths that it was in flight in, the oldest first; of more than 8 the last ones.
  std::vector<letter_death> deaths;
  std::uint64_t bytes = 0;  ///< of its body; for a broken lane what lies in it
  std::uint64_t kept = 0;   ///< of its body: 64 KiB, or all of it if that lay in the lane and the memory allows
  std::vector<std::uint64_t> payloads;  ///< bytes of each; body and payloads of more than 64 KiB are not kept together
  bool payloads_kept = true;
  bool enclosed = false;  ///< it handed over the end of a pipe or a queue; that is gone

  /// Why replay() and as<M>() cannot be; empty: they can.
  std::string incomplete() const;
  template <class M>
  bool is() const noexcept {
    return message == reply_id<M>();
  }
};

/// A letter with its bytes. Payloads of what as<M>() returns lie in it: they live as long as the letter.
class opened_letter : public dead_letter {
 public:
  std::vector<std::byte> body;                           ///< `kept` bytes
  std::vector<std::vector<std::byte>> payload_contents;  ///< empty unless payloads_kept

  /// The message. Throws error: not_allowed (it is no M, or not all of it was kept: incomplete()), corrupt.
  template <class M>
  M as() const {
    detail::require_serializable<M>();
    require(reply_id<M>(), detail::own_or_type_name<M>());
    contents along(*this);
    detail::reader from(body.data(), body.size(), &along);
    return decode<M>(from);
  }

 private:
  class contents final : public detail::attachments {
   public:
    explicit contents(const opened_letter& of) noexcept : of_(of) {}
    std::uint32_t attach(std::shared_ptr<const detail::outbox_block>) override { return 0; }
    std::span<const std::byte> attached(std::uint32_t index) override;

   private:
    const opened_letter& of_;
  };
  void require(std::uint64_t wanted, std::string_view name) const;
};

/// Letters since the program's start: total = kept + evicted + purged.
struct dead_letter_counts {
  std::uint64_t total = 0;
  std::uint64_t kept = 0;     ///< those that list() shows
  std::uint64_t evicted = 0;  ///< those that had to make room for newer ones
  std::uint64_t purged = 0;   ///< by purge, or by replay
};

namespace detail {

std::vector<dead_letter> list_letters(std::uint64_t receiver);
std::optional<opened_letter> read_letter(std::uint64_t number);
bool replay_letter(std::uint64_t number, time_point until);
std::uint64_t purge_letters(std::uint64_t number, std::uint64_t receiver);
dead_letter_counts count_letters();

}  // namespace detail

/// The program's dead letters, as main (`system::dead_letters()`) and every actor (`self().dead_letters()`) sees them.
/// They lie in memory of the supervisor: they outlive receivers and senders, and end with the program. Any thread.
/// What a receiver that has ended had not handled becomes letters as soon as each sender has heard of the end; one that is
/// in the middle of a long handler hears of it when it waits or has returned.
/// Each function throws error(errc::not_allowed) outside troupe::run, and errc::corrupt if the memory is not what it
/// should be.
class dead_letters {
 public:
  /// All that are kept, the oldest first, without their bytes.
  std::vector<dead_letter> list() const { return detail::list_letters(0); }
  /// Those to one receiver: an actor_ref or a queue.
  template <class Receiver>
    requires requires(const Receiver& receiver) { receiver.identity(); }
  std::vector<dead_letter> list(const Receiver& receiver) const {
    return receiver ? detail::list_letters(receiver.identity()) : std::vector<dead_letter>{};
  }
  /// One with its bytes. Nothing: there is none of this number (any more).
  std::optional<opened_letter> read(std::uint64_t number) const { return detail::read_letter(number); }

  /// Tells the message again, the same bytes, to its receiver: behind everything that this process has told it, and
  /// with this process as the sender. What was asked is told: nobody gets the reply. Then the letter is purged; inside
  /// a turn both happen with the turn's end. Whoever dies in between leaves both, so a replay is at least once.
  /// False: there is no letter of this number (any more).
  /// Throws error: not_allowed (incomplete() says why); else as tell.
  bool replay(std::uint64_t number, std::chrono::nanoseconds patience = default_patience) const {
    return detail::replay_letter(number, detail::deadline_in(patience));
  }

  /// Takes one away. False: there is none.
  bool purge(std::uint64_t number) const { return number != 0 && detail::purge_letters(number, 0) > 0; }
  /// Takes all to one receiver away; returns how many.
  template <class Receiver>
    requires requires(const Receiver& receiver) { receiver.identity(); }
  std::uint64_t purge(const Receiver& receiver) const {
    return receiver ? detail::purge_letters(0, receiver.identity()) : 0;
  }
  std::uint64_t purge_all() const { return detail::purge_letters(0, 0); }

  dead_letter_counts count() const { return detail::count_letters(); }
};

}  // namespace troupe
