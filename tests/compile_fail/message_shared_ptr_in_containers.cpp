// expect: message is not serializable: shared_ptr and weak_ptr share memory, which another process does not
#include <cereal/types/memory.hpp>

#include <troupe/codec_cereal.hpp>

struct Leaf {
  int value;
};
struct Graph {
  std::map<std::string, std::vector<std::optional<std::shared_ptr<Leaf>>>> edges;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(edges);
  }
};

Graph receive(troupe::detail::reader& from) { return troupe::decode<Graph>(from); }
