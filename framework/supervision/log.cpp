#include "supervision/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

namespace troupe::supervision {

namespace {

std::shared_ptr<spdlog::logger>& logger() {
  static std::shared_ptr<spdlog::logger> the_logger;
  return the_logger;
}

}  // namespace

void log_to_stderr(bool wanted) {
  logger() = wanted ? std::make_shared<spdlog::logger>("troupe", std::make_shared<spdlog::sinks::stderr_sink_mt>())
                    : nullptr;
  if (logger()) logger()->set_pattern("%H:%M:%S.%e troupe: %v");
}

void log_line(const std::string& text) {
  if (!logger()) return;
  // Names and reasons come from workers: whatever they hold, a line stays one line.
  std::string line;
  for (const char each : text) {
    const bool control = static_cast<unsigned char>(each) < ' ' || each == 127;
    line += control ? (each == '\n' ? "\\n" : "?") : std::string(1, each);
  }
  logger()->info("{}", line);
}

}  // namespace troupe::supervision
