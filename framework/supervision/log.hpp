#pragma once

#include <string>

namespace troupe::supervision {

/// Lines for people on standard error: what died, why, and what is done about it. Supervisor process only.
void log_to_stderr(bool wanted);
void log_line(const std::string& text);

}  // namespace troupe::supervision
