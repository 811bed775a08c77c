#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace troupe::os {

/// Remembers which files the program has loaded by now. Processes that are forked later have them at the same places.
void remember_modules();

/// One line for each address of a trace, the innermost first: "function(int)+0x1f in program", "libc.so.6+0x3fe2c" without
/// a name, "0x7f31..." outside of what remember_modules() saw. Reads the files: milliseconds. Any thread.
std::vector<std::string> describe_trace(std::span<const std::uintptr_t> trace);

}  // namespace troupe::os
