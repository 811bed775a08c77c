#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "os/fd.hpp"

namespace troupe::os {

/// A tree of small files that the kernel makes, as /sys/fs/cgroup: folders to be made and removed, files with one short
/// text. Tests put a tree of their own in its place. An int that is returned is 0, or an error number for
/// troupe::error.
class kernel_files {
 public:
  virtual ~kernel_files() = default;
  /// None: it cannot be read.
  virtual std::optional<std::string> read(const std::string& path) const;
  /// Writes `text` by one call, into a file that exists.
  virtual int write(const std::string& path, std::string_view text);
  virtual bool may_write(const std::string& path) const;
  virtual int make_folder(const std::string& path);
  /// 0 also if there is none.
  virtual int remove_folder(const std::string& path);
  /// The names of the folders in it.
  virtual std::vector<std::string> folders_in(const std::string& path) const;
  /// Of the folder itself, for clone_process. Throws error(errc::os).
  virtual fd open_folder(const std::string& path) const;
  /// Of a file to be written to. Throws error(errc::os).
  virtual fd open_to_write(const std::string& path) const;
};

/// Puts the calling process into the cgroup whose file cgroup.procs this is. Throws error(errc::os).
void enter_cgroup(const fd& procs);

/// Whether an error number of remove_folder means that there is something in it.
bool means_busy(int error) noexcept;

/// What tells one process from all others that this machine has had since it was started, and will have.
struct process_name {
  std::string boot;             ///< of the machine
  std::uint64_t pid_space = 0;  ///< the PID namespace in which `pid` means it
  int pid = 0;
  std::uint64_t started = 0;  ///< in the kernel's ticks since the boot
};
process_name own_process_name();
/// Whether that process runs. One of another PID namespace, or of a machine's earlier life, is not known here: nullopt.
std::optional<bool> runs(const process_name& which);

}  // namespace troupe::os
