// expect: message is not serializable: it holds a pointer, and an address means nothing in another process
#include <troupe/codec.hpp>

struct Line {
  int number;
  const char* text;
};

void send(const Line& line, troupe::detail::writer& to) { troupe::encode(line, to); }
