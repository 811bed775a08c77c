/// What the peers of the restart test keep running: writes its number and the time into a file, then waits.
///   bench_peers_restartee FILE   pid and CLOCK_MONOTONIC in ns, 8 bytes each

#include <fcntl.h>
#include <unistd.h>

#include "support/bench.hpp"

int main(int argc, char** argv) {
  bench::require(argc == 2, "the file is missing");
  const int file = ::open(argv[1], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  const std::uint64_t stamp[] = {static_cast<std::uint64_t>(::getpid()), bench::now_ns()};
  bench::require(file >= 0 && ::pwrite(file, stamp, sizeof stamp, 0) == sizeof stamp, argv[1]);
  // An Erlang port is closed by the end of its input.
  for (char ignored[64]; ::read(STDIN_FILENO, ignored, sizeof ignored) > 0;) {
  }
  if (::getenv("BENCH_UNTIL_EOF") != nullptr) return 0;
  for (;;) ::pause();
}
