// expect: a tree file cannot hold a field of this type
#include <troupe/main.hpp>
#include <troupe/troupe.hpp>

struct Nothing {};

struct Reader : troupe::actor {
  struct config {
    std::map<int, int> ports;
    template <class Ar>
    void serialize(Ar& ar) {
      ar(CEREAL_NVP(ports));
    }
  };
  explicit Reader(config) {}
  void on(Nothing) {}
  using handles = troupe::handles<Nothing>;
};

int main(int argc, char** argv) { return troupe::main<Reader>(argc, argv); }
