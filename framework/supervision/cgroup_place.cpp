#include "supervision/cgroup_place.hpp"

#include <charconv>
#include <sstream>
#include <vector>

namespace troupe::supervision {

namespace {

constexpr std::string_view name_begins = "troupe-";
constexpr int deepest = 16;  // what a run below a run below a run makes

template <class Take>
void for_each_line(std::string_view text, Take take) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    take(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::vector<std::string> words_of(std::string_view line, char between) {
  std::vector<std::string> words;
  std::istringstream in{std::string(line)};
  for (std::string word; std::getline(in, word, between);) words.push_back(word);
  return words;
}

bool has(std::string_view list, std::string_view wanted) {
  for (const auto& each : words_of(list, ',')) {
    if (each == wanted) return true;
  }
  return false;
}

/// mountinfo writes a space as \040.
std::string unescaped(const std::string& text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escaped = text[i] == '\\' && i + 3 < text.size();
    plain += escaped ? static_cast<char>(std::stoi(text.substr(i + 1, 3), nullptr, 8)) : text[i];
    if (escaped) i += 3;
  }
  return plain;
}

struct mount {
  std::string root, point, type, options;
};

std::optional<mount> read_mount(std::string_view line) {
  const std::size_t dash = line.find(" - ");
  if (dash == line.npos) return std::nullopt;
  const auto before = words_of(line.substr(0, dash), ' '), after = words_of(line.substr(dash + 3), ' ');
  if (before.size() < 5 || after.size() < 3) return std::nullopt;
  return mount{unescaped(before[3]), unescaped(before[4]), after[0], after[2]};
}

/// Where a cgroup of this path is seen below a mount; empty: not there.
std::string seen_in(const mount& where, const std::string& path) {
  if (path.starts_with("/..")) return {};  // outside of what this container may see
  if (where.root == "/") return path == "/" ? where.point : where.point + path;
  if (!path.starts_with(where.root)) return {};
  const std::string below = path.substr(where.root.size());
  return below.empty() || below[0] == '/' ? where.point + (below == "/" ? "" : below) : std::string();
}

}  // namespace

own_cgroups find_own_cgroups(std::string_view cgroup, std::string_view mountinfo) {
  std::optional<std::string> unified, memory;
  for_each_line(cgroup, [&](std::string_view line) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) return;
    const auto controllers = line.substr(first + 1, second - first - 1);
    if (controllers.empty()) unified = line.substr(second + 1);
    if (has(controllers, "memory")) memory = line.substr(second + 1);
  });
  own_cgroups found;
  for_each_line(mountinfo, [&](std::string_view line) {
    const auto where = read_mount(line);
    if (!where) return;
    if (where->type == "cgroup2" && unified && found.unified.empty()) found.unified = seen_in(*where, *unified);
    const bool of_memory = where->type == "cgroup" && has(where->options, "memory");
    if (of_memory && memory && found.memory_v1.empty()) found.memory_v1 = seen_in(*where, *memory);
  });
  return found;
}

// -------------------------------------------------------------------------------------------------------------- names

std::string run_cgroup_name(const os::process_name& of) {
  return std::string(name_begins) + of.boot + "-" + std::to_string(of.pid_space) + "-" + std::to_string(of.pid) + "-" +
         std::to_string(of.started);
}

namespace {

template <class Number>
bool read_number(const std::string& text, Number& into) {
  const auto [end, how] = std::from_chars(text.data(), text.data() + text.size(), into);
  return how == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::optional<os::process_name> read_run_cgroup_name(std::string_view name) {
  if (!name.starts_with(name_begins)) return std::nullopt;
  const auto parts = words_of(name.substr(name_begins.size()), '-');
  os::process_name read;
  if (parts.size() != 4 || parts[0].empty()) return std::nullopt;
  read.boot = parts[0];
  const bool fine =
      read_number(parts[1], read.pid_space) && read_number(parts[2], read.pid) && read_number(parts[3], read.started);
  if (!fine) return std::nullopt;
  return read;
}

std::uint64_t count_in(std::string_view text, std::string_view key) {
  std::uint64_t count = 0;
  for_each_line(text, [&](std::string_view line) {
    const auto words = words_of(line, ' ');
    if (words.size() == 2 && words[0] == key) read_number(words[1], count);
  });
  return count;
}

// --------------------------------------------------------------------------------------------------------------- ends

namespace {

int remove_below(os::kernel_files& files, const std::string& folder, int depth) {
  // Most have nothing below them and nobody in them: one call.
  const int at_once = files.remove_folder(folder);
  if (at_once == 0 || !os::means_busy(at_once) || depth == deepest) return at_once;
  for (const auto& each : files.folders_in(folder)) remove_below(files, folder + "/" + each, depth + 1);
  return files.remove_folder(folder);
}

}  // namespace

int kill_and_remove(os::kernel_files& files, const std::string& folder) {
  const int at_once = files.remove_folder(folder);
  if (!os::means_busy(at_once)) return at_once;
  files.write(folder + "/cgroup.kill", "1");
  return remove_below(files, folder, 0);
}

}  // namespace troupe::supervision
