#include "config/words.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include <troupe/detail/config_value.hpp>
#include <troupe/detail/names.hpp>

namespace troupe::config {

namespace {

constexpr std::size_t longest_word = 64;
constexpr std::size_t longest_shown = 60;

char plain(char c) {
  if (c >= 'A' && c <= 'Z') return static_cast<char>(c - 'A' + 'a');
  return c == '-' ? '_' : c;
}

/// One letter wrong in a short word, two or three in a longer one.
std::size_t near_enough(std::size_t length) { return length <= 5 ? 1 : length <= 9 ? 2 : 3; }

bool same(std::string_view a, std::string_view b) { return std::ranges::equal(a, b, {}, plain, plain); }

std::string joined(std::span<const std::string_view> words, bool quotes, std::string_view last) {
  std::string all;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) all += i + 1 == words.size() ? last : ", ";
    all += quotes ? quote(words[i]) : std::string(words[i]);
  }
  return all;
}

/// The one word that begins with what was written, as "mem" does for "memory".
std::optional<std::string_view> only_beginning(std::string_view written, std::span<const std::string_view> words) {
  std::optional<std::string_view> found;
  for (const auto word : words) {
    if (!same(word.substr(0, written.size()), written)) continue;
    if (found) return std::nullopt;
    found = word;
  }
  return found;
}

}  // namespace

std::size_t distance(std::string_view a, std::string_view b) {
  if (a.size() > longest_word || b.size() > longest_word) return longest_word;
  using row = std::array<std::size_t, longest_word + 1>;
  row before_last{}, last{}, now{};
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool equal = plain(a[i - 1]) == plain(b[j - 1]);
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + (equal ? 0 : 1)});
      const bool swapped = i > 1 && j > 1 && plain(a[i - 1]) == plain(b[j - 2]) && plain(a[i - 2]) == plain(b[j - 1]);
      if (swapped) now[j] = std::min(now[j], before_last[j - 2] + 1);
    }
    before_last = last;
    last = now;
  }
  return last[b.size()];
}

std::optional<std::string_view> nearest(std::string_view written, std::span<const std::string_view> words) {
  std::optional<std::string_view> best;
  std::size_t least = near_enough(written.size()) + 1;
  for (const auto word : words) {
    const std::size_t away = distance(written, word);
    if (away < std::min(least, std::max(word.size(), std::size_t{1}))) {
      least = away;
      best = word;
    }
  }
  if (!best && written.size() >= 3) return only_beginning(written, words);
  return best;
}

std::optional<std::string_view> other_word(std::string_view written, std::span<const std::string_view> pairs) {
  for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) {
    if (same(written, pairs[i])) return pairs[i + 1];
  }
  return std::nullopt;
}

std::optional<std::string_view> near_other_word(std::string_view written, std::span<const std::string_view> pairs) {
  std::vector<std::string_view> others;
  for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) others.push_back(pairs[i]);
  const auto near = nearest(written, others);
  return near ? other_word(*near, pairs) : std::nullopt;
}

std::string alternatives(std::span<const std::string_view> words) { return joined(words, true, " or "); }
std::string listed(std::span<const std::string_view> words) { return joined(words, false, ", "); }

std::size_t letters(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

bool is_key_letter(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
}
bool is_plain_key(std::string_view text) { return !text.empty() && std::ranges::all_of(text, is_key_letter); }

std::string shown_key(std::string_view key) {
  return is_plain_key(key) && key.size() <= longest_shown ? std::string(key) : quote(key);
}

std::string one_line(std::string_view text) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string shown;
  while (!text.empty()) {
    const std::size_t length = detail::control_length(text);
    if (length == 0) {
      shown += text.front();
    } else if (text.front() == '\n' || text.front() == '\t') {
      shown += text.front() == '\n' ? "\\n" : "\\t";
    } else {
      const auto last = static_cast<unsigned char>(text[length - 1]);
      shown += length == 3 ? "\\u20" : "\\u00";
      shown += digits[(length == 3 ? last - 0x80 : last) >> 4];
      shown += digits[last & 15];
    }
    text.remove_prefix(std::max(length, std::size_t{1}));
  }
  return shown;
}

std::string quote(std::string_view text) {
  std::string_view part = text.substr(0, longest_shown);
  // A letter of several bytes is not cut in the middle.
  while (part.size() < text.size() && !part.empty() && (static_cast<unsigned char>(text[part.size()]) & 0xC0) == 0x80) {
    part.remove_suffix(1);
  }
  std::string escaped;
  for (const char c : part) {
    if (c == '"' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return "\"" + one_line(escaped) + (part.size() < text.size() ? "...\"" : "\"");
}

}  // namespace troupe::config

namespace troupe::detail {

std::string config_quoted(std::string_view text) { return config::quote(text); }

std::string config_shown_key(std::string_view key) { return config::shown_key(key); }

std::string config_suggestion(std::string_view written, std::span<const std::string_view> words) {
  const auto meant = config::nearest(written, words);
  return meant ? "; did you mean " + config::quote(*meant) + "?" : "";
}

}  // namespace troupe::detail
