#include "rules.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <functional>
#include <optional>

namespace tidy {
namespace {

using names = std::set<std::string, std::less<>>;

// DESIGN section 7. A folder of framework/ that is missing here may not exist.
const std::map<std::string, names, std::less<>> may_include = {
    {"troupe", {"troupe"}},
    {"wire", {"wire"}},
    {"os", {"troupe", "os"}},
    {"channel", {"troupe", "wire", "os", "channel"}},
    {"worker", {"troupe", "wire", "os", "channel", "worker"}},
    {"supervision", {"troupe", "wire", "os", "channel", "supervision"}},
    {"config", {"troupe", "config"}},
    {"inspect", {"troupe", "wire", "os", "inspect"}},
    {"actors", {"troupe", "actors"}},
    {"examples", {"troupe", "actors"}},
};

constexpr std::size_t longest_file = 400;
constexpr std::string_view sleep_permit = "tidy: allow sleep, because ";

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

bool is_cpp(const file& f) { return f.path.ends_with(".cpp") || f.path.ends_with(".hpp"); }

bool is_under(const file& f, std::string_view folder) {
  return f.path.starts_with(folder) && f.path.substr(folder.size()).starts_with("/");
}

std::string_view first_folder(std::string_view path) {
  const auto slash = path.find('/');
  return slash == path.npos ? std::string_view{} : path.substr(0, slash);
}

/// The name under which the table knows where a file lies: "wire" of framework/wire/lane.hpp, "actors" of
/// actors/tail.hpp.
std::string_view room_of(std::string_view path) {
  constexpr std::string_view framework = "framework/";
  return first_folder(path.starts_with(framework) ? path.substr(framework.size()) : path);
}

template <class Visit>
void for_each_line(std::string_view text, Visit visit) {
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto end = text.find('\n');
    visit(number, text.substr(0, end));
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  return text;
}

struct include {
  std::size_t line;
  std::string header;  // with its brackets or quotes: <vector>, "wire/lane.hpp"
  std::string_view name() const { return std::string_view(header).substr(1, header.size() - 2); }
};

std::vector<include> includes_of(const file& f) {
  std::vector<include> found;
  for_each_line(code_of(f.text), [&](std::size_t number, std::string_view line) {
    line = trimmed(line);
    if (!line.starts_with('#')) return;
    line = trimmed(line.substr(1));
    if (!line.starts_with("include")) return;
    line = trimmed(line.substr(7));
    if (line.empty() || (line.front() != '<' && line.front() != '"')) return;
    const auto end = line.find(line.front() == '<' ? '>' : '"', 1);
    if (end != line.npos) found.push_back({number, std::string(line.substr(0, end + 1))});
  });
  return found;
}

std::optional<std::size_t> find_word(std::string_view line, std::string_view word, std::size_t from = 0) {
  for (auto at = line.find(word, from); at != line.npos; at = line.find(word, at + 1)) {
    const auto after = at + word.size();
    if ((at == 0 || !is_word(line[at - 1])) && (after == line.size() || !is_word(line[after]))) return at;
  }
  return std::nullopt;
}

/// What follows the opening parenthesis of a call of `function`, without spaces; nothing if the line has no such call.
std::optional<std::string> arguments_of(std::string_view line, std::string_view function) {
  for (auto at = find_word(line, function); at; at = find_word(line, function, *at + 1)) {
    const auto rest = trimmed(line.substr(*at + function.size()));
    if (!rest.starts_with('(')) continue;
    std::string arguments(rest.substr(1));
    std::erase(arguments, ' ');
    return arguments;
  }
  return std::nullopt;
}

template <std::size_t N>
bool calls_one_of(std::string_view line, const std::array<std::string_view, N>& functions) {
  return std::ranges::any_of(functions, [&](auto function) { return arguments_of(line, function).has_value(); });
}

bool shell_sleeps(std::string_view line) {
  if (trimmed(line).starts_with('#')) return false;
  const auto at = find_word(line, "sleep");
  return at && trimmed(line.substr(*at + 5)) != line.substr(*at + 5) && (*at == 0 || line[*at - 1] != '"');
}

}  // namespace

std::string code_of(std::string_view text) {
  std::string code(text);
  const auto blank = [&](std::size_t from, std::size_t to) {
    for (auto i = from; i < std::min(to, code.size()); ++i)
      if (code[i] != '\n') code[i] = ' ';
  };
  const auto end_of = [&](std::string_view what, std::size_t from) {
    const auto at = text.find(what, from);
    return at == text.npos ? text.size() : at + what.size();
  };
  bool directive = false;
  bool line_is_blank = true;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    const auto rest = text.substr(i);
    if (c == '\n') {
      if (i == 0 || text[i - 1] != '\\') directive = false;
      line_is_blank = true;
      ++i;
      continue;
    }
    if (c == '#' && line_is_blank) directive = true;
    if (c != ' ' && c != '\t') line_is_blank = false;

    if (rest.starts_with("//")) {
      const auto end = std::min(text.find('\n', i), text.size());
      blank(i, end);
      i = end;
    } else if (rest.starts_with("/*")) {
      const auto end = end_of("*/", i + 2);
      blank(i, end);
      i = end;
    } else if (rest.starts_with("R\"") && (i == 0 || !is_word(text[i - 1]))) {
      const auto open = std::min(text.find('(', i), text.size());
      const auto end = end_of(")" + std::string(text.substr(i + 2, open - i - 2)) + "\"", open);
      blank(i + 2, end - 1);
      i = end;
    } else if (c == '"' || (c == '\'' && (i == 0 || !is_word(text[i - 1])))) {
      auto end = i + 1;  // a quote after a digit separates digits
      while (end < text.size() && text[end] != c && text[end] != '\n') end += text[end] == '\\' ? 2 : 1;
      if (!directive) blank(i + 1, end);
      i = std::min(end, text.size());
      if (i < text.size() && text[i] == c) ++i;
    } else {
      ++i;
    }
  }
  return code;
}

