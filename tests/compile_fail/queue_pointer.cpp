// expect: message is not serializable: it holds a pointer, and an address means nothing in another process
#include <troupe/queue.hpp>

void put(const troupe::queue<const char*>& q) { q.put("text"); }
