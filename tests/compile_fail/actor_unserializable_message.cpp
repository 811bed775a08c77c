// expect: message is not serializable
#include <troupe/troupe.hpp>

struct Open {
  const char* path;
};
struct Player : troupe::actor {
  void on(Open) {}
  using handles = troupe::handles<Open>;
};

void wrong(troupe::actor_ref<Player> player) { player.tell(Open{"x"}); }