findings who_may_include_whom(const file& f) {
  findings found;
  const bool in_framework = is_under(f, "framework");
  if (!is_cpp(f) || !(in_framework || is_under(f, "actors") || is_under(f, "examples"))) return found;

  const std::string room(room_of(f.path));
  const auto rule = may_include.find(room);
  if (rule == may_include.end()) {
    found.push_back({f.path, 1, "framework/" + room + " is no folder of the table in tests/tidy/rules.cpp"});
    return found;
  }
  for (const auto& include : includes_of(f)) {
    if (include.name().starts_with("..") || include.name().find("/../") != std::string_view::npos) {
      found.push_back({f.path, include.line, include.header + ": includes are named from framework/, not with .."});
      continue;
    }
    auto other = first_folder(include.name());
    if (other == "framework") other = room_of(include.name());
    const bool ours = may_include.contains(other) || other == "tests";
    if (ours && !rule->second.contains(other))
      found.push_back({f.path, include.line, room + " may not include " + include.header});
  }
  return found;
}

findings libraries_stay_in_their_place(const file& f) {
  constexpr std::string_view cereal_details = "troupe/detail/cereal_";
  findings found;
  if (!is_cpp(f) || !(is_under(f, "framework") || is_under(f, "actors"))) return found;
  const bool in_public = is_under(f, "framework/troupe");
  const bool for_cereal =
      f.path == "framework/troupe/codec_cereal.hpp" || f.path.starts_with("framework/" + std::string(cereal_details));

  for (const auto& include : includes_of(f)) {
    const auto name = include.name();
    const auto forbid = [&](const char* why) { found.push_back({f.path, include.line, include.header + ": " + why}); };

    if (name.starts_with("caf/") && !is_under(f, "framework/supervision") &&
        f.path != "framework/troupe/bridge_caf.hpp")
      forbid("CAF is for supervision/ and troupe/bridge_caf.hpp alone");
    if (name.starts_with("cereal/archives/"))
      forbid("messages are read by our bounded archive, never by one of cereal's");
    else if (name.starts_with("cereal/") && !for_cereal)
      forbid("cereal is for troupe/codec_cereal.hpp and troupe/detail/cereal_*.hpp alone");

    // What these bring in would make the other headers dear to compile.
    if (name.starts_with(cereal_details) && !for_cereal) forbid("it is a part of troupe/codec_cereal.hpp");
    if (in_public && name == "troupe/codec_cereal.hpp" && f.path != "framework/troupe/troupe.hpp")
      forbid("of the public headers only troupe.hpp includes it");
    if (in_public && name == "troupe/bridge_caf.hpp") forbid("who wants CAF includes it");
  }
  return found;
}

findings system_calls_stay_in_os(const file& f) {
  constexpr std::array<std::string_view, 5> headers = {"sys/", "linux/", "unistd.h", "fcntl.h", "poll.h"};
  findings found;
  if (!is_cpp(f) || is_under(f, "framework/os") || !(is_under(f, "framework") || is_under(f, "actors"))) return found;

  for (const auto& include : includes_of(f)) {
    const auto name = include.name();
    if (std::ranges::any_of(headers, [&](auto header) { return name.starts_with(header); }))
      found.push_back({f.path, include.line, include.header + ": system calls are made in os/ alone"});
    if (name == "cerrno") found.push_back({f.path, include.line, "<cerrno>: errno never leaves os/"});
  }
  for_each_line(code_of(f.text), [&](std::size_t number, std::string_view line) {
    if (find_word(line, "errno")) found.push_back({f.path, number, "errno never leaves os/"});
  });
  return found;
}

