#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <troupe/config_fault.hpp>

namespace troupe::detail {

/// Where something stands: in the file, or in one of the --set of the command line.
struct config_place {
  std::uint32_t set = 0;  ///< which --set, from 1; 0: the file
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  friend auto operator<=>(const config_place&, const config_place&) = default;
};

struct config_member;

/// What a tree file holds, as plain data: a tree of bounded depth, in the order of the file.
struct config_value {
  enum class kind : std::uint8_t {
    boolean,
    integer,
    real,
    string,
    date,  ///< or a time; `text` is how it is written
    list,
    table,
    broken,  ///< something is wrong with it, and that has been said
  };
  kind is = kind::broken;
  config_place at = {};
  bool boolean = false;
  std::int64_t integer = 0;
  double real = 0;
  std::string text = {};
  std::vector<config_value> items = {};     ///< of a list
  std::vector<config_member> members;       ///< of a table

  const config_member* find(std::string_view key) const;
  config_member* find(std::string_view key);
};

struct config_member {
  std::string key;
  config_place at;  ///< of the key
  config_value value;
};

/// What is wrong with a file, or looks wrong. Nothing stops at the first problem.
class config_problems {
 public:
  struct problem {
    config_place at;
    std::string text;
    bool warning = false;
    friend bool operator==(const problem&, const problem&) = default;
  };
  void error(config_place at, std::string text) { all_.push_back({at, std::move(text), false}); }
  void warning(config_place at, std::string text) { all_.push_back({at, std::move(text), true}); }
  std::size_t errors() const;
  std::vector<problem> in_order() const;

 private:
  std::vector<problem> all_;
};

/// `; did you mean "max_restarts"?` if one of the words is near to what was written, else nothing.
std::string config_suggestion(std::string_view written, std::span<const std::string_view> words);

/// The members of a table, taken by name. What nobody has taken is an unknown key.
class config_table {
 public:
  /// `value` is a table. `owner` is how messages name what has these keys: "a supervisor", "Reader's args".
  config_table(const config_value& value, std::string owner, config_problems& problems)
      : value_(value), owner_(std::move(owner)), problems_(problems) {}

  /// The value of `key`; none if it is missing.
  const config_value* take(std::string_view key);
  bool has(std::string_view key) const { return value_.find(key) != nullptr; }
  /// Whether it was to be taken, there or not.
  bool knows(std::string_view key) const;
  const config_value& value() const { return value_; }

  /// A sentence about a key that only looks unknown; empty: none.
  using advice = std::function<std::string(std::string_view key)>;
  void refuse_the_rest(const advice& about = {}) const;
  /// What the config itself finds wrong, at the place of the field. Of the fields in `unread` that has been said; of one
  /// that is not there it is said if nothing has the wrong name.
  void say_faults(const std::vector<config_fault>& faults, std::span<const std::string_view> unread) const;

 private:
  const config_value& value_;
  std::string owner_;
  config_problems& problems_;
  std::vector<std::string_view> known_;
};

/// One value that is read as something, and where to complain. `name` is the key, as messages show it.
struct config_field {
  std::string_view name;
  const config_value& value;
  config_problems& problems;

  /// Complains that `expected` was expected; says what is there instead.
  void wrong(const std::string& expected, const std::string& suggestion = {}) const;
  void out_of_range(const std::string& found, const std::string& expected) const;
};

// Each complains and returns nothing if the value is something else. A value that is broken gets no second complaint.
std::optional<bool> config_boolean(const config_field& from);
std::optional<std::int64_t> config_integer(const config_field& from, std::int64_t least, std::uint64_t most);
std::optional<double> config_real(const config_field& from, double least, double most);
std::optional<std::string> config_text(const config_field& from);
/// A time such as "10ms", in units of `tick` nanoseconds; it must be a whole number of them unless `whole` is false.
std::optional<double> config_ticks(const config_field& from, double tick, bool whole, double least, double most);
/// Bytes, as in "64KiB".
std::optional<std::uint64_t> config_size(const config_field& from, std::uint64_t least, std::uint64_t most);
/// Which of the words it is. `others` are words that people write for one of them, in pairs.
std::optional<std::size_t> config_choice(const config_field& from, std::span<const std::string_view> words,
                                         std::span<const std::string_view> others = {});
/// A table, a list.
bool config_is_table(const config_field& from);
bool config_is_list(const config_field& from);
/// A table that has this field alone.
config_value config_only(const config_field& field);
/// Whether something in it is broken.
bool config_has_broken(const config_value& value);

// As a file would have it.
std::string config_shown(double number);
std::string config_shown_ticks(double count, double tick);
std::string config_shown_size(std::uint64_t bytes);
std::string config_quoted(std::string_view text);
/// A key of a map: in quotes if it is written so.
std::string config_shown_key(std::string_view key);

}  // namespace troupe::detail
