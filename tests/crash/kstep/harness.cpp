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

/// Each gets the same share of what is left: one that needs less leaves it to those behind it.
void use_the_rest(std::vector<std::unique_ptr<runner>>& all, std::optional<clock::time_point> end,
                  const std::function<void(const std::string&)>& report, tally& counts) {
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto now = clock::now();
    const auto share = end ? (*end - now) / static_cast<long>(all.size() - i) : clock::duration::max();
    attempt(*all[i], counts, [&] {
      while (clock::now() - now < share && all[i]->further()) {
      }
    });
    report(all[i]->summary());
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
  use_the_rest(all, what.time ? std::optional(began + *what.time) : std::nullopt, what.report, counts);
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
