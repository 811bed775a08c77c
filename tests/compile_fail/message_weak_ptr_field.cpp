// expect: message is not serializable: shared_ptr and weak_ptr share memory, which another process does not
#include <cereal/types/memory.hpp>

#include <troupe/codec_cereal.hpp>

struct Node {
  int value;
  std::weak_ptr<Node> parent;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(value, parent);
  }
};

Node receive(troupe::detail::reader& from) { return troupe::decode<Node>(from); }
