#include <troupe/dead_letters.hpp>

namespace troupe {

std::string dead_letter::incomplete() const {
  if (why == reason::lane_broken) return "what lay in the sender's lane was no message";
  if (enclosed) return "it handed over the end of a pipe or a queue, and that is gone";
  if (kept < bytes) {
    return "only " + std::to_string(kept) + " of the " + std::to_string(bytes) + " bytes of its body were kept";
  }
  if (payloads_kept) return "";
  std::uint64_t all = 0;
  for (const auto each : payloads) all += each;
  return "its payloads of " + std::to_string(all) + " bytes were not kept";
}

std::span<const std::byte> opened_letter::contents::attached(std::uint32_t index) {
  if (index >= of_.payload_contents.size()) throw error(errc::corrupt, "a payload that the message does not hold");
  return of_.payload_contents[index];
}

void opened_letter::require(std::uint64_t wanted, std::string_view name) const {
  const std::string it = "dead letter " + std::to_string(number);
  if (const std::string missing = incomplete(); !missing.empty()) {
    throw error(errc::not_allowed, it + " cannot be decoded: " + missing);
  }
  if (message != wanted) throw error(errc::not_allowed, it + " holds " + message_name + ", not " + std::string(name));
}

}  // namespace troupe
