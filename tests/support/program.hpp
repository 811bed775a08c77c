#pragma once

/// Runs a body inside troupe::run in a process of its own, so that each test has its own supervisor process with its
/// own options. doctest's assertions do not cross processes: the body uses EXPECT and EXPECT_EQ, which throw; the test
/// case that started the program fails with their text and with what the program wrote to standard error.
///
///     in_program<Counter>([](troupe::system& sys) {
///       auto counter = sys.spawn<Counter>("counter");
///       EXPECT_EQ(counter.ask(Get{}).get(), 0);
///     });
///
/// After each program it is checked that no process of it is left.

#include <doctest/doctest.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <troupe/troupe.hpp>

namespace tests {

using namespace std::chrono_literals;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr int slowness = 4;
#else
inline constexpr int slowness = 1;
#endif

/// For cases that a sanitizer's own use of memory, descriptors or signals would fail.
inline const auto not_sanitized = doctest::skip(slowness > 1);

/// What EXPECT throws.
struct broken_expectation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

[[noreturn]] void broken(const char* file, int line, const std::string& what);

#define EXPECT(condition)                                                            \
  do {                                                                               \
    if (!(condition)) ::tests::broken(__FILE__, __LINE__, "EXPECT(" #condition ")"); \
  } while (false)

#define EXPECT_EQ(a, b) ::tests::expect_equal(__FILE__, __LINE__, "EXPECT_EQ(" #a ", " #b ")", a, b)

template <class T>
std::string shown(const T& value) {
  if constexpr (std::is_same_v<T, troupe::errc>) {
    return std::string(troupe::name(value));
  } else {
    return doctest::toString(value).c_str();
  }
}

template <class A, class B>
void expect_equal(const char* file, int line, const char* what, const A& a, const B& b) {
  if (!(a == b)) broken(file, line, std::string(what) + ": " + shown(a) + " is not " + shown(b));
}

/// The error that `call` throws; it is an EXPECT that it throws one.
template <class Call>
troupe::error error_of(Call call) {
  try {
    static_cast<void>(call());
  } catch (const troupe::error& e) {
    return e;
  }
  throw broken_expectation("a troupe::error was expected, and nothing was thrown");
}

/// Waits for a condition; false: the watchdog ended that. In a program's body callbacks run meanwhile.
bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit = 10s);

/// Keeps looking for this long that a condition holds; false: once it did not. Callbacks run meanwhile.
bool always(const std::function<bool()>& condition, std::chrono::milliseconds length);

// ------------------------------------------------------------------------------------------------------------ programs

/// Options for a program that says nothing on standard error.
inline troupe::options quiet(std::uint32_t max_restarts = 1) {
  return {.supervisor = {.max_restarts = max_restarts}, .log = false};
}
inline troupe::options logged(std::uint32_t max_restarts = 1) {
  return {.supervisor = {.max_restarts = max_restarts}, .log = true};
}

struct outcome {
  int exit_code = -1;   ///< -1: a signal ended it
  int signal = 0;       ///< 0: it exited
  std::string log;      ///< what the program and its workers wrote to standard output and error
  std::string failure;  ///< of the EXPECT that failed, or of the exception that escaped the body; empty: none
  std::chrono::milliseconds cleared_after{0};  ///< how long after its end the last of its processes was gone
};

/// A program that runs beside the test case. Killed at the end of its scope, if it still runs.
class program {
 public:
  /// `body` runs in a forked child and gives its exit code.
  explicit program(const std::function<int()>& body);
  ~program();
  program(const program&) = delete;
  program& operator=(const program&) = delete;

  pid_t pid() const noexcept { return pid_; }
  void signal(int number) const;
  /// Waits for its end. Fails the test case if an EXPECT failed in it, if the watchdog ended it, or if a process of it
  /// is left that does not end within ten seconds; how long it took is in the outcome.
  outcome wait(std::chrono::milliseconds watchdog = 30s);

 private:
  pid_t pid_ = 0;
  int pidfd_ = -1;
  int log_ = -1;
  bool over_ = false;
};

namespace detail {
int run_body(const std::function<int(troupe::system&)>& body, troupe::system& sys);
void check_success(const outcome& how);
}  // namespace detail

/// Starts a program whose main is troupe::run with this body.
template <class... Actors>
std::unique_ptr<program> start_program(const troupe::options& how, const std::function<int(troupe::system&)>& body) {
  return std::make_unique<program>([&] {
    return troupe::run<Actors...>(0, nullptr, how, [&](troupe::system& sys) { return detail::run_body(body, sys); });
  });
}

/// Runs `body` as troupe::run's body in a process of its own. Fails the test case if an EXPECT in it fails, it throws,
/// the program's exit code is not 0, the watchdog ends it, or a process of it is left.
template <class... Actors>
outcome in_program(const troupe::options& how, const std::function<void(troupe::system&)>& body,
                   std::chrono::milliseconds watchdog = 30s) {
  auto started = start_program<Actors...>(how, [&](troupe::system& sys) {
    body(sys);
    return 0;
  });
  outcome ended = started->wait(watchdog);
  detail::check_success(ended);
  return ended;
}
template <class... Actors>
outcome in_program(const std::function<void(troupe::system&)>& body) {
  return in_program<Actors...>(quiet(), body);
}

// ------------------------------------------------------------------------------------------------------- what they saw

/// Lines that the processes of a program leave for each other and for the test case; in memory that all of them share,
/// so what a killed process has noted is there. Emptied when a program starts.
void note(std::string_view line);
std::vector<std::string> notes();
bool noted(std::string_view line);

/// Numbers that the processes of a program share; 0 when a program starts.
std::uint64_t add(std::size_t counter, std::uint64_t value = 1);
void set(std::size_t counter, std::uint64_t value);
std::uint64_t total(std::size_t counter);

/// Processes whose parent is `parent` and whose name is `name` (empty: any), zombies left out.
std::vector<pid_t> children_of(pid_t parent, std::string_view name = {});
/// Those of them that are dead and not reaped.
std::vector<pid_t> zombies_of(pid_t parent);
std::string name_of_process(pid_t pid);
/// 'R', 'S', 'T' ... as in /proc; 0: no such process.
char state_of(pid_t pid);
/// What the process's descriptors point to, sorted: "memfd:troupe-out", "pipe", "socket", "eventfd" ...
std::vector<std::string> descriptors_of(pid_t pid);
/// Of files and shared memory; private memory is the allocator's affair.
std::size_t mappings_of(pid_t pid);

}  // namespace tests

template <>
struct doctest::StringMaker<std::vector<std::string>> {
  static doctest::String convert(const std::vector<std::string>& all) {
    std::string text = "{";
    for (const auto& each : all) text += " \"" + each + "\"";
    return (text + " }").c_str();
  }
};
