#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "os/fd.hpp"
#include "os/socket.hpp"

namespace troupe::os {

/// A pipe, both ends non-blocking: {read end, write end}. Throws error(errc::os).
std::pair<fd, fd> make_pipe();

/// A pipe for what another process prints: {read end, non-blocking; write end, which waits for room}.
/// Throws error(errc::os).
std::pair<fd, fd> make_output_pipe();

/// For one that came from another process. Throws error(errc::os).
void make_nonblocking(const fd& end);

struct transfer {
  io what = io::done;
  std::size_t bytes = 0;
};
/// Reads what is there, at most the buffer. hung_up: nothing is left and no writer exists.
transfer read_some(const fd& from, std::span<std::byte> buffer) noexcept;
/// Writes what there is room for; at most PIPE_BUF bytes are whole or absent. hung_up: no reader exists.
/// SIGPIPE must be ignored, as it is in workers and in the supervisor process.
transfer write_some(const fd& to, std::span<const std::byte> bytes) noexcept;

/// What a process is woken by: readable after a ring. A pipe's two ends in one descriptor; another process is given an
/// opening of its own (open_anew): its owner one to read and write, whoever may only ring one to write. So nobody can make
/// a ring block by changing flags, and nobody but the owner takes rings away. Throws error(errc::os).
fd make_doorbell();
/// Never blocks.
void ring(const fd& doorbell) noexcept;
/// Takes all rings so far.
void hush(const fd& doorbell) noexcept;

}  // namespace troupe::os
