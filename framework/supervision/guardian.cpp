#include "supervision/guardian.hpp"

#include <array>

#include <troupe/error.hpp>

#include "os/clone.hpp"
#include "os/poller.hpp"
#include "os/process.hpp"
#include "supervision/cgroups.hpp"

namespace troupe::supervision {

guardian::guardian(std::vector<std::string> folders) : folders_(std::move(folders)), supervisor_(os::own_pid()) {}

void guardian::take_up() {
  death_.reset();
  if (folders_.empty()) return;
  os::outlive_parent();
  // Opened first and looked at then: a parent of this number that lives now is the one that the descriptor means.
  try {
    death_ = os::open_pidfd(supervisor_);
  } catch (const error&) {
    finish();
  }
  if (os::parent_pid() != supervisor_) finish();
}

void guardian::wait(const os::fd& socket) const {
  if (!death_) return;
  const std::array wanted{socket.get(), death_.get()};
  if (os::wait_first(wanted) == 1) finish();
}

void guardian::hung_up() const {
  if (!death_) os::exit_now(0);
  os::wait_ready(death_.get(), os::poller::read, std::nullopt);
  finish();
}

void guardian::finish() const {
  os::kernel_files files;
  end_runs(files, folders_);
  os::exit_now(0);
}

}  // namespace troupe::supervision
