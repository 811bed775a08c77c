#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <troupe/log.hpp>

#include "os/fd.hpp"
#include "os/pipe.hpp"
#include "os/poller.hpp"
#include "supervision/lines.hpp"
#include "wire/memory.hpp"

namespace troupe::supervision {

/// What the workers print: reads their pipes in a thread of its own, a piece of each in turn, and hands whole lines to the
/// log. Holds a bounded number of bytes for each worker. open() and close() never wait for more than one such piece.
class output {
 public:
  /// Reads nothing unless the options say that output is captured.
  explicit output(const log_options& how);
  ~output();
  output(const output&) = delete;
  output& operator=(const output&) = delete;

  bool captures() const noexcept { return thread_.joinable(); }
  /// The writing ends of a new worker's standard output and error. Throws error(errc::os).
  std::pair<os::fd, os::fd> open(wire::incarnation_id who, const std::string& name);
  /// It is dead: hands on what is there, also a last line that is not whole, and returns the last lines of its standard
  /// error. Processes that it has left behind are read for a second more.
  std::vector<std::string> close(wire::incarnation_id who);

 private:
  struct stream {
    log_level level;
    os::fd pipe;
    line_cutter lines;
  };
  struct source {
    std::string name;
    stream out, err;
    allowance allowed;
    last_lines last;
    std::uint64_t left_out = 0;                // lines, not said yet
    std::optional<os::time_point> say_at, until;  // until: it is dead, and is forgotten then
  };
  using sources = std::map<wire::incarnation_id, source>;

  class turn;
  void run();
  std::optional<os::time_point> next_time();
  void on_time();
  void finish(wire::incarnation_id who, source& its);
  void drop(stream& which);
  bool read_piece(wire::incarnation_id who, source& its, stream& from);
  void hand_on(wire::incarnation_id who, source& its, const stream& from, std::string_view line,
               std::uint64_t left_out);
  void say_left_out(wire::incarnation_id who, source& its);

  const log_options how_;
  os::poller poller_;
  os::fd bell_;
  std::atomic<bool> over_{false};
  std::mutex mutex_;
  std::atomic<int> waiting_{0};  // for the mutex, and served before the thread
  sources all_;                  // guarded by the mutex
  std::thread thread_;
};

}  // namespace troupe::supervision
