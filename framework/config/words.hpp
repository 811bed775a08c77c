#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace troupe::config {

/// How many letters must be changed, added, taken away or swapped with their neighbour; capitals, and - for _, are the
/// same. Words of more than 64 letters are as far apart as can be.
std::size_t distance(std::string_view a, std::string_view b);

/// The word that is meant by `written`, if there is one near enough.
std::optional<std::string_view> nearest(std::string_view written, std::span<const std::string_view> words);

/// What people write for a word, in pairs: {"always", "permanent", ...}.
std::optional<std::string_view> other_word(std::string_view written, std::span<const std::string_view> pairs);
/// The same for what is near enough to such a word.
std::optional<std::string_view> near_other_word(std::string_view written, std::span<const std::string_view> pairs);

/// `"a", "b" or "c"`
std::string alternatives(std::span<const std::string_view> words);
/// `a, b, c`
std::string listed(std::span<const std::string_view> words);

/// How many letters a text in UTF-8 has.
std::size_t letters(std::string_view text);

/// The text with what cannot stand on a line of a terminal written as TOML escapes it.
std::string one_line(std::string_view text);

/// As a key is written in TOML.
std::string shown_key(std::string_view key);
/// Of a key without quotes.
bool is_key_letter(char c);
bool is_plain_key(std::string_view text);

/// The text between double quotes, on one line, cut when it is long; whatever bytes it has.
std::string quote(std::string_view text);

}  // namespace troupe::config
