#pragma once

/// Who lives in a storm:
///
///     main, source-1, source-2, source-3 (in turns)  ->  plain-1, plain-2, keeper (checkpointed),
///                                                        chain-1 -> chain-2 -> chain-3 (in turns, the last
///                                                        checkpointed)
///     bystander-1 <-> bystander-2, whom nobody attacks

#include <array>
#include <chrono>
#include <cstdint>
#include <string>

#include "storm/ledger.hpp"
#include "storm/messages.hpp"
#include "storm/sender.hpp"

namespace storm {

using namespace std::chrono_literals;

inline constexpr auto period = 2ms;  // of the senders
struct Tick {};
struct Quiet {};  ///< the answer comes after the last message

inline bool working() {
  const phase now = the_ledger().now;
  return now == phase::undisturbed || now == phase::attacked;
}

// ------------------------------------------------------------------------------------------------------------- senders

/// Forgets everything when it dies; the ledger knows which numbers it has used.
struct Source : troupe::actor {
  Source(unsigned number, const std::array<target, targets>& to)
      : sends(number, to, [this](std::size_t bytes) { return self().payload(bytes); }) {}
  void on_start() override {
    exit_on_signal();
    every(period, Tick{});
  }
  void on(Tick) {
    if (working()) sends.burst();
  }
  void on(Quiet) {}
  using handles = troupe::handles<Tick, void(Quiet)>;
  sender sends;
};

/// Keeps in its state what it has sent, so that each number is sent once, whoever is killed when.
struct Sent {
  std::array<std::uint64_t, targets> last{};
  template <class Ar>
  void serialize(Ar& ar) {
    ar(last);
  }
};
struct TurnSource : troupe::checkpointed<Sent> {
  explicit TurnSource(const std::array<target, targets>& to)
      : sends(turn_sender, to, [this](std::size_t bytes) { return self().payload(bytes); }) {}
  void on_start() override {
    exit_on_signal();
    every(period, Tick{});
  }
  void on(Tick) {
    if (working()) sends.burst(state().last);
  }
  Sent on(Quiet) { return state(); }
  using handles = troupe::handles<Tick, Sent(Quiet)>;
  sender sends;
};

// ----------------------------------------------------------------------------------------------------------- receivers

inline Answer answer_to(const Item& question) {
  return {question.stream, question.number,
          filled(content_of(question.stream, question.number).answer, question.stream, question.number, part::answer)};
}

/// What all receivers do with a message: look at every byte of it and write it down.
template <class Base>
struct Receiver : Base {
  explicit Receiver(unsigned number) : own(the_ledger().handled[number]) {}
  void on_start() override {
    exit_on_signal();
    ++own.lives;
  }
  void write_down(std::uint64_t stream, std::uint64_t number, bool right) {
    own.add({static_cast<unsigned>(stream), number, this->self().attempt(), !right});
  }
  void write_down(const Bare& m) { write_down(m.stream, m.number, as_sent(m)); }
  void write_down(const Item& m, kind what) { write_down(m.stream, m.number, as_sent(m, what)); }
  Answer answer(const Item& m, kind what) {
    write_down(m, what);
    return answer_to(m);
  }
  book& own;
};

struct PlainReceiver : Receiver<troupe::actor> {
  using Receiver::Receiver;
  void on(const Bare& m) { write_down(m); }
  void on(const Plain& m) { write_down(m, kind::plain); }
  void on(const Limited& m) { write_down(m, kind::limited); }
  void on(const Once& m) { write_down(m, kind::once); }
  Answer on(const Question& m) { return answer(m, kind::question); }
  Answer on(const Insisting& m) { return answer(m, kind::insisting); }
  using handles = troupe::handles<Bare, Plain, Limited, Once, Answer(Question), Answer(Insisting)>;
};

/// Passes on everything that it is told.
struct Relay : Receiver<troupe::transactional> {
  Relay(unsigned number, target next) : Receiver(number), to(next) {}
  template <class M>
  void pass_on(const M& m) {
    to.tell(m, 300s);
  }
  void on(const Bare& m) { write_down(m), pass_on(m); }
  void on(const Plain& m) { write_down(m, kind::plain), pass_on(m); }
  void on(const Limited& m) { write_down(m, kind::limited), pass_on(m); }
  void on(const Once& m) { write_down(m, kind::once), pass_on(m); }
  Answer on(const Question& m) { return answer(m, kind::question); }
  Answer on(const Insisting& m) { return answer(m, kind::insisting); }
  using handles = troupe::handles<Bare, Plain, Limited, Once, Answer(Question), Answer(Insisting)>;
  target to;
};

struct Kept {
  struct one {
    std::uint64_t count = 0, sum = 0, last = 0, backward = 0;
    template <class Ar>
    void serialize(Ar& ar) {
      ar(count, sum, last, backward);
    }
  };
  std::array<one, streams> of{};
  template <class Ar>
  void serialize(Ar& ar) {
    ar(of);
  }
};
struct Effects {};

/// Its state is what the messages have done inside the framework: each exactly once.
struct Keeper : Receiver<troupe::checkpointed<Kept>> {
  using Receiver::Receiver;
  void count(std::uint64_t stream, std::uint64_t number, kind what) {
    if (stream >= streams) return;
    auto& its = state().of[stream];
    if (number <= its.last) ++its.backward;
    its.last = number;
    if (!endless(what)) return;
    ++its.count;
    its.sum ^= sum_of(static_cast<unsigned>(stream), number);
  }
  void keep(const Item& m, kind what) {
    count(m.stream, m.number, what);
    write_down(m, what);
  }
  void on(const Bare& m) {
    count(m.stream, m.number, kind::bare);
    write_down(m);
  }
  void on(const Plain& m) { keep(m, kind::plain); }
  void on(const Limited& m) { keep(m, kind::limited); }
  void on(const Once& m) { keep(m, kind::once); }
  Answer on(const Question& m) { return keep(m, kind::question), answer_to(m); }
  Answer on(const Insisting& m) { return keep(m, kind::insisting), answer_to(m); }
  Kept on(Effects) const { return state(); }
  using handles = troupe::handles<Bare, Plain, Limited, Once, Answer(Question), Answer(Insisting), Kept(Effects)>;
};

// ---------------------------------------------------------------------------------------------------------- bystanders

struct Pong {};
struct Ping {
  troupe::ref<troupe::handles<Pong>> from;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(from);
  }
};

/// Exchanges messages with its like all the time, and keeps the longest time between two.
struct Bystander : troupe::actor {
  using like = troupe::ref<troupe::handles<Ping>>;
  Bystander(unsigned number, like other) : longest(the_ledger().stalls[number]), partner(other) {}
  void on_start() override {
    if (partner) every(1ms, Tick{});
  }
  void on(Tick) { partner.tell(Ping{self().ref<Bystander>()}); }
  void on(const Ping& m) {
    heard();
    m.from.tell(Pong{});
  }
  void on(Pong) { heard(); }
  using handles = troupe::handles<Tick, Ping, Pong>;

 private:
  void heard() {
    const auto now = std::chrono::steady_clock::now();
    const auto where = static_cast<std::size_t>(the_ledger().now.load());
    if (where == before) {
      const auto gap = static_cast<std::uint64_t>(std::chrono::nanoseconds(now - last).count());
      longest[where] = std::max<std::uint64_t>(longest[where], gap);
    }
    before = where;
    last = now;
  }
  std::array<std::atomic<std::uint64_t>, 8>& longest;
  like partner;
  std::size_t before = 0;
  std::chrono::steady_clock::time_point last{};
};

}  // namespace storm
