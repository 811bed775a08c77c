// expect: ok
#include <troupe/system.hpp>

struct Ping {};
struct Count {};
using Other = troupe::handles<int(Count)>;
struct Player : troupe::actor {
  troupe::task<int> on(Ping) {
    auto both = std::vector<troupe::task<int>>{};
    both.push_back(count());
    both.push_back(count());
    co_await troupe::sleep_for(std::chrono::milliseconds(1));
    const auto counts = co_await troupe::all(std::move(both));
    co_return counts[0] + counts[1] + co_await other.ask(Count{});
  }
  troupe::task<troupe::result<int>> on(const Count&) { co_return troupe::fail("none"); }
  using handles = troupe::handles<int(Ping), Count>;

 private:
  troupe::task<int> count() { co_return co_await other.ask(Count{}); }
  troupe::ref<Other> other;
};

int main(int argc, char** argv) {
  return troupe::run<Player>(argc, argv, [](troupe::system&) {});
}
