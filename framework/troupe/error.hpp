#pragma once

#include <cstdint>
#include <exception>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

namespace troupe {

/// What went wrong, by what the caller can do about it.
enum class errc : std::uint8_t {
  os,               ///< a system call failed: error::os_errno() and error::op() say which and why
  full,             ///< no room in the receiver's mailbox within the limit; nothing was sent
  closed,           ///< the actor, queue or pipe has ended for good; nothing was sent
  too_large,        ///< the message exceeds a limit that waiting does not change
  timeout,          ///< the deadline passed; what was asked may still happen
  outcome_unknown,  ///< the callee died after it had started the request
  connecting,       ///< try_tell only: the first tell on a link waits for the supervisor's answer
  corrupt,          ///< bytes from another process are not what they claim to be
  not_found,        ///< no actor has this name
  name_taken,       ///< an actor of this name exists
  start_failed,     ///< the actor's constructor or on_start failed: the text is its message
  spawn_failed,     ///< no process could be made for the actor
  gave_up,          ///< the supervisor exceeded its restart budget: the text says who died last, and how
  stopping,         ///< the program is being stopped
  failed,           ///< the handler answered with troupe::fail: the text is its text
  unhandled,        ///< the receiver has no handler for this message or replies with another type
  deadlock,         ///< the wait could only end by itself: asking oneself, or an actor told in this turn
  threads_exist,    ///< run() found other threads; actors' processes must be forked from a single thread
  not_allowed,      ///< called where it has no meaning: the text says where and what to do instead
  empty,            ///< nothing there now (queue, pipe: non-blocking)
  already_present,  ///< the supervisor has a child of this name, which does not run
  already_started,  ///< the supervisor has a child of this name, which runs
  running,          ///< the child runs: terminate it first
  restarting,       ///< the child is being restarted: terminate it first
  bad_spec,         ///< no supervisor can have such a child or such flags: the text says why
  level_missing,    ///< this machine cannot give what options::require_level asks for: the text says what it lacks
};

/// The enumerator's name, as it appears in messages.
std::string_view name(errc code) noexcept;

/// The one error of Troupe: thrown by the calls that throw, returned by those that begin with `try_`.
class error : public std::exception {
 public:
  error(errc code, std::string text);
  /// `op`: the operation that failed, a string literal. `os_errno`: an errno value, 0 if there is none.
  error(errc code, const char* op, int os_errno, std::string text = {});

  errc code() const noexcept { return code_; }
  int os_errno() const noexcept { return os_errno_; }
  const char* op() const noexcept { return op_; }
  /// What the user needs beyond the code: a size and its limit, a constructor's message, how a worker died.
  const std::string& text() const noexcept { return text_; }
  /// One sentence: what happened, where, and what to do.
  const char* what() const noexcept override { return what_.c_str(); }

 private:
  errc code_;
  int os_errno_ = 0;
  const char* op_ = "";
  std::string text_;
  std::string what_;
};

template <class T>
using expected = tl::expected<T, error>;

/// An answer that is an error, made by a handler; see troupe::result.
struct failure {
  std::string text;
};

/// The return type of a handler that can answer with an error: `result<double> on(Divide)`.
/// The asker's get() throws error(errc::failed, text); the actor lives on.
template <class T>
using result = tl::expected<T, failure>;

/// `return troupe::fail("division by zero");`
inline tl::unexpected<failure> fail(std::string text) { return tl::unexpected<failure>(failure{std::move(text)}); }

}  // namespace troupe
