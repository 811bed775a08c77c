#include "storm/audit.hpp"

#include <algorithm>
#include <sstream>
#include <string_view>
#include <vector>

#include "storm/messages.hpp"

namespace storm {

namespace {

constexpr std::size_t lines_shown = 20;

/// What one book says of one stream.
struct reading {
  std::vector<bool> seen;
  std::uint64_t last = 0, count = 0, sum = 0;
  unsigned last_attempt = 0;
};
using readings = std::array<reading, streams>;

unsigned end_of(unsigned stream) { return target_of(stream) == chain_1 ? chain_3 : target_of(stream); }

class auditor {
 public:
  auditor(const ledger& of, const letter_counts& letters) : ledger_(of), letters_(letters) {}

  void read_books() {
    for (unsigned number = 0; number < books; ++number) read(number);
  }
  void look_for_lost() {
    for (unsigned stream = 0; stream < streams; ++stream) look_for_lost(stream);
    compare_with_letters();
  }
  std::uint64_t missing() const {
    std::uint64_t count = 0;
    for (unsigned stream = 0; stream < streams; ++stream) {
      for_each_due(stream, [&](unsigned, std::uint64_t, kind type) { count += endless(type) ? 1 : 0; });
    }
    return count;
  }
  void look_at_effects() {
    for (unsigned stream = 0; stream < streams; ++stream) {
      if (end_of(stream) == keeper || end_of(stream) == chain_3) look_at_effects(stream);
    }
  }
  void look_at_trouble();
  const findings& result() {
    result_.text = text_.str();
    return result_;
  }

 private:
  void read(unsigned number);
  void read(unsigned number, const entry& what);
  void look_for_lost(unsigned stream);
  template <class Call>
  void for_each_due(unsigned stream, Call call) const;
  void compare_with_letters();
  void look_at_effects(unsigned stream);
  std::string place(unsigned book, unsigned stream, std::uint64_t number) const {
    return std::string(book_names[book]) + ": message " + std::to_string(number) + " (" +
           std::string(type_name(content_of(stream, number).what)) + ") of " +
           std::string(sender_names[sender_of(stream)]) + " to " + std::string(book_names[target_of(stream)]);
  }
  void wrong(std::uint64_t& counter, const std::string& what) {
    ++counter;
    if (++lines_ <= lines_shown) text_ << what << "\n";
  }
  std::uint64_t letters(kind what, std::string_view from, std::string_view to) const {
    std::ostringstream key;
    key << type_name(what) << " from " << from << " to " << to;
    const auto found = letters_.find(key.str());
    return found == letters_.end() ? 0 : found->second;
  }

