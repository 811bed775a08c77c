// expect: message is not serializable: it holds a pointer, and an address means nothing in another process
#include <troupe/codec.hpp>

struct Limit {
  const int& most;
};

void send(const Limit& limit, troupe::detail::writer& to) { troupe::encode(limit, to); }
