// expect: an actor with a nested type config has a constructor that takes it
#include <troupe/main.hpp>
#include <troupe/troupe.hpp>

struct Nothing {};

struct Reader : troupe::actor {
  struct config {
    std::string path;
    template <class Ar>
    void serialize(Ar& ar) {
      ar(CEREAL_NVP(path));
    }
  };
  void on(Nothing) {}
  using handles = troupe::handles<Nothing>;
};

int main(int argc, char** argv) { return troupe::main<Reader>(argc, argv); }
