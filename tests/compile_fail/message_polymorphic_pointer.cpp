// expect: message is not serializable: it holds a pointer, and an address means nothing in another process
#include <troupe/codec_cereal.hpp>

struct Shape {
  virtual ~Shape() = default;
  template <class Ar>
  void serialize(Ar&) {}
};
struct Draw {
  std::unique_ptr<Shape> what;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(what);
  }
};

Draw receive(troupe::detail::reader& from) { return troupe::decode<Draw>(from); }
