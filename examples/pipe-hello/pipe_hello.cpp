// Python:   parent, child = multiprocessing.Pipe()

#include <troupe/troupe.hpp>

#include <iostream>
#include <string>

// Runs in a process of its own.
void greet(troupe::pipe_writer<std::string> out) { out.send("hello from the child process"); }

int main(int argc, char** argv) {
  return troupe::run(argc, argv, [](troupe::system&) {
    auto [in, out] = troupe::pipe<std::string>();
    troupe::process child(greet, std::move(out));  // the writing end is the child's now
    std::cout << in.recv() << "\n";
    child.join();
  });
}
