// expect: include <troupe/codec_cereal.hpp> and give it a serialize function
#include <string>

#include <troupe/codec.hpp>

struct Greet {
  std::string who;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(who);
  }
};

Greet receive(troupe::detail::reader& from) { return troupe::decode<Greet>(from); }
