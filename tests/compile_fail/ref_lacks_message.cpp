// expect: this actor does not implement the interface
#include <troupe/actor.hpp>

struct Get {};
struct Put {};
using Store = troupe::handles<int(Get), Put>;
struct ReadOnly : troupe::actor {
  int on(Get) { return 1; }
  using handles = troupe::handles<int(Get)>;
};

troupe::ref<Store> wrong(troupe::actor_ref<ReadOnly> store) { return store; }
