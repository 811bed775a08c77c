// expect: the actor lists a message in handles, but has no on(Message) for it
#include <troupe/system.hpp>

struct Ping {};
struct Pong {};
struct Player : troupe::actor {
  void on(Ping) {}
  using handles = troupe::handles<Ping, Pong>;
};

int main(int argc, char** argv) {
  return troupe::run<Player>(argc, argv, [](troupe::system&) {});
}
