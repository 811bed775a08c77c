#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include <troupe/detail/bytes.hpp>
#include <troupe/detail/node.hpp>

namespace troupe {

/// A large body that is built and read in place: made with `self().payload(bytes)` (in main: `system::payload`), filled
/// through data(), sent as a field of a message. It is not copied on the way. The receiver reads bytes() until its
/// handler returns; what it wants to keep it copies.
///
/// Copies share the same bytes, so one payload can be sent to several actors. Write no more after the first send.
class payload {
 public:
  payload() noexcept = default;

  /// Sender: the bytes to be filled. Empty in a payload that was received.
  std::span<std::byte> data() noexcept {
    return block_ ? std::span<std::byte>(block_->data, size_) : std::span<std::byte>{};
  }
  std::span<const std::byte> bytes() const noexcept {
    return block_ ? std::span<const std::byte>(block_->data, size_) : received_;
  }
  std::size_t size() const noexcept { return bytes().size(); }
  std::vector<std::byte> copy() const { return {bytes().begin(), bytes().end()}; }

  explicit payload(std::shared_ptr<detail::outbox_block> block) noexcept
      : block_(std::move(block)), size_(block_->bytes) {}
  void troupe_encode(detail::writer& to) const {
    const bool present = size() > 0;
    to.bytes(&present, 1);
    if (!present) return;
    if (to.with() == nullptr) throw error(errc::not_allowed, "a payload travels in messages, not in replies or arguments");
    const bool can = block_ || to.with()->may_copy();
    const std::uint32_t index = can ? to.with()->attach(own_block(*to.with())) : 0;
    to.bytes(&index, sizeof index);
  }
  void troupe_decode(detail::reader& from) {
    unsigned char present = 0;
    from.bytes(&present, 1);
    if (present == 0) return;
    std::uint32_t index = 0;
    from.bytes(&index, sizeof index);
    if (from.with() == nullptr) throw error(errc::corrupt, "a payload where none can be");
    received_ = from.with()->attached(index);
  }

 private:
  /// One that was received lies in its sender's memory: to pass it on it is copied once.
  std::shared_ptr<const detail::outbox_block> own_block(detail::attachments& with) const {
    if (!block_) {
      block_ = detail::take_block(received_.size(), with.copy_until());
      std::memcpy(block_->data, received_.data(), received_.size());
      size_ = received_.size();
    }
    return block_;
  }

  mutable std::shared_ptr<detail::outbox_block> block_;
  mutable std::size_t size_ = 0;
  std::span<const std::byte> received_;
};

}  // namespace troupe
