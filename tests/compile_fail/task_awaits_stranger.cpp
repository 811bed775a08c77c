// expect: a troupe::task can co_await an ask, another troupe::task, or troupe::sleep_for
#include <troupe/task.hpp>

troupe::task<int> wrong() {
  co_await std::suspend_always{};
  co_return 1;
}
