#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <troupe/detail/config_value.hpp>

namespace troupe::config {

/// One of the names between the points of a key.
struct name_part {
  std::string name;
  detail::config_place at;
};

/// A table while its file is read: headers and keys with points may still add to it. What is there twice, or in the
/// way, is said, and of two values the first holds.
class open_table {
 public:
  explicit open_table(detail::config_place at, std::size_t depth = 0) : at_(at), depth_(depth) {}

  /// `a.b = value`, from here.
  void put(std::span<const name_part> key, detail::config_value value, detail::config_problems& problems);
  /// The table that [a.b], or [[a.b]] if `list`, begins; seen from the whole file. `at` is the header's place. None: it
  /// cannot be there.
  open_table* open(std::span<const name_part> key, bool list, detail::config_place at,
                   detail::config_problems& problems);
  std::size_t depth() const { return depth_; }
  bool is_empty() const { return entries_.empty(); }
  detail::config_value finish() &&;

 private:
  /// Of a key: a table that is open, a list of them that headers began, or a value.
  struct entry {
    name_part key;
    detail::config_place at;
    bool has_header = false;
    bool by_key = false;
    std::vector<std::unique_ptr<open_table>> tables = {};
    bool list = false;
    detail::config_value value = {};
  };
  entry* find(std::string_view name);
  entry& add(const name_part& key, detail::config_place at);
  open_table* add_table(entry& to, detail::config_place at);
  open_table* enter(const name_part& key, detail::config_place at, const std::string& whole,
                    detail::config_problems& problems);
  open_table* enter_by_key(const name_part& key, const std::string& whole, detail::config_problems& problems);
  open_table* open_last(const name_part& key, bool list, detail::config_place at, const std::string& whole,
                        detail::config_problems& problems);

  detail::config_place at_;
  std::size_t depth_;
  std::vector<std::unique_ptr<entry>> entries_;  // in the order of the file
  std::unordered_map<std::string_view, entry*> by_name_;
};

/// The key as it may be written.
std::string shown(std::span<const name_part> key);

}  // namespace troupe::config
