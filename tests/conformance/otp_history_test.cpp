#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>

#include "support/policy_replay.hpp"
#include "support/tree_replay.hpp"

// The policy against Erlang/OTP's supervisor itself, and trees of supervisors against trees of these: both live through the
// same random histories, and their traces are compared line by line.

using otp_history::lines;

namespace {

struct by_escript {
  const char* script;
  std::string operator()(const std::string& file) const {
    const std::string command = std::string("escript '") + script + "' '" + file + "'";
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
    REQUIRE(pipe);
    std::string all;
    char part[65536];
    for (std::size_t n; (n = std::fread(part, 1, sizeof part, pipe.get())) > 0;) all.append(part, n);
    return all;
  }
};

lines split(const std::string& text) {
  std::istringstream in(text);
  lines all;
  for (std::string line; std::getline(in, line);) all.push_back(line);
  return all;
}

std::string joined(const lines& all) {
  std::string text;
  for (const auto& line : all) text += line + "\n";
  return text;
}

/// Children made from a template are stopped in no order, and OTP reports those that went wrong by reason.
lines comparable(lines trace, const lines& history) {
  if (history[0].find("simple") == std::string::npos) return trace;
  std::erase(trace, "report shutdown_error");
  const auto is_stop = [](const std::string& line) { return line.starts_with("stop "); };
  for (auto i = trace.begin(); (i = std::find_if(i, trace.end(), is_stop)) != trace.end();) {
    const auto end = std::find_if_not(i, trace.end(), is_stop);
    std::sort(i, end);
    i = end;
  }
  return trace;
}

using place = lines::const_iterator;

/// Of children made from a template OTP is told which process to terminate, and answers ok about one that has been
/// replaced before it hears of it; here it is told which child, and that one is stopped. From there on the two differ.
bool means_a_process_before(place first, place ours, place our_end, place theirs, place their_end) {
  if (ours == our_end || theirs == their_end || *theirs != "answer ok" || !ours->starts_with("stop ")) return false;
  const std::string id = ours->substr(5);
  const auto last = [&](const std::string& line) {
    const auto found = std::find(std::make_reverse_iterator(ours), std::make_reverse_iterator(first), line);
    return found.base() - first;
  };
  return last("op terminate " + id) > 0 && last("op terminate " + id) < last("start " + id + " o");
}

/// Of several that have ended at once OTP hears in the order in which it stops them, and we in that of their ends.
lines comparable(lines trace) {
  bool several = false;
  std::erase_if(trace, [&](const std::string& line) {
    if (line.starts_with("op ")) several = line.starts_with("op exit") && otp_tree::words(line).size() > 4;
    return several && line.starts_with("report shutdown_error");
  });
  return trace;
}

struct wanted {
  std::uint64_t seed;
  std::size_t count;
};
wanted asked_for(std::size_t usual) {
  const char* given = std::getenv("TROUPE_SEED");
  const char* many = std::getenv("TROUPE_HISTORIES");
  const std::uint64_t seed = given != nullptr ? std::stoull(given) : std::random_device{}();
  MESSAGE("TROUPE_SEED=", seed);
  return {seed, many != nullptr ? std::stoul(many) : usual};
}

/// What Erlang/OTP makes of each of the histories.
std::vector<lines> traces_of(const std::vector<lines>& histories, const char* script, std::uint64_t seed) {
  const auto file = std::filesystem::temp_directory_path() / ("troupe_otp_histories." + std::to_string(seed));
  {
    std::ofstream out(file);
    for (const auto& each : histories) out << joined(each) << "end\n";
  }
  const auto whole = split(by_escript{script}(file.string()));
  std::filesystem::remove(file);
  std::vector<lines> all(1);
  for (const auto& line : whole) line == "end" ? void(all.emplace_back()) : all.back().push_back(line);
  all.pop_back();
  REQUIRE(all.size() == histories.size());
  return all;
}

void say_difference(const lines& history, const lines& ours, const lines& theirs) {
  const auto differ = std::mismatch(ours.begin(), ours.end(), theirs.begin(), theirs.end());
  MESSAGE("history:\n", joined(history), "\nOTP:\n", joined({theirs.begin(), differ.second}),
          "\nthen OTP: ", differ.second == theirs.end() ? "nothing" : *differ.second,
          "\nwe: ", differ.first == ours.end() ? "nothing" : *differ.first);
}

}  // namespace

TEST_CASE("in random histories the policy does what Erlang/OTP's supervisor does") {
  const auto [seed, count] = asked_for(2000);
  std::vector<lines> histories;
  for (std::size_t i = 0; i < count; ++i) histories.push_back(otp_history::generator(seed + i).make());
  const auto traces = traces_of(histories, OTP_SUPERVISOR, seed);
  std::size_t events = 0, wrong = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto& history = histories[i];
    const lines theirs = comparable(traces[i], history);
    const lines ours = comparable(otp_history::policy_replay().run(history), history);
    events += ours.size();
    if (ours == theirs) continue;
    const auto differ = std::mismatch(ours.begin(), ours.end(), theirs.begin(), theirs.end());
    const bool simple = history[0].find("simple") != std::string::npos;
    if (simple && means_a_process_before(ours.begin(), differ.first, ours.end(), differ.second, theirs.end())) continue;
    if (++wrong <= 3) say_difference(history, ours, theirs);
  }
  CHECK(wrong == 0);
  CHECK(events >= 20 * count);
  MESSAGE("compared ", events, " lines of ", count, " histories");
}

TEST_CASE("in random histories trees of supervisors do what those of Erlang/OTP do") {
  const auto [seed, count] = asked_for(300);
  std::vector<lines> histories;
  for (std::size_t i = 0; i < count; ++i) histories.push_back(otp_tree::generator(seed + i).make());
  const auto traces = traces_of(histories, OTP_TREE, seed);
  otp_tree::tree_replay tree;
  std::size_t events = 0, wrong = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const lines ours = comparable(tree.run(histories[i])), theirs = comparable(traces[i]);
    events += ours.size();
    if (ours != theirs && ++wrong <= 3) say_difference(histories[i], ours, theirs);
  }
  CHECK(wrong == 0);
  CHECK(events >= 20 * count);
  MESSAGE("compared ", events, " lines of ", count, " histories");
}
