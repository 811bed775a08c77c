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
  if (logger()) logger()->info("{}", text);
}

}  // namespace troupe::supervision