findings banned_calls(const file& f) {
  constexpr std::array<std::string_view, 2> forks = {"fork", "vfork"};
  constexpr std::array<std::string_view, 7> sleeps = {"sleep",       "usleep",          "nanosleep", "sleep_for",
                                                      "sleep_until", "clock_nanosleep", "thrd_sleep"};
  findings found;
  const bool in_tests = is_under(f, "tests");
  const auto sleep_found = [&](std::size_t number) {
    found.push_back({f.path, number,
                     "a test waits for a condition with a watchdog, it does not sleep (or says why on this line: " +
                         std::string(sleep_permit) + "...)"});
  };
  std::set<std::size_t> permitted;
  for_each_line(f.text, [&](std::size_t number, std::string_view line) {
    const auto permit = line.find(sleep_permit);
    if (permit != line.npos && !trimmed(line.substr(permit + sleep_permit.size())).empty()) permitted.insert(number);
  });

  if (is_cpp(f)) {
    for_each_line(code_of(f.text), [&](std::size_t number, std::string_view line) {
      if (arguments_of(line, "waitpid").value_or("").starts_with("-1"))
        found.push_back({f.path, number, "waitpid(-1) takes other people's children: reap by pidfd"});
      if (!in_tests && !is_under(f, "framework/os") && calls_one_of(line, forks))
        found.push_back({f.path, number, "processes are made in os/ alone"});
      // What a coroutine awaits is the framework's own sleep, which is there to be tested.
      const bool awaits = line.find("co_await troupe::sleep_for(") != line.npos;
      if (in_tests && !awaits && calls_one_of(line, sleeps) && !permitted.contains(number)) sleep_found(number);
    });
  } else if (in_tests && (f.path.ends_with(".sh") || f.path == "tests/run")) {
    for_each_line(f.text, [&](std::size_t number, std::string_view line) {
      if (shell_sleeps(line) && !permitted.contains(number)) sleep_found(number);
    });
  }
  return found;
}

findings unfinished_work(const file& f) {
  // In two parts, so that this file passes its own test.
  constexpr std::array<std::string_view, 3> words = {
      "TO"
      "DO",
      "FIX"
      "ME",
      "XX"
      "X"};
  findings found;
  for_each_line(f.text, [&](std::size_t number, std::string_view line) {
    for (const auto word : words)
      if (find_word(line, word)) found.push_back({f.path, number, std::string(word) + ": do it, or write an issue"});
  });
  return found;
}

findings dead_headers(const std::vector<file>& all) {
  std::set<std::string> included;
  for (const auto& f : all) {
    if (!is_cpp(f)) continue;
    const auto folder = f.path.substr(0, f.path.rfind('/') + 1);
    for (const auto& include : includes_of(f)) {
      included.insert("framework/" + std::string(include.name()));
      included.insert(folder + std::string(include.name()));
    }
  }
  findings found;
  for (const auto& f : all) {
    const bool promised = is_under(f, "framework/troupe") && !is_under(f, "framework/troupe/detail");
    if (is_under(f, "framework") && f.path.ends_with(".hpp") && !promised && !included.contains(f.path))
      found.push_back({f.path, 1, "nobody includes this header"});
  }
  return found;
}

findings long_files(const std::vector<file>& all, const std::map<std::string, std::size_t>& known_long_files) {
  findings found;
  auto unseen = known_long_files;
  for (const auto& f : all) {
    if (!is_cpp(f) || !is_under(f, "framework")) continue;
    const auto lines = static_cast<std::size_t>(std::ranges::count(f.text, '\n'));
    const auto known = known_long_files.find(f.path);
    unseen.erase(f.path);
    if (known == known_long_files.end()) {
      if (lines > longest_file)
        found.push_back({f.path, lines, "longer than " + std::to_string(longest_file) + " lines: split it"});
    } else if (lines > known->second) {
      found.push_back(
          {f.path, lines, "a long file may shrink only; it had " + std::to_string(known->second) + " lines"});
    } else if (lines <= longest_file) {
      found.push_back({f.path, lines, "no longer too long: take it off the table"});
    } else if (lines < known->second) {
      found.push_back({f.path, lines, "shorter now: write " + std::to_string(lines) + " into the table"});
    }
  }
  for (const auto& [path, lines] : unseen) found.push_back({path, lines, "is gone: take it off the table"});
  return found;
}

findings top_level(const std::set<std::string>& names) {
  const std::set<std::string> required = {"CMakeLists.txt", "README.md", "actors", "docs",
                                          "examples",       "framework", "tests"};
  const std::set<std::string> allowed = {"CHANGELOG.md", "CMakePresets.json", "LICENSE"};
  findings found;
  for (const auto& name : names)
    if (!name.starts_with('.') && !required.contains(name) && !allowed.contains(name))
      found.push_back({name, 1, "has no place at the top of the tree"});
  for (const auto& name : required)
    if (!names.contains(name)) found.push_back({name, 1, "is missing at the top of the tree"});
  return found;
}

}  // namespace tidy
