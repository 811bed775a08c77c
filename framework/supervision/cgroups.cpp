#include "supervision/cgroups.hpp"

#include <algorithm>
#include <chrono>
#include <system_error>
#include <thread>

#include <troupe/error.hpp>

#include "supervision/cgroup_place.hpp"

namespace troupe::supervision {

namespace {

constexpr std::chrono::milliseconds look_again{2};
constexpr int most_looks = 2500;  // what does not die of SIGKILL meanwhile waits for a device

bool has_word(const std::optional<std::string>& text, std::string_view wanted) {
  return text && (" " + *text).find(" " + std::string(wanted)) != std::string::npos;
}

void require(int failure, const char* op, const std::string& where) {
  if (failure != 0) throw error(errc::os, op, failure, where);
}

}  // namespace

cgroups::cgroups(os::kernel_files& files) : files_(files) {
  find_place();
  if (!own_.empty()) remove_dead_runs(own_);
  if (memory_v1_) remove_dead_runs(own_memory_);
}

cgroups::~cgroups() { end_all(); }

void cgroups::find_place() {
  const own_cgroups own =
      find_own_cgroups(files_.read("/proc/self/cgroup").value_or(""), files_.read("/proc/self/mountinfo").value_or(""));
  const std::string name = run_cgroup_name(os::own_process_name());
  own_memory_ = own.memory_v1;
  memory_v1_ = !own.memory_v1.empty();
  if (memory_v1_) memory_run_ = own.memory_v1 + "/" + name;
  if (own.unified.empty()) {
    lacks_ = "no cgroup v2 tree is mounted in which this process has its place";
    return;
  }
  // Who moves a process needs this right in the cgroup that both places lie in.
  if (!files_.may_write(own.unified + "/cgroup.procs")) {
    lacks_ = own.unified + " may not be changed by this user: it must be delegated to it, or the user be root";
    return;
  }
  const std::string run = own.unified + "/" + name;
  if (const int failure = files_.make_folder(run); failure != 0) {
    lacks_ = "no folder can be made in " + own.unified + ": " + std::generic_category().message(failure);
    return;
  }
  if (!files_.may_write(run + "/cgroup.kill")) {
    files_.remove_folder(run);
    lacks_ = "the kernel has no cgroup.kill, which came with Linux 5.14";
    return;
  }
  own_ = own.unified;
  run_ = run;
}

void cgroups::remove_dead_runs(const std::string& among) {
  for (const auto& name : files_.folders_in(among)) {
    const auto whose = read_run_cgroup_name(name);
    if (whose && os::runs(*whose) == false) remove(among + "/" + name);
  }
}

std::vector<std::string> cgroups::folders() const {
  std::vector<std::string> all;
  if (!run_.empty()) all.push_back(run_);
  if (memory_v1_) all.push_back(memory_run_);
  return all;
}

// ------------------------------------------------------------------------------------------------------------ workers

cgroups::seat cgroups::make(wire::incarnation_id who, std::optional<std::uint64_t> memory, bool at_birth) {
  seat made;
  try {
    if (!run_.empty()) {
      const std::string folder = folder_of(who);
      require(files_.make_folder(folder), "make a cgroup", folder);
      if (at_birth) {
        made.born_in = files_.open_folder(folder);
      } else {
        made.enter.push_back(files_.open_to_write(folder + "/cgroup.procs"));
      }
    }
    if (!memory || !prepare_memory()) return made;
    limit_memory(memory_v1_ ? memory_folder_of(who) : folder_of(who), *memory);
    if (memory_v1_) {
      made.enter.push_back(files_.open_to_write(memory_folder_of(who) + "/cgroup.procs"));
    }
    made.limits_memory = true;
    return made;
  } catch (const error&) {
    end(who);
    throw;
  }
}

/// The first worker whose memory is limited switches the controller on; until then nothing is changed in the own
/// cgroup.
bool cgroups::prepare_memory() {
  if (memory_prepared_) return *memory_prepared_;
  if (memory_v1_) {
    memory_prepared_ = files_.make_folder(memory_run_) == 0;
    return *memory_prepared_;
  }
  const auto delegate = [&](const std::string& folder) {
    const std::string file = folder + "/cgroup.subtree_control";
    return has_word(files_.read(file), "memory") || files_.write(file, "+memory") == 0;
  };
  memory_prepared_ = !run_.empty() && has_word(files_.read(own_ + "/cgroup.controllers"), "memory") && delegate(own_) &&
                     delegate(run_);
  return *memory_prepared_;
}

void cgroups::limit_memory(const std::string& folder, std::uint64_t bytes) {
  const std::string most = std::to_string(bytes);
  require(files_.make_folder(folder), "make a cgroup", folder);
  const std::string file = folder + (memory_v1_ ? "/memory.limit_in_bytes" : "/memory.max");
  require(files_.write(file, most), "set a limit", "limits.memory = " + most + " in " + file);
  // Without swap there are no such files. With it, the limit is for both together.
  files_.write(folder + (memory_v1_ ? "/memory.memsw.limit_in_bytes" : "/memory.swap.max"), memory_v1_ ? most : "0");
  if (!memory_v1_) files_.write(folder + "/memory.oom.group", "1");
}

std::uint64_t cgroups::killed_for_memory(wire::incarnation_id who) const {
  if (!memory_prepared_.value_or(false)) return 0;
  const std::string file =
      memory_v1_ ? memory_folder_of(who) + "/memory.oom_control" : folder_of(who) + "/memory.events";
  return count_in(files_.read(file).value_or(""), "oom_kill");
}

void cgroups::end(wire::incarnation_id who) {
  if (!run_.empty()) remove(folder_of(who));
  if (memory_v1_ && memory_prepared_.value_or(false)) remove(memory_folder_of(who));
}

void cgroups::remove(const std::string& folder) {
  if (os::means_busy(kill_and_remove(files_, folder))) left_.push_back(folder);
}

void cgroups::sweep() {
  std::erase_if(left_, [&](const auto& folder) { return !os::means_busy(kill_and_remove(files_, folder)); });
}

void cgroups::end_all() {
  auto ending = left_;
  for (const auto& each : folders()) ending.push_back(each);
  end_runs(files_, ending);
  left_.clear();
  run_.clear();
  memory_v1_ = false;
  memory_prepared_ = false;
}

void end_runs(os::kernel_files& files, const std::vector<std::string>& folders) {
  for (int look = 0; look < most_looks; ++look) {
    bool busy = false;
    for (const auto& each : folders) busy = os::means_busy(kill_and_remove(files, each)) || busy;
    if (!busy) return;
    std::this_thread::sleep_for(look_again);
  }
}

}  // namespace troupe::supervision
