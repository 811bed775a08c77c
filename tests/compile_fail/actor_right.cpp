// expect: ok
#include <string>
#include <troupe/troupe.hpp>

struct Get {
  int key;
};
struct Put {
  int key;
  std::string value;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(key, value);
  }
};
using Store = troupe::handles<std::string(Get), Put>;
struct Map : troupe::actor {
  explicit Map(std::string name) : name_(std::move(name)) {}
  troupe::result<std::string> on(Get) { return name_; }
  void on(const Put&) {}
  using handles = troupe::handles<std::string(Get), void(Put)>;

 private:
  std::string name_;
};

std::string right(troupe::system& sys) {
  const troupe::ref<Store> store = sys.spawn<Map>({.name = "map"}, "a map");
  store.tell(Put{1, "one"});
  return store.ask(Get{1}).get();
}
