// expect: ok
#include <troupe/main.hpp>
#include <troupe/troupe.hpp>

struct Nothing {};

namespace app {

struct range {
  double low = 0, high = 1;
};
template <class Ar>
void serialize(Ar& ar, range& r) {
  ar(CEREAL_NVP(r.low), cereal::make_nvp("high", r.high));
}

enum old_enum { none, some };

struct Base {
  std::string name;
  template <class Ar>
  void serialize(Ar& ar) {
    ar(CEREAL_NVP(name));
  }
};

struct Reader : troupe::actor {
  struct config : Base {
    range between;
    old_enum amount = none;
    std::array<int, 2> pair{};
    std::set<std::string> words;
    std::unordered_map<std::string, std::vector<bool>> flags;
    std::chrono::duration<double> patience{1};
    std::unique_ptr<range> more;
    template <class Ar>
    void serialize(Ar& ar) {
      ar(cereal::base_class<Base>(this), CEREAL_NVP(between), CEREAL_NVP(amount), CEREAL_NVP(pair));
      ar(CEREAL_NVP(words), CEREAL_NVP(flags), CEREAL_NVP(patience), CEREAL_NVP(more));
    }
  };
  explicit Reader(config) {}
  void on(Nothing) {}
  using handles = troupe::handles<Nothing>;
};

}  // namespace app

struct Counter : troupe::actor {
  void on(Nothing) {}
  using handles = troupe::handles<Nothing>;
};

int main(int argc, char** argv) { return troupe::main<app::Reader, Counter>(argc, argv, {.log = false}); }
