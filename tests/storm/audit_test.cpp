// The auditor finds what it is there to find: each case plants one wrong in a ledger in which all is well.

#include "storm/audit.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "storm/messages.hpp"

namespace {

using storm::fate;
using storm::kind;

constexpr unsigned stream = storm::stream_of(1, 0), in_chain = storm::stream_of(0, storm::chain_1);

storm::book& book_of(unsigned number) { return storm::the_ledger().handled[number]; }

void send(unsigned which, std::uint64_t number, fate what = fate::accepted) {
  auto& log = storm::the_ledger().sent[which];
  log.fates[number] = what;
  log.next = std::max<std::uint64_t>(log.next, number + 1);
}
void handle(unsigned book, unsigned which, std::uint64_t number, unsigned attempt = 1, bool torn = false) {
  book_of(book).add({which, number, attempt, torn});
}
std::uint64_t first_of(unsigned which, kind what, std::uint64_t from = 1) {
  while (storm::content_of(which, from).what != what) ++from;
  return from;
}

/// A ledger in which ten tells have arrived, twice as many lives as needed.
void all_is_well() {
  storm::new_ledger(1);
  book_of(0).lives = 2;
  for (std::uint64_t number = 1, left = 10; left > 0; ++number) {
    if (!storm::endless(storm::content_of(stream, number).what)) continue;
    send(stream, number);
    handle(0, stream, number);
    --left;
  }
}
storm::findings look(const storm::letter_counts& letters = {}) { return audit(storm::the_ledger(), letters, false); }
/// The number after all that were used, of this type.
std::uint64_t next(kind what) { return first_of(stream, what, storm::the_ledger().sent[stream].next); }
std::uint64_t last() { return storm::the_ledger().sent[stream].next - 1; }

TEST_CASE("a ledger in which all is well is clean") {
  all_is_well();
  CHECK(look().clean());
  CHECK_EQ(look().accepted, 10);
  CHECK_EQ(look().handled, 10);
  CHECK_EQ(storm::missing(storm::the_ledger()), 0);
}

TEST_CASE("an accepted tell that nobody handled is lost, whatever the log says") {
  all_is_well();
  send(stream, next(kind::plain));
  CHECK_EQ(look().lost, 1);
  CHECK_EQ(storm::missing(storm::the_ledger()), 1);
  CHECK_EQ(look({{"storm::Plain from source-1 to plain-1", 1}}).lost, 2);  // and it may not be a dead letter
}

TEST_CASE("a tell with a limit is lost, unless there is a letter for it; one letter excuses one") {
  all_is_well();
  send(stream, next(kind::limited));
  CHECK_EQ(look().lost, 1);
  CHECK(look({{"storm::Limited from source-1 to plain-1", 1}}).clean());
  CHECK_EQ(look({{"storm::Limited from source-2 to plain-1", 1}}).lost, 1);
  send(stream, next(kind::once));
  CHECK_EQ(look({{"storm::Limited from source-1 to plain-1", 1}}).lost, 1);
}

TEST_CASE("what was intended or refused need not arrive; what was refused must not") {
  all_is_well();
  const auto intended = next(kind::plain), refused = intended + 1;
  send(stream, intended, fate::intended);
  send(stream, refused, fate::refused);
  CHECK(look().clean());
  handle(0, stream, intended);
  CHECK(look().clean());
  handle(0, stream, refused);
  CHECK_EQ(look().invented, 1);
}

TEST_CASE("a message of a turn that was not committed must not arrive") {
  all_is_well();
  handle(0, stream, next(kind::plain));
  CHECK_EQ(look().invented, 1);
}

TEST_CASE("an answer without a handled question is found") {
  all_is_well();
  send(stream, next(kind::question), fate::answered);
  CHECK_EQ(look().lost, 1);
}

TEST_CASE("a message may be handled again with the next attempt, once for each death") {
  all_is_well();
  handle(0, stream, last(), 2);
  CHECK(look().clean());
  CHECK_EQ(look().repeated, 1);
  handle(0, stream, last(), 3);
  CHECK_EQ(look().beyond, 1);  // two lives, so one death
  book_of(0).lives = 3;
  CHECK(look().clean());
}

TEST_CASE("a message that is handled again with the same attempt, or after a later one, is found") {
  all_is_well();
  handle(0, stream, last(), 1);
  CHECK_EQ(look().beyond, 1);
  all_is_well();
  handle(0, stream, first_of(stream, kind::plain), 2);
  CHECK_EQ(look().beyond, 1);
}

TEST_CASE("a message that is handled more often than its limit is found") {
  all_is_well();
  book_of(0).lives = 10;
  const auto number = next(kind::limited);
  send(stream, number);
  for (unsigned attempt = 1; attempt <= 3; ++attempt) handle(0, stream, number, attempt);
  CHECK(look().clean());
  handle(0, stream, number, 4);
  CHECK_EQ(look().beyond, 1);
}

TEST_CASE("a message that comes after a later one of its stream is found") {
  all_is_well();
  const auto early = next(kind::plain), late = first_of(stream, kind::plain, early + 1);
  for (const auto number : {early, late}) send(stream, number);
  for (const auto number : {late, early}) handle(0, stream, number);
  CHECK_EQ(look().reordered, 1);
}

TEST_CASE("torn messages and those of no sender are found") {
  all_is_well();
  const auto number = next(kind::bare);
  send(stream, number);
  handle(0, stream, number, 1, true);
  CHECK_EQ(look().torn, 1);
  handle(0, 200, 1);
  handle(storm::chain_2, stream, 1);
  CHECK_EQ(look().torn, 3);
}

TEST_CASE("in the chain only what its end has handled has arrived") {
  all_is_well();
  const auto number = first_of(in_chain, kind::limited);
  send(in_chain, number);
  handle(storm::chain_1, in_chain, number);
  CHECK_EQ(look().lost, 1);
  CHECK(look({{"storm::Limited from chain-1 to chain-2", 1}}).clean());
  handle(storm::chain_3, in_chain, number);
  CHECK(look().clean());
}

TEST_CASE("a state that lacks an effect, has one twice or in another order is found") {
  storm::new_ledger(1);
  const unsigned kept = storm::stream_of(0, storm::keeper);
  auto& its = storm::the_ledger().effects[0][kept];
  const auto number = first_of(kept, kind::plain), later = first_of(kept, kind::plain, number + 1);
  for (const auto each : {number, later}) {
    send(kept, each);
    handle(storm::keeper, kept, each);
  }
  const auto effects = [] { return audit(storm::the_ledger(), {}, true).effects; };
  CHECK_EQ(effects(), 1);
  its.count = 2;
  its.sum = storm::sum_of(kept, number) ^ storm::sum_of(kept, later);
  CHECK_EQ(effects(), 0);
  its.count = 3;
  CHECK_EQ(effects(), 1);
  its.count = 2;
  its.backward = 1;
  CHECK_EQ(effects(), 1);
  its.backward = 0;
  its.sum = 0;
  CHECK_EQ(effects(), 1);
}

TEST_CASE("an error that no kill explains, and a wrong answer, are found") {
  all_is_well();
  auto& trouble = storm::the_ledger().trouble[2];
  trouble.errors[static_cast<std::size_t>(troupe::errc::full)] = 5;
  CHECK(look().clean());
  trouble.errors[static_cast<std::size_t>(troupe::errc::closed)] = 5;
  CHECK_EQ(look().unexpected, 1);
  trouble.wrong_answers = 1;
  CHECK_EQ(look().unexpected, 2);
}

TEST_CASE("dead letters are counted by type, sender and receiver") {
  const auto found = storm::letters_in(
      "12:00:00.000 troupe: dead letter: storm::Limited from main to keeper: keeper was killed by SIGKILL\n"
      "12:00:00.000 troupe: keeper was killed by SIGKILL\n"
      "12:00:01.000 troupe: dead letter: storm::Limited from main to keeper: keeper exited with code 0: why: so\n"
      "12:00:01.000 troupe: dead letter: storm::Once from chain-1 to chain-2: x\n");
  CHECK_EQ(found.size(), 2);
  CHECK_EQ(found.at("storm::Limited from main to keeper"), 2);
  CHECK_EQ(found.at("storm::Once from chain-1 to chain-2"), 1);
}

TEST_CASE("every byte of a message is looked at") {
  storm::new_ledger(7);
  std::string body = storm::filled(1000, stream, 5, storm::part::body);
  const auto is_whole = [&] { return whole(std::as_bytes(std::span(body)), stream, 5, storm::part::body); };
  CHECK(is_whole());
  for (const std::size_t at : {0UL, 500UL, 999UL}) {
    body[at] = static_cast<char>(body[at] ^ 1);
    CHECK(!is_whole());
    body[at] = static_cast<char>(body[at] ^ 1);
  }
  CHECK(!whole(std::as_bytes(std::span(body)), stream, 6, storm::part::body));
  CHECK(!whole(std::as_bytes(std::span(body)), stream, 5, storm::part::payload));
}

}  // namespace
