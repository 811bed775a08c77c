// expect: message is not serializable: it holds a pointer, and an address means nothing in another process
#include <troupe/codec_cereal.hpp>

struct Shape {
  virtual ~Shape() = default;
  template <class Ar>
  void serialize(Ar&) {}
};
struct Picture {
  std::vector<std::pair<int, std::unique_ptr<Shape>>> shapes;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(shapes);
  }
};

Picture receive(troupe::detail::reader& from) { return troupe::decode<Picture>(from); }
