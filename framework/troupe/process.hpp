#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include <troupe/codec.hpp>
#include <troupe/detail/runtime.hpp>

namespace troupe {
namespace detail {

class process_state;
/// Throws error: spawn_failed, stopping, not_allowed.
std::shared_ptr<process_state> start_process(const packed_arguments& arguments);

template <class R, class... Params>
struct process_function {
  using pointer = R (*)(Params...);
  using arguments = std::tuple<std::decay_t<Params>...>;

  /// In the new process.
  static int call(reader& from) {
    const auto function = reinterpret_cast<pointer>(read_argument<std::uintptr_t>(from));
    arguments values{read_argument<std::decay_t<Params>>(from)...};  // braces: left to right
    return std::apply(
        [&](auto&... each) {
          if constexpr (std::is_void_v<R>) {
            function(static_cast<Params&&>(each)...);
            return 0;
          } else {
            return static_cast<int>(function(static_cast<Params&&>(each)...));
          }
        },
        values);
  }
  static packed_arguments pack(pointer function, const std::decay_t<Params>&... values) {
    const process_caller caller = &call;
    return pack_arguments(reinterpret_cast<std::uintptr_t>(caller), reinterpret_cast<std::uintptr_t>(function),
                          values...);
  }
};

}  // namespace detail

/// A function of this program that runs in a worker process of its own, with copies of its arguments; the program's
/// globals are there as they were when troupe::run was called. Unlike an actor it is never restarted. It may use
/// everything that an actor may: refs, pipes, queues, processes of its own.
///
/// Start one inside troupe::run, in main or in a worker. It does not outlive the process that started it: when that one
/// dies, or the program stops, waits in the function end with error(errc::stopping), and half a second later it is
/// killed. A handle is used by one thread at a time.
class process {
 public:
  /// No process.
  process() noexcept = default;
  /// Starts `function` (a function, or a lambda without captures, that returns nothing or its exit code); returns when
  /// the process runs. The arguments are converted to the function's parameters and travel like messages; ends of pipes
  /// and queues may be among them. An exception that escapes the function is printed: exit code 1.
  /// Throws error: spawn_failed, stopping.
  template <class R, class... Params, class... Arguments>
  explicit process(R (*function)(Params...), Arguments&&... arguments) {
    start(function, std::forward<Arguments>(arguments)...);
  }
  template <class Lambda, class... Arguments>
    requires(std::is_class_v<Lambda> && requires(const Lambda& lambda) { +lambda; })
  explicit process(const Lambda& lambda, Arguments&&... arguments) {
    start(+lambda, std::forward<Arguments>(arguments)...);
  }
  process(process&& other) noexcept = default;
  /// As the destructor for the process that was here.
  process& operator=(process&& other) noexcept;
  /// Waits for the end of the process, as Python does. If that is not wanted: terminate() or kill() first. What a callback
  /// of then() throws meanwhile, in main, is printed.
  ~process();

  /// Whether there is a process, running or ended.
  explicit operator bool() const noexcept { return state_ != nullptr; }
  int pid() const;
  /// A number that stands for the process; never reused.
  std::uint64_t identity() const;
  /// Waits for the end. Throws error(errc::stopping).
  void join() const;
  /// False: it has not ended within `patience`.
  bool join(std::chrono::nanoseconds patience) const;
  bool is_alive() const;
  /// nullopt: it runs. What the function returned (0 to 255) or passed to exit; -9 if signal 9 killed it.
  std::optional<int> exit_code() const;
  /// Sends it SIGTERM, of which it dies unless its function says otherwise. Nothing happens to one that has ended.
  void terminate() const;
  /// Sends it SIGKILL.
  void kill() const;
  /// A descriptor that becomes readable when the process has ended, for poll and the like. It stays the handle's.
  int sentinel() const;

 private:
  template <class R, class... Params, class... Arguments>
  void start(R (*function)(Params...), Arguments&&... arguments) {
    static_assert(std::is_void_v<R> || std::is_convertible_v<R, int>,
                  "the function of a process returns nothing or its exit code; send results through a pipe or a queue");
    constexpr bool as_many = sizeof...(Params) == sizeof...(Arguments);
    static_assert(as_many, "the function of this process takes another number of arguments");
    if constexpr (as_many) {
      constexpr bool fit = (std::constructible_from<std::decay_t<Params>, Arguments> && ...);
      static_assert(fit, "the function of this process does not take these arguments");
      (detail::require_serializable<std::decay_t<Params>>(), ...);
      if constexpr (fit) {
        using its = detail::process_function<R, Params...>;
        state_ = detail::start_process(
            its::pack(function, static_cast<std::decay_t<Params>>(std::forward<Arguments>(arguments))...));
      }
    }
  }
  detail::process_state& state() const;
  void finish() noexcept;

  std::shared_ptr<detail::process_state> state_;
};

}  // namespace troupe
