// expect: this actor does not handle this message
#include <troupe/actor.hpp>

struct Ping {};
struct Pong {};
struct Player : troupe::actor {
  int on(Ping) { return 1; }
  using handles = troupe::handles<Ping>;
};

void wrong(troupe::actor_ref<Player> player) { player.ask(Pong{}).get(); }
