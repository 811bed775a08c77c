// expect: a handler of an actor that works in turns cannot be a coroutine, since a turn is one step
#include <troupe/system.hpp>

struct Ping {};
struct Player : troupe::checkpointed<int> {
  troupe::task<int> on(Ping) { co_return 1; }
  using handles = troupe::handles<Ping>;
};

int main(int argc, char** argv) {
  return troupe::run<Player>(argc, argv, [](troupe::system&) {});
}
