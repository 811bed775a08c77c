#pragma once

#include <cstddef>
#include <string_view>

namespace troupe::detail {

/// Bytes of the control character, or of the end of a line or paragraph, that begins `text`, in UTF-8; 0: there is none.
constexpr std::size_t control_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  if (text.empty()) return 0;
  if (byte(0) < 0x20 || byte(0) == 0x7f) return 1;
  if (byte(0) == 0xc2 && byte(1) >= 0x80 && byte(1) < 0xa0) return 2;
  return byte(0) == 0xe2 && byte(1) == 0x80 && (byte(2) == 0xa8 || byte(2) == 0xa9) ? 3 : 0;
}

/// Where the first of them stands; npos: none. A name has none: it stands in lines of the log and on terminals.
constexpr std::size_t find_control(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (control_length(text.substr(i)) > 0) return i;
  }
  return text.npos;
}

}  // namespace troupe::detail
