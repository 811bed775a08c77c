// expect: message is not serializable: shared_ptr and weak_ptr share memory, which another process does not
#include <cereal/types/memory.hpp>

#include <troupe/codec_cereal.hpp>

struct Tree {
  int value;
  std::shared_ptr<Tree> left, right;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(value, left, right);
  }
};

Tree receive(troupe::detail::reader& from) { return troupe::decode<Tree>(from); }
