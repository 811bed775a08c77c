#include <troupe/troupe.hpp>
#include <iostream>
#include <unistd.h>
struct Greet { std::string who; template <class Ar> void serialize(Ar& ar) { ar(CEREAL_NVP(who)); } };
struct Crash {};
struct Greeter : troupe::actor {
  std::string on(Greet m) { return "hello " + m.who + " from pid " + std::to_string(getpid()); }
  void on(Crash) { std::abort(); }
  using handles = troupe::handles<Greet, Crash>;
};
int main(int argc, char** argv) {
  return troupe::run<Greeter>(argc, argv, [](troupe::system& sys) {
    auto greeter = sys.spawn<Greeter>("greeter");
    std::cout << greeter.ask(Greet{"world"}).get() << "\n";
    try { greeter.ask(Crash{}).get(); } catch (const troupe::error& e) { std::cout << e.what() << "\n"; }
    std::cout << greeter.ask(Greet{"again"}).get() << "\n";
  });
}
