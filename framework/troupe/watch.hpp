#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <utility>

#include <troupe/actor.hpp>

namespace troupe {

enum class readiness : std::uint8_t {
  readable,  ///< or hung up
  writable,
};

/// A descriptor of the user's that the loop of this actor watches, until this ends: `self().watch(...)` makes one. Loop
/// thread only.
class watch {
 public:
  /// None.
  watch() noexcept = default;
  explicit watch(std::uint64_t number) noexcept : number_(number) {}
  watch(watch&& other) noexcept : number_(std::exchange(other.number_, 0)) {}
  watch& operator=(watch&& other) noexcept {
    if (this != &other) {
      end();
      number_ = std::exchange(other.number_, 0);
    }
    return *this;
  }
  ~watch() { end(); }

  explicit operator bool() const noexcept { return number_ != 0; }
  /// The handler does not run any more. Allowed inside it.
  void end() noexcept {
    if (number_ != 0) detail::context().remove_watch(std::exchange(number_, 0));
  }

 private:
  std::uint64_t number_ = 0;
};

/// Calls `handler` between two messages, once for each time that the descriptor is found ready: again and again as long
/// as it is. It must not wait. Not for regular files, which are always ready: errc::os. Close the descriptor when the
/// watch has ended. In an actor that works in turns each call is a turn. What it throws ends the process, as in a
/// handler.
inline watch self_t::watch(int descriptor, readiness what, std::function<void()> handler) const {
  return troupe::watch(detail::context().add_watch(descriptor, what == readiness::writable, std::move(handler)));
}

/// A descriptor to be waited for.
struct awaited {
  int descriptor;
  readiness what = readiness::readable;
};
/// Waits inside a handler, or anywhere in main, until one of these is ready. As in every wait of a handler, no message
/// is handled meanwhile and a stop ends it: error(errc::stopping). False: `until` has come.
bool wait_ready(std::initializer_list<awaited> which, std::optional<std::chrono::steady_clock::time_point> until);

}  // namespace troupe
