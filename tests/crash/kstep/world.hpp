#pragma once

/// The memories of a few actors, and the supervisor's part in their lives: what the control thread does at a birth, at
/// a connect and after a death, in its order, with the shipped code for everything that reads or writes shared memory.
/// The workers themselves are real ones (detail::worker_main); no supervisor process, no spawner, no threads.

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <troupe/detail/actor_type.hpp>
#include <troupe/detail/runtime.hpp>

#include "channel/frames.hpp"
#include "channel/mailbox.hpp"
#include "supervision/judge.hpp"
#include "supervision/world.hpp"

namespace crash {

namespace channel = troupe::channel;
namespace os = troupe::os;
namespace supervision = troupe::supervision;
namespace wire = troupe::wire;
using supervision::identity;
using supervision::in_lane;
using supervision::life;

inline constexpr std::uint32_t ring_bytes = 1U << wire::min_ring_log2;

/// A mailbox that this process reads as its next owner.
class reader {
 public:
  reader(identity& of, std::vector<std::unique_ptr<in_lane>>& lanes);
  void add(const in_lane& lane);
  void final(std::uint32_t slot);
  channel::mailbox mail;

 private:
  identity& of_;
};

class world {
 public:
  /// The types that workers are of.
  explicit world(std::span<const troupe::detail::actor_type* const> types) : types_(types) {}

  /// An actor without a process. Without a type it is a mailbox that this process reads.
  identity& add(const std::string& name, const troupe::detail::actor_type* type = nullptr,
                const std::vector<std::byte>& arguments = {});
  /// What the actor's next process is made with.
  void give_arguments(identity& of, const std::vector<std::byte>& arguments);
  /// A new incarnation: its memory and its control socket.
  life& bear(identity& of);
  /// A worker's start: queues boot, lanes and go. The worker's main is worker_main(its control socket).
  void boot(life& who);
  /// Takes in what it has said, and answers.
  void serve(life& who);
  /// A lane from `who`, whose header lies at `offset` of its out-memory.
  in_lane& connect(life& who, identity& to, std::uint64_t offset, std::uint32_t ring);
  /// Tells the mailbox's present owner of it.
  void announce(identity& to, in_lane& lane);
  /// What the control thread does when a process has died.
  std::vector<supervision::judged_record> bury(life& who);

  /// A drained lane's slot is free again, as when the receiver has said so.
  void drained(identity& of, std::uint32_t slot);

  /// This process reads the mailbox from now on.
  reader& open(identity& of);
  /// It reads it no more: as a death with nothing in flight.
  void shut(identity& of);
  reader& reader_at(identity& of) { return *readers_.at(of.id); }
  /// The worker's end of its control socket, for its process.
  int socket_of(const life& who) const { return theirs_.at(who.id).get(); }
  bool nothing_there(const life& who) const;
  std::span<const troupe::detail::actor_type* const> types() const { return types_; }

  /// A memory that others can see, too; it outlives this world.
  void watch(const os::mapping& memory) { watched_.push_back(&memory); }
  /// Of a lane, as its sender has written it.
  std::uint32_t hint(const identity& of, std::uint32_t slot) const;
  /// Whether the words that other processes can see have changed since this was last asked.
  bool changed();
  /// What a recovery may change in the cursor page: its first slots, and the checkpoint that is named there.
  static std::vector<std::byte> cursor_image(const identity& of);

  const os::mapping& checkpoints(const identity& of) const { return checkpoints_.at(of.id); }
  /// The memories that a burial looks at become visible in a child that this process forks.
  void share_with_child();

  identity& by_id(wire::identity_id id) { return *identities_.at(id); }

 private:
  void take_frame(life& who, channel::incoming& frame);
  void answer_connect(life& who, const wire::connect& wanted);
  void finish_lanes_of(const life& dead);
  template <class Body>
  void send(life& to, wire::frame type, const Body& body, std::string_view text = {},
            const std::vector<std::shared_ptr<os::fd>>& fds = {}) {
    send_packed(to, channel::pack(type, body, text), fds);
  }
  void send_packed(life& to, const std::vector<std::byte>& packed, const std::vector<std::shared_ptr<os::fd>>& fds);

  std::span<const troupe::detail::actor_type* const> types_;
  std::uint64_t next_number_ = 1;
  std::map<wire::identity_id, std::unique_ptr<identity>> identities_;
  std::map<wire::incarnation_id, std::unique_ptr<life>> lives_;
  std::map<wire::incarnation_id, os::fd> theirs_;
  std::map<wire::identity_id, std::unique_ptr<reader>> readers_;
  std::map<wire::identity_id, os::mapping> hints_;
  std::map<wire::identity_id, os::mapping> checkpoints_;
  std::vector<const os::mapping*> watched_;
  std::vector<std::byte> seen_;
};

/// A sender that is no process: this program writes its lane.
class hand {
 public:
  /// A lane to `to` from a new incarnation of `from`.
  hand(world& in, identity& from, identity& to);
  /// For a receiver that runs already.
  void announce();
  /// False: no room.
  bool tell(const troupe::detail::outgoing& what);
  /// Says that it waits for room.
  void want_room() { writer_.want_room(true); }
  std::uint64_t used() { return writer_.tail() - writer_.head(); }
  life& who;

 private:
  os::mapping out_, hints_;
  world& in_;
  identity& to_;
  in_lane& lane_;
  channel::lane_writer writer_;
};

}  // namespace crash
