/// A Unix pipe between two processes, 64 bytes each way.
///   busy            on two cores, one round trip right after the other
///   across          on two cores, with a pause before each, as long as that of Troupe's ask between sleepers
///   same            the same on one core

#include <unistd.h>

#include "support/two_ways.hpp"

namespace {

class pipe_channel {
 public:
  pipe_channel() { bench::require(::pipe(ends_) == 0, "pipe"); }
  void send(const bench::cargo& what) { bench::require(::write(ends_[1], &what, sizeof what) == sizeof what, "write"); }
  bench::cargo receive() {
    bench::cargo got;
    bench::require(::read(ends_[0], &got, sizeof got) == sizeof got, "read");
    return got;
  }

 private:
  int ends_[2];
};

}  // namespace

int main(int argc, char** argv) {
  const auto mode = bench::mode_argument(argc, argv, {"busy", "across", "same"});
  const bool busy = mode == "busy";
  pipe_channel there, back;
  bench::measure_ping_pong(there, back, bench::number_argument(argc, argv, 2, busy ? 10'000 : 1000), busy ? 0 : 300,
                           mode == "same");
}
