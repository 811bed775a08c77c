// expect: message is not serializable: it holds a pointer, and an address means nothing in another process
#include <string_view>

#include <troupe/codec.hpp>

struct Greet {
  std::string_view who;
};

void send(const Greet& greet, troupe::detail::writer& to) { troupe::encode(greet, to); }
