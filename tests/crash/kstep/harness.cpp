#include "crash/kstep/harness.hpp"

#include <exception>
#include <functional>
#include <memory>

#include "crash/kstep/runner.hpp"

namespace crash {

namespace {

using clock = std::chrono::steady_clock;

/// One that cannot go on is a violation, and ends.
bool attempt(runner& which, tally& counts, const std::function<void()>& work) {
  try {
    work();
    return true;
  } catch (const std::exception& e) {
    ++counts.violations;
    counts.said.push_back(which.name() + ": " + e.what());
    return false;
  }
}

/// In rounds: each gets the same share of what is left, and what one does not need is there for the others.
void use_the_rest(const std::vector<std::unique_ptr<runner>>& all, std::optional<clock::time_point> end,
                  tally& counts) {
  std::vector<runner*> at_work;
  for (const auto& each : all) at_work.push_back(each.get());
  while (!at_work.empty() && (!end || clock::now() < *end)) {
    const auto share =
        end ? (*end - clock::now()) / static_cast<long>(at_work.size()) : clock::duration{std::chrono::hours(24)};
    std::erase_if(at_work, [&](runner* each) {
      const auto began = clock::now();
      bool more = true;
      const bool fine = attempt(*each, counts, [&] {
        while (more && clock::now() - began < share) more = each->further();
      });
      return !fine || !more;
    });
  }
}

}  // namespace

tally run(const std::vector<operation>& operations, const choice& what) {
  const auto began = clock::now();
  share_one_processor();
  limit_waits();
  tally counts;
  std::vector<std::unique_ptr<runner>> all;
  for (const auto& each : operations) {
    if (each.name.find(what.only) == each.name.npos) continue;
    if (what.to_the_first && counts.violations > 0) break;
    auto made = std::make_unique<runner>(each, what, counts);
    if (attempt(*made, counts, [&] { made->core(); })) all.push_back(std::move(made));
  }
  use_the_rest(all, what.time ? std::optional(began + *what.time) : std::nullopt, counts);
  for (const auto& each : all) what.report(each->summary());
  return counts;
}

std::string why_not() {
#if !defined(__x86_64__)
  return "instructions are stepped on x86-64 only";
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return "a sanitizer's own code would be stepped, not what ships";
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(undefined_behavior_sanitizer)
  return "a sanitizer's own code would be stepped, not what ships";
#else
  return "";
#endif
#else
  return "";
#endif
}

}  // namespace crash
