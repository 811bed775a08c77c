// expect: this actor does not handle this message
#include <troupe/actor.hpp>

struct Ping {};
struct Pong {};
struct Player : troupe::actor {
  void on(Ping) {}
  using handles = troupe::handles<Ping>;
};

void wrong(troupe::actor_ref<Player> player) { player.tell(Pong{}); }
