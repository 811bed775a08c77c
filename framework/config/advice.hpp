#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace troupe::config {

/// What is wrong with a value that TOML refuses, in the words of whoever wrote it. It is not empty and has no quotes
/// around it.
std::string about_value(std::string_view value);

/// What is wrong with a text in quotes that is closed, and at which of its bytes.
struct text_fault {
  std::size_t at;
  std::string what;
};
text_fault about_text(std::string_view quoted);

}  // namespace troupe::config
