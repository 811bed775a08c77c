// expect: message is not serializable: give it (or the field that has none) `template <class Ar> void serialize
#include <troupe/codec_cereal.hpp>

struct Name {
  std::string text;
};
struct Greet {
  std::map<int, std::vector<Name>> names;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(names);
  }
};

void send(const Greet& greet, troupe::detail::writer& to) { troupe::encode(greet, to); }
