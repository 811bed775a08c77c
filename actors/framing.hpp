#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <troupe/error.hpp>

namespace troupe::actors {

/// Messages in a stream of bytes: lines, or frames that follow their length, as Erlang's ports have them.
class framing {
 public:
  /// "lines", "frames1", "frames2", "frames4", or "none". `most`: bytes of a message that is taken from the stream, 1
  /// or more. Throws error(errc::not_allowed).
  framing(const std::string& protocol, std::size_t most) : most_(most) {
    if (protocol.starts_with("frames") && protocol.size() == 7)
      length_bytes_ = static_cast<std::size_t>(protocol[6] - '0');
    const bool frames = length_bytes_ == 1 || length_bytes_ == 2 || length_bytes_ == 4;
    if (protocol != "lines" && protocol != "none" && !frames) {
      throw error(errc::not_allowed,
                  "there is no protocol \"" + protocol + "\": it is none, lines, frames1, frames2 or frames4");
    }
    if (most == 0) throw error(errc::not_allowed, "max_message is 0, which no message fits into: it is 1 or more");
  }

  /// As it goes into the stream. Throws error(errc::too_large).
  std::string wrapped(std::string_view message) const {
    if (length_bytes_ == 0) return std::string(message) + "\n";
    if (message.size() >> (8 * length_bytes_) != 0) {
      throw error(errc::too_large, "a frame of " + std::to_string(message.size()) +
                                       " bytes, whose length is to fit into " + std::to_string(length_bytes_));
    }
    std::string whole;
    for (std::size_t i = length_bytes_; i > 0; --i) whole += static_cast<char>(message.size() >> (8 * (i - 1)) & 0xff);
    return whole.append(message);
  }

  /// Calls `take(message, more)` for each message that `bytes` complete. `more`: a piece of a line that is longer than
  /// `most`. Throws error(errc::too_large) for such a frame.
  template <class Take>
  void feed(std::string_view bytes, Take take) {
    kept_.append(bytes);
    std::size_t at = 0;
    while (length_bytes_ == 0 ? next_line(at, take) : next_frame(at, take)) continue;
    kept_.erase(0, at);
  }
  /// At the stream's end: the bytes of a message that is not whole.
  std::string rest() { return std::exchange(kept_, {}); }

 private:
  template <class Take>
  bool next_line(std::size_t& at, Take& take) {
    const std::size_t end = kept_.find('\n', at);
    const std::size_t size = (end == kept_.npos ? kept_.size() : end) - at;
    if (end == kept_.npos && size < most_) return false;
    const bool more = size > most_ || end == kept_.npos;
    const std::size_t taken = more ? most_ : size;
    take(kept_.substr(at, taken), more);
    at += more ? taken : taken + 1;
    return at < kept_.size();
  }
  template <class Take>
  bool next_frame(std::size_t& at, Take& take) {
    if (kept_.size() - at < length_bytes_) return false;
    std::size_t size = 0;
    for (std::size_t i = 0; i < length_bytes_; ++i) size = size << 8 | static_cast<unsigned char>(kept_[at + i]);
    if (size > most_) {
      throw error(errc::too_large,
                  "a frame of " + std::to_string(size) + " bytes; the limit is " + std::to_string(most_));
    }
    if (kept_.size() - at - length_bytes_ < size) return false;
    take(kept_.substr(at + length_bytes_, size), false);
    at += length_bytes_ + size;
    return true;
  }

  std::size_t most_;
  std::size_t length_bytes_ = 0;  // 0: lines
  std::string kept_;
};

}  // namespace troupe::actors
