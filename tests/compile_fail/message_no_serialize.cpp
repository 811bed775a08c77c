// expect: message is not serializable: give it (or the field that has none) `template <class Ar> void serialize
#include <troupe/codec_cereal.hpp>

struct Greet {
  std::string who;
};

void send(const Greet& greet, troupe::detail::writer& to) { troupe::encode(greet, to); }
