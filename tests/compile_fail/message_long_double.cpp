// expect: message is not serializable: long double has padding, which shows bytes of the sender's memory
#include <troupe/codec_cereal.hpp>

struct Sum {
  std::vector<long double> terms;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(terms);
  }
};

Sum receive(troupe::detail::reader& from) { return troupe::decode<Sum>(from); }
