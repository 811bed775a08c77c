// Kills of a receiver: from inside one handler over finish, next, start and the next handlers to its sleep; while a
// lane arrives; while it takes over from a dead sender's lane to its successor's.

#include <algorithm>
#include <cstring>

#include "crash/kstep/scene.hpp"

namespace crash {

namespace {

/// What every receiving scene shares: a collector, and what must hold of one sender's messages after its death.
class receiving : public scene {
 protected:
  life& boot_collector(const window& what) {
    in.give_arguments(*receiver_, arguments_of<collector>(what));
    life& who = in.bear(*receiver_);
    in.boot(who);
    return who;
  }

  /// Messages 1 to `last` were told. `keeps`: what dies in a handler is handled again.
  void check_after_death(std::uint64_t last, bool keeps, complaints& wrong) {
    const auto& book = the_ledger();
    const std::uint32_t started = book.started;
    for (std::uint32_t i = 0; i < started; ++i) {
      const auto& each = book.handled[i];
      if (each.number != i + 1)
        wrong.push_back("message " + std::to_string(each.number) + " was handled as number " + std::to_string(i + 1));
      if (each.intact == 0) wrong.push_back("message " + std::to_string(each.number) + " came with other bytes");
      if (each.attempt != 1)
        wrong.push_back("message " + std::to_string(each.number) + " was handled at attempt " +
                        std::to_string(each.attempt) + " without a death");
    }
    const bool inside = started > 0 && book.handled[started - 1].done == 0;
    if (judged.size() > 1) wrong.push_back("more than one message was judged to be in flight");
    if (inside && judged.empty() && !recovered) wrong.push_back("the death inside a handler was charged to no message");
    if (!judged.empty() && judged[0].attempts != 1)
      wrong.push_back("the first death counts as attempt " + std::to_string(judged[0].attempts));
    if (!supervision::judge(*receiver_).empty()) wrong.push_back("judged again, the same death counts again");
    in.open(*receiver_);
    check_first(wrong);
    const auto left = take_all(in, *receiver_, wrong);
    std::uint64_t due = left.empty() ? last + 1 : left.front();
    const bool dropped = !keeps && (!judged.empty() || recovered);
    const std::uint64_t done = inside ? started - 1 : started;
    if (due > done + 1 + (dropped ? 1 : 0))
      wrong.push_back("lost: " + std::to_string(done) + " were handled, then comes " + list(left));
    if (due < started + (dropped && inside ? 1 : 0))
      wrong.push_back("acknowledged messages come again: " + std::to_string(started) + " were started, then comes " +
                      list(left));
    if (due == started && started > 0 && judged.empty() && !recovered)
      wrong.push_back("message " + std::to_string(due) + " comes again, but its first attempt is not counted");
    if (keeps && inside && due != started) wrong.push_back("the message in hand does not come again");
    for (const auto number : left) {
      if (number != due++) wrong.push_back("the order is broken: " + list(left));
    }
    if (due != last + 1) wrong.push_back("messages are lost at the end: " + list(left) + " of " + std::to_string(last));
  }

  /// The first message that comes is the one that was judged, and it counts on.
  void check_first(complaints& wrong) {
    auto& mail = in.reader_at(*receiver_).mail;
    channel::record record;
    channel::inbound* lane = mail.next(record);
    if (lane == nullptr) return;
    const bool again = !judged.empty() && judged[0].what == supervision::judged_record::fate::redeliver;
    if (again && (judged[0].slot != lane->slot || judged[0].position != record.position)) {
      wrong.push_back("another message was judged than the one that comes first");
    }
    const unsigned attempt = mail.start(*lane, record);
    if (attempt != (again ? 2U : 1U)) {
      wrong.push_back("the message that comes first is at attempt " + std::to_string(attempt) + " instead of " +
                      (again ? "2" : "1"));
    }
  }

  identity* sender_ = &in.add("sender");
  identity* receiver_ = &in.add("receiver", &troupe::detail::type_of<collector>(), arguments_of<collector>(window{}));
};

template <class M>
bool tell(hand& from, identity& sender, std::uint64_t number, std::size_t size) {
  return from.tell(outgoing_of(M(sender.id, number, size)));
}

/// Some messages from one sender, of which the first lies before the operation.
template <class M>
class taking final : public receiving {
 public:
  taking(std::uint64_t count, std::size_t size, std::uint64_t start = 0) : count_(count), size_(size) {
    receiver_->slot(0).head = start;
  }

