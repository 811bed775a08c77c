#pragma once

#include <cstdint>

#include <troupe/actor.hpp>
#include <troupe/detail/actor_type.hpp>

#include "channel/endpoint.hpp"
#include "os/memory.hpp"
#include "wire/memory.hpp"

namespace troupe::worker {

/// The commit of a turn: state, head and everything told become true by one store, of the word `turn` in this
/// incarnation's out-memory. Killed before that store nothing of the turn has happened; killed after it the supervisor
/// finishes what is missing from the commit record.
///
/// Steps: (1) checkpoint into the buffer that the last commit does not name; (2) commit record into slot turn & 1;
/// (3) turn.store. The caller then stores the head (4) and announces (5).
class turn {
 public:
  /// `buffers`: both checkpoint buffers, each of `limit` bytes; empty for an actor without state.
  turn(const detail::actor_type& type, channel::endpoint& endpoint, os::mapping buffers, std::uint64_t limit);

  /// Loads the state that `base` names, if any. False: there is none. Throws error(errc::corrupt).
  bool restore(actor& self, const wire::cursor_header& page);
  void begin() { endpoint_.begin_turn(); }
  /// Steps 1 to 3. `slot`: of the lane whose record was handled, which ends at `head`; wire::no_slot without one.
  /// Throws error(errc::too_large) if the state exceeds its limit; nothing is committed then.
  void commit(actor& self, std::uint32_t slot, std::uint64_t head);

 private:
  void write_checkpoint(actor& self, wire::commit_record& into);

  const detail::actor_type& type_;
  channel::endpoint& endpoint_;
  os::mapping buffers_;
  std::uint64_t limit_;
  std::uint32_t next_buffer_ = 0;
  std::uint64_t real_[2] = {0, 0};  // bytes of each buffer whose pages are real
};

}  // namespace troupe::worker
