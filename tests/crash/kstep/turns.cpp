// Kills of an actor that works in turns: its state, its place in the mailbox and what it has told change together.

#include <cstring>
#include <stdexcept>

#include "crash/kstep/scene.hpp"
#include "wire/checksum.hpp"

namespace crash {

namespace {

/// Where the victim is killed: among its messages, or from its birth, with an earlier incarnation's state, to its sleep.
enum class killed_in : std::uint8_t { handlers, start };

/// `M`: what it is told; poison is kept out of the state if its handler dies.
template <class M>
class adding final : public scene {
 public:
  explicit adding(std::size_t receivers, killed_in where = killed_in::handlers) : where_(where) {
    for (std::size_t i = 0; i < receivers; ++i) to_.push_back(&in.add("receiver " + std::to_string(i + 1)));
  }

  life& begin() override {
    hand_ = std::make_unique<hand>(in, *sender_, *adder_);
    for (std::uint64_t i = 1; i <= told_; ++i) tell(i);
    for (identity* each : to_) in.open(*each);
    if (where_ == killed_in::handlers) return boot(2);  // the first message connects
    live_and_die();
    tell(++told_);
    return boot(window::birth);
  }
  void at_begin() override {
    complaints ignored;
    for (std::size_t i = 0; i < to_.size(); ++i) {
      take(i, ignored);
      go_to_sleep(in, *to_[i]);
    }
  }
  void meanwhile(complaints& wrong) override {
    if (!tell(++told_)) wrong.push_back("a stopped receiver keeps its sender out");
    for (std::size_t i = 0; i < to_.size(); ++i) {
      if (!rung(*to_[i]->doorbell)) continue;
      in.reader_at(*to_[i]).mail.woke();
      take(i, wrong);
      go_to_sleep(in, *to_[i]);
    }
  }
  void after_stop(complaints& wrong) override {
    const std::uint64_t before = where_ == killed_in::start ? first_life : 0;
    if (the_ledger().started != told_ - before)
      wrong.push_back("the receiver went to sleep over a message that was told while it stood still");
    nobody_sleeps_over_mail(wrong, "by its sender");
  }

  life* second() override { return &boot(window::first); }

  void verify(complaints& wrong) override {
    nobody_sleeps_over_mail(wrong, "after the death of its sender");
    const std::uint64_t count = committed(wrong);
    for (std::size_t i = 0; i < to_.size(); ++i) {
      in.reader_at(*to_[i]).mail.woke();
      take(i, wrong);
      if (got_[i] != count) {
        wrong.push_back("the state holds " + std::to_string(count) + " messages, but " + to_[i]->name +
                        " was told of " + std::to_string(got_[i]));
      }
    }
    if (judged.size() > 1) wrong.push_back("more than one message was judged to be in flight");
    using fate = supervision::judged_record::fate;
    if (!judged.empty() && (judged[0].what == fate::redeliver) == poisoned)
      wrong.push_back("the message in flight has another fate than its type says");
    in.open(*adder_);
    const auto left = take_all(in, *adder_, wrong);
    std::uint64_t due = count + 1;
    // The one that was in hand is among the dead letters; of a supervisor that died over it nobody heard which.
    if (poisoned && (!judged.empty() || (recovered && (left.empty() ? told_ : left.front() - 1) == due))) ++due;
    const std::uint64_t first = due;
    for (const auto number : left) {
      if (number == due++) continue;
      wrong.push_back("the state holds " + std::to_string(count) + " messages, then there come " + list(left));
      break;
    }
    if (left.size() != told_ + 1 - first) {
      wrong.push_back("the state holds " + std::to_string(count) + " of " + std::to_string(told_) + " messages, " +
                      std::to_string(judged.size()) + " died in its handler, and there come " + list(left));
    }
  }

 private:
  static constexpr std::uint64_t no_message = 0, first_life = 3;
  static constexpr bool poisoned = std::is_same_v<M, poison>;
  bool tell(std::uint64_t number) { return hand_->tell(outgoing_of(M(sender_->id, number, 24))); }

  life& boot(std::uint64_t begin_at) {
    window what{.from = sender_->id, .begin = begin_at, .end = 0};
    for (std::size_t i = 0; i < to_.size(); ++i) what.to[i] = to_[i]->id;
    in.give_arguments(*adder_, arguments_of<adder>(what));
    life& who = in.bear(*adder_);
    in.boot(who);
    return who;
  }

  /// An incarnation that handles what there is and dies in its sleep.
  void live_and_die() {
    life& who = boot(no_message);
    auto process = start_worker(*this, who);
    if (process->run() != victim::place::asleep) throw std::runtime_error("the first incarnation " + process->how());
    process->kill();
    in.bury(who);
    the_ledger().started = 0;
  }

  /// Messages in the state that the next incarnation would start from.
  std::uint64_t committed(complaints& wrong) {
    const auto& page = *adder_->cursor.at<wire::cursor_header>();
    if (page.base_present == 0) return 0;
    sums state;
    const std::byte* at = in.checkpoints(*adder_).data() + page.base_buffer * adder_->checkpoint_bytes;
    if (page.base_length != sizeof state || wire::checksum(at, page.base_length) != page.base_checksum) {
      wrong.push_back("the checkpoint that the next incarnation would start from is damaged");
      return 0;
    }
    std::memcpy(&state, at, sizeof state);
    if (state.count != state.last)
      wrong.push_back("the state has " + std::to_string(state.count) + " messages and ends with " +
                      std::to_string(state.last));
    return state.count;
  }

  void take(std::size_t i, complaints& wrong) {
    for (const auto number : take_all(in, *to_[i], wrong)) {
      if (number != ++got_[i])
        wrong.push_back(to_[i]->name + " was told of " + std::to_string(number) + " where " + std::to_string(got_[i]) +
                        " was due");
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

  const killed_in where_;
  identity* sender_ = &in.add("sender");
  identity* adder_ = &in.add("adder", &troupe::detail::type_of<adder>(), arguments_of<adder>(window{}));
  std::vector<identity*> to_;
  std::array<std::uint64_t, 3> got_{};
  std::uint64_t told_ = first_life;
  std::unique_ptr<hand> hand_;
};

}  // namespace

void add_turns(std::vector<operation>& to) {
  to.push_back({"turns that tell two", [] { return std::make_unique<adding<parcel>>(2); }, true, true, true});
  const auto again = [] { return std::make_unique<adding<parcel>>(1, killed_in::start); };
  to.push_back({"start again from a state", again, false, true, true});
  to.push_back({"turns with one attempt", [] { return std::make_unique<adding<poison>>(1); }, false, true, true});
}

}  // namespace crash
