// expect: an actor in a tree file is made without arguments, or has a nested type config
#include <troupe/main.hpp>
#include <troupe/troupe.hpp>

struct Nothing {};

struct Reader : troupe::actor {
  explicit Reader(int) {}
  void on(Nothing) {}
  using handles = troupe::handles<Nothing>;
};

int main(int argc, char** argv) { return troupe::main<Reader>(argc, argv); }
