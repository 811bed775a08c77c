// Kills of the supervisor's own writes to the memory of the dead letters: keeping a letter, also where older ones make
// room for it, and purging one.

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>

#include "channel/letter_reader.hpp"
#include "crash/kstep/scene.hpp"
#include "supervision/letters.hpp"

namespace crash {

namespace {

using supervision::letters;
using numbers = std::vector<std::uint64_t>;

constexpr std::size_t small = 64;

struct post {
  std::uint64_t before = 0;  ///< letters that were kept before the operation
  std::size_t body = small;  ///< bytes of each
  std::uint32_t most = 100;  ///< letters
  bool purge = false;        ///< the operation purges the oldest one; else it keeps one more
};

std::vector<std::byte> body_of(std::uint64_t number, std::size_t size) {
  std::vector<std::byte> body(size);
  write_body(1, number, body);
  return body;
}

letters::result keep(letters& box, std::uint64_t number, std::size_t size) {
  const auto body = body_of(number, size);
  supervision::letter what;
  what.key = {7, 3, number};
  what.receiver_name = "receiver";
  what.sender_name = "sender";
  what.message_name = "message";
  what.why = "since its handler died";
  what.body = body;
  return box.append(what);
}

/// A memory with letters that readers and writers map for themselves.
class box_of_letters {
 public:
  explicit box_of_letters(const post& how)
      : size_(letters::memory_bytes({wire::min_letters_ring, how.most})),
        most_(how.most),
        memory_(os::make_memory("kstep-letters", size_)) {
    letters box = writer();
    for (std::uint64_t i = 1; i <= how.before; ++i) keep(box, i, how.body);
  }
  letters writer() const { return {os::mapping(memory_, size_, os::access::read_write), most_}; }
  os::mapping map() const { return {memory_, size_, os::access::read_only}; }
  channel::letter_reader reader() const { return channel::letter_reader(map()); }
  numbers seen() const {
    numbers all;
    for (const auto& each : reader().list(0)) all.push_back(each.number);
    return all;
  }

 private:
  std::uint64_t size_;
  std::uint32_t most_;
  os::fd memory_;
};

class keeping final : public scene {
 public:
  explicit keeping(const post& how) : how_(how), box_(how), seen_(box_.map()), before_(box_.seen()) {
    box_of_letters undisturbed(how);
    letters writer = undisturbed.writer();
    operate(writer);
    after_ = undisturbed.seen();
    std::set_intersection(before_.begin(), before_.end(), after_.begin(), after_.end(), std::back_inserter(between_));
  }

  life& begin() override {
    in.watch(seen_);
    return in.bear(in.add("control thread"));
  }
  std::function<void()> act() override {
    return [this] {
      letters writer = box_.writer();
      crash_begin_mark();
      operate(writer);
      the_ledger().told = 1;
      crash_end_mark();
    };
  }
  void meanwhile(complaints& wrong) override { look(wrong); }
  void after_stop(complaints& wrong) override {
    if (box_.seen() != after_) wrong.push_back("the operation has ended and left the letters " + list(box_.seen()));
  }
  void verify(complaints& wrong) override {
    look(wrong);
    if (the_ledger().told == 1 && box_.seen() != after_) {
      wrong.push_back("the operation has returned and left the letters " + list(box_.seen()) + " instead of " +
                      list(after_));
    }
    again(wrong);
  }

 private:
  void operate(letters& writer) const {
    if (how_.purge) {
      writer.erase(before_.front());
    } else {
      keep(writer, how_.before + 1, small);
    }
  }

  /// What a reader finds now: all of it, and only whole letters.
  void look(complaints& wrong) const {
    const numbers now = box_.seen();
    if (now != before_ && now != after_ && now != between_) {
      wrong.push_back("a reader finds the letters " + list(now) + ", of " + list(before_) + " before and " +
                      list(after_) + " after");
    }
    look_whole(wrong);
    const auto count = box_.reader().count();
    if (count.kept != now.size() || count.total != count.kept + count.evicted + count.purged) {
      wrong.push_back("the counts of the letters do not add up: " + std::to_string(count.total) + " in all, " +
                      std::to_string(count.kept) + " kept");
    }
  }

  void look_whole(complaints& wrong) const {
    const auto reader = box_.reader();
    for (const auto number : box_.seen()) {
      const auto letter = reader.read(number);
      const bool whole = letter && letter->body == body_of(number, number <= how_.before ? how_.body : small) && letter->receiver_name == "receiver" &&
                         letter->text == "since its handler died";
      if (!whole) wrong.push_back("a reader finds letter " + std::to_string(number) + " torn");
    }
  }

  /// Whoever writes next does the same again, and goes on.
  void again(complaints& wrong) const {
    letters writer = box_.writer();
    operate(writer);
    if (box_.seen() != after_) wrong.push_back("done again, there are the letters " + list(box_.seen()));
    const auto total = writer.count().total;
    if (!how_.purge && keep(writer, how_.before + 1, small) != letters::result::known) {
      wrong.push_back("the same letter is kept twice");
    }
    if (writer.count().total != total) wrong.push_back("the same letter is counted twice");
    for (std::uint64_t i = total + 1; i <= total + 2; ++i) {
      if (keep(writer, i, small) != letters::result::kept) wrong.push_back("no letter is kept now");
    }
    look_whole(wrong);
    const numbers now = box_.seen();
    if (now.empty() || now.back() != total + 2 || now.size() > how_.most) {
      wrong.push_back("after two more there are the letters " + list(now));
    }
  }

  post how_;
  box_of_letters box_;
  os::mapping seen_;
  numbers before_, after_, between_;
};

scene_maker maker(const post& how) {
  return [how] { return std::make_unique<keeping>(how); };
}

}  // namespace

void add_keeping(std::vector<operation>& to) {
  to.push_back({"keep the first dead letter", maker({})});
  to.push_back({"keep a dead letter beyond their number", maker({.before = 4, .most = 4})});
  // Four letters of nearly a quarter of the ring: behind them there is a pad, and the first makes room.
  to.push_back({"keep a dead letter over the ring's end", maker({.before = 4, .body = 16'200})});
  to.push_back({"purge a dead letter", maker({.before = 3, .purge = true})});
}

}  // namespace crash
