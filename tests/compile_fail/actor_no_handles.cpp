// expect: an actor class says what it handles
#include <troupe/system.hpp>

struct Ping {};
struct Player : troupe::actor {
  void on(Ping) {}
};

int main(int argc, char** argv) {
  return troupe::run<Player>(argc, argv, [](troupe::system&) {});
}
