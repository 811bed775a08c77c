#pragma once

#include <chrono>
#include <concepts>
#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <troupe/ask.hpp>
#include <troupe/detail/node.hpp>
#include <troupe/detail/waits.hpp>
#include <troupe/error.hpp>

namespace troupe {

template <class R = void>
class task;
namespace detail {
template <class R>
struct all_of;
}  // namespace detail

/// `co_await troupe::sleep_for(10ms)` inside a task. Throws error(errc::stopping) if the program is being stopped.
struct sleep_for {
  std::chrono::nanoseconds length;
  explicit sleep_for(std::chrono::nanoseconds how_long) noexcept : length(how_long) {}
};

namespace detail {

/// Throws error(errc::not_allowed).
void refuse_in_turn();

template <class R>
struct reply_awaiter {
  asking<R>& what;
  waits& in;
  bool await_ready() { return !what.send(true); }
  void await_suspend(std::coroutine_handle<> who) { in.for_reply(what.correlation_, who); }
  R await_resume() { return what.get(); }
};

struct time_awaiter {
  time_point when;
  waits& in;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> who) { in.for_time(when, who); }
  void await_resume() const {
    if (in.stopped() && std::chrono::steady_clock::now() < when) throw error(*in.stopped());
  }
};

/// Starts the task, waits for its end and takes what it gave.
template <class R>
struct task_awaiter {
  task<R>& what;
  waits& in;
  bool await_ready() const {
    what.start(in);
    return what.coroutine_.done();
  }
  void await_suspend(std::coroutine_handle<> who) const noexcept { what.coroutine_.promise().awaited_by = who; }
  R await_resume() const { return what.take(); }
};

/// Waits for the end of a task that runs.
template <class R>
struct end_of {
  task<R>& what;
  bool await_ready() const noexcept { return what.coroutine_.done(); }
  void await_suspend(std::coroutine_handle<> who) const noexcept { what.coroutine_.promise().awaited_by = who; }
  void await_resume() const noexcept {}
};

/// co_await gives where the coroutine that does so runs.
struct own_waits {};

struct promise_base {
  /// The end of a task: whoever awaits it goes on.
  struct ending {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
      const auto next = ended.promise().awaited_by;
      return next ? next : std::noop_coroutine();
    }
    void await_resume() const noexcept {}
  };
  std::suspend_always initial_suspend() const noexcept { return {}; }
  ending final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { thrown = std::current_exception(); }

  template <class R>
  reply_awaiter<R> await_transform(asking<R>& what) const noexcept {
    return {what, *in};
  }
  template <class R>
  reply_awaiter<R> await_transform(asking<R>&& what) const noexcept {
    return {what, *in};
  }
  time_awaiter await_transform(sleep_for what) const { return {deadline_in(what.length), *in}; }
  template <class R>
  task_awaiter<R> await_transform(task<R>& what) const noexcept {
    return {what, *in};
  }
  template <class R>
  task_awaiter<R> await_transform(task<R>&& what) const noexcept {
    return {what, *in};
  }
  template <class R>
  end_of<R> await_transform(end_of<R> what) const noexcept {
    return what;
  }
  auto await_transform(own_waits) const noexcept {
    struct given {
      waits& in;
      bool await_ready() const noexcept { return true; }
      void await_suspend(std::coroutine_handle<>) const noexcept {}
      waits& await_resume() const noexcept { return in; }
    };
    return given{*in};
  }
  template <class T>
  std::suspend_never await_transform(T&&) const noexcept {
    constexpr bool awaitable = std::is_void_v<T>;  // of none that gets here
    static_assert(awaitable, "a troupe::task can co_await an ask, another troupe::task, or troupe::sleep_for");
    return {};
  }

  waits* in = nullptr;  // none: not started
  std::coroutine_handle<> awaited_by;
  std::exception_ptr thrown;
};

