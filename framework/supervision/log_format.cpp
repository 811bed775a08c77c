#include "supervision/log_format.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <type_traits>
#include <vector>

namespace troupe::supervision {

namespace {

const char* name_of(log_level level) {
  switch (level) {
    case log_level::debug: return "debug";
    case log_level::out: return "out";
    case log_level::err: return "err";
    case log_level::info: return "info";
    case log_level::warning: return "warning";
    case log_level::error: return "error";
  }
  return "?";
}

/// Names, reasons and lines come from workers: whatever they hold, a line stays one line.
std::string one_line(const std::string& text) {
  std::string line;
  for (const char each : text) {
    const bool control = (static_cast<unsigned char>(each) < ' ' && each != '\t') || each == 127;
    line += control ? (each == '\n' ? "\\n" : "?") : std::string(1, each);
  }
  return line;
}

/// Bytes of the UTF-8 sequence that begins here; 0: there is none.
std::size_t utf8_length(std::string_view at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(at[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xf0 && first < 0xf5 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (length == 0 || first >= 0xf5 || length > at.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  // Longer than it need be, a surrogate, beyond the last character.
  const bool wrong = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f) ||
                     (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f);
  return wrong ? 0 : length;
}

std::string quoted(std::string_view text) {
  std::string into = "\"";
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const char first = text[0];
    if (length == 0) {
      into += "\xef\xbf\xbd";
    } else if (first == '"' || first == '\\') {
      into += std::string("\\") + first;
    } else if (static_cast<unsigned char>(first) < ' ') {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(first));
      into += escaped;
    } else {
      into += text.substr(0, length);
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return into + "\"";
}

/// std::to_string writes a decimal comma where the locale has one.
template <class Number>
std::string digits_of(Number value) {
  std::array<char, 400> digits{};
  char* const end = digits.data() + digits.size();
  if constexpr (std::is_integral_v<Number>) {
    return {digits.data(), std::to_chars(digits.data(), end, value).ptr};
  } else {
    return {digits.data(), std::to_chars(digits.data(), end, value, std::chars_format::fixed, 6).ptr};
  }
}

/// Keys are ours and need no quoting.
class object {
 public:
  object& raw(const char* key, const std::string& value) {
    text_ += std::string(text_.empty() ? "" : ",") + "\"" + key + "\":" + value;
    return *this;
  }
  object& add(const char* key, std::string_view value) { return raw(key, quoted(value)); }
  template <class Number>
    requires std::is_arithmetic_v<Number>
  object& add(const char* key, Number value) {
    if constexpr (std::is_same_v<Number, bool>) {
      return raw(key, value ? "true" : "false");
    } else {
      return raw(key, digits_of(value));
    }
  }
  object& add(const char* key, const std::vector<std::string>& values) {
    std::string list;
    for (const auto& each : values) list += (list.empty() ? "" : ",") + quoted(each);
    return raw(key, "[" + list + "]");
  }
  std::string text() const { return "{" + text_ + "}"; }

 private:
  std::string text_;
};

std::string utc(std::chrono::system_clock::time_point time) {
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
  const std::time_t seconds = us / 1'000'000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::array<char, 16> fraction{};
  std::snprintf(fraction.data(), fraction.size(), ".%06uZ", static_cast<unsigned>(us % 1'000'000));
  return std::string(text.data()) + fraction.data();
}

double milliseconds(std::chrono::nanoseconds time) { return std::chrono::duration<double, std::milli>(time).count(); }

std::string as_json(const death_certificate::message& what) {
  object its;
  its.add("message", what.name).add("sender", what.sender).add("attempt", what.attempt);
  its.add("request", what.request).add("again", what.again);
  if (what.age) its.add("age_ms", milliseconds(*what.age));
  return its.text();
}

std::string as_json(const death_certificate::usage& used) {
  object its;
  its.add("user_ms", milliseconds(used.user)).add("system_ms", milliseconds(used.system));
  its.add("most_memory", used.most_memory);
  its.add("minor_faults", used.minor_faults).add("major_faults", used.major_faults);
  its.add("voluntary_switches", used.voluntary_switches).add("involuntary_switches", used.involuntary_switches);
  return its.text();
}

std::string as_json(const death_certificate& what) {
  object its;
  its.add("cause", troupe::name_of(what.why)).add("decision", troupe::name_of(what.decision));
  if (what.decision == death_decision::restarts_later) its.add("delay_ms", what.delay.count());
  if (!what.asked_by.empty()) its.add("asked_by", what.asked_by);
  its.add("pid", what.pid).add("exit_code", what.exit_code).add("signal", what.signal).add("core", what.core);
  its.add("out_of_memory", what.out_of_memory).add("lived_ms", milliseconds(what.lived));
  if (what.in_flight) its.raw("in_flight", as_json(*what.in_flight));
  its.raw("used", as_json(what.used));
  if (!what.last_lines.empty()) its.add("last_lines", what.last_lines);
  if (!what.trace.empty()) its.add("backtrace", what.backtrace());
  return its.text();
}

/// The innermost function that is not the C library's: where an abort() was called.
std::string place(const death_certificate& what) {
  const auto trace = what.backtrace();
  const auto found = std::find_if(trace.begin(), trace.end(), [](const auto& each) {
    return each.find("libc.so") == each.npos && each.find("libpthread") == each.npos;
  });
  return found == trace.end() ? trace.front() : *found;
}

std::string decided(const death_certificate& what) {
  switch (what.decision) {
    case death_decision::undecided: return "";
    case death_decision::restarted: return "; restarted";
    case death_decision::restarts_later: return "; it is restarted in " + std::to_string(what.delay.count()) + " ms";
    case death_decision::stays_down: return "; it stays down";
    case death_decision::given_up: return "; its supervisor has given up";
    case death_decision::budget_spent: return "; it has used up its restarts, and stays down";
    case death_decision::forgotten: return "; it has ended";
  }
  return "";
}

}  // namespace

std::string sentence(const death_certificate& what) {
  std::string text = what.name + "(" + std::to_string(what.incarnation) + ") " + what.text;
  if (!what.trace.empty()) text += " at " + place(what);
  if (what.in_flight) {
    const auto& its = *what.in_flight;
    text += " while it handled " + its.name + " from " + its.sender + ", attempt " + std::to_string(its.attempt);
  }
  if (!what.asked_by.empty()) text += "; asked for by " + what.asked_by;
  text += decided(what);
  const bool goes_on = what.decision == death_decision::restarted || what.decision == death_decision::restarts_later;
  if (what.in_flight && what.in_flight->again && goes_on) text += "; the message will be handled again";
  return text;
}

std::string as_text(const log_entry& entry) {
  if (entry.death) return one_line("troupe: " + sentence(*entry.death));
  if (entry.actor.empty()) return one_line("troupe: " + entry.text);
  std::string line = entry.actor + "(" + std::to_string(entry.incarnation) + "): " + entry.text;
  if (entry.left_out > 0) line += " [" + std::to_string(entry.left_out) + " bytes more are left out]";
  return one_line(line);
}

std::string as_json(const log_entry& entry) {
  object its;
  its.add("time", utc(entry.time)).add("level", name_of(entry.level));
  if (entry.death) {
    its.add("text", sentence(*entry.death));
    its.add("actor", entry.death->name).add("incarnation", entry.death->incarnation);
    its.raw("death", as_json(*entry.death));
  } else {
    its.add("text", entry.text);
    if (!entry.actor.empty()) its.add("actor", entry.actor).add("incarnation", entry.incarnation);
    if (entry.left_out > 0) its.add("left_out", entry.left_out);
  }
  return its.text();
}

}  // namespace troupe::supervision
