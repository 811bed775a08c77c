// expect: delivery is not a policy: it must be troupe::redeliver{limit} or troupe::drop{}
#include <troupe/message.hpp>

struct Words {
  static constexpr auto delivery = 5;
};

bool declared() { return troupe::delivery_of<Words>().has_value(); }
