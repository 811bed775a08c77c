// expect: message is not serializable: shared_ptr and weak_ptr share memory, which another process does not
#include <cereal/types/memory.hpp>

#include <troupe/codec_cereal.hpp>

struct Either {
  std::variant<int, std::pair<int, std::shared_ptr<std::string>>> what;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(what);
  }
};

void send(const Either& either, troupe::detail::writer& to) { troupe::encode(either, to); }
