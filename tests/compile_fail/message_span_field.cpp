// expect: message is not serializable: it holds a pointer, and an address means nothing in another process
#include <span>

#include <troupe/codec.hpp>

struct Samples {
  std::array<std::span<const double>, 2> of_channel;
};

void send(const Samples& samples, troupe::detail::writer& to) { troupe::encode(samples, to); }
