// The harness as a program: what a mutant is run by, and people.
//   NAME [--first] [--seconds N | --all] [--part I N] [--int3] [OPERATION]

#include <iostream>
#include <string>

#include "crash/kstep/harness.hpp"

int main(int argc, char** argv) {
  crash::choice what;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--first") {
      what.to_the_first = true;
    } else if (word == "--all") {
      what.time.reset();
    } else if (word == "--seconds" && i + 1 < argc) {
      what.time = std::chrono::seconds(std::stoul(argv[++i]));
    } else if (word == "--int3") {
      crash::do_without_debug_registers();
    } else if (word == "--part" && i + 2 < argc) {
      what.part = std::stoul(argv[++i]);
      what.parts = std::stoul(argv[++i]);
    } else {
      what.only = word;
    }
  }
  if (const auto why = crash::why_not(); !why.empty()) {
    std::cout << "nothing is stepped in this build: " << why << std::endl;
    return 77;
  }
  what.report = [](const std::string& line) { std::cout << line << std::endl; };
  const auto counts = crash::run(crash::all_operations(), what);
  for (const auto& each : counts.said) std::cout << each << "\n";
  std::cout << "kill points " << counts.kill_points << ", stops " << counts.stops << ", pairs " << counts.pairs
            << ", violations " << counts.violations << std::endl;
  return counts.violations == 0 ? 0 : 1;
}
