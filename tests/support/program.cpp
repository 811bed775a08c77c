#include "support/program.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <new>
#include <sstream>

namespace tests {

namespace {

constexpr int failed_code = 99;

/// In memory that is shared with every process forked from this one.
struct shared {
  struct line {
    std::atomic<bool> whole;
    char text[119];
  };
  char failure[8192];
  std::atomic<std::uint32_t> lines;
  std::array<std::atomic<std::uint64_t>, 64> totals;
  std::array<line, 8192> text;
};

shared* make_board() {
  void* memory = ::mmap(nullptr, sizeof(shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  return new (memory) shared;
}
shared& board() {
  static shared* const its = make_board();
  return *its;
}

void clear_board() {
  board().failure[0] = 0;
  board().lines = 0;
  for (auto& each : board().totals) each = 0;
  for (auto& each : board().text) each.whole = false;
}

troupe::system* current_system = nullptr;

void tell_failure(const std::string& what) { std::strncpy(board().failure, what.c_str(), sizeof board().failure - 1); }

std::string content(int file) {
  std::string text;
  std::array<char, 4096> part;
  off_t at = 0;
  for (ssize_t got; (got = ::pread(file, part.data(), part.size(), at)) > 0; at += got)
    text.append(part.data(), static_cast<std::size_t>(got));
  return text;
}

std::string stat_line(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(file, line);
  return line;
}

struct stat_fields {
  std::string name;
  char state = 0;
  pid_t parent = 0;
};
stat_fields read_stat(pid_t pid) {
  const std::string line = stat_line(pid);
  const std::size_t open = line.find('('), close = line.rfind(')');
  if (open == line.npos || close == line.npos) return {};
  stat_fields its;
  its.name = line.substr(open + 1, close - open - 1);
  std::istringstream rest(line.substr(close + 1));
  rest >> its.state >> its.parent;
  return its;
}

std::string describe(const std::vector<pid_t>& processes) {
  std::string text;
  for (const pid_t each : processes) {
    text += (text.empty() ? "" : ", ") + name_of_process(each) + " (" + std::to_string(each) + ", state " +
            state_of(each) + ")";
  }
  return text;
}

/// This process inherits what a dead program leaves behind: reaps what is dead, and gives what still lives.
std::vector<pid_t> left_over() {
  siginfo_t info{};
  while (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | __WALL) == 0 && info.si_pid != 0) info.si_pid = 0;
  return children_of(::getpid());
}

void remove_left_over() {
  eventually([] {
    const auto alive = left_over();
    for (const pid_t each : alive) ::kill(each, SIGKILL);
    return alive.empty();
  });
}

}  // namespace

void broken(const char* file, int line, const std::string& what) {
  throw broken_expectation(std::string(file) + ":" + std::to_string(line) + ": " + what);
}

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit) {
  const auto until = std::chrono::steady_clock::now() + limit * slowness;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= until) return false;
    if (current_system == nullptr || current_system->stopping()) {
      ::poll(nullptr, 0, 2);
    } else {
      current_system->poll(2ms);
    }
  }
  return true;
}

bool always(const std::function<bool()>& condition, std::chrono::milliseconds length) {
  return !eventually([&] { return !condition(); }, length / slowness);
}

// ------------------------------------------------------------------------------------------------------------ programs

program::program(const std::function<int()>& body) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  clear_board();
  log_ = ::memfd_create("test-log", MFD_CLOEXEC);
  REQUIRE(log_ >= 0);
  std::cout.flush();
  std::cerr.flush();
  std::fflush(nullptr);
  pid_ = ::fork();
  REQUIRE(pid_ >= 0);
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    // doctest's handlers would report a crash of this process as one of the test program.
    for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
    ::dup2(log_, STDOUT_FILENO);
    ::dup2(log_, STDERR_FILENO);
    ::close_range(3, ~0U, 0);  // what the test program was given by its caller, or has open itself
    int code = failed_code;
    try {
      code = body();
    } catch (const std::exception& e) {
      tell_failure(e.what());
    }
    std::cout.flush();
    std::cerr.flush();
    std::fflush(nullptr);
    ::_exit(code);
  }
  pidfd_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  REQUIRE(pidfd_ >= 0);
}

program::~program() {
  if (!over_) {
    signal(SIGKILL);
    remove_left_over();
  }
  ::close(pidfd_);
  ::close(log_);
}

void program::signal(int number) const { ::syscall(SYS_pidfd_send_signal, pidfd_, number, nullptr, 0); }

