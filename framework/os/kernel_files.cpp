#include "os/kernel_files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <sstream>

#include <troupe/error.hpp>

namespace troupe::os {

std::optional<std::string> kernel_files::read(const std::string& path) const {
  const fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!file) return std::nullopt;
  std::string text;
  std::array<char, 4096> part;
  for (;;) {
    const ssize_t got = ::read(file.get(), part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    if (got == 0) return text;
    text.append(part.data(), static_cast<std::size_t>(got));
  }
}

int kernel_files::write(const std::string& path, std::string_view text) {
  const fd file{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
  if (!file) return errno;
  ssize_t put = 0;
  do put = ::write(file.get(), text.data(), text.size());
  while (put < 0 && errno == EINTR);
  return put < 0 ? errno : 0;
}

bool kernel_files::may_write(const std::string& path) const { return ::access(path.c_str(), W_OK) == 0; }

int kernel_files::make_folder(const std::string& path) {
  return ::mkdir(path.c_str(), 0755) == 0 || errno == EEXIST ? 0 : errno;
}

int kernel_files::remove_folder(const std::string& path) {
  return ::rmdir(path.c_str()) == 0 || errno == ENOENT ? 0 : errno;
}

std::vector<std::string> kernel_files::folders_in(const std::string& path) const {
  std::vector<std::string> found;
  DIR* all = ::opendir(path.c_str());
  while (const dirent* entry = all == nullptr ? nullptr : ::readdir(all)) {
    if (entry->d_type == DT_DIR && entry->d_name[0] != '.') found.emplace_back(entry->d_name);
  }
  if (all != nullptr) ::closedir(all);
  return found;
}

namespace {

fd opened(const std::string& path, int flags) {
  fd file{::open(path.c_str(), flags | O_CLOEXEC)};
  if (!file) throw error(errc::os, "open a cgroup", errno, path);
  return file;
}

}  // namespace

fd kernel_files::open_folder(const std::string& path) const { return opened(path, O_PATH | O_DIRECTORY); }

fd kernel_files::open_to_write(const std::string& path) const { return opened(path, O_WRONLY); }

void enter_cgroup(const fd& procs) {
  ssize_t put = 0;
  do put = ::write(procs.get(), "0", 1);
  while (put < 0 && errno == EINTR);
  if (put < 0) fail("enter a cgroup");
}

bool means_busy(int error) noexcept { return error == EBUSY || error == ENOTEMPTY; }

// ------------------------------------------------------------------------------------------------- names of processes

namespace {

struct stat_fields {
  char state = 0;
  int threads = 0;
  std::uint64_t started = 0;
};

std::optional<stat_fields> stat_of(int pid) {
  const auto text = kernel_files().read("/proc/" + std::to_string(pid) + "/stat");
  const std::size_t name_end = text ? text->rfind(')') : std::string::npos;
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream rest(text->substr(name_end + 1));
  stat_fields its;
  std::string skipped;
  rest >> its.state;
  for (int number = 4; number < 20; ++number) rest >> skipped;
  rest >> its.threads >> skipped >> its.started;
  if (!rest) return std::nullopt;
  return its;
}

std::string boot_of_machine() {
  std::string id = kernel_files().read("/proc/sys/kernel/random/boot_id").value_or("");
  std::erase_if(id, [](char each) { return each == '-' || each == '\n'; });
  return id.empty() ? "unknown" : id;
}

std::uint64_t own_pid_space() {
  struct stat its {};
  return ::stat("/proc/self/ns/pid", &its) == 0 ? its.st_ino : 0;
}

}  // namespace

process_name own_process_name() {
  const int pid = ::getpid();
  const auto its = stat_of(pid);
  return {boot_of_machine(), own_pid_space(), pid, its ? its->started : 0};
}

std::optional<bool> runs(const process_name& which) {
  if (which.boot != boot_of_machine() || which.pid_space != own_pid_space()) return std::nullopt;
  const auto its = stat_of(which.pid);
  if (!its || its->started != which.started) return false;
  // One whose first thread has ended looks like a zombie while others run.
  return (its->state != 'Z' && its->state != 'X') || its->threads > 1;
}

}  // namespace troupe::os
