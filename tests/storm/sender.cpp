#include "storm/sender.hpp"

#include <unistd.h>

namespace storm {

using namespace std::chrono_literals;

namespace {
constexpr std::uint64_t largest_burst = 12;
constexpr auto endless_patience = 300s;  // of a storm whose victims stand still: longer than any
}

sender::sender(unsigned number, const std::array<target, targets>& to, make_payload make)
    : number_(number),
      to_(to),
      make_(std::move(make)),
      random_(mixed(the_ledger().seed ^ mixed(number) ^ static_cast<std::uint64_t>(::getpid()))) {}

void sender::burst() {
  for (std::uint64_t left = 1 + random_() % largest_burst; left > 0; --left) {
    const auto which = static_cast<unsigned>(random_() % targets);
    stream_log& log = log_of(which);
    std::uint64_t number = std::max<std::uint64_t>(log.next, 1);
    while (number < most_numbers && log.fates[number] != fate::none) ++number;  // killed between these two stores
    if (number >= most_numbers) return;
    log.fates[number] = fate::intended;
    log.next = number + 1;
    if (send(which, number, false)) continue;
    log.fates[number] = fate::refused;
  }
}

void sender::burst(std::array<std::uint64_t, targets>& next) {
  for (std::uint64_t left = 1 + random_() % largest_burst; left > 0; --left) {
    const auto which = static_cast<unsigned>(random_() % targets);
    const std::uint64_t number = next[which] + 1;
    if (number < most_numbers && send(which, number, true)) next[which] = number;
  }
}

/// False: nothing was sent.
bool sender::send(unsigned which, std::uint64_t number, bool in_turn) {
  const unsigned stream = stream_of(number_, which);
  const content what = content_of(stream, number);
  try {
    switch (what.what) {
      case kind::bare: {
        Bare bare{stream, number, {}};
        fill(std::as_writable_bytes(std::span(bare.body)), stream, number, part::body);
        return tell(which, bare);
      }
      case kind::plain: return tell(which, make<Plain>(which, number, what));
      case kind::limited: return tell(which, make<Limited>(which, number, what));
      case kind::once: return tell(which, make<Once>(which, number, what));
      case kind::question: return ask<Question>(which, number, what, in_turn);
      case kind::insisting: return ask<Insisting>(which, number, what, in_turn);
    }
  } catch (const troupe::error& e) {  // of making a payload
    if (e.code() == troupe::errc::stopping) throw;
    failed(e);
  }
  return false;
}

template <class Message>
Message sender::make(unsigned which, std::uint64_t number, const content& what) {
  const unsigned stream = stream_of(number_, which);
  Message made;
  made.stream = stream;
  made.number = number;
  made.body = filled(what.body, stream, number, part::body);
  if (what.payload == 0) return made;
  made.payload = make_(what.payload);
  fill(made.payload.data(), stream, number, part::payload);
  return made;
}

template <class Message>
bool sender::tell(unsigned which, const Message& message) {
  const auto choice = random_() % 10;
  try {
    if (choice < 2) {
      if (const auto told = to_[which].try_tell(message); !told) return failed(told.error()), false;
    } else {
      to_[which].tell(message, choice < 3 ? std::chrono::nanoseconds(20ms) : endless_patience);
    }
  } catch (const troupe::error& e) {
    if (e.code() == troupe::errc::stopping) throw;
    return failed(e), false;
  }
  // A sender in turns knows only when its turn is committed, and then its state says so.
  if (number_ != turn_sender) log_of(which).fates[message.number] = fate::accepted;
  return true;
}

template <class Question>
bool sender::ask(unsigned which, std::uint64_t number, const content& what, bool in_turn) {
  auto asked = to_[which].ask(make<Question>(which, number, what));
  if (in_turn || random_() % 2 == 0) {
    asked.then([this, which, number](const troupe::expected<Answer>& got) { answered(which, number, got); });
  } else {
    answered(which, number, asked.try_get());
  }
  return true;
}

void sender::answered(unsigned which, std::uint64_t number, const troupe::expected<Answer>& got) {
  if (!got) return failed(got.error());
  log_of(which).fates[number] = fate::answered;
  if (!as_sent(*got, stream_of(number_, which), number)) ++the_ledger().trouble[number_].wrong_answers;
}

void sender::failed(const troupe::error& why) {
  ++the_ledger().trouble[number_].errors[static_cast<std::size_t>(why.code())];
}

}  // namespace storm
