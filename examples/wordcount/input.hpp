#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

/// The text files that the arguments name, directories with everything below them; those that look binary are left out
/// and named on standard error. Throws std::runtime_error for what does not exist or cannot be read.
std::vector<std::string> text_files(const std::vector<std::string>& arguments);

/// A plain count of all words, one process, one loop: what the pipeline's result is compared with.
std::map<std::string, std::uint64_t> count_plainly(const std::vector<std::string>& files);
void count_plainly(const std::string& text, std::map<std::string, std::uint64_t>& into);
