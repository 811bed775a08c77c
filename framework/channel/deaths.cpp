// Death certificates as this process's actors and main see them: a copy of what the supervisor keeps.

#include <troupe/certificate.hpp>

#include "channel/endpoint.hpp"
#include "os/symbols.hpp"

namespace troupe {

std::vector<std::string> death_certificate::backtrace() const { return os::describe_trace(trace); }

namespace detail {

std::vector<death_certificate> deaths_of(std::uint64_t identity, const std::string& name) {
  channel::endpoint& here = channel::endpoint::current();
  const std::uint64_t tag = here.new_tag();
  here.send(wire::frame::deaths, wire::call{tag, identity}, name);
  const channel::incoming got = here.await_prompt_answer(tag);
  wire::answer answer{};
  if (!got.take(answer) || answer.what == wire::status::failed) {
    throw error(errc::os, "the supervisor could not make memory for death certificates");
  }
  std::vector<death_certificate> all;
  if (answer.subject == 0) return all;
  if (got.fds.size() != 1 || !os::has_fixed_size(got.fds[0], answer.value)) {
    throw error(errc::corrupt, "the supervisor's answer names no memory of death certificates");
  }
  const os::mapping memory(got.fds[0], answer.value, os::access::read_only);
  reader from(memory.data(), memory.size());
  for (std::uint64_t i = 0; i < answer.subject; ++i) all.emplace_back().troupe_decode(from);
  return all;
}

}  // namespace detail
}  // namespace troupe
