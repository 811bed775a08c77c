// Kills inside a tell: on an empty, half full, wrapping and full lane, with bodies in the outbox, and at the first
// tell, which makes the lane.

#include <algorithm>

#include "crash/kstep/scene.hpp"

namespace crash {

namespace {

struct tells {
  script what;
  std::uint32_t receivers = 1;
  bool drained = true;           ///< the receiver has taken everything before the operation, and sleeps
  std::uint32_t makes_room = 0;  ///< takes so many when the sender waits
  std::uint64_t start = 0;       ///< the first position of the lanes
};

constexpr std::size_t small_record = 72;  // a parcel of 24 bytes

class telling final : public scene {
 public:
  explicit telling(const tells& how) : how_(how) {}

  life& begin() override {
    for (std::uint32_t i = 0; i < how_.receivers; ++i) {
      to_.push_back(&in.add("receiver " + std::to_string(i + 1)));
      to_.back()->slot(0).head = how_.start;
      in.open(*to_.back());
      how_.what.to[i] = to_.back()->id;
    }
    sender_ = &in.add("sender", &troupe::detail::type_of<teller>(), arguments_of<teller>(how_.what));
    life& who = in.bear(*sender_);
    in.boot(who);
    next_.assign(how_.receivers, 1);
    return who;
  }

  void at_begin() override {
    complaints ignored;
    for (std::size_t i = 0; i < to_.size(); ++i) {
      if (!how_.drained) continue;
      advance(i, ignored);
      go_to_sleep(in, *to_[i]);
    }
  }

  /// The sender waits for room: its receiver takes some, and must ring.
  bool wake() override {
    if (how_.makes_room == 0) return false;
    complaints ignored;
    for (std::uint32_t taken = 0; taken < how_.makes_room; ++taken) take_one();
    how_.makes_room = 0;
    return true;
  }

  void meanwhile(complaints& wrong) override {
    for (std::size_t i = 0; i < to_.size(); ++i) {
      if (!rung(*to_[i]->doorbell) && how_.drained) continue;
      in.reader_at(*to_[i]).mail.woke();
      advance(i, wrong);
      go_to_sleep(in, *to_[i]);
    }
  }

  life* bystander() override {
    if (!how_.drained) return nullptr;
    identity& other = in.add("bystander", &troupe::detail::type_of<teller>(), arguments_of<teller>(how_.what));
    life& who = in.bear(other);
    in.boot(who);
    return &who;
  }

  void after_stop(complaints& wrong) override {
    if (the_ledger().told != how_.what.inside * to_.size()) wrong.push_back("the sender sleeps for ever in its tell");
    nobody_sleeps_over_mail(wrong, "by its sender");
    for (const identity* each : to_) {
      for (const auto& lane : each->lanes) {
        const auto tail = static_cast<std::uint32_t>(supervision::reader_of(*each, *lane).tail());
        if (in.hint(*each, lane->slot) != tail)
          wrong.push_back("the hint does not name the tail, so a receiver with many lanes overlooks this one");
      }
    }
  }

  void verify(complaints& wrong) override {
    nobody_sleeps_over_mail(wrong, "by the supervisor after the death of its sender");
    const std::uint32_t told = the_ledger().told;
    for (std::size_t i = 0; i < to_.size(); ++i) {
      in.reader_at(*to_[i]).mail.woke();
      advance(i, wrong);
      const std::uint64_t had = next_[i] - 1;
      // One that had not returned may be there or not.
      const std::uint64_t whole = how_.what.before + (told + to_.size() - 1 - i) / to_.size();
      const std::uint64_t next = told % to_.size() == i && killed ? whole + 1 : whole;
      if (had < whole)
        wrong.push_back("committed messages are lost: " + std::to_string(whole) + " were told, " + std::to_string(had) +
                        " came");
      if (had > next)
        wrong.push_back("more messages came than were told: " + std::to_string(had) + " instead of " +
                        std::to_string(next));
      if (!to_[i]->lanes.empty()) wrong.push_back("the dead sender's lane is drained, but its slot is not free");
      successor(i, wrong);
    }
  }

