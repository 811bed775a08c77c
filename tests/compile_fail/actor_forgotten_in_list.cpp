// expect: the actor has on(Message), but Message is missing from its handles list
#include <troupe/actor.hpp>

struct Ping {};
struct Pong {};
struct Player : troupe::actor {
  void on(Ping) {}
  void on(Pong) {}
  using handles = troupe::handles<Ping>;
};

void wrong(troupe::actor_ref<Player> player) { player.tell(Pong{}); }
