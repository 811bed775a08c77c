#include "worker/turn.hpp"

#include <algorithm>

#include "wire/checksum.hpp"

namespace troupe::worker {

turn::turn(const detail::actor_type& type, channel::endpoint& endpoint, os::mapping buffers, std::uint64_t limit)
    : type_(type), endpoint_(endpoint), buffers_(std::move(buffers)), limit_(limit) {}

bool turn::restore(actor& self, const wire::cursor_header& page) {
  if (page.base_present == 0 || !buffers_) return false;
  const std::byte* at = buffers_.data() + (page.base_buffer & 1) * limit_;
  if (page.base_length > limit_ || wire::checksum(at, page.base_length) != page.base_checksum) {
    throw error(errc::corrupt, "the checkpoint is damaged: it was written over by something else than its actor");
  }
  detail::reader from(at, page.base_length);
  type_.load(self, from);
  next_buffer_ = 1 - (page.base_buffer & 1);
  return true;
}

void turn::write_checkpoint(actor& self, wire::commit_record& into) {
  std::byte* at = buffers_.data() + next_buffer_ * limit_;
  detail::writer probe(at, real_[next_buffer_]);
  type_.save(self, probe);
  if (probe.size() > limit_) {
    throw error(errc::too_large, "the state takes " + std::to_string(probe.size()) + " bytes, its limit is " +
                                     std::to_string(limit_) + ": raise child_spec::checkpoint_bytes or keep less");
  }
  if (!probe.fits()) {
    // Pages are made real before they are written, so that lack of memory is an error here; twice as many as needed,
    // since states grow.
    const std::uint64_t wanted = std::min(limit_, std::max<std::uint64_t>(2 * probe.size(), 4096));
    buffers_.populate(next_buffer_ * limit_, wanted);
    real_[next_buffer_] = wanted;
    detail::writer again(at, wanted);
    type_.save(self, again);
  }
  into.buffer = next_buffer_;
  into.length = probe.size();
  into.checksum = wire::checksum(at, probe.size());
}

void turn::commit(actor& self, std::uint32_t slot, std::uint64_t head) {
  wire::out_header& out = endpoint_.out_header();
  const std::uint64_t number = out.turn.load(std::memory_order_relaxed) + 1;
  wire::commit_record record{};
  record.turn = number;
  record.head = head;
  record.slot = slot;
  record.buffer = wire::no_buffer;
  if (buffers_) write_checkpoint(self, record);
  out.commits[number & 1] = record;
  // SYNC turn: records, checkpoint and commit record, then turn. pairs with: peer_memory::turn()
  // seq_cst: the rings that follow read `sleeping`, and a receiver that goes to sleep reads this word after it.
  out.turn.store(number, std::memory_order_seq_cst);
  next_buffer_ = 1 - next_buffer_;
}

}  // namespace troupe::worker
