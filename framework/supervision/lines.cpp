#include "supervision/lines.hpp"

#include <algorithm>
#include <utility>

namespace troupe::supervision {

void last_lines::add(std::string_view line) {
  lines_.emplace_back(line.substr(0, most_bytes));
  bytes_ += lines_.back().size();
  while (lines_.size() > most || bytes_ > most_bytes) {
    bytes_ -= lines_.front().size();
    lines_.pop_front();
  }
}

bool allowance::admit(os::time_point now) noexcept {
  if (per_second_ == 0) return true;
  const double seconds = std::chrono::duration<double>(now - std::exchange(last_, now)).count();
  left_ = std::min(left_ + seconds * per_second_, 10.0 * per_second_);
  if (left_ < 1) return false;
  left_ -= 1;
  return true;
}

}  // namespace troupe::supervision
