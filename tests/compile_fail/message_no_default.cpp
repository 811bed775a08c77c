// expect: message is not serializable: a type in it has no default constructor
#include <troupe/codec_cereal.hpp>

struct Word {
  explicit Word(std::string text) : text(std::move(text)) {}
  std::string text;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(text);
  }
};

void send(const std::vector<Word>& words, troupe::detail::writer& to) { troupe::encode(words, to); }
