/// Boost.Interprocess message_queue between two processes, 64-byte messages, 1,024 places.
///   throughput   one sender, one receiver
///   ping-pong    two queues

#include <unistd.h>

#include <boost/interprocess/ipc/message_queue.hpp>

#include "support/two_ways.hpp"

namespace {

namespace ip = boost::interprocess;

class channel {
 public:
  explicit channel(const std::string& name)
      : name_(name + "." + std::to_string(::getpid())),
        queue_(ip::create_only, name_.c_str(), 1024, sizeof(bench::cargo)) {
    ip::message_queue::remove(name_.c_str());
  }
  void send(const bench::cargo& what) { queue_.send(&what, sizeof what, 0); }
  bench::cargo receive() {
    bench::cargo got;
    ip::message_queue::size_type size = 0;
    unsigned priority = 0;
    queue_.receive(&got, sizeof got, size, priority);
    return got;
  }

 private:
  std::string name_;
  ip::message_queue queue_;
};

}  // namespace

int main(int argc, char** argv) {
  const auto mode = bench::mode_argument(argc, argv, {"throughput", "ping-pong"});
  channel there("bench-there"), back("bench-back");
  if (mode == "throughput") {
    bench::measure_throughput(there, bench::number_argument(argc, argv, 2, 1'000'000));
  } else {
    bench::measure_ping_pong(there, back, bench::number_argument(argc, argv, 2, 50'000), 0, false);
  }
}
