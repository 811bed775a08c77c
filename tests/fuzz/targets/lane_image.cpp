// A stranger's image of two lanes, their header pages and the cursor page: attached, drained, judged, recovered, swept.

#include "fuzz/targets/mailbox_image.hpp"

namespace fuzz {
std::vector<bytes> seeds() { return image_seeds(); }
}  // namespace fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::input from(data, size);
  auto& image = fuzz::mailbox_image::the();
  image.fill(from);
  image.supervise(true);
  // The smallest record takes 32 bytes, and nobody adds any.
  constexpr std::size_t most = 2 * fuzz::ring_bytes / sizeof(troupe::wire::record_header);
  FUZZ_REQUIRE(image.drain(most + 1) <= most);
  image.supervise(true);
  return 0;
}