  life& begin() override {
    hand_ = std::make_unique<hand>(in, *sender_, *receiver_);
    for (std::uint64_t i = 1; i <= count_; ++i) tell<M>(*hand_, *sender_, i, size_);
    return boot_collector({.from = sender_->id, .begin = 1});
  }
  void meanwhile(complaints& wrong) override {
    if (!tell<M>(*hand_, *sender_, ++count_, size_))
      wrong.push_back("a stopped receiver with an empty lane keeps its sender out");
  }
  void after_stop(complaints& wrong) override {
    if (the_ledger().started != count_) {
      wrong.push_back("the receiver went to sleep over a message that was told while it stood still: it handled " +
                      std::to_string(the_ledger().started) + " of " + std::to_string(count_));
    }
  }
  void verify(complaints& wrong) override {
    constexpr bool keeps = !std::is_same_v<M, fragile> && !std::is_same_v<M, poison>;
    check_after_death(count_, keeps, wrong);
    if (!judged.empty()) {
      using fate = supervision::judged_record::fate;
      const fate due = keeps ? fate::redeliver : std::is_same_v<M, fragile> ? fate::dropped : fate::quarantined;
      if (judged[0].what != due) wrong.push_back("the message in flight has another fate than its type says");
    }
  }

 private:
  std::uint64_t count_;
  std::size_t size_;
  std::unique_ptr<hand> hand_;
};

/// A sender that waits for room in a full lane is rung when there is some.
class making_room final : public receiving {
 public:
  life& begin() override {
    hand_ = std::make_unique<hand>(in, *sender_, *receiver_);
    while (tell<parcel>(*hand_, *sender_, count_ + 1, 24)) ++count_;
    hand_->want_room();
    return boot_collector({.from = sender_->id, .begin = count_ / 2 - 1, .end = count_ / 2 + 3});
  }
  void after_stop(complaints& wrong) override { check_rung(wrong, "by the receiver that made it"); }
  void verify(complaints& wrong) override {
    check_rung(wrong, "after the receiver's death");
    check_after_death(count_, true, wrong);
  }

 private:
  void check_rung(complaints& wrong, const std::string& by) {
    const std::uint64_t used = hand_->used();
    if (used <= ring_bytes / 2 && !rung(*sender_->doorbell))
      wrong.push_back("the sender waits for room, has it, and was not woken " + by);
  }
  std::uint64_t count_ = 0;
  std::unique_ptr<hand> hand_;
};

/// A sender that dies, then its receiver.
class telling_and_taking final : public receiving {
 public:
  life& begin() override {
    script what{.before = 1, .inside = 2};
    what.to[0] = receiver_->id;
    sender_ = &in.add("teller", &troupe::detail::type_of<teller>(), arguments_of<teller>(what));
    life& who = in.bear(*sender_);
    in.boot(who);
    return who;
  }
  life* second() override { return &boot_collector({.from = sender_->id, .begin = 1}); }
  void verify(complaints& wrong) override {
    const auto& book = the_ledger();
    const std::uint64_t least = 1 + book.told;
    std::uint64_t last = least;
    for (auto& lane : receiver_->lanes) {
      auto reader = supervision::reader_of(*receiver_, *lane);
      channel::record record;
      for (; reader.peek(record) == channel::lane_reader::state::ready; reader.advance(record)) {
        std::memcpy(&last, record.body.data() + sizeof last, sizeof last);
      }
    }
    if (book.started > 0) last = std::max(last, book.handled[book.started - 1].number);
    if (last > least + 1) wrong.push_back("more was told than there was to tell");
    check_after_death(last, true, wrong);
  }
};

/// The lane of a second sender arrives while the receiver is at work.
class attaching final : public receiving {
 public:
  life& begin() override {
    first_ = std::make_unique<hand>(in, *sender_, *receiver_);
    for (std::uint64_t i = 1; i <= 2; ++i) tell<parcel>(*first_, *sender_, i, 24);
    return boot_collector({.from = sender_->id, .begin = 1});
  }
  void at_begin() override {
    second_ = std::make_unique<hand>(in, *other_, *receiver_);
    second_->announce();
    for (std::uint64_t i = 3; i <= 4; ++i) tell<parcel>(*second_, *other_, i, 24);
  }
  void after_stop(complaints& wrong) override {
    if (the_ledger().started != 4) wrong.push_back("the receiver sleeps over the new sender's messages");
  }
  void verify(complaints& wrong) override { check_after_death(4, true, wrong); }

