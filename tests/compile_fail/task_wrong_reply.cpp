// expect: on(Message) returns another type than the handles list declares for it
#include <troupe/system.hpp>

struct Ping {};
struct Player : troupe::actor {
  troupe::task<int> on(Ping) { co_return 1; }
  using handles = troupe::handles<double(Ping)>;
};

int main(int argc, char** argv) {
  return troupe::run<Player>(argc, argv, [](troupe::system&) {});
}
