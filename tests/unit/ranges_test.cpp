#include <doctest/doctest.h>
#include <rapidcheck.h>
#include <sys/mman.h>

#include <algorithm>
#include <map>
#include <vector>

#include "channel/outbox.hpp"
#include "os/memory.hpp"

using troupe::channel::ranges;
namespace os = troupe::os;

namespace {

constexpr std::uint64_t begin = 4096, grain = 64;

struct fixture {
  explicit fixture(std::uint64_t bytes)
      : fd(os::make_memory("test-ranges", begin + bytes)),
        memory(fd, begin + bytes, os::access::read_write),
        all(&memory, begin, begin + bytes, grain) {}
  os::fd fd;
  os::mapping memory;
  ranges all;
};

}  // namespace

TEST_CASE("ranges lie one behind the other, in whole grains") {
  fixture of(64 * grain);
  CHECK(of.all.used() == 0);
  CHECK(of.all.take(1) == begin);
  CHECK(of.all.take(grain) == begin + grain);
  CHECK(of.all.take(grain + 1) == begin + 2 * grain);
  CHECK(of.all.take(0) == begin + 4 * grain);
  CHECK(of.all.take(1) == begin + 5 * grain);
  CHECK(of.all.used() == 6 * grain);
}

TEST_CASE("the lowest range that is large enough is used again") {
  fixture of(64 * grain);
  const auto a = of.all.take(2 * grain), b = of.all.take(grain), c = of.all.take(4 * grain), d = of.all.take(grain);
  of.all.give(a, 2 * grain);
  of.all.give(c, 4 * grain);
  CHECK(of.all.used() == 2 * grain);
  CHECK(of.all.take(3 * grain) == c);
  CHECK(of.all.take(grain) == a);
  CHECK(of.all.take(grain) == a + grain);
  CHECK(of.all.take(grain) == c + 3 * grain);
  CHECK(of.all.take(grain) == d + grain);
  CHECK(b == a + 2 * grain);
}

TEST_CASE("neighbours that are given back become one range, in whatever order they come") {
  std::vector<int> order{0, 1, 2, 3};
  do {
    fixture of(4 * grain);
    std::vector<std::uint64_t> taken;
    for (int i = 0; i < 4; ++i) taken.push_back(of.all.take(grain));
    for (const int i : order) {
      CHECK(of.all.take(4 * grain) == 0);
      of.all.give(taken[static_cast<std::size_t>(i)], grain);
    }
    CHECK(of.all.used() == 0);
    CHECK(of.all.take(4 * grain) == begin);
  } while (std::ranges::next_permutation(order).found);
}

TEST_CASE("when no range is large enough there is none, and nothing is lost by asking") {
  fixture of(4 * grain);
  CHECK(of.all.take(4 * grain + 1) == 0);
  CHECK(of.all.take(std::uint64_t{1} << 62) == 0);
  CHECK(of.all.take(4 * grain) == begin);
  CHECK(of.all.take(1) == 0);
  of.all.give(begin, 4 * grain);
  const auto a = of.all.take(grain), b = of.all.take(grain), c = of.all.take(grain);
  of.all.give(a, 1);
  of.all.give(c, grain - 1);
  CHECK(of.all.used() == grain);
  CHECK(of.all.take(3 * grain) == 0);
  CHECK(of.all.take(2 * grain) == c);
  CHECK(of.all.take(grain) == a);
  CHECK(b == begin + grain);
}

TEST_CASE("the bytes of a range can be written, and keep what was written when it is taken again") {
  fixture of(1 << 20);
  const auto first = of.all.take(100'000), second = of.all.take(200'000);
  for (const auto at : {first, second}) std::fill_n(of.memory.data() + at, 100'000, std::byte{7});
  of.all.give(first, 100'000);
  CHECK(of.all.take(50'000) == first);
  CHECK(of.memory.data()[first] == std::byte{7});
  CHECK(of.memory.data()[second + 99'999] == std::byte{7});
}

TEST_CASE("all pages of a range are real before it is taken, and no others") {
  constexpr std::uint64_t page = 4096;
  fixture of(8 * page);
  const auto real_pages = [&] {
    std::vector<unsigned char> found(8);
    REQUIRE(::mincore(of.memory.data() + begin, 8 * page, found.data()) == 0);
    return std::count_if(found.begin(), found.end(), [](unsigned char each) { return (each & 1) != 0; });
  };
  CHECK(real_pages() == 0);
  const auto first = of.all.take(page / 2);
  CHECK(real_pages() == 1);
  const auto second = of.all.take(2 * page);  // begins in a page that is real
  CHECK(real_pages() == 3);
  of.all.give(first, page / 2);
  of.all.give(second, 2 * page);
  CHECK(of.all.take(2 * page) == first);
  CHECK(real_pages() == 3);
  CHECK(of.all.take(3 * page) > first);
  CHECK(real_pages() == 5);
}

TEST_CASE("in random histories ranges are what a bitmap of grains foretells") {
  constexpr std::size_t grains = 200;
  std::size_t taken = 0, refused = 0;
  const auto number = rc::gen::resize(rc::kNominalSize, rc::gen::arbitrary<std::uint32_t>());
  const auto numbers = rc::gen::resize(300, rc::gen::container<std::vector<std::uint32_t>>(number));
  CHECK(rc::check("ranges and bitmap agree", [&] {
    fixture of(grains * grain);
    std::vector<bool> used(grains);
    std::vector<std::pair<std::uint64_t, std::uint64_t>> held;  // offset, bytes as asked for
    const auto mark = [&](std::uint64_t offset, std::uint64_t bytes, bool as) {
      const std::size_t from = (offset - begin) / grain;
      for (std::size_t i = from; i < from + (bytes + grain - 1) / grain; ++i) {
        RC_ASSERT(used.at(i) != as);
        used[i] = as;
      }
    };
    for (const std::uint32_t op : *numbers) {
      const std::uint32_t size = op >> 2;
      if (op % 4 < 2 || held.empty()) {
        const std::uint64_t bytes = 1 + size % (size % 3 == 0 ? 4000 : 500);
        const std::size_t wanted = (bytes + grain - 1) / grain;
        std::size_t at = 0, run = 0;
        while (at < grains && run < wanted) run = used[at++] ? 0 : run + 1;
        const std::uint64_t offset = run == wanted ? begin + (at - wanted) * grain : 0;
        RC_ASSERT(of.all.take(bytes) == offset);
        ++(offset == 0 ? refused : taken);
        if (offset == 0) continue;
        mark(offset, bytes, true);
        held.emplace_back(offset, bytes);
      } else {
        const auto gone = held.begin() + size % held.size();
        of.all.give(gone->first, gone->second);
        mark(gone->first, gone->second, false);
        held.erase(gone);
      }
      const auto count = static_cast<std::uint64_t>(std::count(used.begin(), used.end(), true));
      RC_ASSERT(of.all.used() == count * grain);
    }
  }));
  CHECK(taken > 1000);
  CHECK(refused > 10);
}