 private:
  identity* other_ = &in.add("other");
  std::unique_ptr<hand> first_, second_;
};

/// Two incarnations of a sender: the old lane comes first, is drained and freed, its slot is used again.
class taking_over final : public receiving {
 public:
  life& begin() override {
    old_ = std::make_unique<hand>(in, *sender_, *receiver_);
    for (std::uint64_t i = 1; i <= 2; ++i) tell<parcel>(*old_, *sender_, i, 24);
    in.bury(old_->who);
    new_ = std::make_unique<hand>(in, *sender_, *receiver_);
    for (std::uint64_t i = 3; i <= 4; ++i) tell<parcel>(*new_, *sender_, i, 24);
    return boot_collector({.from = sender_->id, .begin = 1});
  }
  void after_stop(complaints& wrong) override {
    if (the_ledger().started != 4) wrong.push_back("the receiver sleeps over the successor's messages");
  }
  void verify(complaints& wrong) override {
    check_after_death(4, true, wrong);
    if (receiver_->lanes.size() != 1 || receiver_->free_slots.size() != 1) {
      wrong.push_back("the dead sender's lane is drained, but its slot is not free");
      return;
    }
    in.bury(new_->who);
    take_all(in, *receiver_, wrong);
    hand third(in, *sender_, *receiver_);
    third.announce();
    if (!tell<parcel>(third, *sender_, 5, 24)) wrong.push_back("a lane in a slot that was used before takes nothing");
    const auto got = take_all(in, *receiver_, wrong);
    if (got != std::vector<std::uint64_t>{5})
      wrong.push_back("of a lane in a slot that was used before comes " + list(got) + " instead of 5");
    once_more(third, wrong);
  }

 private:
  /// The same slot again: what its words say of its last lane's first message says nothing of this one's.
  void once_more(hand& third, complaints& wrong) {
    in.bury(third.who);
    take_all(in, *receiver_, wrong);
    hand fourth(in, *sender_, *receiver_);
    fourth.announce();
    tell<parcel>(fourth, *sender_, 6, 24);
    if (!supervision::judge(*receiver_).empty())
      wrong.push_back("a message that nobody has started is judged to have been in flight");
    const auto got = take_all(in, *receiver_, wrong);
    if (got != std::vector<std::uint64_t>{6}) wrong.push_back("of the fourth lane comes " + list(got) + " instead of 6");
  }

  std::unique_ptr<hand> old_, new_;
};

template <class Scene, class... Arguments>
scene_maker maker(Arguments... arguments) {
  return [=] { return std::make_unique<Scene>(arguments...); };
}

}  // namespace

void add_receiving(std::vector<operation>& to) {
  to.push_back({"handle messages", maker<taking<parcel>>(std::uint64_t{2}, std::size_t{24}), false, true});
  to.push_back(
      {"handle messages that are dropped", maker<taking<fragile>>(std::uint64_t{2}, std::size_t{24}), false, true});
  to.push_back(
      {"handle messages with one attempt", maker<taking<poison>>(std::uint64_t{2}, std::size_t{24}), false, true});
  // The second lies behind a pad, and a mark has no room for the highest byte of its position.
  constexpr std::uint64_t beyond_marks = std::uint64_t{1} << 56;
  to.push_back({"handle messages over the ring's end",
                maker<taking<parcel>>(std::uint64_t{2}, std::size_t{24}, beyond_marks - 72 - 64), false, true});
  to.push_back({"tell, then handle", maker<telling_and_taking>(), true});
  to.push_back({"make room", maker<making_room>()});
  to.push_back({"a lane arrives", maker<attaching>()});
  to.push_back({"take over a dead sender's lane", maker<taking_over>()});
}

}  // namespace crash
