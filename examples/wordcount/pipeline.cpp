// Why the result is exact although any of these processes may be killed at any instruction:
// 1. A message stays in its mailbox, which no worker owns, until its handler's turn is committed.
// 2. Everything a turn does - its tells, its state, its step to the next message - becomes true by one store.
// 3. A process killed before that store has done nothing, and its successor handles the message again.
// 4. A process killed after it has done everything, and its successor goes on with the next message.
// 5. Nothing here has an effect outside of turns: reading a file again at the same offset changes nothing.

#include "pipeline.hpp"

#include <algorithm>
#include <fstream>
#include <functional>
#include <iostream>
#include <string_view>
#include <unordered_map>

using namespace std::chrono_literals;

namespace {

constexpr auto patience = 60s;  // for a mailbox whose owner is being restarted again and again
constexpr std::size_t piece_bytes = 64 * 1024;

/// FNV-1a: which counter a word belongs to must be the same in every process and every run.
std::size_t share_of(std::string_view word, std::size_t counters) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : word) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return static_cast<std::size_t>(hash % counters);
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

// -------------------------------------------------------------------------------------------------------------- Reader

void Reader::on_start() {
  // A successor finds Next in its mailbox, or the commit that told it; only the first incarnation has to begin.
  if (self().restored()) return;
  state().passes = passes_;
  if (passes_ > 0) self().ref<Reader>().tell(Next{}, patience);
}

void Reader::on(Pass) {
  if (state().passes++ == 0) self().ref<Reader>().tell(Next{}, patience);
}

void Reader::on(const Block& block) { tell_text(block.text); }

void Reader::on(Finish) {
  state().finish = true;
  if (state().passes == 0) tell_end();
}

void Reader::on(Next) {
  std::string piece;
  if (read_piece(piece)) tell_text(std::move(piece));
  if (state().passes > 0) {
    self().ref<Reader>().tell(Next{}, patience);
  } else if (state().finish) {
    tell_end();
  }
}

/// Reads on from the place in state() up to the end of a word, and moves the place. False: the pass is over.
bool Reader::read_piece(std::string& piece) {
  place& at = state();
  while (at.file < files_.size()) {
    std::ifstream file(files_[at.file], std::ios::binary);
    if (!file) throw std::runtime_error("cannot read " + files_[at.file]);
    file.seekg(static_cast<std::streamoff>(at.offset));
    piece.resize(piece_bytes);
    file.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    piece.resize(static_cast<std::size_t>(file.gcount()));
    // A word that goes on belongs to this piece, however long it is.
    for (int c = 0; !piece.empty() && in_word(static_cast<unsigned char>(piece.back())) && (c = file.get()) != EOF;) {
      piece.push_back(static_cast<char>(c));
    }
    at.offset += piece.size();
    if (!piece.empty()) return true;
    ++at.file;
    at.offset = 0;
  }
  at.file = 0;
  --at.passes;
  return false;
}

void Reader::tell_text(std::string text) {
  const auto& turn = splitters_[state().told++ % splitters_.size()];
  Text message;
  message.text = std::move(text);
  turn.tell(message, patience);
}

void Reader::tell_end() {
  for (const auto& splitter : splitters_) splitter.tell(Eof{}, patience);
}

// ------------------------------------------------------------------------------------------------------------ Splitter

void Splitter::on(const Text& text) {
  std::vector<std::unordered_map<std::string, std::uint64_t>> shares(counters_.size());
  std::string word;
  for (auto at = text.text.begin(); at != text.text.end();) {
    at = std::find_if(at, text.text.end(), [](char c) { return in_word(static_cast<unsigned char>(c)); });
    const auto end = std::find_if_not(at, text.text.end(), [](char c) { return in_word(static_cast<unsigned char>(c)); });
    if (at == end) break;
    word.assign(at, end);
    std::transform(word.begin(), word.end(), word.begin(), lower);
    ++shares[share_of(word, shares.size())][word];
    at = end;
  }
  for (std::size_t i = 0; i < shares.size(); ++i) {
    if (shares[i].empty()) continue;
    Words words;
    words.counts.assign(shares[i].begin(), shares[i].end());
    counters_[i].tell(words, patience);
  }
}

void Splitter::on(Eof) {
  for (const auto& counter : counters_) counter.tell(Eof{}, patience);
}

// ------------------------------------------------------------------------------------------------------------- Counter

void Counter::on(const Words& words) {
  for (const auto& [word, count] : words.counts) {
    state().counts[word] += count;
    state().words += count;
  }
}

void Counter::on(Eof) {
  if (++state().ended < splitters_) return;
  Share share;
  share.counts = state().counts;
  collector_.tell(share, patience);
}

// ----------------------------------------------------------------------------------------------------------- Collector

void Collector::on(const Share& share) {
  state().counts.insert(share.counts.begin(), share.counts.end());
  ++state().shares;
}

void Collector::on(Print what) const {
  std::vector<std::pair<std::uint64_t, std::string>> order;
  for (const auto& [word, count] : state().counts) order.emplace_back(count, word);
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  if (order.size() > what.top) order.resize(what.top);
  for (const auto& [count, word] : order) std::cout << "  " << count << "\t" << word << "\n";
  std::cout.flush();
}
