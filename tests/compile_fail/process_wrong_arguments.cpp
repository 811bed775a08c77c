// expect: the function of this process does not take these arguments
#include <troupe/process.hpp>

void work(int number);

void start() { troupe::process started(work, "five"); }