outcome program::wait(std::chrono::milliseconds watchdog) {
  pollfd ended{pidfd_, POLLIN, 0};
  const int limit = static_cast<int>((watchdog * slowness).count());
  int ready;
  do ready = ::poll(&ended, 1, limit);
  while (ready < 0 && errno == EINTR);
  const bool hung = ready == 0;
  std::string hung_with;
  if (hung) {
    hung_with = describe(children_of(pid_));
    signal(SIGKILL);
  }
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | __WALL);
  over_ = true;
  outcome how;
  (info.si_code == CLD_EXITED ? how.exit_code : how.signal) = info.si_status;
  const auto ended_at = std::chrono::steady_clock::now();
  const bool gone = eventually([] { return left_over().empty(); });
  const std::string left = gone ? "" : describe(left_over());
  if (!gone) remove_left_over();
  how.cleared_after =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - ended_at);
  how.log = content(log_);
  how.failure = board().failure;
  INFO("standard error of the program:\n", how.log);
  if (hung) FAIL_CHECK("the watchdog ended the program; it had ", hung_with, "; ", how.failure);
  if (!gone) FAIL_CHECK("processes of the program are left: ", left);
  if (!how.failure.empty()) FAIL_CHECK(how.failure);
  return how;
}

int detail::run_body(const std::function<int(troupe::system&)>& body, troupe::system& sys) {
  current_system = &sys;
  int code = failed_code;
  try {
    code = body(sys);
  } catch (const std::exception& e) {
    tell_failure(e.what());
  }
  current_system = nullptr;
  return code;
}

void detail::check_success(const outcome& how) {
  INFO("standard error of the program:\n", how.log);
  CHECK_EQ(how.signal, 0);
  if (how.failure.empty()) CHECK_EQ(how.exit_code, 0);
}

// ------------------------------------------------------------------------------------------------------- what they saw

void note(std::string_view line) {
  const std::uint32_t at = board().lines++;
  if (at >= board().text.size()) return;
  auto& its = board().text[at];
  line = line.substr(0, sizeof its.text - 1);
  std::memcpy(its.text, line.data(), line.size());
  its.text[line.size()] = 0;
  its.whole = true;
}

std::vector<std::string> notes() {
  std::vector<std::string> all;
  const std::size_t count = std::min<std::size_t>(board().lines, board().text.size());
  for (std::size_t i = 0; i < count; ++i) {
    if (board().text[i].whole) all.emplace_back(board().text[i].text);
  }
  return all;
}

bool noted(std::string_view line) {
  const auto all = notes();
  return std::find(all.begin(), all.end(), line) != all.end();
}

std::uint64_t add(std::size_t counter, std::uint64_t value) { return board().totals.at(counter) += value; }
void set(std::size_t counter, std::uint64_t value) { board().totals.at(counter) = value; }
std::uint64_t total(std::size_t counter) { return board().totals.at(counter); }

namespace {

std::vector<pid_t> processes(const std::function<bool(const stat_fields&)>& wanted) {
  std::vector<pid_t> found;
  DIR* all = ::opendir("/proc");
  while (const dirent* entry = all == nullptr ? nullptr : ::readdir(all)) {
    const pid_t pid = std::atoi(entry->d_name);
    if (pid > 0 && wanted(read_stat(pid))) found.push_back(pid);
  }
  if (all != nullptr) ::closedir(all);
  return found;
}

bool is_dead(const stat_fields& its) { return its.state == 'Z' || its.state == 'X'; }

}  // namespace

std::vector<pid_t> children_of(pid_t parent, std::string_view name) {
  return processes([&](const stat_fields& its) {
    return its.parent == parent && !is_dead(its) && (name.empty() || its.name == name);
  });
}

std::vector<pid_t> zombies_of(pid_t parent) {
  return processes([&](const stat_fields& its) { return its.parent == parent && is_dead(its); });
}

std::string name_of_process(pid_t pid) { return read_stat(pid).name; }
char state_of(pid_t pid) { return read_stat(pid).state; }

std::vector<std::string> descriptors_of(pid_t pid) {
  const std::string folder = "/proc/" + std::to_string(pid) + "/fd";
  std::vector<std::string> found;
  DIR* all = ::opendir(folder.c_str());
  while (const dirent* entry = all == nullptr ? nullptr : ::readdir(all)) {
    if (entry->d_name[0] == '.' || (pid == ::getpid() && std::atoi(entry->d_name) == ::dirfd(all))) continue;
    std::array<char, 512> target{};
    if (::readlink((folder + "/" + entry->d_name).c_str(), target.data(), target.size() - 1) < 0) continue;
    std::string text = target.data();
    for (const std::string_view prefix : {"/memfd:", "anon_inode:"}) {
      if (text.starts_with(prefix)) text = text.substr(prefix.size());
    }
    text = text.substr(0, text.find(' '));  // " (deleted)"
    found.push_back(text.substr(0, text.find(":[")));
  }
  if (all != nullptr) ::closedir(all);
  std::sort(found.begin(), found.end());
  return found;
}

std::size_t mappings_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/maps");
  std::size_t count = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string range, rights, offset, device, inode;
    fields >> range >> rights >> offset >> device >> inode;
    if (inode != "0") ++count;
  }
  return count;
}

}  // namespace tests
