/// 200 workers, each of which has asked four others once and has then nothing to do: how often any of them, and the
/// supervisor process, was put on a processor within ten seconds, and the memory of each worker (PSS).

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <numeric>

#include <troupe/codec_cereal.hpp>
#include <troupe/system.hpp>

#include "support/bench.hpp"

namespace {

struct who {};
struct idler;
struct befriend {
  std::vector<troupe::actor_ref<idler>> others;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(others);
  }
};

struct idler : public troupe::actor {
  std::int32_t on(who) { return ::getpid(); }
  void on(const befriend& what) {
    for (const auto& other : what.others) other.ask(who{}).get();
  }
  using handles = troupe::handles<std::int32_t(who), void(befriend)>;
};

/// The sum of the lines in the file that begin with `key`.
std::uint64_t sum_of(const std::filesystem::path& file, const std::string& key) {
  std::ifstream in(file);
  std::uint64_t sum = 0;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(key)) sum += std::stoull(line.substr(line.find_first_of("0123456789")));
  }
  return sum;
}

/// Of all its threads.
std::uint64_t switches_of(pid_t process) {
  std::uint64_t sum = 0;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/" + std::to_string(process) + "/task")) {
    sum += sum_of(thread.path() / "status", "voluntary_ctxt_switches");
    sum += sum_of(thread.path() / "status", "nonvoluntary_ctxt_switches");
  }
  return sum;
}

std::vector<pid_t> make_workers(troupe::system& sys, std::size_t count) {
  std::vector<troupe::actor_ref<idler>> all;
  std::vector<pid_t> pids;
  for (std::size_t i = 0; i < count; ++i) {
    all.push_back(sys.spawn<idler>("idler " + std::to_string(i)));
    pids.push_back(all.back().ask(who{}).get());
  }
  for (std::size_t i = 0; i < count; ++i) {
    befriend what;
    for (std::size_t friend_number = 1; friend_number <= 4; ++friend_number) {
      what.others.push_back(all[(i + friend_number) % count]);
    }
    all[i].ask(what).get();
  }
  return pids;
}

std::uint64_t switches_of_all(const std::vector<pid_t>& workers) {
  return std::accumulate(workers.begin(), workers.end(), std::uint64_t{0},
                         [](std::uint64_t sum, pid_t each) { return sum + switches_of(each); });
}

void measure(troupe::system& sys, std::size_t count, std::uint64_t seconds) {
  const auto workers = make_workers(sys, count);
  bench::pause_us(2'000'000);  // until whoever spins has given up
  const std::uint64_t of_workers = switches_of_all(workers), own = switches_of(::getpid());
  bench::pause_us(seconds * 1'000'000);
  // Its own first: reading about the others takes time.
  const std::uint64_t own_now = switches_of(::getpid()), of_workers_now = switches_of_all(workers);
  const double length = static_cast<double>(seconds);
  bench::report("context switches of all workers in 10 s", 0,
                static_cast<double>(of_workers_now - of_workers) * 10 / length, "1");
  bench::report("context switches of the supervisor process", 0, static_cast<double>(own_now - own) / length, "1/s");
  std::vector<double> pss;
  for (const pid_t each : workers) {
    pss.push_back(static_cast<double>(sum_of("/proc/" + std::to_string(each) + "/smaps_rollup", "Pss:")));
  }
  std::sort(pss.begin(), pss.end());
  bench::report("memory of a worker (PSS), median", 0, pss[count / 2], "KiB");
  bench::report("memory of a worker (PSS), most", 0, pss.back(), "KiB");
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t seconds = bench::number_argument(argc, argv, 1, 10);
  const std::uint64_t workers = bench::number_argument(argc, argv, 2, 200);
  return troupe::run<idler>(argc, argv, {.log = false}, [&](troupe::system& sys) { measure(sys, workers, seconds); });
}
