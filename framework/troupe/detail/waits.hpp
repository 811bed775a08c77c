#pragma once

#include <coroutine>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <troupe/detail/node.hpp>

namespace troupe::detail {

/// What the coroutines of one outermost task wait for, and who goes on when it is there. Lives on the stack of the call
/// that runs that task; used by its thread alone.
class waits {
 public:
  /// `who` goes on when the answer can be taken without waiting: by await_reply, which also says if there will be none.
  void for_reply(std::uint64_t correlation, std::coroutine_handle<> who);
  /// `who` goes on at this time, or earlier if waits are being ended: then stopped() says so.
  void for_time(time_point when, std::coroutine_handle<> who);
  /// Waits and lets coroutines go on, one at a time, until `outermost` has ended. The endpoint is served meanwhile.
  void run(std::coroutine_handle<> outermost);
  /// Why waits are being ended, if they are.
  const std::optional<error>& stopped() const noexcept { return stopped_; }

 private:
  std::coroutine_handle<> next();

  std::vector<std::uint64_t> correlations_;
  std::vector<std::coroutine_handle<>> askers_;  // one for each correlation
  std::vector<std::pair<time_point, std::coroutine_handle<>>> sleepers_;  // by time, the first one last
  std::optional<error> stopped_;
};

}  // namespace troupe::detail
