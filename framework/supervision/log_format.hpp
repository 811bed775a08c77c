#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include <troupe/certificate.hpp>
#include <troupe/log.hpp>

namespace troupe::supervision {

/// A line of the log before it is one.
struct log_entry {
  log_level level = log_level::info;
  std::chrono::system_clock::time_point time;
  std::string text;
  std::string actor;  ///< whose line it is; empty: the supervisor's
  std::uint64_t incarnation = 0;
  std::uint64_t left_out = 0;  ///< bytes of the line that were cut off
  std::shared_ptr<const death_certificate> death;
};

/// For people; without time, without newline. Whatever the entry holds, it is one line without control characters.
std::string as_text(const log_entry& entry);
/// One JSON object, in valid UTF-8 whatever the entry holds, without newline. Keys: time, level, text; actor and
/// incarnation of a worker's line and of a death, left_out of a cut line, death (an object) of a death.
std::string as_json(const log_entry& entry);

/// A death in a sentence.
std::string sentence(const death_certificate& what);

}  // namespace troupe::supervision
