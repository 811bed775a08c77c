#pragma once

/// What comes back over a link's pipe: one frame per reply, at most PIPE_BUF bytes, so whole or absent.

#include <cstdint>

namespace troupe::wire {

enum class reply_kind : std::uint8_t {
  value = 1,      ///< the body is the encoded reply
  failure = 2,    ///< the body is the text of troupe::fail
  unhandled = 3,  ///< the callee has no handler for this message, or its reply is of another type
  corrupt = 4,    ///< the callee could not decode the request; the body is why
};
inline constexpr std::uint8_t reply_flag_in_outbox = 1;  ///< the body is a wire::block in the callee's out-memory

struct reply_header {
  std::uint32_t bytes;  ///< of the frame, header included
  reply_kind kind;
  std::uint8_t flags;
  std::uint16_t reserved;
  std::uint64_t correlation;
  std::uint64_t reply_type;
};
static_assert(sizeof(reply_header) == 24);
inline constexpr std::uint32_t max_reply_frame = 4096;  // PIPE_BUF on Linux

}  // namespace troupe::wire
