#pragma once

/// Sends the messages of one sender's streams, and writes down what became of them.

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <random>

#include "storm/ledger.hpp"
#include "storm/messages.hpp"

namespace storm {

class sender {
 public:
  using make_payload = std::function<troupe::payload(std::size_t)>;

  sender(unsigned number, const std::array<target, targets>& to, make_payload make);

  /// Sends some messages to random targets, with the ledger's next numbers. A number is written down before it is used,
  /// so that no number is used twice, whoever is killed when.
  void burst();
  /// In a turn: the same, with the numbers of the sender's own state, which are committed with what is sent.
  void burst(std::array<std::uint64_t, targets>& next);

 private:
  bool send(unsigned which, std::uint64_t number, bool in_turn);
  template <class Question>
  bool ask(unsigned which, std::uint64_t number, const content& what, bool in_turn);
  template <class Message>
  bool tell(unsigned which, const Message& message);
  template <class Message>
  Message make(unsigned which, std::uint64_t number, const content& what);
  void answered(unsigned which, std::uint64_t number, const troupe::expected<Answer>& got);
  void failed(const troupe::error& why);
  stream_log& log_of(unsigned which) { return the_ledger().sent[stream_of(number_, which)]; }

  unsigned number_;
  std::array<target, targets> to_;
  make_payload make_;
  std::mt19937_64 random_;
};

}  // namespace storm
