#include "supervision/output.hpp"

#include <algorithm>
#include <array>

#include "os/process.hpp"
#include "supervision/log.hpp"

namespace troupe::supervision {

namespace {

constexpr std::uint64_t output_bell = 0, first_key = 2;
constexpr std::size_t piece = 16 * 1024;
constexpr int pieces_at_death = 64;  // a pipe holds 64 KiB, or up to 1 MiB if its writer wants that
constexpr std::chrono::seconds lingering{1}, between_words{1};

}  // namespace

/// Holds the mutex, and gets it before the reading thread takes it again: a mutex alone is not fair.
class output::turn {
 public:
  explicit turn(output& of) : of_(of) {
    ++of_.waiting_;
    of_.mutex_.lock();
    --of_.waiting_;
    of_.waiting_.notify_one();
  }
  ~turn() { of_.mutex_.unlock(); }
  turn(const turn&) = delete;
  turn& operator=(const turn&) = delete;

 private:
  output& of_;
};

output::output(const log_options& how) : how_(how), bell_(os::make_doorbell()) {
  if (!how.wanted || !how.capture) return;
  poller_.add(bell_, output_bell);
  thread_ = std::thread([this] { run(); });
}

output::~output() {
  if (!thread_.joinable()) return;
  over_ = true;
  os::ring(bell_);
  thread_.join();
}

std::pair<os::fd, os::fd> output::open(wire::incarnation_id who, const std::string& name) {
  auto out = os::make_output_pipe();
  auto err = os::make_output_pipe();
  const turn mine(*this);
  auto& its = all_
                  .try_emplace(who, source{name,
                                           {log_level::out, std::move(out.first), {}},
                                           {log_level::err, std::move(err.first), {}},
                                           allowance(how_.lines_per_second),
                                           {},
                                           0,
                                           std::nullopt,
                                           std::nullopt})
                  .first->second;
  poller_.add(its.out.pipe, first_key + 2 * who);
  poller_.add(its.err.pipe, first_key + 2 * who + 1);
  return {std::move(out.second), std::move(err.second)};
}

std::vector<std::string> output::close(wire::incarnation_id who) {
  const turn mine(*this);
  const auto found = all_.find(who);
  if (found == all_.end()) return {};
  source& its = found->second;
  if (its.until) return its.last.list();
  for (stream* each : {&its.out, &its.err}) {
    for (int left = pieces_at_death; left > 0 && read_piece(who, its, *each); --left) {
    }
    each->lines.finish([&](std::string_view line, std::uint64_t cut) { hand_on(who, its, *each, line, cut); });
  }
  its.until = os::clock::now() + lingering;
  os::ring(bell_);
  return its.last.list();
}

void output::run() {
  os::name_thread("troupe-output");
  os::block_all_signals();
  std::array<os::poller::event, 64> events;
  while (!over_) {
    const std::size_t count = poller_.wait(events, next_time());
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t key = events[i].key;
      if (key == output_bell) {
        os::hush(bell_);
        continue;
      }
      for (int others = waiting_; others != 0; others = waiting_) waiting_.wait(others);
      const std::lock_guard lock(mutex_);
      const auto found = all_.find((key - first_key) / 2);
      if (found == all_.end()) continue;
      source& its = found->second;
      read_piece(found->first, its, key % 2 == 0 ? its.out : its.err);
    }
    on_time();
  }
}

std::optional<os::time_point> output::next_time() {
  const std::lock_guard lock(mutex_);
  std::optional<os::time_point> next;
  for (const auto& [who, its] : all_) {
    for (const auto& each : {its.say_at, its.until}) {
      if (each && (!next || *each < *next)) next = each;
    }
  }
  return next;
}

void output::on_time() {
  const std::lock_guard lock(mutex_);
  const auto now = os::clock::now();
  for (auto& [who, its] : all_) {
    if ((its.say_at && *its.say_at <= now) || (its.until && its.left_out > 0)) say_left_out(who, its);
  }
  for (auto each = all_.begin(); each != all_.end();) {
    source& its = each->second;
    const bool stays = !its.until || (*its.until > now && (its.out.pipe || its.err.pipe));
    if (!stays) finish(each->first, its);
    each = stays ? std::next(each) : all_.erase(each);
  }
}

/// Nothing more is read from it.
void output::finish(wire::incarnation_id who, source& its) {
  for (stream* from : {&its.out, &its.err}) {
    from->lines.finish([&](std::string_view line, std::uint64_t cut) { hand_on(who, its, *from, line, cut); });
    drop(*from);
  }
  if (its.left_out > 0) say_left_out(who, its);
}

void output::drop(stream& which) {
  if (which.pipe) poller_.remove(which.pipe);
  which.pipe.reset();
}

/// False: there is nothing, for now or for ever.
bool output::read_piece(wire::incarnation_id who, source& its, stream& from) {
  if (!from.pipe) return false;
  std::array<char, piece> buffer;
  const auto got = os::read_some(from.pipe, std::as_writable_bytes(std::span(buffer)));
  if (got.what != os::io::done) {
    if (got.what != os::io::again) drop(from);
    return false;
  }
  from.lines.take({buffer.data(), got.bytes},
                  [&](std::string_view line, std::uint64_t cut) { hand_on(who, its, from, line, cut); });
  return true;
}

void output::hand_on(wire::incarnation_id who, source& its, const stream& from, std::string_view line,
                     std::uint64_t left_out) {
  if (from.level == log_level::err) its.last.add(line);
  const auto now = os::clock::now();
  if (its.allowed.admit(now)) return log_output(from.level, its.name, who, line, left_out);
  ++its.left_out;
  if (!its.say_at) its.say_at = now + between_words;
}

void output::say_left_out(wire::incarnation_id who, source& its) {
  log_output(log_level::warning, its.name, who,
             "wrote " + std::to_string(its.left_out) + " lines more than the log takes of one worker (" +
                 std::to_string(how_.lines_per_second) + " a second): they are left out",
             0);
  its.left_out = 0;
  its.say_at.reset();
}

}  // namespace troupe::supervision
