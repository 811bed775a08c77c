#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "os/poller.hpp"

namespace troupe::supervision {

/// Cuts bytes into lines. Holds at most one line's beginning, however long the line is.
class line_cutter {
 public:
  static constexpr std::size_t longest = 4096;  ///< bytes of a line that are kept

  /// Calls `each(line, left_out)` for each whole line; `left_out`: how many bytes at its end were not kept.
  template <class Each>
  void take(std::string_view bytes, Each each) {
    for (std::size_t end; (end = bytes.find('\n')) != bytes.npos; bytes.remove_prefix(end + 1)) {
      add(bytes.substr(0, end));
      give(each);
    }
    add(bytes);
  }
  /// Nothing more comes: what there is of the last line is one.
  template <class Each>
  void finish(Each each) {
    if (!line_.empty()) give(each);
  }

 private:
  void add(std::string_view bytes) {
    const std::string_view kept = bytes.substr(0, longest - line_.size());
    line_ += kept;
    left_out_ += bytes.size() - kept.size();
  }
  template <class Each>
  void give(Each each) {
    if (left_out_ == 0 && line_.ends_with('\r')) line_.pop_back();
    each(std::string_view(line_), left_out_);
    line_.clear();
    left_out_ = 0;
  }

  std::string line_;
  std::uint64_t left_out_ = 0;
};

/// The last lines that were added.
class last_lines {
 public:
  static constexpr std::size_t most = 20, most_bytes = 4096;

  void add(std::string_view line);
  std::vector<std::string> list() const { return {lines_.begin(), lines_.end()}; }

 private:
  std::deque<std::string> lines_;
  std::size_t bytes_ = 0;
};

/// So many a second on and on, ten times as many at once.
class allowance {
 public:
  /// 0: any number.
  explicit allowance(std::uint32_t per_second) noexcept : per_second_(per_second), left_(10.0 * per_second) {}
  bool admit(os::time_point now) noexcept;

 private:
  std::uint32_t per_second_;
  double left_;
  os::time_point last_{};
};

}  // namespace troupe::supervision
