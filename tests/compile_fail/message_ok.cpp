// expect: ok
#include <troupe/codec_cereal.hpp>
#include <troupe/message.hpp>

struct Point {
  int x, y;
  bool seen;
};
struct Path {
  std::vector<Point> points;
  std::map<std::string, double> weights;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(CEREAL_NVP(points), weights);
  }
};
template <class T>
struct Box {
  T value;
  static constexpr std::string_view troupe_name = "Box";
};

static_assert(troupe::message_type<Point> && troupe::message_type<Path> && troupe::message_type<Box<int>>);
static_assert(troupe::message_id<Box<int>>() != troupe::message_id<Point>());
static_assert(!troupe::is_message<int*>);

Path copy(const Path& path, std::byte* memory) {
  troupe::detail::writer to(memory, 4096);
  troupe::encode(path, to);
  troupe::detail::reader from(memory, to.size());
  return troupe::decode<Path>(from);
}
