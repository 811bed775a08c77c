// The supervisor process: what run() makes, in which order, and how it ends.

#include <condition_variable>
#include <cstdio>
#include <deque>
#include <iostream>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>

#include <troupe/detail/runtime.hpp>

#include "channel/endpoint.hpp"
#include "os/process.hpp"
#include "os/symbols.hpp"
#include "supervision/cgroups.hpp"
#include "supervision/control.hpp"
#include "supervision/description.hpp"
#include "supervision/log.hpp"
#include "supervision/log_format.hpp"
#include "supervision/spawner.hpp"
#include "supervision/supervisor.hpp"

namespace troupe::supervision {

namespace {

constexpr int gave_up_code = 70;
constexpr std::chrono::seconds main_may_take{1};
constexpr std::chrono::milliseconds log_may_take{200};
constexpr std::chrono::milliseconds log_may_take_at_end{1000};

void flush_stdio() {
  std::cout.flush();
  std::fflush(nullptr);
}

/// Old containers refuse clone3 with EPERM, upon which a newer libc can make no thread; better now than in the middle.
void require_threads() {
  try {
    std::thread([] {}).join();
  } catch (const std::system_error& e) {
    throw error(errc::os, "start a thread", e.code().value(),
                "a container that refuses clone3 must do so with ENOSYS, or its libc starts no thread");
  }
}

void require_single_thread() {
  const auto ids = os::thread_ids();
  if (ids.size() == 1) return;
  std::string names;
  for (const int id : ids) {
    if (id != os::own_pid()) names += (names.empty() ? "" : ", ") + os::thread_name(id) + " (" + std::to_string(id) + ")";
  }
  throw error(errc::threads_exist, "call troupe::run before any thread is started; running now: " + names);
}

void require_flags(const supervisor_flags& root) {
  const auto wrong = wrong_with_root(root);
  if (!wrong.empty()) throw error(errc::bad_spec, "options::supervisor: " + joined(wrong));
}

void require_level(orphan_level wanted, const cgroups& groups) {
  if (groups.level() >= wanted) return;
  throw error(errc::level_missing, "options::require_level says cgroup, and none can be made: " + groups.lacks());
}

void log_orphan_level(const cgroups& groups) {
  const bool cgroup = groups.level() == orphan_level::cgroup;
  log_line("no orphans: " + (cgroup ? "cgroup " + groups.folders().front() : "best effort, since " + groups.lacks()),
           log_level::debug);
}

class program final : public detail::runtime {
 public:
  program(const detail::run_options& how, std::span<const detail::actor_type* const> types, spawner& spawns,
          cgroups& groups, os::fd signals);
  ~program() { stop_tree(); }

  void monitor(std::uint64_t identity, std::function<void(const down&)> handler) override;
  void wait() override;
  bool poll(std::chrono::nanoseconds patience) override;
  void stop() override;
  orphan_level orphans() const override { return orphans_; }
  bool stopping() const override { return stop_wanted_ || endpoint_->interrupted(); }
  counts count() const override {
    return {control_.deaths(), control_.restarts(), control_.dead_letters(), control_.workers()};
  }

  /// Stops every child in reverse order and everything else. Called by main when its function has returned.
  void stop_tree();
  int signal() const noexcept { return signal_; }
  bool gave_up() const noexcept { return gave_up_; }
  bool run_between();

 private:
  void take_signal(int number);
  void limit_main();
  void tree_ended(policy::outcome how, const std::string& text);
  void note(channel::incoming&& frame);

  const orphan_level orphans_;
  control control_;
  std::unique_ptr<channel::endpoint> endpoint_;
  std::unique_ptr<supervisors> supervisors_;
  std::map<std::uint64_t, std::function<void(const down&)>> handlers_;  // guarded by the endpoint's mutex
  std::deque<down> downs_;                                             // guarded by the endpoint's mutex

