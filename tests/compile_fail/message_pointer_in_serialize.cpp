// expect: message is not serializable: it holds a pointer, and an address means nothing in another process
#include <troupe/codec_cereal.hpp>

struct Line {
  std::string file;
  const char* text;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(file, text);
  }
};

void send(const Line& line, troupe::detail::writer& to) { troupe::encode(line, to); }
