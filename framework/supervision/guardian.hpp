#pragma once

#include <string>
#include <vector>

#include "os/fd.hpp"

namespace troupe::supervision {

/// What the spawner and its twin are beside: they outlive the supervisor process, however it ends, and kill what it has
/// left in the program's cgroups. Both do so; twice is as good as once. Without a cgroup there is nothing for them to
/// do, and they die with the supervisor as workers do.
class guardian {
 public:
  /// In the supervisor process. `folders`: cgroups::folders(), or none.
  explicit guardian(std::vector<std::string> folders);

  /// In the spawner or its twin, when it is born.
  void take_up();
  /// Waits until there is something to be read from `socket`; does not return if the supervisor process has died.
  void wait(const os::fd& socket) const;
  /// The socket is hung up: the supervisor process is dying, or about to kill this process. Waits to see which.
  [[noreturn]] void hung_up() const;

 private:
  [[noreturn]] void finish() const;

  std::vector<std::string> folders_;
  int supervisor_;
  os::fd death_;  // readable: the supervisor process has died
};

}  // namespace troupe::supervision
