#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include <troupe/certificate.hpp>
#include <troupe/log.hpp>

#include "wire/memory.hpp"

namespace troupe::supervision {

/// The log of the supervisor process; troupe/log.hpp says what is in it. One thread writes it, so nobody who calls the
/// functions below waits for a terminal or a full pipe; what waits for that thread is bounded, and lines beyond it are
/// counted, said and gone. Any thread, between start_log and stop_log; outside of that nothing is written.
void start_log(const log_options& how);
/// Writes what waits, and ends the thread.
void stop_log();
/// Waits until what waits is written; at most this long. False: something still waits.
bool flush_log(std::chrono::milliseconds patience);

void log_line(const std::string& text, log_level level = log_level::info);
/// A line that a worker has written, or what is to be said about such lines. `left_out`: bytes that were cut off.
void log_output(log_level level, const std::string& actor, wire::incarnation_id incarnation, std::string_view line,
                std::uint64_t left_out);
void log_death(const death_certificate& what);

}  // namespace troupe::supervision
