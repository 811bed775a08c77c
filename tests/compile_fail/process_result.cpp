// expect: the function of a process returns nothing or its exit code; send results through a pipe or a queue
#include <troupe/process.hpp>

#include <string>

std::string work();

void start() { troupe::process started(work); }
