#include <algorithm>
#include <array>
#include <string_view>

#include <troupe/detail/config_value.hpp>
#include <troupe/program_options.hpp>

namespace troupe {

namespace {

constexpr auto protocols = std::to_array<std::string_view>({"none", "lines", "frames1", "frames2", "frames4"});
constexpr std::uint32_t last_signal = 64;

bool has_zero(std::string_view text) { return text.find('\0') != text.npos; }
std::string quote(std::string_view text) { return detail::config_quoted(text); }

void look_at_texts(const program_options& how, std::vector<config_fault>& to) {
  for (const auto& part : how.exec) {
    if (has_zero(part)) to.push_back({"exec", quote(part) + " has a zero byte in it, which would end it there"});
  }
  if (has_zero(how.directory)) {
    to.push_back({"directory", quote(how.directory) + " has a zero byte in it, which would end it there"});
  }
  for (const auto& [name, value] : how.environment) {
    if (name.empty() || name.find('=') != name.npos || has_zero(name)) {
      to.push_back({"environment", quote(name) + " is no name of a variable: it has a letter or more, and no = and no "
                                                 "zero byte"});
    }
    if (has_zero(value)) {
      to.push_back({"environment", "the value of " + quote(name) + " has a zero byte in it, which would end it there"});
    }
  }
}

}  // namespace

std::vector<config_fault> program_options::faults() const {
  std::vector<config_fault> all;
  if (exec.empty() || exec[0].empty()) {
    all.push_back({"exec", "the program is missing, as in exec = [\"prog\", \"arg\"]"});
  }
  look_at_texts(*this, all);
  if (std::ranges::find(protocols, protocol) == protocols.end()) {
    all.push_back({"protocol", "there is no protocol " + quote(protocol) +
                                   ": it is none, lines, frames1, frames2 or frames4" +
                                   detail::config_suggestion(protocol, protocols)});
  }
  if (ready_fd == 1 || ready_fd == 2 || ready_fd > 1023) {
    all.push_back({"ready_fd", std::to_string(ready_fd) + " is out of range; expected 3 to 1023, or 0 for none"});
  }
  if (stop_signal == 0 || stop_signal > last_signal) {
    all.push_back({"stop_signal", std::to_string(stop_signal) + " is out of range; expected a signal's number, 1 to " +
                                      std::to_string(last_signal)});
  }
  if (max_message == 0) all.push_back({"max_message", "no message fits into 0 bytes; expected 1 or more"});
  return all;
}

std::vector<config_fault> program_options::faults(const child_spec& its) const {
  if (!its.limits.files || ready_fd < *its.limits.files) return {};
  const std::string files = std::to_string(*its.limits.files);
  return {{"ready_fd", std::to_string(ready_fd) + " is out of range, since limits.files is " + files +
                           "; expected less than that"}};
}

}  // namespace troupe
