// expect: no constructor of this actor takes these arguments
#include <troupe/system.hpp>

struct Ping {};
struct Player : troupe::actor {
  explicit Player(int) {}
  void on(Ping) {}
  using handles = troupe::handles<Ping>;
};

void wrong(troupe::system& sys) { sys.spawn<Player>("player", 1, 2); }
