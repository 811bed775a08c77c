#include "supervision/hang.hpp"

#include <algorithm>

namespace troupe::supervision::hang {

nanoseconds could_have_run(const sample& before, const sample& after, nanoseconds nominal) noexcept {
  constexpr nanoseconds none{0};
  if (!before.process || !after.process) return none;
  const nanoseconds between = std::clamp(after.at - before.at, none, nominal);
  // Times go back when a thread has ended.
  const nanoseconds ran = std::max(after.process->ran - before.process->ran, none);
  const nanoseconds waited = std::max(after.process->waited - before.process->waited, none);
  return after.process->runnable ? std::min(ran, between) : std::max(between - waited, none);
}

verdict watch::take(const sample& seen, nanoseconds nominal) noexcept {
  const bool same = seen.doing == last_.doing;
  counted_ = same ? counted_ + could_have_run(last_, seen, nominal) : nanoseconds{0};
  if (!same) since_ = seen.at;
  last_ = seen;
  if (seen.doing.what == work::kind::idle) return verdict::idle;
  return seen.deadline.count() > 0 && counted_ >= seen.deadline ? verdict::stuck : verdict::busy;
}

nanoseconds next_look(const watch& of, nanoseconds finest) noexcept {
  if (finest.count() <= 0) return longest_look;
  nanoseconds next = finest / 4;
  const sample& last = of.last();
  if (last.doing.what != work::kind::idle && last.deadline.count() > 0)
    next = std::min(next, last.deadline - of.counted());
  return std::clamp(next, shortest_look, longest_look);
}

}  // namespace troupe::supervision::hang
