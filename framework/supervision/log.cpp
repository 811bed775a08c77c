#include "supervision/log.hpp"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "os/process.hpp"
#include "supervision/log_format.hpp"

namespace troupe::supervision {

namespace {

constexpr std::size_t most_waiting = 4 * 1024 * 1024;  // bytes of workers' lines; the supervisor's may take as much again

/// What an entry takes while it waits.
std::size_t bytes_of(const log_entry& entry) {
  std::size_t bytes = sizeof entry + entry.text.size() + entry.actor.size();
  if (!entry.death) return bytes;
  bytes += sizeof *entry.death + entry.death->text.size() + entry.death->trace.size() * sizeof(std::uintptr_t);
  for (const auto& each : entry.death->last_lines) bytes += sizeof each + each.size();
  return bytes;
}

/// Whole lines with one write each, past the program's own buffer of standard output, in which they would be mixed.
class descriptor_sink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  explicit descriptor_sink(int number) : number_(number) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    os::write_all(number_, {line.data(), line.size()});
  }
  void flush_() override {}

  int number_;
};

std::unique_ptr<spdlog::logger> logger_of(int number, const char* pattern) {
  auto made = std::make_unique<spdlog::logger>("troupe", std::make_shared<descriptor_sink>(number));
  made->set_pattern(pattern);
  return made;
}

class log_writer {
 public:
  explicit log_writer(const log_options& how)
      : how_(how),
        out_(logger_of(1, "%v")),
        err_(logger_of(2, how.json ? "%v" : "%H:%M:%S.%e %v")),
        thread_([this] { run(); }) {}
  ~log_writer() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  void add(log_entry&& entry) {
    if (entry.level < how_.level) return;
    const std::lock_guard lock(mutex_);
    const std::size_t bytes = bytes_of(entry);
    const bool from_worker = entry.level == log_level::out || entry.level == log_level::err;
    if (waiting_bytes_ + bytes > (from_worker ? most_waiting : 2 * most_waiting)) {
      ++lost_;
      return;
    }
    waiting_bytes_ += bytes;
    entry.time = std::chrono::system_clock::now();
    waiting_.push_back(std::move(entry));
    changed_.notify_all();
  }

  bool flush(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [this] { return waiting_bytes_ == 0 && lost_ == 0; });
  }

 private:
  void run() {
    os::name_thread("troupe-log");
    os::block_all_signals();
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return over_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      const log_entry next = std::move(waiting_.front());
      waiting_.pop_front();
      const std::uint64_t lost = std::exchange(lost_, 0);
      lock.unlock();
      write(next);
      if (lost > 0) say_lost(lost);
      lock.lock();
      waiting_bytes_ -= bytes_of(next);
      changed_.notify_all();
    }
  }

  void write(const log_entry& entry) {
    const auto& to = entry.level == log_level::out ? out_ : err_;
    to->log(entry.time, spdlog::source_loc{}, spdlog::level::info, how_.json ? as_json(entry) : as_text(entry));
  }

  void say_lost(std::uint64_t lost) {
    log_entry entry;
    entry.level = log_level::warning;
    entry.time = std::chrono::system_clock::now();
    entry.text = std::to_string(lost) + " lines of the log are left out: it is not read as quickly as it is written";
    write(entry);
  }

  const log_options how_;
  std::unique_ptr<spdlog::logger> out_, err_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<log_entry> waiting_;   // these four: guarded by the mutex
  std::size_t waiting_bytes_ = 0;   // with the one that is being written
  std::uint64_t lost_ = 0;
  bool over_ = false;
  std::thread thread_;
};

std::unique_ptr<log_writer>& the_log() {
  static std::unique_ptr<log_writer> its;
  return its;
}

log_level level_of(const death_certificate& what) {
  if (what.decision == death_decision::given_up || what.decision == death_decision::budget_spent) return log_level::error;
  switch (what.why) {
    case death_cause::stopped: return log_level::debug;
    case death_cause::ended:
    case death_cause::killed:
    case death_cause::recycled: return log_level::info;
    default: return log_level::warning;
  }
}

}  // namespace

void start_log(const log_options& how) { the_log() = how.wanted ? std::make_unique<log_writer>(how) : nullptr; }

void stop_log() { the_log().reset(); }

bool flush_log(std::chrono::milliseconds patience) { return !the_log() || the_log()->flush(patience); }

void log_line(const std::string& text, log_level level) {
  if (!the_log()) return;
  log_entry entry;
  entry.level = level;
  entry.text = text;
  the_log()->add(std::move(entry));
}

void log_output(log_level level, const std::string& actor, wire::incarnation_id incarnation, std::string_view line,
                std::uint64_t left_out) {
  if (!the_log()) return;
  log_entry entry;
  entry.level = level;
  entry.text = line;
  entry.actor = actor;
  entry.incarnation = incarnation;
  entry.left_out = left_out;
  the_log()->add(std::move(entry));
}

void log_death(const death_certificate& what) {
  if (!the_log()) return;
  log_entry entry;
  entry.level = level_of(what);
  entry.death = std::make_shared<death_certificate>(what);
  the_log()->add(std::move(entry));
}

}  // namespace troupe::supervision