 private:
  void take_one() {
    auto& mail = in.reader_at(*to_[0]).mail;
    channel::record record;
    channel::inbound* lane = mail.next(record);
    if (lane == nullptr) return;
    mail.start(*lane, record);
    mail.finish(*lane, record);
    ++next_[0];
  }

  /// Takes what is there: it must go on where it stopped.
  void advance(std::size_t i, complaints& wrong) {
    const auto got = take_all(in, *to_[i], wrong);
    for (const auto number : got) {
      if (number != next_[i]) {
        wrong.push_back("message " + std::to_string(number) + " came where " + std::to_string(next_[i]) +
                        " was due; at once: " + list(got));
      }
      next_[i] = number + 1;
    }
  }

  void nobody_sleeps_over_mail(complaints& wrong, const std::string& by) {
    for (identity* each : to_) {
      const bool sleeps = each->cursor.at<wire::cursor_header>()->sleeping != 0;
      if (sleeps && !rung(*each->doorbell) && in.reader_at(*each).mail.anything()) {
        wrong.push_back(each->name + " sleeps, has a message and was not woken " + by);
      }
    }
  }

  /// The sender's next incarnation finds a whole lane, and the receiver wakes for it.
  void successor(std::size_t i, complaints& wrong) {
    go_to_sleep(in, *to_[i]);
    hand next(in, *sender_, *to_[i]);
    next.announce();
    const std::uint64_t first = next_[i];
    while (next.tell(outgoing_of(parcel(sender_->id, next_[i], 24))) && next_[i] < first + 200) ++next_[i];
    const std::uint64_t fitted = next_[i] - first;
    next_[i] = first;
    if (fitted + 1 < ring_bytes / small_record || fitted > ring_bytes / small_record) {
      wrong.push_back("the successor's lane takes " + std::to_string(fitted) + " messages instead of " +
                      std::to_string(ring_bytes / small_record));
    }
    nobody_sleeps_over_mail(wrong, "by its sender's successor");
    in.reader_at(*to_[i]).mail.woke();
    advance(i, wrong);
    if (next_[i] != first + fitted) wrong.push_back("messages of the successor are lost");
    if (!next.tell(outgoing_of(parcel(sender_->id, next_[i], 24)))) wrong.push_back("the successor's lane stays full");
    next_[i] = first + fitted;
  }

  tells how_;
  std::vector<identity*> to_;
  identity* sender_ = nullptr;
  std::vector<std::uint64_t> next_;  // number that is due, by receiver
};

scene_maker maker(const tells& how) {
  return [how] { return std::make_unique<telling>(how); };
}

}  // namespace

void add_sending(std::vector<operation>& to) {
  using way = script::way;
  const auto add = [&](const char* name, const tells& how) { to.push_back({name, maker(how), false, true}); };
  add("tell on an empty lane", {.what = {.before = 3, .inside = 1}});
  add("tell behind unread messages", {.what = {.before = 5, .inside = 2}, .drained = false});
  // 56 records of 72 bytes leave 64 of the ring.
  add("tell over the ring's end", {.what = {.before = 56, .inside = 1}});
  add("tell on a full lane", {.what = {.before = 56, .inside = 1}, .drained = false, .makes_room = 40});
  constexpr std::uint64_t four_gib = std::uint64_t{1} << 32;
  // The last record needs 72 bytes and finds 64, with the ring's end far away.
  add("tell on a lane that lacks eight bytes",
      {.what = {.before = 56, .inside = 1}, .drained = false, .makes_room = 40, .start = four_gib + 64});
  // Records of 64 bytes: the first fills the lane to its last byte.
  add("tell on a lane that is full to its last byte",
      {.what = {.before = 63, .inside = 2, .size = 16}, .drained = false, .makes_room = 40});
  // Behind a pad of 8 bytes.
  add("tell where the tail's upper half changes", {.what = {.before = 1, .inside = 1}, .start = four_gib - 80});
  add("tell with its body in the outbox", {.what = {.before = 1, .inside = 1, .how = way::outbox}});
  add("tell of a payload", {.what = {.before = 1, .inside = 1, .how = way::payload}});
  add("first tell", {.what = {.before = 0, .inside = 1}});
  add("tell to three", {.what = {.before = 1, .inside = 1}, .receivers = 3});
}

}  // namespace crash
