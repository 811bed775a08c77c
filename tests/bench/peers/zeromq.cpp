/// ZeroMQ over ipc:// between two processes, 64-byte messages.
///   throughput   PUSH to PULL
///   ping-pong    a PAIR of sockets

#include <unistd.h>
#include <zmq.h>

#include <optional>
#include <string>

#include "support/two_ways.hpp"

namespace {

/// A socket is opened by the process that uses it: ZeroMQ's threads do not survive a fork.
class socket {
 public:
  socket(int type, bool binds, const std::string& address)
      : context_(zmq_ctx_new()), socket_(zmq_socket(context_, type)) {
    bench::require((binds ? zmq_bind : zmq_connect)(socket_, address.c_str()) == 0, address);
  }
  ~socket() {
    zmq_close(socket_);
    zmq_ctx_term(context_);
  }
  socket(const socket&) = delete;
  socket& operator=(const socket&) = delete;
  void send(const bench::cargo& what) {
    bench::require(zmq_send(socket_, &what, sizeof what, 0) == sizeof what, "zmq_send");
  }
  bench::cargo receive() {
    bench::cargo got;
    bench::require(zmq_recv(socket_, &got, sizeof got, 0) == sizeof got, "zmq_recv");
    return got;
  }

 private:
  void* context_;
  void* socket_;
};

/// One direction, or both: who sends first connects, who receives first binds.
class channel {
 public:
  channel(int sender, int receiver, std::string file)
      : sender_(sender), receiver_(receiver), file_(std::move(file)), owner_(::getpid()) {}
  ~channel() {
    if (::getpid() == owner_) ::unlink(file_.c_str());
  }
  void send(const bench::cargo& what) { open(sender_, false).send(what); }
  bench::cargo receive() { return open(receiver_, true).receive(); }
  void close() { socket_.reset(); }

 private:
  socket& open(int type, bool binds) {
    if (!socket_) socket_.emplace(type, binds, "ipc://" + file_);
    return *socket_;
  }
  int sender_, receiver_;
  std::string file_;
  pid_t owner_;
  std::optional<socket> socket_;
};

}  // namespace

int main(int argc, char** argv) {
  const auto mode = bench::mode_argument(argc, argv, {"throughput", "ping-pong"});
  const std::string file = "/tmp/bench-zeromq." + std::to_string(::getpid());
  if (mode == "throughput") {
    channel queue(ZMQ_PUSH, ZMQ_PULL, file);
    bench::measure_throughput(queue, bench::number_argument(argc, argv, 2, 1'000'000));
  } else {
    channel both(ZMQ_PAIR, ZMQ_PAIR, file);
    bench::measure_ping_pong(both, both, bench::number_argument(argc, argv, 2, 10'000), 0, false);
  }
}
