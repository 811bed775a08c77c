// expect: message is not serializable: it holds a pointer, and an address means nothing in another process
#include <troupe/process.hpp>

void work(int* number);

void start(int* number) { troupe::process started(work, number); }
