#include <unistd.h>
#include <cstdlib>
#include <iostream>
#include <troupe/troupe.hpp>

struct Greet { std::string who; template <class Ar> void serialize(Ar& ar) { ar(CEREAL_NVP(who)); } };
struct Crash {};

struct Greeter : troupe::actor {
  std::string on(Greet m) { return "hello " + m.who + " from pid " + std::to_string(getpid()); }
  void on(Crash) { std::abort(); }
  using handles = troupe::handles<Greet, Crash>;  // an entry is Msg (reply deduced) or Reply(Msg) (declared and checked)
};

int main(int argc, char** argv) {
  return troupe::run<Greeter>(argc, argv, [](troupe::system& sys) {
    auto greeter = sys.spawn<Greeter>("greeter");  // an OS process, supervised, permanent by default
    std::cout << greeter.ask(Greet{"world"}).get() << "\n";
    try { greeter.ask(Crash{}).get(); } catch (const troupe::error& e) { std::cout << e.what() << "\n"; }
    std::cout << greeter.ask(Greet{"again"}).get() << "\n";  // same handle, new process
  });
}
