// Where a process stands: what /proc says, and a look at its registers and its stack.

#include <elf.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <span>
#include <vector>

#include "os/observe.hpp"

namespace troupe::os {

namespace {

constexpr std::size_t most_places = 24;
constexpr std::size_t stack_bytes = 16 * 1024;
constexpr std::size_t most_map_bytes = 1 << 20;

std::string read_in(const fd& folder, const char* name, std::size_t most) {
  const fd file{::openat(folder.get(), name, O_RDONLY | O_CLOEXEC)};
  std::string text;
  std::array<char, 4096> part;
  while (file && text.size() < most) {
    const ssize_t got = ::read(file.get(), part.data(), part.size());
    if (got <= 0) break;
    text.append(part.data(), static_cast<std::size_t>(got));
  }
  return text;
}

std::string first_line(std::string text) {
  text.resize(std::min(text.find('\n'), text.size()));
  return text;
}

std::string state_of(const std::string& status) {
  const std::size_t at = status.find("\nState:");
  if (at == status.npos) return "unknown";
  const std::size_t begin = status.find_first_not_of(" \t", at + std::strlen("\nState:"));
  return begin == status.npos ? "unknown" : first_line(status.substr(begin));
}

/// A process that is traced as long as this lives. The tracer is the thread that makes it.
class traced {
 public:
  explicit traced(int pid) noexcept : pid_(pid), seized_(::ptrace(PTRACE_SEIZE, pid, nullptr, nullptr) == 0) {}
  ~traced() {
    if (seized_) ::ptrace(PTRACE_DETACH, pid_, nullptr, nullptr);
  }
  traced(const traced&) = delete;
  traced& operator=(const traced&) = delete;

  /// False: it may not be traced, or has not stopped within this time.
  bool stop(std::chrono::milliseconds patience) const noexcept {
    if (!seized_ || ::ptrace(PTRACE_INTERRUPT, pid_, nullptr, nullptr) != 0) return false;
    for (auto left = patience.count(); left > 0; --left) {
      siginfo_t info{};
      // Neither WEXITED, which would reap it, nor a wait without end.
      const int looked = ::waitid(P_PID, static_cast<id_t>(pid_), &info, WSTOPPED | WNOHANG | WNOWAIT | __WALL);
      if (looked != 0) return false;
      if (info.si_pid == pid_) return true;
      ::poll(nullptr, 0, 1);
    }
    return false;
  }

 private:
  int pid_;
  bool seized_;
};

struct registers {
  std::uint64_t code = 0, stack = 0;
};

registers registers_of(int pid) noexcept {
  registers found;
#if defined(__x86_64__) || defined(__aarch64__)
  user_regs_struct all{};
  iovec into{&all, sizeof all};
  if (::ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &into) != 0) return found;
#if defined(__x86_64__)
  found = {all.rip, all.rsp};
#else
  found = {all.pc, all.sp};
#endif
#else
  static_cast<void>(pid);
#endif
  return found;
}

/// How many bytes could be read.
std::size_t read_memory(int pid, std::uint64_t from, std::span<std::byte> into) noexcept {
  const iovec here{into.data(), into.size()};
  const iovec there{reinterpret_cast<void*>(from), into.size()};
  const ssize_t got = ::process_vm_readv(pid, &here, 1, &there, 1, 0);
  return got < 0 ? 0 : static_cast<std::size_t>(got);
}

struct mapped_part {
  std::uint64_t begin, end, base;  // base: where the file's first mapping begins
  bool code;
  std::string file;
};

std::vector<mapped_part> modules_in(const std::string& maps) {
  std::vector<mapped_part> all;
  for (std::size_t at = 0; at < maps.size();) {
    const std::string line = first_line(maps.substr(at));
    at += line.size() + 1;
    mapped_part each{};
    char rights[5] = {};
    int path = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx %4s %*s %*s %*s %n", &each.begin, &each.end, rights, &path) < 3) continue;
    each.file =
        path > 0 && static_cast<std::size_t>(path) < line.size() ? line.substr(static_cast<std::size_t>(path)) : "?";
    each.code = rights[2] == 'x';
    const auto first =
        std::find_if(all.begin(), all.end(), [&](const mapped_part& other) { return other.file == each.file; });
    each.base = first == all.end() ? each.begin : first->base;
    all.push_back(std::move(each));
  }
  return all;
}

const mapped_part* code_at(const std::vector<mapped_part>& all, std::uint64_t address) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const mapped_part& each) {
    return each.code && address >= each.begin && address < each.end;
  });
  return found == all.end() ? nullptr : &*found;
}

std::string place(const mapped_part& in, std::uint64_t address) {
  char offset[32];
  std::snprintf(offset, sizeof offset, "+0x%lx", static_cast<unsigned long>(address - in.base));
  return in.file + offset;
}

/// Whether a call ends here: what else points to code on a stack is no return address.
bool follows_call(int pid, std::uint64_t address) {
#if defined(__x86_64__)
  std::array<std::byte, 7> before;
  if (read_memory(pid, address - before.size(), before) != before.size()) return false;
  const auto at = [&](std::size_t back) { return std::to_integer<unsigned>(before[before.size() - back]); };
  const auto indirect = [&](std::size_t back) { return at(back) == 0xff && (at(back - 1) >> 3 & 7) == 2; };
  return at(5) == 0xe8 || indirect(2) || indirect(3) || indirect(6) || indirect(7);
#else
  static_cast<void>(pid);
  return address % 4 == 0;
#endif
}

std::string backtrace_of(int pid, const fd& proc) {
  const registers now = registers_of(pid);
  if (now.code == 0) return "";
  const auto modules = modules_in(read_in(proc, "maps", most_map_bytes));
  const mapped_part* in = code_at(modules, now.code);
  std::string text = in == nullptr ? "?" : place(*in, now.code);
  std::vector<std::uint64_t> words(stack_bytes / sizeof(std::uint64_t));
  words.resize(read_memory(pid, now.stack, std::as_writable_bytes(std::span(words))) / sizeof(std::uint64_t));
  std::size_t frames = 1;
  for (std::size_t i = 0; i < words.size() && frames < most_places; ++i) {
    const mapped_part* its = code_at(modules, words[i]);
    if (its == nullptr || !follows_call(pid, words[i])) continue;
    text += " " + place(*its, words[i]);
    ++frames;
  }
  return text;
}

}  // namespace

std::string standing_of(int pid, const fd& proc, std::chrono::milliseconds patience) {
  const std::string status = read_in(proc, "status", 4096);
  if (status.empty()) return "it has ended";
  std::string text = "state " + state_of(status);
  const std::string waits = first_line(read_in(proc, "wchan", 256));
  if (!waits.empty() && waits != "0") text += "; waits in " + waits;
  const std::string call = first_line(read_in(proc, "syscall", 256));
  if (!call.empty() && call != "running") text += "; system call " + call;
  const traced victim(pid);
  if (!victim.stop(patience)) return text + "; its stack cannot be seen";
  // Another process may have had this pid when it was seized: then the folder is that of a dead one.
  if (read_in(proc, "status", 4096).empty()) return text;
  const std::string places = backtrace_of(pid, proc);
  return places.empty() ? text : text + "; stands at " + places;
}

}  // namespace troupe::os
