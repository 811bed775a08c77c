#pragma once

/// How an input becomes an image: two senders, the words of the mailbox, and who is dead.

#include <array>

#include "fuzz/targets/image.hpp"

namespace fuzz {

struct words_of_mailbox {
  std::uint64_t start[2];  ///< of the lanes, as the supervisor has agreed with their senders
  std::uint64_t head[2], mark[2];
  std::uint64_t judged[2];
  std::uint8_t dead[2], one_sender, has_pipe;
};

class mailbox_image {
 public:
  static mailbox_image& the() {
    static mailbox_image its;
    return its;
  }

  void fill(input& from) {
    words_ = from.take<words_of_mailbox>();
    its_ = {};
    its_.type = &reader_type;
    its_.checkpoint_bytes = checkpoint_limit;
    its_.cursor = memory_.map();
    memory_.page().base_present = 0;
    for (std::uint32_t i = 0; i < 2; ++i) {
      const std::uint64_t start = words_.start[i] % wire::last_start / 8 * 8;
      memory_.slots()[i].head = words_.head[i];
      memory_.slots()[i].mark = words_.mark[i];
      senders_[i]->fill(from, std::max(start, words_.head[i]));
      senders_[i]->peer()->dead = words_.dead[i] % 2 != 0;
      its_.judged[i] = words_.judged[i];
      add_lane(its_, i, *senders_[i], start);
    }
  }

  /// The mailbox with both lanes announced.
  channel::mailbox open() {
    channel::mailbox mail = memory_.open();
    for (std::uint32_t i = 0; i < 2; ++i) {
      const auto& lane = *its_.lanes[i];
      const wire::identity_id sender = words_.one_sender % 2 != 0 ? 100 : 100 + i;
      mail.add({1, sender, i + 1, lane.offset, lane.start, ring_bytes, i, 0, 0}, lane.memory, os::make_doorbell());
      if (words_.has_pipe % 2 != 0) mail.find(i)->reply_pipe = os::make_doorbell();
    }
    return mail;
  }

  std::size_t drain(std::size_t most) {
    channel::mailbox mail = open();
    return fuzz::drain(mail, senders_, most);
  }
  void supervise(bool quiet) {
    supervision::life dead;
    dead.of = &its_;
    dead.memory = senders_[0]->peer();
    fuzz::supervise(its_, dead, quiet);
  }

  const sender_memory& sender(std::size_t which) const { return *senders_[which]; }
  mailbox_memory& memory() { return memory_; }

 private:
  words_of_mailbox words_{};
  std::array<std::unique_ptr<sender_memory>, 2> senders_{std::make_unique<sender_memory>(),
                                                         std::make_unique<sender_memory>()};
  mailbox_memory memory_;
  supervision::identity its_;
};

/// Mailboxes as honest senders leave them, in the input's form.
inline std::vector<bytes> image_seeds() {
  constexpr auto text = again_message, once = dropped_message;
  const auto record = [](wire::record_kind kind, std::uint64_t message, std::uint64_t turn, std::uint32_t body) {
    output to;
    const std::uint32_t request = kind == wire::record_kind::request ? sizeof(wire::request_part) : 0;
    const auto size = static_cast<std::uint32_t>(sizeof(wire::record_header) + request + (body + 7) / 8 * 8);
    to.put(wire::record_header{size, kind, 0, 0, turn, message, body, 0});
    if (request > 0) to.put(wire::request_part{1, ~std::uint64_t{0}});
    to.put(std::span<const std::byte>(bytes((body + 7) / 8 * 8, std::byte{1})));
    return to.done();
  };
  const auto outside = [&](std::uint64_t offset, std::uint64_t length) {
    output to;
    to.put(wire::record_header{sizeof(wire::record_header) + sizeof(wire::block), wire::record_kind::tell,
                               wire::flag_body_in_outbox, 1, 0, text, 0, 0});
    return to.put(wire::block{offset, length}).done();
  };
  const auto pad = [](std::uint32_t size) { return output().put(size).put(std::uint32_t{1}).done(); };
  const auto one = [&](std::uint64_t head, unsigned attempts, std::uint64_t turn, const std::vector<bytes>& records) {
    words_of_mailbox words{};
    words.start[0] = words.head[0] = head;
    words.mark[0] = attempts == 0 ? 0 : wire::mark_of(head, attempts);
    words.has_pipe = 1;
    sender_memory::words_of_sender sender{};
    sender.turn = turn;
    wire::commit_record commit{turn, head, 16, 0, 0, 0, {}};
    std::memcpy(sender.commits + (turn & 1) * sizeof commit, &commit, sizeof commit);
    output ring;
    for (const auto& each : records) ring.put(std::span<const std::byte>(each));
    sender.tail = sender.bytes = static_cast<std::uint16_t>(ring.done().size());
    return output().put(words).put(sender).put(std::span<const std::byte>(ring.done())).done();
  };
  using kind = wire::record_kind;
  return {one(0, 0, 0, {record(kind::tell, text, 0, 9), record(kind::request, once, 0, 4), record(kind::tell, text, 0, 64)}),
          one(64, 2, 3, {record(kind::tell, text, 3, 9), record(kind::tell, text, 4, 9), record(kind::tell, text, 0, 1)}),
          one(ring_bytes - 40, 3, 1, {record(kind::tell, text, 0, 8), record(kind::tell, once, 0, 4)}),
          one(ring_bytes - 16, 0, 0, {pad(16), record(kind::request, once, 0, 4)}),
          one(8, 1, 2, {outside(wire::out_lanes_end + page, 100), outside(wire::out_memory_bytes - 8, 8), outside(8, 8)}),
          one(0, 255, 0, {record(kind::tell, text, 0, 2048 - 32), record(kind::tell, text, 0, 2048 - 32)})};
}

}  // namespace fuzz
