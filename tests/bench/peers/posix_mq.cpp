/// A POSIX message queue between two processes, 64-byte messages, as many places as the system allows, at most 1,024.
///   throughput   one sender, one receiver
///   ping-pong    two queues

#include <fcntl.h>
#include <mqueue.h>
#include <unistd.h>

#include "support/two_ways.hpp"

namespace {

class channel {
 public:
  explicit channel(const std::string& name) {
    const std::string unique = "/" + name + "." + std::to_string(::getpid());
    for (const long places : {1024L, 10L}) {  // more than 10 takes a privilege or a raised limit
      mq_attr how{};
      how.mq_maxmsg = places;
      how.mq_msgsize = sizeof(bench::cargo);
      queue_ = ::mq_open(unique.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600, &how);
      if (queue_ >= 0) break;
    }
    bench::require(queue_ >= 0, "mq_open");
    ::mq_unlink(unique.c_str());
  }
  void send(const bench::cargo& what) {
    bench::require(::mq_send(queue_, reinterpret_cast<const char*>(&what), sizeof what, 0) == 0, "mq_send");
  }
  bench::cargo receive() {
    bench::cargo got;
    const ssize_t size = ::mq_receive(queue_, reinterpret_cast<char*>(&got), sizeof got, nullptr);
    bench::require(size == sizeof got, "mq_receive");
    return got;
  }

 private:
  mqd_t queue_ = -1;
};

}  // namespace

int main(int argc, char** argv) {
  const auto mode = bench::mode_argument(argc, argv, {"throughput", "ping-pong"});
  channel there("bench-there"), back("bench-back");
  if (mode == "throughput") {
    bench::measure_throughput(there, bench::number_argument(argc, argv, 2, 500'000));
  } else {
    bench::measure_ping_pong(there, back, bench::number_argument(argc, argv, 2, 10'000), 0, false);
  }
}
