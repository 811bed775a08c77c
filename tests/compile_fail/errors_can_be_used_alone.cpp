// expect: ok
#include <troupe/error.hpp>

troupe::expected<int> half(int value) {
  if (value % 2 != 0) return tl::unexpected(troupe::error(troupe::errc::failed, "odd"));
  return value / 2;
}

troupe::result<int> refuse() { return troupe::fail("no"); }
