#pragma once

#include <map>
#include <string>
#include <vector>

#include "messages.hpp"

using counts_t = std::map<std::string, std::uint64_t>;

class Counter;
class Splitter;
class Collector;

/// Merges what the counters have counted.
struct collected {
  counts_t counts;
  std::uint32_t shares = 0;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(counts, shares);
  }
};
class Collector : public troupe::checkpointed<collected> {
 public:
  void on(const Share& share);
  std::uint64_t on(Progress) const { return state().shares; }
  counts_t on(Result) const { return state().counts; }
  void on(Print what) const;
  using handles = troupe::handles<Share, std::uint64_t(Progress), counts_t(Result), void(Print)>;
};

/// Counts its share of all words. Its state is committed together with the step to the next message.
struct counted {
  counts_t counts;
  std::uint64_t words = 0;
  std::uint32_t ended = 0;  // splitters that have told everything
  template <class Ar>
  void serialize(Ar& ar) {
    ar(counts, words, ended);
  }
};
class Counter : public troupe::checkpointed<counted> {
 public:
  Counter(troupe::actor_ref<Collector> collector, std::uint32_t splitters)
      : collector_(collector), splitters_(splitters) {}
  void on(const Words& words);
  void on(Eof);
  std::uint64_t on(Progress) const { return state().words; }
  using handles = troupe::handles<Words, Eof, std::uint64_t(Progress)>;

 private:
  troupe::actor_ref<Collector> collector_;
  std::uint32_t splitters_;
};

/// Cuts text into words and tells each counter its share. What it tells becomes visible all at once, with its step to
/// the next message, so a text is counted by all counters or by none.
class Splitter : public troupe::transactional {
 public:
  explicit Splitter(std::vector<troupe::actor_ref<Counter>> counters) : counters_(std::move(counters)) {}
  void on(const Text& text);
  void on(Eof);
  using handles = troupe::handles<Text, Eof>;

 private:
  std::vector<troupe::actor_ref<Counter>> counters_;
};

/// Reads the files piece by piece and tells the splitters in turn.
struct place {
  std::uint32_t passes = 0;  // not finished yet
  std::uint32_t file = 0;
  std::uint64_t offset = 0;
  std::uint64_t told = 0;  // texts; names the splitter whose turn it is
  bool finish = false;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(passes, file, offset, told, finish);
  }
};
class Reader : public troupe::checkpointed<place> {
 public:
  Reader(std::vector<std::string> files, std::vector<troupe::actor_ref<Splitter>> splitters, std::uint32_t passes)
      : files_(std::move(files)), splitters_(std::move(splitters)), passes_(passes) {}
  void on_start() override;
  void on(Pass);
  void on(const Block& block);
  void on(Finish);
  void on(Next);
  std::uint64_t on(Progress) const { return state().passes; }
  using handles = troupe::handles<Pass, Block, Finish, Next, std::uint64_t(Progress)>;

 private:
  bool read_piece(std::string& piece);
  void tell_text(std::string text);
  void tell_end();

  std::vector<std::string> files_;
  std::vector<troupe::actor_ref<Splitter>> splitters_;
  std::uint32_t passes_;  // to begin with
};

/// Bytes of words are ASCII letters and digits, and everything that is not ASCII.
inline bool in_word(unsigned char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') || byte >= 0x80;
}