  std::atomic<int> signal_{0};
  std::atomic<bool> stop_wanted_{false};
  std::atomic<bool> gave_up_{false};
  std::mutex ended_mutex_;
  std::condition_variable changed_;
  std::thread watcher_;
  bool ended_ = false;
  bool main_done_ = false;
  bool stopped_ = false;
};

program::program(const detail::run_options& how, std::span<const detail::actor_type* const> types, spawner& spawns,
                 cgroups& groups, os::fd signals)
    : orphans_(groups.level()),
      control_(spawns, groups, types, how.dead_letters, how.log,
               {[this](int number) { take_signal(number); },
                [this](policy::outcome outcome, const std::string& text) { tree_ended(outcome, text); }}) {
  auto parts = control_.make_main(how.outbox_bytes);
  endpoint_ = std::make_unique<channel::endpoint>(
      channel::endpoint::parts{parts.identity, parts.incarnation, std::move(parts.control), std::move(parts.out),
                               std::move(parts.doorbell), how.outbox_bytes},
      [this](channel::incoming&& frame) { note(std::move(frame)); });
  endpoint_->run_between = [this] { run_between(); };
  supervisors_ = std::make_unique<supervisors>(control_, how.supervisor);
  control_.start(*supervisors_, std::move(signals));
}

// -------------------------------------------------------------------------------------------------------- the runtime

void program::monitor(std::uint64_t identity, std::function<void(const down&)> handler) {
  {
    const std::lock_guard lock(endpoint_->mutex());
    handlers_[identity].swap(handler);  // what the old one holds may need the mutex to go
  }
  detail::monitor(identity);
}

void program::wait() {
  std::unique_lock lock(endpoint_->mutex());
  endpoint_->wait(lock, std::nullopt, [this] { return stop_wanted_.load(); });
}

bool program::poll(std::chrono::nanoseconds patience) {
  const auto until = detail::deadline_in(patience);
  for (;;) {
    if (run_between()) return true;
    endpoint_->serve_once(until);
    if (run_between()) return true;
    if (os::clock::now() >= until || stopping()) return false;
  }
}

void program::stop() {
  stop_wanted_ = true;
  os::ring(endpoint_->doorbell());
}

void program::note(channel::incoming&& frame) {
  wire::down what{};
  if (frame.type != wire::frame::down || !frame.take(what)) return;
  const std::string text = frame.text();
  const std::size_t cut = text.find('\n');
  downs_.push_back({what.identity, text.substr(0, cut), static_cast<down::kind>(what.kind), what.code, what.signal,
                    what.ended != 0, cut == text.npos ? "" : text.substr(cut + 1)});
  endpoint_->poke();
}

bool program::run_between() {
  bool ran = false;
  while (endpoint_->run_callback()) ran = true;
  for (;;) {
    std::optional<down> next;
    std::function<void(const down&)> handler;
    {
      const std::lock_guard lock(endpoint_->mutex());
      if (downs_.empty()) return ran;
      next = std::move(downs_.front());
      downs_.pop_front();
      if (const auto found = handlers_.find(next->identity); found != handlers_.end()) handler = found->second;
    }
    if (handler) handler(*next);
    ran = true;
  }
}

// ------------------------------------------------------------------------------------------------------------ the end

void program::take_signal(int number) {
  if (signal_ != 0) {
    control_.kill_all();
    flush_log(log_may_take);
    os::exit_now(128 + number);
  }
  signal_ = number;
  log_line(os::signal_name(number) + ": stopping");
  endpoint_->interrupt_from_outside(error(errc::stopping, "the program is being stopped by " + os::signal_name(number)));
  supervisors_->stop_all(root_supervisor, {});
  const std::lock_guard lock(ended_mutex_);
  if (ended_) limit_main();  // given up before
}

/// Main may be in a call of its own that no signal ends.
void program::limit_main() {
  watcher_ = std::thread([this] {
    std::unique_lock lock(ended_mutex_);
    if (changed_.wait_for(lock, main_may_take, [this] { return main_done_; })) return;
    flush_log(log_may_take);
    os::exit_now(128 + signal_);
  });
}

void program::tree_ended(policy::outcome how, const std::string& text) {
  const bool by_one_that_gave_up = how == policy::outcome::auto_shutdown && !text.empty();
  if (how == policy::outcome::gave_up || by_one_that_gave_up) {
    gave_up_ = true;
    endpoint_->interrupt_from_outside(error(errc::gave_up, text));
  }
  stop();  // the root may have ended by auto_shutdown, and main waits
  const std::lock_guard lock(ended_mutex_);
  if (!std::exchange(ended_, true) && signal_ != 0) limit_main();
  changed_.notify_all();
}

void program::stop_tree() {
  if (std::exchange(stopped_, true)) return;
  {
    const std::lock_guard lock(ended_mutex_);
    main_done_ = true;
  }
  changed_.notify_all();
  supervisors_->stop_all(root_supervisor, {});
  {
    std::unique_lock lock(ended_mutex_);
    changed_.wait(lock, [this] { return ended_; });
  }
  control_.finish();
  if (watcher_.joinable()) watcher_.join();
  supervisors_.reset();
  endpoint_.reset();
}

/// On one line of standard error, whatever a worker has put into the text.
void say(const char* text) {
  log_entry line;
  line.text = text;
  std::cerr << as_text(line) << std::endl;
}

}  // namespace
}  // namespace troupe::supervision

namespace troupe::detail {

int run_program(int, char**, const run_options& how, std::span<const actor_type* const> types,
                const std::function<int(runtime&)>& body) {
  using namespace supervision;
  require_flags(how.supervisor);
  require_single_thread();
  os::open_standard_descriptors();
  flush_stdio();
  os::raise_descriptor_limit();
  os::ignore_sigpipe();
  os::remember_modules();
  int code = 1;
  int signal = 0;
  {
    const os::kept_signals before;
    os::kernel_files files;
    cgroups groups(files);
    require_level(how.require_level, groups);
    spawner spawns(types, guardian(groups.folders()));
    require_threads();
    start_log(how.log);
    log_orphan_level(groups);
    if (spawns.makes_orphans()) {
      log_line("this machine refuses clone with CLONE_PARENT: workers are forked twice, so they send SIGCHLD and "
               "waitpid(-1) sees them");
    }
    program running(how, types, spawns, groups, os::take_signals());
    try {
      code = body(running);
    } catch (const error& e) {
      if (running.signal() == 0) say(e.what());
    } catch (const std::exception& e) {
      say(e.what());
    }
    running.stop_tree();
    groups.end_all();  // while the spawners live: they do it, if this process is killed meanwhile
    if (running.gave_up()) code = gave_up_code;
    signal = running.signal();
  }
  if (signal != 0) {
    if (flush_log(log_may_take_at_end)) flush_stdio();  // else nobody reads what it has written
    os::exit_now(128 + signal);
  }
  stop_log();
  flush_stdio();
  return code;
}

}  // namespace troupe::detail
