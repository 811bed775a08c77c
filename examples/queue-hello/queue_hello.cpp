// Python:   q = multiprocessing.Queue()

#include <troupe/troupe.hpp>

#include <iostream>
#include <string>

// Runs in a process of its own.
void greet(troupe::queue<std::string> q) { q.put("hello from the child process"); }

int main(int argc, char** argv) {
  return troupe::run(argc, argv, [](troupe::system&) {
    auto q = troupe::queue<std::string>::make();
    troupe::process child(greet, q);  // parent and child have the same queue
    std::cout << q.get() << "\n";
    child.join();
  });
}
