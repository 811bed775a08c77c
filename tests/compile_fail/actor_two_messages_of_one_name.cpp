// expect: two messages in the handles list have the same name: give each type a troupe_name of its own
#include <troupe/system.hpp>

template <class T>
struct Box {
  static constexpr std::string_view troupe_name = "Box";
  T value;
};
struct Boxes : troupe::actor {
  void on(Box<int>) {}
  void on(Box<float>) {}
  using handles = troupe::handles<Box<int>, Box<float>>;
};

int main(int argc, char** argv) {
  return troupe::run<Boxes>(argc, argv, [](troupe::system&) {});
}
