#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <troupe/troupe.hpp>

// A kill by chaos says nothing about the message that was in hand, so no message is ever given up as poison here.
struct never_poison {
  static constexpr auto delivery = troupe::redeliver{troupe::unlimited};
};

/// To the reader: go through all files once more.
struct Pass : never_poison {};
/// To the reader, from main: text that no process but main can read (standard input); cut between words.
struct Block : never_poison {
  std::string text;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(text);
  }
};
/// To the reader: when everything so far is told, tell that it was all.
struct Finish : never_poison {};
/// From the reader to itself: read the next piece.
struct Next : never_poison {};

/// To a splitter.
struct Text : never_poison {
  std::string text;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(text);
  }
};
/// To a counter: words of its share, each with how often it occurred.
struct Words : never_poison {
  std::vector<std::pair<std::string, std::uint64_t>> counts;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(counts);
  }
};
/// The sender has told everything it had.
struct Eof : never_poison {};
/// To the collector: what one counter has counted.
struct Share : never_poison {
  std::map<std::string, std::uint64_t> counts;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(counts);
  }
};

/// To the reader: passes that are still to be read. To a counter: words counted. To the collector: shares received.
struct Progress {};
/// To the collector: everything.
struct Result {};
/// To the collector: print the most frequent words.
struct Print {
  std::uint32_t top;
};
