// expect: a config names its fields, since a file does: ar(CEREAL_NVP(path), CEREAL_NVP(count))
#include <troupe/main.hpp>
#include <troupe/troupe.hpp>

struct Nothing {};

struct Reader : troupe::actor {
  struct config {
    std::string path;
    template <class Ar>
    void serialize(Ar& ar) {
      ar(path);
    }
  };
  explicit Reader(config) {}
  void on(Nothing) {}
  using handles = troupe::handles<Nothing>;
};

int main(int argc, char** argv) { return troupe::main<Reader>(argc, argv); }