template <class R>
struct promise final : promise_base {
  task<R> get_return_object() noexcept { return task<R>(std::coroutine_handle<promise>::from_promise(*this)); }
  template <class Value = R>
  requires std::constructible_from<R, Value&&>
  void return_value(Value&& returned) { value.emplace(std::forward<Value>(returned)); }
  R take() { return std::move(*value); }
  std::optional<R> value;
};
template <>
struct promise<void> final : promise_base {
  task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void take() const noexcept {}
};

}  // namespace detail

/// A coroutine of Troupe's. A handler that returns task<R> replies with R when the coroutine has ended, and may
/// co_await inside: an ask (its answer, or throws its error as get() does), another task, troupe::sleep_for(...).
///
/// As long as the handler's coroutine has not ended, its message is the one in hand: no other message, timer or
/// callback runs, as in a handler that waits in get(). Who wants to serve others meanwhile returns a deferred reply.
/// Asks are sent when they are made, so several can be under way: `auto a = x.ask(..); auto b = y.ask(..); co_await a;
/// co_await b;`. What escapes the coroutine escapes the handler. Not in actors that work in turns.
///
/// A task starts when it is awaited (all(...) starts several at once). What it holds by reference must live until it
/// has ended. Outside a handler, get() runs it. Taken once.
template <class R>
class [[nodiscard]] task {
 public:
  using promise_type = detail::promise<R>;

  /// Runs it to its end on this thread, which serves the process's endpoint meanwhile. Throws what it throws;
  /// error(errc::not_allowed) inside a turn.
  R get() {
    detail::refuse_in_turn();
    detail::waits here;
    start(here);
    here.run(coroutine_);
    return take();
  }

  task(task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  task& operator=(task&& other) noexcept {
    std::swap(coroutine_, other.coroutine_);
    return *this;
  }
  ~task() {
    if (coroutine_) coroutine_.destroy();
  }

 private:
  friend promise_type;
  friend detail::task_awaiter<R>;
  friend detail::end_of<R>;
  friend struct detail::all_of<R>;

  explicit task(std::coroutine_handle<promise_type> coroutine) noexcept : coroutine_(coroutine) {}
  void require_fresh() const {
    if (coroutine_ && coroutine_.promise().in == nullptr) return;
    throw error(errc::not_allowed, "a task runs once: this one has been awaited already, or moved from");
  }
  /// Runs it until it waits for the first time.
  void start(detail::waits& in) {
    require_fresh();
    coroutine_.promise().in = &in;
    coroutine_.resume();
  }
  R take() {
    if (coroutine_.promise().thrown) std::rethrow_exception(coroutine_.promise().thrown);
    return coroutine_.promise().take();
  }

  std::coroutine_handle<promise_type> coroutine_;
};

inline task<void> detail::promise<void>::get_return_object() noexcept {
  return task<void>(std::coroutine_handle<promise>::from_promise(*this));
}

namespace detail {

template <class R>
struct all_of {
  /// Starts all before it waits for any; when it is over all have ended, in whatever way.
  static task<void> run(std::vector<task<R>>& tasks) {
    for (const auto& each : tasks) each.require_fresh();
    waits& in = co_await own_waits{};
    for (auto& each : tasks) each.start(in);
    for (auto& each : tasks) co_await end_of<R>{each};
  }
  static R take(task<R>& ended) { return ended.take(); }
};

}  // namespace detail

/// Runs these tasks side by side: each goes on when its own answer is there. Ends when all have; then throws the error
/// of the first, in their order, that has thrown one, else gives what they gave, in their order.
template <class R>
task<std::vector<R>> all(std::vector<task<R>> tasks) {
  co_await detail::all_of<R>::run(tasks);
  std::vector<R> results;
  results.reserve(tasks.size());
  for (auto& each : tasks) results.push_back(detail::all_of<R>::take(each));
  co_return results;
}
inline task<void> all(std::vector<task<void>> tasks) {
  co_await detail::all_of<void>::run(tasks);
  for (auto& each : tasks) detail::all_of<void>::take(each);
}

}  // namespace troupe