  const ledger& ledger_;
  const letter_counts letters_;
  findings result_;
  std::array<readings, books> readings_;
  std::array<std::array<std::uint64_t, senders>, books> excusable_{};  // not handled, and a letter may say why
  std::ostringstream text_;
  std::size_t lines_ = 0;
};

void auditor::read(unsigned number) {
  const book& its = ledger_.handled[number];
  const std::uint64_t repeated = result_.repeated;
  for (std::size_t i = 0; i < its.entries.size(); ++i) {
    const std::uint64_t word = its.entries[i];
    if (word == 0) break;
    read(number, entry::of(word));
  }
  // A death leaves one message in flight at most.
  const std::uint64_t again = result_.repeated - repeated, lives = std::max<std::uint64_t>(its.lives, 1);
  if (again >= lives && again > 0) {
    wrong(result_.beyond, std::string(book_names[number]) + ": " + std::to_string(again) +
                              " messages were handled again, in " + std::to_string(lives) + " lives");
  }
}

void auditor::read(unsigned number, const entry& what) {
  if (what.stream >= streams || (number > keeper && target_of(what.stream) != chain_1) || what.number >= most_numbers) {
    return wrong(result_.torn, std::string(book_names[number]) + ": a message of no sender");
  }
  reading& its = readings_[number][what.stream];
  const kind type = content_of(what.stream, what.number).what;
  const auto here = [&] {
    return place(number, what.stream, what.number) + ", attempt " + std::to_string(what.attempt);
  };
  if (what.torn) wrong(result_.torn, here() + ": torn");
  const fate its_fate = ledger_.sent[what.stream].fates[what.number];
  if (its_fate == fate::none || its_fate == fate::refused) wrong(result_.invented, here() + ": was never sent");
  if (attempts_of(type) != 0 && what.attempt > attempts_of(type)) {
    wrong(result_.beyond, here() + ": beyond its attempts");
  }
  if (its.seen.size() <= what.number) its.seen.resize(what.number + 1024);
  if (what.number < its.last) {
    wrong(its.seen[what.number] ? result_.beyond : result_.reordered,
          here() + (its.seen[what.number] ? ": again after " : ": after ") + std::to_string(its.last));
  } else if (what.number == its.last) {
    ++result_.repeated;
    if (what.attempt <= its.last_attempt && what.attempt < 254) {
      wrong(result_.beyond, here() + ": again, after attempt " + std::to_string(its.last_attempt));
    }
  } else {
    ++result_.handled;
    if (endless(type)) ++its.count, its.sum ^= sum_of(what.stream, what.number);
  }
  its.seen[what.number] = true;
  its.last = std::max(its.last, what.number);
  its.last_attempt = what.attempt;
}

/// Calls for what had to be handled and was not, with the book where it is missing.
template <class Call>
void auditor::for_each_due(unsigned stream, Call call) const {
  const stream_log& log = ledger_.sent[stream];
  const std::uint64_t end = std::min<std::uint64_t>(log.next, most_numbers);
  for (std::uint64_t number = 1; number < end; ++number) {
    const fate its = log.fates[number];
    if (its != fate::accepted && its != fate::answered) continue;
    const kind type = content_of(stream, number).what;
    const unsigned where = is_tell(type) ? end_of(stream) : target_of(stream);
    const auto& seen = readings_[where][stream].seen;
    if (number >= seen.size() || !seen[number]) call(where, number, type);
  }
}

void auditor::look_for_lost(unsigned stream) {
  const stream_log& log = ledger_.sent[stream];
  for (std::uint64_t number = 1; number < std::min<std::uint64_t>(log.next, most_numbers); ++number) {
    if (log.fates[number] == fate::accepted) ++result_.accepted;
  }
  for_each_due(stream, [&](unsigned where, std::uint64_t number, kind type) {
    if (is_tell(type) && !endless(type)) {
      ++excusable_[where][sender_of(stream)];
    } else {
      wrong(result_.lost, place(where, stream, number) + (is_tell(type) ? ": lost" : ": answered, and not handled"));
    }
  });
}

/// The log names sender and receiver of a letter, not its number.
void auditor::compare_with_letters() {
  const auto of_both = [&](std::string_view from, std::string_view to) {
    return letters(kind::limited, from, to) + letters(kind::once, from, to);
  };
  std::uint64_t in_chain = 0, of_chain = of_both("chain-1", "chain-2") + of_both("chain-2", "chain-3");
  for (unsigned from = 0; from < senders; ++from) {
    in_chain += excusable_[chain_3][from];
    of_chain += of_both(sender_names[from], "chain-1");
    for (unsigned to = 0; to < targets; ++to) {
      const std::uint64_t unhandled = excusable_[to][from], said = of_both(sender_names[from], book_names[to]);
      result_.letters += std::min(unhandled, said);
      for (std::uint64_t i = said; i < unhandled; ++i) {
        wrong(result_.lost, std::string(book_names[to]) + ": a message of " + std::string(sender_names[from]) +
                                " was neither handled nor a dead letter");
      }
    }
  }
  result_.letters += std::min(in_chain, of_chain);
  for (std::uint64_t i = of_chain; i < in_chain; ++i) {
    wrong(result_.lost, "chain-3: a message was neither handled nor a dead letter");
  }
  for (const auto& [key, count] : letters_) {
    for (const kind never : {kind::bare, kind::plain}) {
      if (key.starts_with(std::string(type_name(never)) + " ")) wrong(result_.lost, "a dead letter: " + key);
    }
  }
}

void auditor::look_at_effects(unsigned stream) {
  const unsigned where = end_of(stream);
  const reading& its = readings_[where][stream];
  const effect& kept = ledger_.effects[where == keeper ? 0 : 1][stream];
  if (kept.count == its.count && kept.sum == its.sum && kept.backward == 0) return;
  wrong(result_.effects, std::string(book_names[where]) + ": its state has " + std::to_string(kept.count) +
                             " effects of messages from " + std::string(sender_names[sender_of(stream)]) +
                             ", it handled " + std::to_string(its.count) +
                             (kept.sum == its.sum ? "" : ", not the same") + "; " + std::to_string(kept.backward) +
                             " not in order");
}

void auditor::look_at_trouble() {
  using troupe::errc;
  for (unsigned number = 0; number < senders; ++number) {
    const auto& its = ledger_.trouble[number];
    const std::string who(sender_names[number]);
    for (std::uint64_t i = 0; i < its.wrong_answers; ++i) wrong(result_.unexpected, who + " got a wrong answer");
    for (std::size_t code = 0; code < its.errors.size(); ++code) {
      if (its.errors[code] == 0) continue;
      const auto what = static_cast<errc>(code);
      const bool known = what == errc::full || what == errc::connecting || what == errc::outcome_unknown ||
                         what == errc::timeout || (what == errc::too_large && number == turn_sender);
      if (!known) {
        wrong(result_.unexpected, who + " met the error " + std::string(troupe::name(what)) + ", " +
                                      std::to_string(its.errors[code]) + " times");
      }
    }
  }
}

}  // namespace

letter_counts letters_in(const std::string& log) {
  letter_counts found;
  constexpr std::string_view begin = "dead letter: ";
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    const auto at = line.find(begin);
    if (at == line.npos) continue;
    const std::string rest = line.substr(at + begin.size());
    const auto to = rest.find(" to ");
    ++found[rest.substr(0, to == rest.npos ? to : rest.find(": ", to))];
  }
  return found;
}

findings audit(const ledger& of, const letter_counts& letters, bool effects) {
  auditor it(of, letters);
  it.read_books();
  it.look_for_lost();
  if (effects) it.look_at_effects();
  it.look_at_trouble();
  return it.result();
}

std::uint64_t missing(const ledger& of) {
  auditor it(of, {});
  it.read_books();
  return it.missing();
}

}  // namespace storm
