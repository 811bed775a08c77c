#include "os/scheduling.hpp"

namespace troupe::os {

modest_wakeup::modest_wakeup() noexcept {
  const sched_param none{};
  changed_ = ::sched_getscheduler(0) == SCHED_OTHER && ::sched_setscheduler(0, SCHED_BATCH, &none) == 0;
}

modest_wakeup::~modest_wakeup() {
  const sched_param none{};
  if (changed_) ::sched_setscheduler(0, SCHED_OTHER, &none);
}

int own_processor() noexcept { return ::sched_getcpu(); }

void give_way() noexcept { ::sched_yield(); }

processors processors::of(int tid) noexcept {
  processors found;
  if (::sched_getaffinity(tid, sizeof found.set_, &found.set_) != 0) CPU_ZERO(&found.set_);
  return found;
}

processors processors::without(int one) const noexcept {
  processors rest = *this;
  if (one >= 0 && one < CPU_SETSIZE) CPU_CLR(one, &rest.set_);
  return rest;
}

processors processors::half(std::size_t which) const noexcept {
  processors found;
  std::size_t seen = 0;
  for (int each = 0; each < CPU_SETSIZE; ++each) {
    if (CPU_ISSET(each, &set_) && seen++ % 2 == which) CPU_SET(each, &found.set_);
  }
  return found;
}

void processors::give(int tid) const noexcept {
  if (CPU_COUNT(&set_) > 0) ::sched_setaffinity(tid, sizeof set_, &set_);
}

}  // namespace troupe::os
