#include "support/holdings.hpp"

#include <fstream>

#include "support/program.hpp"

namespace tests {

std::map<std::string, int> kinds_of(pid_t pid) {
  std::map<std::string, int> count;
  for (const auto& each : descriptors_of(pid)) ++count[each];
  return count;
}

std::string text_of(const std::map<std::string, int>& kinds) {
  std::string text;
  for (const auto& [kind, count] : kinds) text += " " + kind + ":" + std::to_string(count);
  return text;
}

std::size_t private_kib(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("RssAnon:")) return std::stoul(line.substr(8));
  }
  return 0;
}

holdings::holdings(pid_t pid) : kinds_(kinds_of(pid)), mappings_(mappings_of(pid)) {}

std::string holdings::more(pid_t pid) const {
  std::string more;
  for (const auto& [kind, count] : kinds_of(pid)) {
    const auto before = kinds_.find(kind);
    if (before == kinds_.end() || count > before->second) more += " " + kind;
  }
  const std::size_t mappings = mappings_of(pid);
  if (mappings > mappings_) more += " mappings: " + std::to_string(mappings_) + " to " + std::to_string(mappings);
  return more;
}

void holdings::expect_no_more(pid_t pid) const {
  eventually([&] { return more(pid).empty(); }, 2s);
  EXPECT_EQ(more(pid), std::string());
}

std::size_t holdings::descriptors() const noexcept {
  std::size_t count = 0;
  for (const auto& [kind, each] : kinds_) count += static_cast<std::size_t>(each);
  return count;
}

}  // namespace tests
