#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "os/observe.hpp"

using namespace troupe::os;

namespace {

constexpr std::size_t size = std::size_t{32} << 20;
constexpr std::uint64_t slack = std::uint64_t{8} << 20;

/// Memory that has been written to.
struct written {
  explicit written(int how) : at(::mmap(nullptr, size, PROT_READ | PROT_WRITE, how | MAP_ANONYMOUS, -1, 0)) {
    REQUIRE(at != MAP_FAILED);
    std::memset(at, 'x', size);
  }
  ~written() { ::munmap(at, size); }
  written(const written&) = delete;
  written& operator=(const written&) = delete;
  void* at;
};

TEST_CASE("private memory is what a process has for itself, and goes when it is given back") {
  const auto before = private_memory_of(::getpid());
  REQUIRE(before);
  {
    const written own(MAP_PRIVATE);
    CHECK(*private_memory_of(::getpid()) + slack > *before + size);
    CHECK(*private_memory_of(::getpid()) < *before + size + slack);
  }
  CHECK(*private_memory_of(::getpid()) < *before + slack);
}

TEST_CASE("memory that is shared, or that was never touched, is not private memory") {
  const auto before = private_memory_of(::getpid());
  REQUIRE(before);
  const written with_others(MAP_SHARED);
  void* untouched = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  CHECK(*private_memory_of(::getpid()) < *before + slack);
  ::munmap(untouched, size);
}

TEST_CASE("of a process that is not there the private memory is not known") {
  CHECK(!private_memory_of(0));
  CHECK(!private_memory_of(1 << 30));
}

}  // namespace
